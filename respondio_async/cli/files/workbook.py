"""XLSX, through openpyxl: lines of cells from it, and a workbook made of JSON lines, one row after
another, everything but numbers as text.

python-calamine is quicker, and reads an error (#N/A) and a formula that nobody has calculated as
empty cells, and a long id as a rounded number: what the table says would be lost in silence.

A file is looked through before it is read: it is a ZIP archive, and a few kB can hold gigabytes.
"""

import re
import warnings
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any, BinaryIO, Final
from zipfile import ZipFile

import msgspec

from .._exit import UsageError, needed
from .cells import LARGEST_EXACT, cell_of, text_of

_LARGEST: Final = 128 * 1024 * 1024
"""Bytes of all parts, unpacked."""
_MOST_ELEMENTS: Final = 2_000_000
"""Of a part: about a million cells."""
_MOST_TEXTS: Final = 500_000
"""That cells share; each costs ten microseconds."""
_LONGEST_ROW: Final = 2 * 1024 * 1024
"""Bytes."""
_LONGEST_TEXT: Final = 256 * 1024
_LONGEST_MARK: Final = 32
_LAST_ROW: Final = 1_048_576
_MOST_PLACES: Final = 4_000_000
"""Cells and the gaps before them."""
_CHUNK: Final = 128 * 1024
_FORMULA: Final = re.compile(rb"<(?:\w+:)?f[\s/>]")
_TEXT: Final = re.compile(rb"<(?:\w+:)?si[\s/>]")
_ROW: Final = re.compile(rb"<(?:\w+:)?row[\s/>]")
_TOO_LARGE: Final = "it unpacks to more than a spreadsheet should hold: save it as CSV"

_MOST_ROWS: Final = 1_048_575
_LONGEST_CELL: Final = 32_767
# What XML cannot hold is written by its number, and so is what looks like such a number.
# Source: ECMA-376 part 1, 22.9.2.19 (ST_Xstring).
_ESCAPED: Final = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")

Line = tuple[int, list[Any] | str]


def read_xlsx(path: Path, sheet: str | None) -> Iterator[Line]:
    """Give each row's number and its cells; a ValueError in the place of a cell says what is wrong
    with it.
    """
    require_openpyxl()
    from openpyxl import load_workbook
    from openpyxl.utils.escape import unescape

    try:
        has_formulas = _look_through(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what openpyxl leaves out: styles, pictures
            values = load_workbook(path, read_only=True, data_only=True)
            formulas = load_workbook(path, read_only=True) if has_formulas else None
            try:
                title = _choose(path, values, sheet)
                yield from _lines(values[title], formulas and formulas[title], unescape)
            finally:
                values.close()
                if formulas is not None:
                    formulas.close()
    except UsageError:
        raise
    except Exception as error:  # noqa: BLE001 - a damaged or foreign file raises whatever its parts raise
        raise UsageError(
            f"{path.name}: it cannot be read as .xlsx ({type(error).__name__})"
        ) from None


def _look_through(path: Path) -> bool:
    """Refuse what would not end, or fill the memory; tell whether there are formulas."""
    has_formulas = False
    with ZipFile(path) as archive:
        parts = [part for part in archive.infolist() if part.filename.endswith((".xml", ".rels"))]
        if sum(part.file_size for part in parts) > _LARGEST:
            raise UsageError(f"{path.name}: {_TOO_LARGE}")
        for part in parts:
            counts = _Counts(in_rows="/worksheets/" in part.filename)
            with archive.open(part) as file:
                tail = b""
                while chunk := file.read(_CHUNK):
                    seen = tail + chunk  # a mark may lie across two chunks
                    if b"\0" in chunk or b"<!DOCTYPE" in seen:
                        raise UsageError(f"{path.name}: it holds what no spreadsheet writes")
                    if not counts.add(chunk, len(_ROW.findall(seen)), len(_TEXT.findall(seen))):
                        raise UsageError(f"{path.name}: {_TOO_LARGE}")
                    has_formulas = has_formulas or _FORMULA.search(seen) is not None
                    tail = chunk[-_LONGEST_MARK:]
    return has_formulas


class _Counts:
    """What a part holds, counted without parsing it."""

    def __init__(self, *, in_rows: bool) -> None:
        self._in_rows = in_rows
        self._elements = self._rows = self._texts = self._row_size = self._text_size = 0

    def add(self, chunk: bytes, rows: int, texts: int) -> bool:
        """Count a piece; False when there is too much of something."""
        self._elements += chunk.count(b"<") - chunk.count(b"</")
        self._rows += rows
        self._texts += texts
        self._row_size = 0 if rows else self._row_size + len(chunk)
        self._text_size = 0 if b"<" in chunk else self._text_size + len(chunk)
        return (
            self._elements <= _MOST_ELEMENTS
            and self._rows <= _LAST_ROW
            and self._texts <= _MOST_TEXTS
            and (not self._in_rows or self._row_size <= _LONGEST_ROW)
            and self._text_size <= _LONGEST_TEXT
        )


def _choose(path: Path, book: Any, wanted: str | None) -> str:
    """Name the sheet to read."""
    sheets: dict[str, str] = {sheet.title: sheet.sheet_state for sheet in book.worksheets}
    if wanted is not None:
        if wanted not in sheets:
            raise UsageError(f"{path.name}: it has no sheet {wanted}; it has {', '.join(sheets)}")
        return wanted
    visible = [title for title, state in sheets.items() if state == "visible"]
    if not visible:
        raise UsageError(f"{path.name}: it has no visible sheet: say --sheet NAME")
    return visible[0]


def _lines(values: Any, formulas: Any, unescape: Any) -> Iterator[Line]:
    """Read both views of a sheet side by side: its values, and its formulas if it has any.

    The sheet's own word on how large it is, which some programs write wrongly, is not believed.
    """
    values.reset_dimensions()
    rows = values.iter_rows(max_row=_LAST_ROW)
    asked: Iterator[Any] = iter(())
    if formulas is not None:
        formulas.reset_dimensions()
        asked = formulas.iter_rows(max_row=_LAST_ROW)
    places = 0
    for line, (cells, asks) in enumerate(zip_longest(rows, asked, fillvalue=()), start=1):
        if not cells:
            continue
        places += len(cells)
        if places > _MOST_PLACES:
            raise UsageError(f"line {line}: {_TOO_LARGE}")
        yield (
            line,
            [
                None
                if cell.value is None and ask is None and cell.data_type != "e"
                else _value(cell, ask, unescape)
                for cell, ask in zip_longest(cells, asks)
            ],
        )


def _value(cell: Any, asked: Any, unescape: Any) -> Any:
    value = cell.value
    if cell.data_type == "e":
        return ValueError("the spreadsheet shows an error in place of a value")
    if value is None:
        # Of a formula whose result is an empty text, a calculated cell has the type "str".
        if asked is not None and asked.data_type == "f" and cell.data_type != "str":
            return ValueError("a formula without its result: open the file, calculate and save it")
        return None
    if isinstance(value, str):
        return unescape(value) if "_x" in value else value
    if isinstance(value, int) and not isinstance(value, bool):
        # A format such as 00000 shows zeros before the number, and people see a code.
        shown = str(cell.number_format)
        return str(value).zfill(len(shown)) if not shown.strip("0") else value
    return value


def require_openpyxl() -> None:
    """Fail before the export and not after it."""
    needed("openpyxl", "XLSX needs")


def to_xlsx(lines: Path, file: BinaryIO, columns: list[str]) -> None:
    """Turn a file of JSON lines into a workbook of one sheet."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    book: Any = Workbook(write_only=True)
    sheet = book.create_sheet("export")

    def cell(value: float | str | None) -> Any:
        made: Any = WriteOnlyCell(sheet, value)
        if isinstance(value, str):
            made.data_type = "s"  # never a formula, whatever it begins with
        return made

    try:
        sheet.append([cell(_text(column)) for column in columns])
        with lines.open("rb") as records:
            for number, line in enumerate(records, start=1):
                if number > _MOST_ROWS:
                    raise UsageError(f"a sheet has at most {_MOST_ROWS} rows: export to .csv")
                record = msgspec.json.decode(line)
                sheet.append([cell(_cell(record, column)) for column in columns])
    finally:
        sheet.close()  # or its writer complains when it is collected
    book.save(file)


def _cell(record: Mapping[str, Any], column: str) -> int | float | str | None:
    value = cell_of(record, column)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None if value is None else _text(text_of(value))
    return value if abs(value) < LARGEST_EXACT else str(value)


def _text(text: str) -> str:
    if len(text) > _LONGEST_CELL:
        raise UsageError(
            f"a cell of a sheet has at most {_LONGEST_CELL} characters: export to .csv"
        )
    return _ESCAPED.sub(lambda found: f"_x{ord(found[0]):04X}_", text)
