"""Move people from a CSV file into respond.io: `python examples/migrate_csv.py people.csv`;
`--sandbox` shows it without an account.

Columns: phone (with its +), first_name, last_name, email, tags (joined by ;), lifecycle; any other
one is a custom field by its name. Stopped or killed? Start it again: it goes on, and welcomes
nobody twice; whoever may have been welcomed is reported, and failed rows are in people.failed.csv,
to correct and try again. From the environment: RESPONDIO_API_TOKEN. Needs `pip install
respondio-async[sandbox]`.
"""

import argparse
import asyncio
import csv
import sys
from contextlib import nullcontext, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TextIO

from respondio_async import AsyncRespond
from respondio_async.bulk import Step, export_failed, inspect
from respondio_async.sandbox import Sandbox

FIELDS = ("first_name", "last_name", "email")
READ: dict[str, Any] = {
    "number": float,
    "checkbox": lambda cell: cell.lower() in {"yes", "true", "1"},
}
SAMPLE = """phone,first_name,email,tags,lifecycle,Plan,Age
+60123456781,Aina,aina@example.com,vip;newsletter,Customer,Pro,31
not a phone,Chen,chen@example.com,newsletter,,Free,
"""


async def migrate(client: AsyncRespond, people: TextIO, channel: str, journal: Path) -> None:
    """Do each row in steps that the journal remembers; a row that fails does not stop the
    others.
    """
    async with client:
        rows = csv.DictReader(people)
        channels = {each.name: each.id async for each in client.space.list_channels()}
        kinds = {
            field.name: field.data_type or "text"
            async for field in client.space.list_custom_fields()
        }
        custom = {name for name in rows.fieldnames or () if name[:1] != "_"} - {
            "phone",
            "tags",
            "lifecycle",
            *FIELDS,
        }
        if missing := [*sorted(custom - kinds.keys()), *{channel} - channels.keys()]:
            sys.exit(
                f"The workspace has no custom field or channel of this name: {', '.join(missing)}"
            )

        async def move(row: dict[str, str], step: Step) -> None:
            phone, tags, stage = row["phone"], row.get("tags"), row.get("lifecycle")
            fields: dict[str, Any] = {
                name: row[name] for name in FIELDS if row.get(name)
            }  # no empty cells
            fields["custom_fields"] = {
                name: READ.get(kinds[name], str)(row[name]) for name in custom if row[name]
            }
            await step("upsert", lambda: client.contacts.create_or_update(phone, **fields))
            if tags:
                await step(
                    "tags",
                    lambda: client.contacts.add_tags(phone, *map(str.strip, tags.split(";"))),
                )
            if stage:
                await step("lifecycle", lambda: client.contacts.update_lifecycle(phone, stage))
            welcome = f"Welcome, {row.get('first_name') or 'friend'}!"
            await step(
                "welcome",
                lambda: client.messages.send(phone, welcome, channel_id=channels[channel]),
            )

        async with client.bulk(move, rows, key=lambda row: row["phone"], journal=journal) as run:
            async for outcome in run:
                if outcome.error:
                    print(f"{outcome.key}: {outcome.error}", flush=True)


def main() -> None:
    """Read the command line, migrate, and report what all runs on the journal came to."""
    parser = argparse.ArgumentParser(description="Move people from a CSV file into respond.io.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "people", nargs="?", type=Path, help="the CSV file; the journal is kept beside it"
    )
    source.add_argument(
        "--sandbox", action="store_true", help="a sample, on a sandbox that is gone afterwards"
    )
    parser.add_argument(
        "--channel", default="WhatsApp", help="the name of the channel that welcomes them"
    )
    args = parser.parse_args()
    path = args.people or Path(mkdtemp(), "people.csv")
    journal = path.with_suffix(".sqlite")
    if args.sandbox:
        path.write_text(SAMPLE)
    with (
        Sandbox() if args.sandbox else nullcontext() as sandbox,
        path.open(newline="", encoding="utf-8-sig") as file,
    ):
        client = AsyncRespond(sandbox.token, base_url=sandbox.url) if sandbox else AsyncRespond()
        with suppress(KeyboardInterrupt):
            asyncio.run(migrate(client, file, args.channel, journal))
    total = inspect(journal)
    print(
        f"{total.done} done, {total.failed} failed, {total.unknown} unknown, {total.unfinished} "
        "unfinished"
    )
    sys.exit(
        export_failed(journal, path.with_suffix(".failed.csv")) + total.unknown + total.unfinished
        > 0
    )


if __name__ == "__main__":
    main()
