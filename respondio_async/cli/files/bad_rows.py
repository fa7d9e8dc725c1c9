"""Rows that cannot be written: listed by reason, and kept in a file to be corrected."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from respondio_async.discreet import Discreet

from .._screen import Screen
from .rows import TableFile, columns_of_file, read_rows
from .sinks import write_table

_MOST_REASONS: Final = 20
_LINES_TOLD: Final = 3

BadRows = Annotated[
    Path | None,
    typer.Option(
        "--bad-rows",
        metavar="FILE.csv",
        show_default=False,
        help="Write the bad rows there, with their lines and reasons; corrected, that file can be "
        "read like the first.",
    ),
]


class BadRow(Discreet, msgspec.Struct, frozen=True):
    """A row that cannot be written, and why; without its values."""

    _shown = ("line",)

    line: int
    problems: list[str]


def print_bad_rows(screen: Screen, bad: Sequence[BadRow]) -> None:
    """Print a line for each reason: how many rows, and the first of them."""
    reasons: dict[str, list[tuple[int, str]]] = {}
    for row in bad:
        for problem in row.problems:
            kind = re.sub(r"\bline \d+", "line N", problem)
            reasons.setdefault(kind, []).append((row.line, problem))
    listed = sorted(reasons.values(), key=len, reverse=True)
    for found in listed[:_MOST_REASONS]:
        if len(found) == 1:
            screen.line(f"  line {found[0][0]}: {found[0][1]}")
            continue
        lines = ", ".join(str(line) for line, _ in found[:_LINES_TOLD])
        more = ", …" if len(found) > _LINES_TOLD else ""
        screen.line(f"  {len(found)} rows (line {lines}{more}): {found[0][1]}")
    if len(listed) > _MOST_REASONS:
        screen.line(f"  … and {len(listed) - _MOST_REASONS} more reasons: see --bad-rows FILE")


def write_bad_rows(path: Path, table: TableFile, bad: Sequence[BadRow]) -> None:
    """Write the bad rows as they are in the file."""
    problems = {row.line: "; ".join(row.problems) for row in bad}
    records: list[dict[str, Any]] = [
        {
            # Half a surrogate pair, which may be what is wrong, cannot stand in a file.
            **{name: text.encode(errors="replace").decode() for name, text in row.cells.items()},
            "_line": row.line,
            "_problem": problems[row.line],
        }
        for row in read_rows(table)
        if row.line in problems
    ]
    write_table(path, [*columns_of_file(table), "_line", "_problem"], records)
