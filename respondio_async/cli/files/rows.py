"""Rows in: one `Row` after another, with the line that it came from, whatever the file's format.

Every cell is a text. A cell that no text gives back exactly is a fault of its column, and the rest
of its row can be read.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import msgspec

from respondio_async.discreet import Discreet

from .._exit import UsageError
from .cells import clean, read_value
from .delimited import find_encoding, read_csv
from .parquet import read_parquet
from .workbook import read_xlsx

T = TypeVar("T")

_DELIMITED: Final = (".csv", ".tsv", ".txt")


class Row(Discreet, msgspec.Struct, frozen=True):
    """One row; what the columns are called is the file's business."""

    _shown = ("line",)

    line: int
    """Where it begins in the file, from 1; a spreadsheet's row number."""
    cells: dict[str, str]
    problem: str | None = None
    """Why it cannot be read as a row of this table."""
    faults: dict[str, str] = {}
    """Why a column's cell cannot be read."""

    def text(self, column: str) -> str:
        """Return a cell without white space at its ends; "" if there is none.

        ValueError for a cell that cannot be read, or that holds invisible characters.
        """
        if column in self.faults:
            raise ValueError(self.faults[column])
        return clean(self.cells.get(column, ""))


class TableFile(msgspec.Struct, frozen=True):
    """A .csv (.tsv, .txt), .jsonl (.ndjson), .xlsx or .parquet file with a table."""

    path: Path
    sheet: str | None = None
    """Of a spreadsheet; None: the first one that is visible."""
    encoding: str | None = None
    """Of a text file; None: it is found where it is certain."""

    @property
    def has_a_header(self) -> bool:
        """Whether all columns are known from the first row on."""
        return self.path.suffix.lower() not in (".jsonl", ".ndjson")


def read_rows(table: TableFile) -> Iterator[Row]:
    """Read the rows of a table, one after another. Empty rows are left out.

    `UsageError` for a file that is no such table.
    """
    path, kind = table.path, table.path.suffix.lower()
    if not path.is_file():
        raise UsageError(f"{path.name}: there is no such file")
    match kind:
        case _ if kind in _DELIMITED:
            return _rows_of(path, read_csv(path, table.encoding))
        case ".xlsx" | ".xlsm":
            return _rows_of(path, read_xlsx(path, table.sheet))
        case ".jsonl" | ".ndjson":
            return _read_jsonl(path)
        case ".parquet":
            return (_object_row(number, each) for number, each in read_parquet(path))
        case _:
            raise UsageError(
                f"{path.name}: the format is taken from the name: .csv, .jsonl, .xlsx or .parquet"
            )


def read_all(table: TableFile, read: Callable[[Row], T]) -> list[T]:
    """Read something of every row. `UsageError` with all lines that do not have it."""
    found: list[T] = []
    problems: list[str] = []
    for row in read_rows(table):
        try:
            found.append(read(row))
        except ValueError as error:
            problems.append(f"  line {row.line}: {error}")
    if problems:
        raise UsageError(f"{table.path.name}: nothing was written", *problems)
    return found


def columns_of_file(table: TableFile) -> list[str]:
    """Name the columns: the first row's cells, and in JSON lines any that come later."""
    columns: dict[str, None] = {}
    reason = "it has no rows"
    for row in read_rows(table):
        columns |= dict.fromkeys(row.cells)
        if row.problem is not None:
            reason = f"it has no good rows; line {row.line}: {row.problem}"
        if table.has_a_header and columns:
            break
    if not columns:
        raise UsageError(f"{table.path.name}: {reason}")
    return list(columns)


def notes_of(table: TableFile) -> list[str]:
    """Say how a text file is read, where that was not self-evident."""
    if table.path.suffix.lower() not in _DELIMITED or table.encoding is not None:
        return []
    encoding = find_encoding(table.path)
    return [] if encoding == "utf-8" else [f"the file is read as {encoding}"]


Line = tuple[int, "list[Any] | str"]
"""Where a line begins, and its cells or why it cannot be read."""


def _rows_of(path: Path, lines: Iterator[Line]) -> Iterator[Row]:
    """Give every line of cells the names of the first."""
    header: list[str] | None = None
    for line, cells in lines:
        if isinstance(cells, str):
            if header is None:
                raise UsageError(f"{path.name}: line {line}: {cells}")
            yield Row(line, {}, cells)
        elif header is None:
            header = _header(path, cells)
        elif any(not _is_blank(cell) for cell in cells[len(header) :]):
            yield Row(line, {}, f"it has more cells than the {len(header)} columns")
        elif any(not _is_blank(cell) for cell in cells):
            named = zip(header, cells, strict=False)
            yield _row(line, {name: cell for name, cell in named if name})
    if header is None:
        raise UsageError(f"{path.name}: the first line must name the columns")


def _is_blank(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _header(path: Path, cells: list[Any]) -> list[str]:
    try:
        header = [clean(read_value(cell)) for cell in cells]
    except ValueError as error:
        raise UsageError(f"{path.name}: a column's name: {error}") from None
    while header and not header[-1]:
        header.pop()  # a spreadsheet's trailing empty columns
    twice = sorted({name for name in header if header.count(name) > 1 and name})
    if twice:
        raise UsageError(f"{path.name}: two columns are called {', '.join(twice)}")
    return header


def _row(line: int, values: Mapping[str, Any]) -> Row:
    cells: dict[str, str] = {}
    faults: dict[str, str] = {}
    for name, value in values.items():
        cells[name] = ""
        try:
            if isinstance(value, ValueError):  # the reader found it so
                raise value
            cells[name] = read_value(value)
        except ValueError as error:
            faults[name] = str(error)
    return Row(line, cells, None, faults)


def _read_jsonl(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for line, text in enumerate(file, start=1):
            if not text.strip():
                continue
            try:
                read: Any = json.loads(
                    text.decode("utf-8-sig" if line == 1 else "utf-8"),
                    parse_int=str,
                    parse_float=_number_text,
                    parse_constant=float,
                    object_pairs_hook=_object,
                )
            except UnicodeDecodeError:
                yield Row(line, {}, "it is no JSON: not UTF-8")
            except json.JSONDecodeError:
                yield Row(line, {}, "it is no JSON")
            except (ValueError, RecursionError) as error:
                yield Row(line, {}, str(error))
            else:
                if isinstance(read, dict):
                    yield _object_row(line, cast("dict[str, Any]", read))
                else:
                    yield Row(line, {}, "it is no JSON object")


def _number_text(literal: str) -> str:
    """Keep a number as it is written; a float that is a whole number loses its ".0"."""
    whole, _, decimals = literal.partition(".")
    return literal if decimals.strip("0") else whole


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("it names a field twice")
    return fields


def _object_row(line: int, fields: Mapping[str, Any]) -> Row:
    """Take an object's fields as cells; those of `custom_fields` as the columns of an export."""
    values = dict(fields)
    custom: Any = values.pop("custom_fields", None)
    if isinstance(custom, dict):
        for field, value in cast("dict[str, Any]", custom).items():
            name = f"custom:{field}"
            values[name] = ValueError("the row names it twice") if name in values else value
    elif custom is not None:
        values["custom_fields"] = custom
    return _row(line, values)
