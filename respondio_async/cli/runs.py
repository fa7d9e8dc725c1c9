"""`respondio runs show`: what a journal holds."""

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from ..bulk import FailedItem, RunSummary, failures, inspect
from ._exit import Exit, run
from ._options import Force, Json
from ._screen import Screen, counted
from .files.sinks import check_output, write_table


def show(
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
    force: Force = False,
    json: Json = False,
) -> None:
    """Count what a run has done, and say why items failed. Also while the run goes on.

    Ends with 0 when all is done, 1 when something failed or is left to do, 3 when something may
    have happened.

    **Examples**

    - `respondio runs show respondio-import-20260102-101500-77.sqlite`
    - `respondio runs show people.sqlite --failed again.csv`
    """
    screen = Screen(json=json)

    async def work() -> int:
        summary = inspect(file)
        if failed is not None:
            check_output(failed, force=force)
        written = None if failed is None else write_failed(file, failed, with_unknown=with_unknown)
        if json:
            screen.document(summary)
        else:
            _print_summary(screen, summary)
        if written is not None:
            screen.note(f"{counted(written, 'item')} in {failed}")
        return (
            Exit.UNKNOWN
            if summary.unknown
            else Exit.FAILED
            if summary.failed or summary.unfinished
            else Exit.DONE
        )

    run(work, screen, interrupted="Stopped.")


def _print_summary(screen: Screen, summary: RunSummary) -> None:
    screen.line(f"{title_of(summary.work)}, {counted(summary.sessions, 'run')}")
    screen.line(f"  done        {summary.done}")
    screen.line(f"  failed      {summary.failed}")
    screen.line(
        f"  unknown     {summary.unknown}"
        + ("  (these may have happened)" if summary.unknown else "")
    )
    screen.line(
        f"  unfinished  {summary.unfinished}"
        + ("  (the next run does them)" if summary.unfinished else "")
    )
    for reason, count in summary.reasons.items():
        screen.line(f"  {count} × {reason}")


def title_of(work: str) -> str:
    """Name a run: a command's name as it is, a function's without what it was defined in."""
    return work.rpartition("<locals>.")[2].replace("<lambda>", "a function without a name")


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
