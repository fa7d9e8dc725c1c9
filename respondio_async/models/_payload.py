"""What all payloads share: a base whose repr shows no content, and the checks of their fields."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeGuard
from urllib.parse import urlsplit

import msgspec

from respondio_async.discreet import Discreet
from respondio_async.errors import InvalidArgumentError

__all__ = [
    "Payload",
    "check_mapping",
    "check_text",
    "check_texts",
    "check_url",
    "digits_as_id",
    "is_list",
    "is_object",
    "optional_text",
    "without_none",
]

_DIGITS: Final = re.compile(r"[1-9][0-9]{0,18}")


class Payload(Discreet, msgspec.Struct, frozen=True):
    """The base of every payload."""

    def to_wire(self) -> dict[str, Any]:
        """Return the `message` object of the request."""
        raise NotImplementedError  # pragma: no cover - every payload and part has its own


def is_list(value: object) -> TypeGuard[Sequence[Any]]:
    """Tell a list or tuple from one text, whose letters would become the values."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def is_object(value: object) -> TypeGuard[Mapping[Any, Any]]:
    """Tell a mapping from the rest."""
    return isinstance(value, Mapping)


def check_text(value: object, argument: str) -> str:
    """Return *value* when it is a text that is not blank."""
    if not isinstance(value, str):
        raise InvalidArgumentError(
            f"{argument} is a {type(value).__name__}, not a str", argument=argument
        )
    if not value.strip():
        raise InvalidArgumentError(f"{argument} is empty", argument=argument)
    return value


def optional_text(payload: msgspec.Struct, argument: str) -> None:
    """Check a text that may be left out; "" becomes None, since it clears nothing in a message."""
    value = getattr(payload, argument)
    if value is None or value == "":
        msgspec.structs.force_setattr(payload, argument, None)
    else:
        check_text(value, argument)


def digits_as_id(value: object) -> object:
    """Return the digits of an id as an int, and anything else as it is.

    The vendor's clients pass ids of users, channels and messages as texts; the API wants numbers.
    Only 0 to 9 count: other scripts have digits too.
    """
    return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value


def check_texts(values: object, argument: str) -> tuple[str, ...]:
    """Return several texts, none of them blank; one text is refused, since its letters would become
    the values.
    """
    if not is_list(values):
        raise InvalidArgumentError(
            f"{argument} is a list of texts, not a {type(values).__name__}", argument=argument
        )
    return tuple(check_text(value, argument) for value in values)


def check_url(value: object, argument: str) -> str:
    """Return an absolute http or https URL."""
    text = check_text(value, argument)
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a malformed port or IPv6 address
        usable = False
    if not usable or " " in text or not text.isprintable():
        raise InvalidArgumentError(
            f"{argument} is not an absolute http(s) URL without spaces", argument=argument
        )
    return text


def check_mapping(value: object, argument: str) -> Mapping[str, Any]:
    """Return a JSON object that is not empty."""
    if not is_object(value) or not value or not all(isinstance(key, str) for key in value):
        raise InvalidArgumentError(
            f"{argument} is a mapping with text keys, and not empty", argument=argument
        )
    return value


def without_none(**fields: Any) -> dict[str, Any]:
    """Return the fields that are set: what is None is not sent."""
    return {name: value for name, value in fields.items() if value is not None}
