"""The text of one cell."""

import json
import math
import re
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final, TypeGuard, cast

_SEPARATOR: Final = ";"
_LINE_BREAKS: Final = frozenset("\n\r\t")
_ZERO_DECIMALS: Final = re.compile(r"([+-]?[0-9]+)\.0+")
LARGEST_EXACT: Final = 1e15
"""A spreadsheet keeps fifteen digits of a number."""
_ERRORS: Final = frozenset({
    "#N/A", "#NAME?", "#VALUE!", "#REF!", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!",
    "#GETTING_DATA", "#FIELD!", "#BLOCKED!", "#UNKNOWN!", "#CONNECT!", "#BUSY!", "#EXTERNAL!",
})  # fmt: skip
"""What spreadsheets show, and write into a CSV file, in place of a value that they cannot
calculate.
"""


def text_of(value: Any) -> str:  # noqa: PLR0911 - a case a type
    """Write a value of a row as one cell; "" for none."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case float() if value.is_integer() and abs(value) < LARGEST_EXACT:
            return str(int(value))  # a spreadsheet has no integers
        case float() if math.isfinite(value):
            return format(Decimal(repr(value)), "f")  # without an exponent
        case datetime():
            if value.tzinfo is None and value.time() == time():
                return value.date().isoformat()  # a spreadsheet has no dates without a time
            return value.isoformat()
        case date():
            return value.isoformat()
        case time():
            return value.isoformat() if value.second or value.microsecond else f"{value:%H:%M}"
        case list() if is_texts(value):  # pyright: ignore[reportUnknownArgumentType]
            return join_list(value)
        case dict() | list():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


def read_value(value: Any) -> str:
    """Read a typed value of a file as a cell. NaN is how pandas writes an empty one.

    ValueError for a value that no text gives back exactly.
    """
    match value:
        case float() if math.isnan(value):
            return ""
        case float() if math.isinf(value):
            raise ValueError("the number is not finite")
        case float() if abs(value) >= LARGEST_EXACT:
            raise ValueError("a number of more than 15 digits is not exact: write it as text")
        case Decimal() if value.is_finite():
            return format(value, "f")
        case None | str() | bool() | int() | float() | date() | time() | list() | dict():
            return text_of(value)
        case _:
            raise ValueError(f"a {type(value).__name__} is no text: write it as text")


def clean(text: str) -> str:
    """Take the white space from a cell's ends.

    ValueError for what is invisible, and would be written: control characters, halves of surrogate
    pairs, invisible characters at the ends; and for the error values of spreadsheets.
    """
    text = text.strip()
    if text in _ERRORS:
        raise ValueError("the spreadsheet shows an error in place of a value")
    if text.isprintable():
        return text
    kinds = [unicodedata.category(each) for each in text]
    if "Cs" in kinds:
        raise ValueError("it holds half a surrogate pair, which is no text")
    if any(
        kind == "Cc" and each not in _LINE_BREAKS for kind, each in zip(kinds, text, strict=True)
    ):
        raise ValueError("it holds a control character")
    # The flags of some countries end with an invisible character of their own.
    if kinds[0] == "Cf" or (kinds[-1] == "Cf" and not "\U000e0020" <= text[-1] <= "\U000e007f"):
        raise ValueError("it begins or ends with an invisible character")
    return text


def without_zero_decimals(text: str) -> str:
    """Drop the ".0" that pandas and spreadsheets add to a whole number."""
    return found[1] if (found := _ZERO_DECIMALS.fullmatch(text)) else text


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
    that or a comma, at which a cell may be split as well, or would be read as something else.
    """
    if any(
        _SEPARATOR in text
        or "," in text
        or text.startswith("[")
        or text != text.strip()
        or text in _ERRORS
        for text in texts
    ):
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
        # In quotes, what looks like a spreadsheet's error is a text.
        parts = [part if part in _ERRORS else clean(part) for part in read if part.strip()]
    else:
        split = re.split(f"[{re.escape(separators)}]", cell)
        parts = [clean(part) for part in split if part.strip()]
    return list(dict.fromkeys(parts))
