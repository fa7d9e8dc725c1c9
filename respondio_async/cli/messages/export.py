"""`respondio messages export`."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final

import msgspec
import typer

from ... import AsyncRespond
from ...identifiers import parse
from ...models import Message
from .._client import Account
from .._command import Force, JsonScreen, MaxOutage, command
from .._exit import UsageError
from .._export import (
    FormatOption,
    Output,
    Resume,
    how_to_resume,
    is_data,
    write_export,
)
from .._selection import TIMES, Selection
from ..files.sinks import Sink, choose_target

COLUMNS: Final = (
    "contact_id", "message_id", "sent_at", "traffic", "channel_id", "type", "text",
    "sender_source", "sender_user_id", "status", "content",
)  # fmt: skip

_IDS_A_SECOND: Final = 1_000_000
"""A message's id is its time in microseconds."""


@command(as_data=is_data)
async def export(
    *,
    contact: Annotated[
        list[str] | None,
        typer.Option(
            "--contact",
            show_default=False,
            help='Of one contact: "phone:+60…", "email:…" or "id:…"; repeat for several.',
        ),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            "--since",
            formats=TIMES,
            show_default=False,
            help="Only messages from this time on, in --timezone.",
        ),
    ] = None,
    output: Output = None,
    format: FormatOption = None,  # noqa: A002 - the option's name
    resume: Resume = False,
    force: Force = False,
    max_outage: MaxOutage = 3600.0,
    screen: JsonScreen,
    account: Account,
    selection: Selection,
) -> None:
    """Write the message history of contacts to a file: of all, of those that the options select,
    or of those that are named.

    Each message with its time (its id tells it), who sent it, its type and text, its status, and
    the whole content as JSON.

    **Examples**

    - `respondio messages export -o history.parquet`
    - `respondio messages export --tagged vip -o vip.csv --resume`
    - `respondio messages export --contact phone:+60123456789 -o aina.xlsx`
    - `respondio messages export --since 2026-01-31 -o today.jsonl`
    """
    screen.last_words = partial(how_to_resume, output)
    after = None if since is None else selection.aware(since)
    if contact and not selection.is_empty:
        raise UsageError("say whose messages in one way: --contact, or a filter")
    identifiers = [parse(each) for each in contact or ()]
    target = choose_target(output, format, resume=resume, force=force)
    named = sorted(f"{each.kind}:{each.value}" for each in identifiers)
    query = (
        f"messages {target.format} {account.name} {selection.query()} {' '.join(named)}".rstrip()
    )
    if after is not None:
        query += f" since {after.isoformat()}"
    async with account.connect() as client:

        async def walk(sink: Sink) -> None:
            ids = {(await client.contacts.get(each)).id for each in identifiers} or {
                contact.id async for contact in await selection.paginator(client)
            }
            await _walk(client, sink, ids, after, max_outage)
            sink.checkpoint(None, complete=True)

        await write_export(screen, target, query, COLUMNS, walk, noun="message")


async def _walk(
    client: AsyncRespond,
    sink: Sink,
    contact_ids: set[int],
    since: datetime | None,
    max_outage: float,
) -> None:
    # In the order of their ids, so that a resumed export knows who is left.
    done = sink.state.place if isinstance(sink.state.place, int) else 0
    left = sorted(each for each in contact_ids if each > done)

    first = 0 if since is None else round(since.timestamp() * _IDS_A_SECOND)

    async def history(contact_id: int) -> list[Message]:
        found: list[Message] = []
        async for message in client.messages.list(contact_id):
            if message.message_id < first:  # newest first: the rest is older
                break
            found.append(message)
        return found

    async with client.bulk(
        history, left, ordered=True, stop_on=lambda _: True, max_outage=max_outage
    ) as run_:
        async for outcome in run_:
            for message in outcome.unwrap():
                sink.write(record_of(outcome.item, message))
            sink.checkpoint(outcome.item)


def record_of(contact_id: int, message: Message) -> dict[str, Any]:
    """Make a row of a message."""
    status, sender = message.current_status, message.sender
    return {
        "contact_id": contact_id,
        "message_id": message.message_id,
        "sent_at": None if message.sent_at is None else message.sent_at.isoformat(),
        "traffic": message.traffic,
        "channel_id": message.channel_id,
        "type": message.content.type,
        "text": message.text,
        "sender_source": None if sender is None else sender.source,
        "sender_user_id": None if sender is None else sender.user_id,
        "status": None if status is None else status.value,
        "content": msgspec.to_builtins(message.content),
    }
