"""The text of one cell, and how a spreadsheet is kept from running it.

A cell that begins with = + - @ (or a tab or a carriage return before one) is a formula to a
spreadsheet, and a contact can choose their own name. Such a cell is written with an apostrophe
before it, and read without it. A number or a phone (+60…) is left alone: at worst a spreadsheet
shows it as a number, and other programs read it as it is.

Source: OWASP, "CSV Injection".
"""

import json
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, Final, TypeGuard, cast

_DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_HARMLESS: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_SEPARATOR: Final = ";"


def guard(text: str) -> str:
    """Make a cell safe for spreadsheets."""
    # What already begins with the mark is marked once more, or reading would take the contact's own
    # apostrophe away.
    if text.startswith(_DANGEROUS) and not _HARMLESS.fullmatch(text):
        return f"'{text}"
    return f"'{text}" if text.startswith("'") and text.lstrip("'").startswith(_DANGEROUS) else text


def unguard(text: str) -> str:
    """Take back what `guard` did."""
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(_DANGEROUS) else text


def text_of(value: Any) -> str:  # noqa: PLR0911 - a case a type
    """Write a value of a row as one cell; "" for none."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))  # a spreadsheet has no integers
        case datetime():
            if value.tzinfo is None and value.time() == time():
                return value.date().isoformat()  # a spreadsheet has no dates without a time
            return value.isoformat()
        case date():
            return value.isoformat()
        case time():
            return value.isoformat("minutes")
        case list() if is_texts(value):  # pyright: ignore[reportUnknownArgumentType]
            return join_list(value)
        case dict() | list():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


def is_texts(value: object) -> TypeGuard[list[str]]:
    """Whether it is a list of texts."""
    return isinstance(value, list) and all(
        isinstance(each, str) for each in cast("list[object]", value)
    )


def cell_of(record: Mapping[str, Any], column: str) -> Any:
    """Find a column's value in a record; the columns of custom fields are called `custom:NAME`."""
    if column.startswith("custom:") and column not in record:
        custom: Mapping[str, Any] = record.get("custom_fields") or {}
        return custom.get(column.removeprefix("custom:"))
    return record.get(column)


def join_list(texts: list[str]) -> str:
    """Write several texts as one cell, separated by ";", or as a JSON array where one of them holds
    that.
    """
    if any(_SEPARATOR in text or text.startswith("[") or text != text.strip() for text in texts):
        return json.dumps(texts, ensure_ascii=False)
    return _SEPARATOR.join(texts)


def split_list(cell: str, separators: str = _SEPARATOR) -> list[str]:
    """Read several texts from one cell; each once, in their order.

    ValueError for a broken JSON array.
    """
    if cell.lstrip().startswith("["):
        read: Any = json.loads(cell)
        if not is_texts(read):
            raise ValueError("not an array of texts")
        parts = read
    else:
        parts = re.split(f"[{re.escape(separators)}]", cell)
    return list(dict.fromkeys(part.strip() for part in parts if part.strip()))
