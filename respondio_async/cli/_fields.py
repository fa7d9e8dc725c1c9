"""The workspace's custom fields, and texts as values of their types."""

import math
import re
from collections.abc import Iterable
from datetime import date, time
from decimal import Decimal
from itertools import islice
from typing import Final, Literal

import msgspec

from .. import AsyncRespond
from ..errors import APIError
from ..identifiers import ContactId
from ..models import CustomField
from ._exit import UsageError
from .files.cells import clean, without_zero_decimals

_TRUE: Final = frozenset({"true", "yes", "y", "1", "on", "x"})
_FALSE: Final = frozenset({"false", "no", "n", "0", "off"})
_URL: Final = re.compile(r"https?://[^\s/]+\S*", re.IGNORECASE)
_TIME: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::00(?:\.0+)?)?")
_MIDNIGHT: Final = re.compile(r"(.+?)[T ]00:00(?::00(?:\.0+)?)?(?:Z|\+00:?00)?")
_ISO_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATE: Final = re.compile(r"([0-9]{1,4})([/.-])([0-9]{1,2})\2([0-9]{1,4})")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,3})?")
_LARGEST_EXACT: Final = 2**53
_REFUSED: Final = re.compile(r"custom_fields\[([0-9]{1,4})\]")
_TAKEN: Final = {
    "checkbox": "true or false",
    "number": "a number",
    "date": "a date, yyyy-mm-dd",
    "time": "a time, HH:MM",
    "url": "a URL with http:// or https://",
    "email": "an e-mail address",
}

DateOrder = Literal["YMD", "DMY", "MDY"]
DATE_ORDERS: Final[tuple[DateOrder, ...]] = ("YMD", "DMY", "MDY")


class Notation(msgspec.Struct, frozen=True):
    """How a file writes the values of custom fields."""

    decimal: str = "."
    true: frozenset[str] = _TRUE
    false: frozenset[str] = _FALSE

    @classmethod
    def of(cls, decimal: str, true: Iterable[str], false: Iterable[str]) -> "Notation":
        """Add a language's own words for a checkbox; they come before ours."""
        if decimal not in (".", ","):
            raise UsageError('--decimal is "." or ","')
        yes = frozenset(word.strip().casefold() for word in true)
        no = frozenset(word.strip().casefold() for word in false)
        if both := yes & no:
            raise UsageError(f"--true and --false both say {', '.join(sorted(both))}")
        return cls(decimal, yes | _TRUE - no, no | _FALSE - yes)


_PLAIN: Final = Notation()


class Definitions:
    """The custom fields by name and by slug, however they are spelt."""

    def __init__(self, fields: Iterable[CustomField]) -> None:
        self.fields: list[CustomField] = list(fields)
        self._by_name = {
            simplified(name): field
            for field in reversed(self.fields)  # the first of two with the same name wins
            for name in (field.slug, field.name)
            if name
        }

    @property
    def names(self) -> list[str]:
        """What they are called."""
        return [field.name for field in self.fields if field.name]

    def find(self, name: str) -> CustomField | None:
        """Find the field that a column or an option names."""
        return self._by_name.get(simplified(name))


async def fetch_definitions(client: AsyncRespond) -> Definitions:
    """Ask the workspace for its custom fields."""
    return Definitions(await client.space.list_custom_fields().collect())


def explain(error: APIError, written: Iterable[str], definitions: Definitions) -> None:
    """Say in the hint of *error* which of the custom fields that were *written* the server refused,
    and what that field takes.
    """
    found = _REFUSED.search(error.message)
    name = next(islice(written, int(found[1]), None), None) if found else None
    field = None if name is None else definitions.find(name)
    if field is not None:
        error.hint = f"{field.name} is a {field.data_type} field: {_takes(field)}"


def _takes(field: CustomField) -> str:
    values = field.allowed_values
    if field.data_type == "list" and values:
        return f"one of {', '.join(values)}"
    return _TAKEN.get(field.data_type or "", "a text of at most 2,000 characters")


def simplified(name: str) -> str:
    """Spell a name so that "First Name", "firstName" and "first_name" are one."""
    return "".join(character for character in name.casefold() if character.isalnum())


def typed_value(
    field: CustomField,
    text: str,
    notation: Notation = _PLAIN,
    date_order: DateOrder = "YMD",
) -> str | int | float | bool:
    """Read a text as a value of the field's type, exactly. ValueError says what it should be,
    without the text.

    Source: the vendor's "Create a contact" page: a number as text, or "true" for a checkbox, is
    refused with the whole write.
    """
    text = clean(text)
    match field.data_type:
        case "checkbox":
            word = without_zero_decimals(text.casefold())
            if word in notation.true | notation.false:
                return word in notation.true
            raise ValueError(
                "a checkbox is true or false (yes/no, 1/0; other words: --true, --false)"
            )
        case "number":
            return _number(text, notation.decimal)
        case "date":
            found = read_date(text, date_order)
            if found is None:
                raise ValueError("a date is written yyyy-mm-dd (another order: --date-format)")
            return found.isoformat()
        case "time":
            match = _TIME.fullmatch(text)
            if match is None:
                raise ValueError("a time is written HH:MM")
            return time(int(match[1]), int(match[2])).isoformat("minutes")
        case "list" if field.allowed_values is not None and text not in field.allowed_values:
            raise ValueError(f"it is none of the list's values ({', '.join(field.allowed_values)})")
        case "url" if not _URL.fullmatch(text):
            raise ValueError("a URL begins with http:// or https://")
        case "email":
            return ContactId.email(text).value
        case _:
            return text


def read_date(text: str, order: DateOrder) -> date | None:
    """Read a date without a time of day: yyyy-mm-dd, or another order with a year of four digits.
    None: it is none.
    """
    if found := _MIDNIGHT.fullmatch(text):
        text = found[1]
    if _ISO_DATE.fullmatch(text):
        order = "YMD"
    parts = _DATE.fullmatch(text)
    if parts is None:
        return None
    named = dict(zip(order, (parts[1], parts[3], parts[4]), strict=True))
    if len(named["Y"]) != 4 or len(named["M"]) > 2 or len(named["D"]) > 2:
        return None
    try:
        return date(int(named["Y"]), int(named["M"]), int(named["D"]))
    except ValueError:
        return None


def _number(text: str, decimal: str) -> int | float:
    if decimal == ",":
        # A point would be a thousands separator, or a decimal point after all.
        text = "?" if "." in text else text.replace(",", ".", 1)
    if not _NUMBER.fullmatch(text):
        raise ValueError(
            "a number has digits and a point before decimals, nothing else (--decimal , for a "
            "comma)"
        )
    value, rounded = Decimal(text), float(text)
    if not math.isfinite(rounded) or value != Decimal(repr(rounded)):
        raise ValueError("the number has more digits than JSON keeps: a text field keeps them")
    return int(rounded) if rounded.is_integer() and abs(rounded) <= _LARGEST_EXACT else rounded
