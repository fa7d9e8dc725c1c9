"""Fields that the server sends now as JSON and now as JSON inside a string."""

from typing import Any

import msgspec

__all__ = ["elements", "parsed"]


def parsed(value: Any) -> Any:
    """Parse a JSON text; give back what isn't a string, and None for a text that isn't JSON."""
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def elements(value: Any) -> list[Any]:
    """The elements of a list; none when it is no list."""
    try:
        return msgspec.convert(value, list[Any])
    except msgspec.ValidationError:
        return []
