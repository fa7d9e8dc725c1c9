"""`respondio contacts export` and `respondio messages export`: rows into a file, which an
interrupted export goes on with.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from ..identifiers import parse
from ..models import Contact, Message
from ._client import Account
from ._command import Force, JsonScreen, MaxOutage, again, command
from ._exit import UsageError
from ._fields import fetch_definitions
from ._live import Rates, shown
from ._screen import Screen, counted
from ._selection import TIMES, Selection
from .files.sinks import Format, Sink, Target, choose_target, open_sink, rows_kept

_OF_CONTACTS: Final = (
    "id", "first_name", "last_name", "phone", "email", "language", "country_code", "profile_pic",
    "tags", "lifecycle", "status", "assignee_id", "assignee_email", "created",
)  # fmt: skip
_OF_MESSAGES: Final = (
    "contact_id", "message_id", "sent_at", "traffic", "channel_id", "type", "text",
    "sender_source", "sender_user_id", "status", "content",
)  # fmt: skip

_IDS_A_SECOND: Final = 1_000_000
"""A message's id is its time in microseconds."""

Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        show_default=False,
        help="The file: .jsonl, .csv, .xlsx or .parquet; - or none: standard output.",
    ),
]
FormatOption = Annotated[
    Format | None,
    typer.Option("--format", show_default=False, help="If the file's name does not tell it."),
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on where an interrupted export of the same file stopped."),
]


class ExportReport(msgspec.Struct, frozen=True):
    """How an export ended."""

    path: str
    rows: int
    seconds: float


def is_data(given: Mapping[str, Any]) -> bool:
    """Say from an export's options whether standard output is for data alone."""
    return given["json"] or given["output"] in {None, Path("-")}


async def write_export(
    screen: Screen,
    target: Target,
    query: str,
    columns: Sequence[str],
    walk: Callable[[Sink], Awaitable[None]],
    *,
    noun: str,
) -> None:
    """Let *walk* write its rows, unless an earlier start has written them all; show how far it is,
    and print how it ended: as JSON if that was asked for, or for people.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    sink = open_sink(target, query, columns, screen)
    rates = Rates()

    def how_far(elapsed: float) -> str:  # a listing does not say how many will come
        rate = rates.rate("", elapsed, sink.count)
        return f"{elapsed:7.1f} s  {sink.count} {noun}s · {rate:.0f}/s"

    try:
        if not sink.state.complete:
            async with shown(screen.err, how_far):
                await walk(sink)
        sink.finish()
    finally:
        sink.close()
    if screen.json and target.path is not None:
        screen.document(ExportReport(str(target.path), sink.count, round(clock() - began, 2)))
    else:
        where = f" in {target.path}" if target.path else ""
        screen.line(f"{counted(sink.count, noun)}{where}")


def how_to_resume(path: Path | None) -> list[str]:
    """Say what continues an export, if anything does."""
    if path is None or path == Path("-"):
        return ["Stopped. With --output NAME an export can be resumed."]
    kept = rows_kept(path)
    if kept is None:
        return ["Stopped before anything was kept."]
    return [f"Stopped with {counted(kept, 'row')} kept; go on with:", f"  {again('--resume')}"]


@command(as_data=is_data)
async def export_contacts(
    *,
    output: Output = None,
    format: FormatOption = None,  # noqa: A002 - the option's name
    resume: Resume = False,
    force: Force = False,
    screen: JsonScreen,
    account: Account,
    selection: Selection,
) -> None:
    """Write contacts to a file: all of them, or those that the options select.

    The file appears when it is whole. In CSV, a cell that a spreadsheet would run as a formula gets
    an apostrophe before it, which `contacts import` takes away again; phones keep their plain +60….

    **Examples**

    - `respondio contacts export -o contacts.csv`
    - `respondio contacts export -o hot.parquet --lifecycle "Hot Lead" --created-after 2026-01-01`
    - `respondio contacts export --tagged vip --field Plan=Pro > vip.jsonl`
    """
    screen.last_words = partial(how_to_resume, output)
    target = choose_target(output, format, resume=resume, force=force)
    async with account.connect(outage="wait") as client:

        async def walk(sink: Sink) -> None:
            paginator = await selection.paginator(client, cursor=sink.state.place)
            async for page in paginator.pages():
                for contact in page.items:
                    sink.write(_record_of_contact(contact))
                sink.checkpoint(page.next_cursor, complete=page.next_cursor is None)

        custom = (await fetch_definitions(client)).fields
        columns = [*_OF_CONTACTS, *(f"custom:{field.name}" for field in custom)]
        query = f"contacts {target.format} {account.name} {selection.query()}"
        await write_export(screen, target, query, columns, walk, noun="contact")


def _record_of_contact(contact: Contact) -> dict[str, Any]:
    """Make a row of a contact."""
    return {
        "id": contact.id,
        "first_name": contact.first_name,
        "last_name": contact.last_name,
        "phone": contact.phone,
        "email": contact.email,
        "language": contact.language,
        "country_code": contact.country_code,
        "profile_pic": contact.profile_pic,
        "tags": list(contact.tags),
        "lifecycle": contact.lifecycle,
        "status": contact.status,
        "assignee_id": contact.assignee_id,
        "assignee_email": contact.assignee.email if contact.assignee else None,
        "created": None if contact.created is None else contact.created.isoformat(),
        "custom_fields": contact.custom,
    }


@command(as_data=is_data)
async def export_messages(
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
    first = 0 if after is None else round(after.timestamp() * _IDS_A_SECOND)
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

        async def history(contact_id: int) -> list[Message]:
            found: list[Message] = []
            async for message in client.messages.list(contact_id):
                if message.message_id < first:  # newest first: the rest is older
                    break
                found.append(message)
            return found

        async def walk(sink: Sink) -> None:
            ids = {(await client.contacts.get(each)).id for each in identifiers} or {
                contact.id async for contact in await selection.paginator(client)
            }
            # In the order of their ids, so that a resumed export knows who is left.
            done = sink.state.place if isinstance(sink.state.place, int) else 0
            left = sorted(each for each in ids if each > done)
            async with client.bulk(
                history, left, ordered=True, stop_on=lambda _: True, max_outage=max_outage
            ) as run:
                async for outcome in run:
                    for message in outcome.unwrap():
                        sink.write(_record_of_message(outcome.item, message))
                    sink.checkpoint(outcome.item)
            sink.checkpoint(None, complete=True)

        await write_export(screen, target, query, _OF_MESSAGES, walk, noun="message")


def _record_of_message(contact_id: int, message: Message) -> dict[str, Any]:
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
