"""`respondio messages export`."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from ... import AsyncRespond
from ...models import Message
from .._client import connect
from .._exit import Exit, run
from .._export import ExportReport, ExportView, FormatOption, Output, Resume, how_to_resume
from .._live import shown
from .._options import BaseUrl, Json
from .._screen import Screen
from .._selection import Selection, with_selection
from ..files.parquet import require_pyarrow, to_parquet
from ..files.sinks import Format, Sink, format_of, open_sink

COLUMNS: Final = (
    "contact_id", "message_id", "sent_at", "traffic", "channel_id", "type", "text",
    "sender_source", "sender_user_id", "status", "content",
)  # fmt: skip


@with_selection
def export(
    *,
    selection: Selection,
    output: Output = None,
    format: FormatOption = None,  # noqa: A002 - the option's name
    resume: Resume = False,
    json: Json = False,
    base_url: BaseUrl = None,
) -> None:
    """Write the message history of contacts to a file: of all, or of those that the options select.

    Each message with its time (its id tells it), who sent it, its type and text, its status, and
    the whole content as JSON.

    **Examples**

    - `respondio messages export -o history.parquet`
    - `respondio messages export --tagged vip -o vip.csv --resume`
    """
    screen = Screen(json=json or output is None)

    async def work() -> int:
        async with connect(base_url) as client:
            report = await export_messages(
                client, screen, selection, output, format, resume=resume, server=base_url
            )
        if json and output is not None:
            screen.document(report)
        else:
            screen.line(f"{report.rows} messages" + (f" in {report.path}" if report.path else ""))
        return Exit.DONE

    run(work, screen, interrupted=lambda: how_to_resume(output))


async def export_messages(
    client: AsyncRespond,
    screen: Screen,
    selection: Selection,
    path: Path | None,
    given: Format | None,
    *,
    resume: bool = False,
    server: str | None = None,
) -> ExportReport:
    """Walk the histories, many contacts at once, into a file that has them contact by contact, in
    the order of their ids.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    format = format_of(path, given)  # noqa: A001
    if format == "parquet":
        require_pyarrow()
    sink = open_sink(
        path, format, f"messages {format} {server} {selection.query()}", COLUMNS, resume=resume
    )
    try:
        if not sink.state.complete:
            async with shown(ExportView("messages", lambda: sink.count), screen.err):
                await _walk(
                    client, sink, await _contact_ids(client, selection, after=sink.state.place)
                )
            sink.checkpoint(None, complete=True)
        sink.finish(to_parquet)
    finally:
        sink.close()
    return ExportReport(None if path is None else str(path), sink.count, round(clock() - began, 2))


async def _contact_ids(
    client: AsyncRespond, selection: Selection, *, after: int | str | None
) -> list[int]:
    """Their ids in order, so that a resumed export knows who is left: those after the last one that
    was finished.
    """
    done = after if isinstance(after, int) else 0
    return sorted(
        {contact.id async for contact in await selection.paginator(client) if contact.id > done}
    )


async def _walk(client: AsyncRespond, sink: Sink, contact_ids: Iterable[int]) -> None:
    async def history(contact_id: int) -> list[Message]:
        return await client.messages.list(contact_id).collect()

    async with client.bulk(history, contact_ids, ordered=True, stop_on=lambda _: True) as run_:
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
