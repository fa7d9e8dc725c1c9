"""One repr for everything that holds a token or a person's data: it shows a few named fields.

Logs, tracebacks with locals and error trackers print reprs. What people look for (ids, types,
states, names of channels, fields and templates, times) is shown; names of persons, e-mails, phones,
texts and custom values are not. Structs of your own, such as the rows of a bulk run, can have it
too: `class Row(Discreet, msgspec.Struct)`.
"""

import re
from typing import Any, ClassVar, Final

from .errors import RespondError

__all__ = ["Discreet", "showable"]

_VOCABULARY: Final = frozenset(
    {
        *("type", "status", "source", "traffic", "data_type", "language_code", "code", "timestamp"),
        *("created_at", "mime", "ext", "size", "is_blocked", "is_pending", "action"),
    }
)
"""Fields that hold the API's own words and numbers wherever they occur."""

_LONGEST: Final = 100
_PERSONAL: Final = re.compile(r"@|%40|\d(?:[ ().-]?\d){6}|[\r\n]")
"""What looks like an e-mail address, a phone number or a text is hidden wherever it stands."""


class Discreet:
    """The base, or first base, of such a class; `_shown` names what it shows besides ids and
    vocabulary.
    """

    __slots__ = ()
    _shown: ClassVar[tuple[str, ...]] = ()

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return the fields to show; rich prints structs by all of their fields otherwise."""
        fields: Any = getattr(self, "__struct_fields__", None) or getattr(self, "_fields", ())
        names: tuple[str, ...] = fields
        shown: list[tuple[str, Any]] = []
        for name in names:
            value = getattr(self, name)
            if name in self._shown or name in _VOCABULARY:
                value = showable(value)
            elif not ((name == "id" or name.endswith("_id")) and isinstance(value, int)):
                continue
            if value is not None:
                shown.append((name, value))
        return shown

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({shown})"


def showable(value: Any) -> Any:
    """Return what may be shown of *value*; None for nothing."""
    if isinstance(value, str):
        return value if len(value) <= _LONGEST and not _PERSONAL.search(value) else None
    if isinstance(value, bool | int | float | Discreet | RespondError):
        return value
    if isinstance(value, BaseException | type):
        return _Name(value)
    if isinstance(value, list | tuple):
        items: list[Any] = [showable(item) for item in value[:10]]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        return [item for item in items if item is not None] or None
    return None


class _Name:
    """Shows the name of a class, or of an error's class, whose text may hold anything."""

    def __init__(self, value: object) -> None:
        self._name = value.__name__ if isinstance(value, type) else type(value).__name__

    def __repr__(self) -> str:
        return self._name
