"""Rows in: one `Row` after another, with the line that it came from, whatever the file's format.

Every cell is a text.
"""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from .._exit import UsageError
from .cells import text_of, unguard

_DELIMITERS: Final = ",;\t|"


class Row(msgspec.Struct, frozen=True):
    """One row; what the columns are called is the file's business."""

    line: int
    """Where it begins in the file, from 1; a spreadsheet's row number."""
    cells: dict[str, str]
    problem: str | None = None
    """Why it cannot be read as a row of this table."""


Reader = Callable[[Path], Iterator[Row]]


def read_rows(path: Path) -> Iterator[Row]:
    """Read the rows of a .csv (.tsv, .txt), .jsonl (.ndjson) or .xlsx file, one after another.
    Empty rows are left out.

    `UsageError` for a file that is no such table.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"{path.name}: the format is taken from the name: .csv, .jsonl or .xlsx")
    if not path.is_file():
        raise UsageError(f"{path.name}: there is no such file")
    return reader(path)


def _read_csv(path: Path) -> Iterator[Row]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            delimiter = max(_DELIMITERS, key=first.count)
            file.seek(0)
            no_cells: list[str] = []
            table = csv.reader(file, delimiter=delimiter, strict=True)
            header = _header(path, next(table, no_cells))
            line = table.line_num + 1
            for cells in table:
                yield from _row(line, header, [unguard(cell) for cell in cells])
                line = table.line_num + 1
    except UnicodeDecodeError:
        raise UsageError(f"{path.name}: it is not UTF-8; save it as CSV UTF-8") from None
    except csv.Error as error:
        raise UsageError(f"{path.name}: it is no CSV: {error}") from None


def _read_xlsx(path: Path) -> Iterator[Row]:
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise UsageError(
            "reading .xlsx needs openpyxl: pip install 'respondio-async[cli]'"
        ) from None
    try:
        book: Any = load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # noqa: BLE001 - a damaged or foreign file raises whatever its parts raise
        raise UsageError(
            f"{path.name}: it cannot be read as .xlsx ({type(error).__name__})"
        ) from None
    try:
        rows: Iterator[tuple[Any, ...]] = book.worksheets[0].iter_rows(values_only=True)
        no_cells: tuple[Any, ...] = ()
        header = _header(path, [text_of(cell) for cell in next(rows, no_cells)])
        for line, cells in enumerate(rows, start=2):
            yield from _row(line, header, [text_of(cell) for cell in cells])
    finally:
        book.close()


def _read_jsonl(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for line, text in enumerate(file, start=1):
            if not text.strip():
                continue
            try:
                read: Any = json.loads(text.decode("utf-8-sig" if line == 1 else "utf-8"))
            except ValueError:  # UnicodeDecodeError too
                yield Row(line, {}, "it is no JSON")
                continue
            if isinstance(read, dict):
                yield Row(line, _flat(cast("dict[str, Any]", read)))
            else:
                yield Row(line, {}, "it is no JSON object")


def _flat(fields: dict[str, Any]) -> dict[str, str]:
    """Take an object's fields as cells; those of `custom_fields` as the columns of an export."""
    cells: dict[str, str] = {}
    for name, value in fields.items():
        if name == "custom_fields" and isinstance(value, dict):
            custom = cast("dict[str, Any]", value)
            cells |= {f"custom:{field}": text_of(each) for field, each in custom.items()}
        else:
            cells[name] = text_of(value)
    return cells


def _header(path: Path, names: list[str]) -> list[str]:
    header = [name.strip() for name in names]
    while header and not header[-1]:
        header.pop()  # a spreadsheet's trailing empty columns
    if not header:
        raise UsageError(f"{path.name}: the first line must name the columns")
    twice = sorted({name for name in header if header.count(name) > 1 and name})
    if twice:
        raise UsageError(f"{path.name}: two columns are called {', '.join(twice)}")
    return header


def _row(line: int, header: list[str], cells: list[str]) -> Iterator[Row]:
    if not any(cell.strip() for cell in cells):
        return
    if any(cell.strip() for cell in cells[len(header) :]):
        yield Row(line, {}, f"it has more cells than the {len(header)} columns")
        return
    yield Row(line, {name: cell for name, cell in zip(header, cells, strict=False) if name})


_READERS: Final[dict[str, Reader]] = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".txt": _read_csv,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".xlsx": _read_xlsx,
}
