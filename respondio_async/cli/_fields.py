"""The workspace's custom fields, and texts as values of their types."""

import re
from collections.abc import Iterable
from datetime import date, time
from decimal import Decimal, InvalidOperation
from typing import Final

from .. import AsyncRespond
from ..models import CustomField

_TRUE: Final = frozenset({"true", "yes", "y", "1", "on", "x"})
_FALSE: Final = frozenset({"false", "no", "n", "0", "off"})
_URL: Final = re.compile(r"https?://[^\s/]+\S*", re.IGNORECASE)
_EMAIL: Final = re.compile(r"[^\s@]+@[^\s@.]+(?:\.[^\s@.]+)*")
_TIME: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::[0-5][0-9])?")


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

    def find(self, name: str) -> CustomField | None:
        """Find the field that a column or an option names."""
        return self._by_name.get(simplified(name))


async def fetch_definitions(client: AsyncRespond) -> Definitions:
    """Ask the workspace for its custom fields."""
    return Definitions(await client.space.list_custom_fields().collect())


def simplified(name: str) -> str:
    """Spell a name so that "First Name", "firstName" and "first_name" are one."""
    return "".join(character for character in name.casefold() if character.isalnum())


def typed_value(field: CustomField, text: str) -> str | int | float | bool:
    """Read a text as a value of the field's type. ValueError says what it should be, without the
    text.

    Source: the vendor's "Create a contact" page: a number as text, or "true" for a checkbox, is
    refused with the whole write.
    """
    text = text.strip()
    match field.data_type:
        case "checkbox":
            if text.casefold() in _TRUE | _FALSE:
                return text.casefold() in _TRUE
            raise ValueError("a checkbox is true or false (or yes/no, 1/0)")
        case "number":
            return _number(text)
        case "date":
            try:
                return date.fromisoformat(text.partition("T")[0]).isoformat()
            except ValueError:
                raise ValueError("a date is written yyyy-mm-dd") from None
        case "time":
            match = _TIME.fullmatch(text)
            if match is None:
                raise ValueError("a time is written HH:MM")
            return time(int(match[1]), int(match[2])).isoformat("minutes")
        case "list" if field.allowed_values is not None and text not in field.allowed_values:
            raise ValueError(f"it is none of the list's values ({', '.join(field.allowed_values)})")
        case "url" if not _URL.fullmatch(text):
            raise ValueError("a URL begins with http:// or https://")
        case "email" if not _EMAIL.fullmatch(text):
            raise ValueError("it is no e-mail address")
        case _:
            return text


def _number(text: str) -> int | float:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError("a number has digits, and a point before decimals") from None
    if not value.is_finite():
        raise ValueError("the number is not finite")
    return int(value) if value == value.to_integral_value() else float(value)
