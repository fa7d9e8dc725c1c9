"""Rows that cannot be written: listed by reason, and kept in a file to be corrected."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import msgspec
import typer

from respondio_async.discreet import Discreet

from .._command import Country, DryRun, Encoding, Force, Options, Sheet
from .._identify import By
from .._screen import Screen
from .rows import Row, TableFile, columns_of_file, read_rows
from .sinks import check_output, write_table

T = TypeVar("T")

_MOST_REASONS: Final = 20
_LINES_TOLD: Final = 3


class BadRow(Discreet, msgspec.Struct, frozen=True):
    """A row that cannot be written, and why; without its values."""

    _shown = ("line",)

    line: int
    problems: list[str]


class RowProblems(Exception):  # noqa: N818 - a row's problems are no error of the program
    """Everything that is wrong with one row."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def sift(
    table: TableFile, read: Callable[[Row], T], key: Callable[[T], str], bad: list[BadRow]
) -> Iterator[T]:
    """Read something of every row, the contact of which *key* names. Rows that do not have it, and
    those about the contact of an earlier one, go to *bad*.
    """
    lines: dict[str, int] = {}
    for row in read_rows(table):
        try:
            found = read(row)
        except RowProblems as error:
            bad.append(BadRow(row.line, error.problems))
            continue
        first = lines.setdefault(key(found), row.line)
        if first == row.line:
            yield found
        else:
            bad.append(BadRow(row.line, [f"it is the same contact as line {first}"]))


class RowOptions(Options, frozen=True):
    """How a table of contacts is read, and what becomes of its bad rows."""

    by: Annotated[
        By, typer.Option(help="What a row's contact is found by; auto: its phone, else its e-mail.")
    ] = "auto"
    country: Country = None
    sheet: Sheet = None
    encoding: Encoding = None
    skip_bad: Annotated[
        bool,
        typer.Option("--skip-bad", help="Go on with the good rows although there are bad ones."),
    ] = False
    bad_rows: Annotated[
        Path | None,
        typer.Option(
            "--bad-rows",
            metavar="FILE.csv",
            show_default=False,
            help="Write the bad rows there, with their lines and reasons; corrected, that file can "
            "be read like the first.",
        ),
    ] = None
    force: Force = False
    dry_run: DryRun = False

    def check_output(self, *more: Path | None) -> None:
        """See to it that the bad rows, and *more* files, can be written."""
        for output in filter(None, (self.bad_rows, *more)):
            check_output(output, force=self.force)

    def table(self, path: Path) -> TableFile:
        """Name the table in a file."""
        return TableFile(path, self.sheet, self.encoding)

    def ends(self, table: TableFile, bad: Sequence[BadRow]) -> bool:
        """Write the bad rows, if a file was named for them, and say whether nothing else is done:
        for a dry run, and for bad rows that may not be left out.
        """
        if self.bad_rows is not None:
            write_bad_rows(self.bad_rows, table, bad)
        return self.dry_run or (bool(bad) and not self.skip_bad)


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
