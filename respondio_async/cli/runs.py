"""`respondio runs …`: what a journal holds, and what became of its messages."""

from pathlib import Path
from typing import Annotated, Any, Final, cast

import msgspec
import typer

from ..bulk import FailedItem, RunSummary, failures, inspect
from ._client import Account
from ._command import JsonScreen, command, parse_span
from ._exit import Exit
from ._results import ResultOptions, follow, print_tally, print_unread, tally, title_of
from ._screen import Screen, counted
from .files.sinks import write_table

_OF_MESSAGES: Final = frozenset({"accepted", "pending", "sent", "delivered", "read"})


@command()
async def show(
    file: Annotated[Path, typer.Argument(help="The journal.", show_default=False)],
    *,
    failed: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            show_default=False,
            help="Write the failed items to this CSV file, for another try.",
        ),
    ] = None,
    with_unknown: Annotated[
        bool,
        typer.Option(
            "--with-unknown",
            help="There, also those that may have been done: look before you try them again.",
        ),
    ] = False,
    files: ResultOptions,
    screen: JsonScreen,
) -> int:
    """Count what a run has done, and say why items failed. Also while the run goes on.

    Ends with 0 when all is done, 1 when something failed (a message at its channel too, as far as
    `runs deliveries` has looked) or is left to do, 3 when something may have happened.

    **Examples**

    - `respondio runs show respondio-import-20260102-101500-77.sqlite`
    - `respondio runs show people.sqlite --failed again.csv`
    - `respondio runs show people.sqlite --results out.parquet --report report.html`
    """
    summary = inspect(file)
    target = files.check(failed)
    written = None if failed is None else write_failed(file, failed, with_unknown=with_unknown)
    rows = tally(file)
    if screen.json:
        screen.document(msgspec.to_builtins(summary) | {"by_status": rows})
    else:
        _print_summary(screen, summary)
        if any(row.status in _OF_MESSAGES for row in rows):
            print_tally(screen, rows)
    files.write(screen, file, target, summary.work)
    if written is not None:
        screen.note(f"{counted(written, 'item')} in {failed}")
    return (
        Exit.UNKNOWN
        if summary.unknown
        else Exit.FAILED
        if summary.failed or summary.unfinished or any(row.status == "failed" for row in rows)
        else Exit.DONE
    )


@command("Stopped. What was seen is in the journal: say it again to go on.")
async def deliveries(
    file: Annotated[Path, typer.Argument(help="The journal.", show_default=False)],
    *,
    wait: Annotated[
        float,
        typer.Option(
            "--wait",
            parser=parse_span,
            metavar="TIME",
            show_default=False,
            help='Look again, for up to so long ("10m"), at what is not delivered yet.',
        ),
    ] = 0.0,
    files: ResultOptions,
    screen: JsonScreen,
    account: Account,
) -> int:
    """See what became of the messages that a run has sent: sent, delivered, read or failed, and the
    channel's reason. It is noted in the journal.

    Reads only, 15 messages a second. Stop it at any time: the next one goes on with what is not
    read or failed yet. Ends with 1 when a message failed or could not be looked at.

    **Examples**

    - `respondio runs deliveries broadcast.sqlite --wait 10m`
    - `respondio runs deliveries broadcast.sqlite --results out.csv --report report.html`
    """
    summary = inspect(file)
    target = files.check()
    async with account.connect() as client:
        found = await follow(client, screen, file, wait)
    rows = tally(file)
    if screen.json:
        screen.document(msgspec.to_builtins(found) | {"by_status": rows})
    else:
        print_tally(screen, rows)
    print_unread(screen, found)
    files.write(screen, file, target, summary.work)
    return Exit.DONE if found.ok else Exit.FAILED


def _print_summary(screen: Screen, summary: RunSummary) -> None:
    happened = "  (these may have happened)" if summary.unknown else ""
    left = "  (the next run does them)" if summary.unfinished else ""
    screen.line(
        f"{title_of(summary.work)}, {counted(summary.sessions, 'run')}",
        f"  done        {summary.done}",
        f"  failed      {summary.failed}",
        f"  unknown     {summary.unknown}{happened}",
        f"  unfinished  {summary.unfinished}{left}",
        *(f"  {count} × {reason}" for reason, count in summary.reasons.items()),
    )


def write_failed(journal: Path, path: Path, *, with_unknown: bool) -> int:
    """Write the failed items as a table that the command that made them can read again, and return
    their number.
    """
    records = [_record(item) for item in failures(journal, unknown=with_unknown)]
    columns = list(dict.fromkeys(column for record in records for column in record))
    write_table(path, columns, records)
    return len(records)


def _record(failed: FailedItem) -> dict[str, Any]:
    item = failed.item
    about = {"_key": failed.key, "_error": failed.error, "_reason": failed.reason}
    if isinstance(item, dict):
        fields = cast("dict[str, Any]", item)
        cells: Any = fields.get("cells", fields)  # a row of a file holds its cells
        return {**cells, **about}
    return about if item is None else {"item": item, **about}
