"""What all payloads share: a base whose repr shows no content, and the checks of their fields."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from respondio_async._values import check_text, is_list, is_object
from respondio_async.discreet import Discreet
from respondio_async.errors import InvalidArgumentError


class Payload(Discreet, msgspec.Struct, frozen=True):
    """The base of every payload."""

    def to_wire(self) -> dict[str, Any]:
        """Return the `message` object of the request."""
        raise NotImplementedError  # pragma: no cover - every payload and part has its own


def optional_text(payload: msgspec.Struct, argument: str) -> None:
    """Check a text that may be left out; "" becomes None, since it clears nothing in a message."""
    value = getattr(payload, argument)
    if value is None or value == "":
        msgspec.structs.force_setattr(payload, argument, None)
    else:
        check_text(value, argument)


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
