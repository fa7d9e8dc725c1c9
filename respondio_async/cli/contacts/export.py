"""`respondio contacts export`."""

import asyncio
from pathlib import Path

from ... import AsyncRespond
from .._client import connect, server_name
from .._exit import Exit, run
from .._export import (
    ExportReport,
    ExportView,
    FormatOption,
    Output,
    Resume,
    how_to_resume,
    print_export,
)
from .._fields import fetch_definitions
from .._live import shown
from .._options import BaseUrl, Force, Json, ProfileName
from .._screen import Screen
from .._selection import Selection, with_selection
from ..files.sinks import Target, choose_target, open_sink
from .records import columns_of, record_of


@with_selection
def export(
    *,
    selection: Selection,
    output: Output = None,
    format: FormatOption = None,  # noqa: A002 - the option's name
    resume: Resume = False,
    force: Force = False,
    json: Json = False,
    base_url: BaseUrl = None,
    profile: ProfileName = None,
) -> None:
    """Write contacts to a file: all of them, or those that the options select.

    The file appears when it is whole. In CSV, a cell that a spreadsheet would run as a formula gets
    an apostrophe before it, which `contacts import` takes away again; phones keep their plain +60….

    **Examples**

    - `respondio contacts export -o contacts.csv`
    - `respondio contacts export -o hot.parquet --lifecycle "Hot Lead" --created-after 2026-01-01`
    - `respondio contacts export --tagged vip --field Plan=Pro > vip.jsonl`
    """
    screen = Screen(json=json or output in {None, Path("-")})

    async def work() -> int:
        target = choose_target(output, format, resume=resume, force=force)
        async with connect(base_url, profile, outage="wait") as client:
            report = await export_contacts(
                client, screen, selection, target, server=server_name(base_url, profile)
            )
        print_export(screen, report, "contact", json=json)
        return Exit.DONE

    run(work, screen, interrupted=lambda: how_to_resume(output))


async def export_contacts(
    client: AsyncRespond,
    screen: Screen,
    selection: Selection,
    target: Target,
    *,
    server: str | None = None,
) -> ExportReport:
    """Walk the contacts into a file, page by page."""
    clock = asyncio.get_running_loop().time
    began = clock()
    columns = columns_of(await fetch_definitions(client))
    query = f"contacts {target.format} {server} {selection.query()}"
    sink = open_sink(target, query, columns, screen)
    try:
        if not sink.state.complete:
            paginator = await selection.paginator(client, cursor=sink.state.place)
            async with shown(ExportView("contacts", lambda: sink.count), screen.err):
                async for page in paginator.pages():
                    for contact in page.items:
                        sink.write(record_of(contact))
                    sink.checkpoint(page.next_cursor, complete=page.next_cursor is None)
        sink.finish()
    finally:
        sink.close()
    return ExportReport(
        None if target.path is None else str(target.path), sink.count, round(clock() - began, 2)
    )
