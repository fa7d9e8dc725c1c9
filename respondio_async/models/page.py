"""One page of a list, and the cursors to its neighbours.

Source: the vendor's API reference, "Pagination".
"""

from collections.abc import Iterator
from typing import Any, Final, Generic, TypeVar, cast
from urllib.parse import parse_qs, unquote

import msgspec

T = TypeVar("T")

Cursor = int | str
"""Where a page begins: an item's id, negated to walk the other way.

Store it, pass it back, read nothing into it.
"""

_NOTHING: Final = frozenset(
    {"", "null", "undefined", "none", "false"}
)  # what templates make of a missing value
_LONGEST_NUMBER: Final = 100  # far longer than any id, far shorter than what `int` refuses


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list."""

    items: list[T]
    pagination: Any = None
    """As received; `next_cursor` and `previous_cursor` read it."""

    @property
    def next_cursor(self) -> Cursor | None:
        """The cursor of the next page; None on the last."""
        return self._cursor("next")

    @property
    def previous_cursor(self) -> Cursor | None:
        """The cursor of the previous page; None on the first."""
        return self._cursor("previous")

    def _cursor(self, key: str) -> Cursor | None:
        pagination: object = self.pagination
        return (
            read_cursor(cast("dict[str, Any]", pagination).get(key))
            if isinstance(pagination, dict)
            else None
        )

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        return f"Page({len(self.items)} items)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Count the items only: they hold contacts' data."""
        return [("items", len(self.items))]


def read_cursor(value: object) -> Cursor | None:
    """Read a cursor of any shape the server has been seen to send: a URL that carries it, the bare
    id, or nothing.

    The URL is never followed: the vendor's samples name hosts and paths that do not exist.
    """
    match value:
        case bool():
            return None
        case int():
            return value
        case float():
            return int(value) if value.is_integer() else None
        case str():
            return _from_text(value.strip())
        case _:
            return None


def _from_text(text: str) -> Cursor | None:
    if "?" not in text and "%3f" in text.lower():
        text = unquote(text)
    # An opaque cursor may well hold slashes (base64 does), so those alone don't make a URL.
    if "?" in text or "://" in text or text.startswith(("/", "cursorId=")):
        query = text.partition("?")[2] if "?" in text else text
        text = parse_qs(query.partition("#")[0]).get("cursorId", [""])[-1].strip()
    if text.lower() in _NOTHING:
        return None
    digits = text.removeprefix("-")
    # Only what reads back the same is a number: "007" stays a string.
    if (
        digits.isascii()
        and digits.isdigit()
        and len(digits) <= _LONGEST_NUMBER
        and str(int(text)) == text
    ):
        return int(text)
    return text
