"""XLSX, through openpyxl: made of JSON lines, one row after another, everything but numbers as
text.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from .._exit import UsageError, needed
from .cells import cell_of, text_of

_MOST_ROWS: Final = 1_048_575
_LONGEST_CELL: Final = 32_767
_LARGEST_EXACT: Final = 10**15
"""A spreadsheet keeps fifteen digits of a number; a message's id has sixteen."""
# What XML cannot hold is written by its number, and so is what looks like such a number.
# Source: ECMA-376 part 1, 22.9.2.19 (ST_Xstring).
_ESCAPED: Final = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")


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
                sheet.append([cell(_value(record, column)) for column in columns])
    finally:
        sheet.close()  # or its writer complains when it is collected
    book.save(file)


def _value(record: Mapping[str, Any], column: str) -> int | float | str | None:
    value = cell_of(record, column)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None if value is None else _text(text_of(value))
    return value if abs(value) < _LARGEST_EXACT else str(value)


def _text(text: str) -> str:
    if len(text) > _LONGEST_CELL:
        raise UsageError(
            f"a cell of a sheet has at most {_LONGEST_CELL} characters: export to .csv"
        )
    return _ESCAPED.sub(lambda found: f"_x{ord(found[0]):04X}_", text)
