"""Send a WhatsApp template to everybody with a tag: `python examples/broadcast.py order_update vip
"{first_name}" 1001`.

The words after the tag fill the template's variables. Nobody gets it twice: a message that may have
been sent is reported, not repeated, and started again with the same journal it goes on. `--sandbox`
shows it without an account. From the environment: RESPONDIO_API_TOKEN. Needs `pip install
'respondio-async[sandbox]'`.
"""

import argparse
import asyncio
import sys
from contextlib import nullcontext, suppress
from pathlib import Path
from tempfile import mkdtemp

from respondio_async import AsyncRespond, Contact, F, SentMessage, WhatsAppTemplate
from respondio_async.bulk import failures, inspect
from respondio_async.sandbox import Sandbox


async def broadcast(client: AsyncRespond, options: argparse.Namespace, journal: Path) -> None:
    """Send to each contact as it is listed, as fast as the limits allow."""
    async with client:
        channels = {each.name: each.id async for each in client.space.list_channels()}
        if options.channel not in channels:
            sys.exit(f"There is no channel {options.channel}.")
        channel = channels[options.channel]
        template = await client.space.find_template(channel, options.template)
        if template is None:
            sys.exit(f"The channel {options.channel} has no template {options.template}.")

        def message_to(first_name: str) -> WhatsAppTemplate:
            return WhatsAppTemplate.fill(
                template, [word.format(first_name=first_name) for word in options.words]
            )

        message_to("you")  # a wrong number of words ends it before the first message

        async def send(contact: Contact) -> SentMessage:
            return await client.messages.send(
                contact.id, message_to(contact.first_name or "there"), channel_id=channel
            )

        tagged = client.contacts.list(filter=F.tags.any_of(options.tag))
        async with client.bulk(
            send, tagged, key=lambda contact: str(contact.id), journal=journal
        ) as run:
            async for outcome in run:
                print(
                    outcome.key,
                    outcome.value.message_id if outcome.value else outcome.error,
                    flush=True,
                )


def report(journal: Path) -> int:
    """Say what all runs on the journal came to; 1 if not every message was accepted."""
    total = inspect(journal)
    print(
        f"{total.done} sent, {total.failed} failed, {total.unknown} unknown, {total.unfinished} "
        "unfinished"
    )
    for item in failures(journal):
        print(
            f"  contact {item.key} {'may have got it' if item.unknown else 'did not get it'}: "
            f"{item.reason}"
        )
    return int(total.failed + total.unknown + total.unfinished > 0)


def main() -> None:
    """Read the command line, send, report."""
    parser = argparse.ArgumentParser(
        description="Send a WhatsApp template to everybody with a tag, at most once."
    )
    parser.add_argument("template", help="its name")
    parser.add_argument("tag")
    parser.add_argument(
        "words", nargs="*", help="what fills its variables; {first_name} is the contact's"
    )
    parser.add_argument("--channel", default="WhatsApp", help="the channel's name")
    parser.add_argument(
        "--journal", type=Path, help="another one for each campaign; default: TEMPLATE-TAG.sqlite"
    )
    parser.add_argument(
        "--sandbox", action="store_true", help="send to a sandbox's made-up contacts"
    )
    options = parser.parse_args()
    journal = options.journal or Path(
        mkdtemp() if options.sandbox else "", f"{options.template}-{options.tag}.sqlite"
    )
    with Sandbox(contacts=50) if options.sandbox else nullcontext() as sandbox:
        client = AsyncRespond(sandbox.token, base_url=sandbox.url) if sandbox else AsyncRespond()
        with suppress(KeyboardInterrupt):
            asyncio.run(broadcast(client, options, journal))
    sys.exit(report(journal))


if __name__ == "__main__":
    main()
