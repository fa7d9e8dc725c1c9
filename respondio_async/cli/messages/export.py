"""`respondio messages export`."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from ... import AsyncRespond
from ...identifiers import ContactId, parse
from ...models import Message
from .._client import connect, server_name
from .._exit import Exit, UsageError, run
from .._export import (
    ExportReport,
    ExportView,
    FormatOption,
    Output,
    Resume,
    how_to_resume,
    print_export,
)
from .._live import shown
from .._options import BaseUrl, Force, Json, ProfileName
from .._screen import Screen
from .._selection import TIMES, Selection, with_selection
from ..files.sinks import Sink, Target, choose_target, open_sink

COLUMNS: Final = (
    "contact_id", "message_id", "sent_at", "traffic", "channel_id", "type", "text",
    "sender_source", "sender_user_id", "status", "content",
)  # fmt: skip

_IDS_A_SECOND: Final = 1_000_000
"""A message's id is its time in microseconds."""


@with_selection
def export(
    *,
    selection: Selection,
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
    json: Json = False,
    base_url: BaseUrl = None,
    profile: ProfileName = None,
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
    screen = Screen(json=json or output in {None, Path("-")})

    async def work() -> int:
        after = None if since is None else selection.aware(since)
        if contact and not selection.is_empty:
            raise UsageError("say whose messages in one way: --contact, or a filter")
        identifiers = [parse(each) for each in contact or ()]
        target = choose_target(output, format, resume=resume, force=force)
        async with connect(base_url, profile) as client:
            report = await export_messages(
                client,
                screen,
                selection,
                target,
                identifiers,
                since=after,
                server=server_name(base_url, profile),
            )
        print_export(screen, report, "message", json=json)
        return Exit.DONE

    run(work, screen, interrupted=lambda: how_to_resume(output))


async def export_messages(
    client: AsyncRespond,
    screen: Screen,
    selection: Selection,
    target: Target,
    identifiers: Sequence[ContactId] = (),
    *,
    since: datetime | None = None,
    server: str | None = None,
) -> ExportReport:
    """Walk the histories, many contacts at once, into a file that has them contact by contact, in
    the order of their ids.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    named = sorted(f"{each.kind}:{each.value}" for each in identifiers)
    query = f"messages {target.format} {server} {selection.query()} {' '.join(named)}".rstrip()
    if since is not None:
        query += f" since {since.isoformat()}"
    sink = open_sink(target, query, COLUMNS, screen)
    try:
        if not sink.state.complete:
            async with shown(ExportView("messages", lambda: sink.count), screen.err):
                ids = {(await client.contacts.get(each)).id for each in identifiers} or {
                    contact.id async for contact in await selection.paginator(client)
                }
                await _walk(client, sink, ids, since)
            sink.checkpoint(None, complete=True)
        sink.finish()
    finally:
        sink.close()
    return ExportReport(
        None if target.path is None else str(target.path), sink.count, round(clock() - began, 2)
    )


async def _walk(
    client: AsyncRespond, sink: Sink, contact_ids: set[int], since: datetime | None
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

    async with client.bulk(history, left, ordered=True, stop_on=lambda _: True) as run_:
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
