"""Files that hold customers' data: their owner's alone, and safe to open in a spreadsheet.

A cell that begins with = + - @ is a formula to a spreadsheet, also in full width, after white
space, or after a tab or a line's end, which may begin a cell of its own; and a contact chooses
their own name. Such a cell is written with an apostrophe before it, and read without it. A number
or a phone (+60…) is left alone: at worst a spreadsheet shows it as a number, and other programs
read it as it is.

Source: OWASP, "CSV Injection".
"""

import csv
import re
from collections.abc import Iterable
from io import StringIO
from typing import Final

from ._storage import create_private, is_private, replace_private

__all__ = ["create_private", "csv_row", "guard", "is_private", "replace_private", "unguard"]

_BLANK: Final = "[\\s\x00-\x20\xad\u200b-\u200f\u2060\ufeff]"
_FORMULA: Final = re.compile(f"[\t\r\n]|{_BLANK}*[=+@\\-＝＋＠－]")
_HARMLESS: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")


def guard(text: str) -> str:
    """Make a cell safe for spreadsheets; `unguard` gives the text back."""
    # What already begins with the mark is marked once more, or reading would take the contact's own
    # apostrophe away.
    if _FORMULA.match(text):
        return text if _HARMLESS.fullmatch(text) else f"'{text}"
    return f"'{text}" if _is_marked(text) else text


def unguard(text: str) -> str:
    """Take back what `guard` did."""
    return text[1:] if _is_marked(text) else text


def csv_row(cells: Iterable[str]) -> str:
    """Write one line of a CSV file, with its end, each cell guarded."""
    text = StringIO()
    # The writer quotes the characters of its own line's end only, and a lone \r is one to readers.
    csv.writer(text, lineterminator="\r\n").writerow([guard(cell) for cell in cells])
    return f"{text.getvalue()[:-2]}\n"


def _is_marked(text: str) -> bool:
    return text.startswith("'") and _FORMULA.match(text.lstrip("'")) is not None
