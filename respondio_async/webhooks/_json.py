"""Reading JSON from anybody: how much of it, how deep, and what the quick decoder refuses."""

import json
from typing import Any, Final, NoReturn, cast

import msgspec

from respondio_async._values import finite
from respondio_async.errors import DecodeError

MAX_BODY: Final = 1024 * 1024
"""Bytes. Real events are a few kB; an e-mail's text may make one of some hundred."""
MAX_DEPTH: Final = 64
"""Objects and arrays within one another.

Real events reach about six; recursive readers break near a thousand.
"""

_LONGEST_INTEGER: Final = 4000
"""Digits; Python refuses to read more than 4300."""
_OPENING: Final = ord("[")
_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[{]}"))


def deeper_than(limit: int, body: bytes) -> bool:
    """Whether objects and arrays in *body* are nested deeper than *limit*; text that is no JSON may
    count either way.

    Every step is one pass over the bytes, whatever they are. A regular expression for strings is
    not: it tries again from each quote that nothing closes.
    """
    # A backslash is escaped by the one before it, or else escapes what follows. Without both pairs
    # every quote begins or ends a string, and every second part is outside of all strings.
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside = b"".join(unescaped.split(b'"')[::2])
    depth = 0
    for bracket in outside.translate(_BRACKETS, _NO_BRACKETS):
        depth += 1 if bracket == _OPENING else -1
        if depth > limit:
            return True
    return False


def load_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object, or raise `DecodeError`.

    Half an emoji, which JavaScript leaves when it cuts a text, becomes U+FFFD; a number too large
    for a float becomes None. The caller bounds size and nesting.
    """
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError):
        value = _load_slowly(body)
    if not isinstance(value, dict):
        raise not_an_event("is not a JSON object", body)
    return cast("dict[str, Any]", value)


def not_an_event(why: str, body: bytes) -> DecodeError:
    """Make the error for a body that no event can be read from."""
    return DecodeError(f"the webhook body {why}", content=body, type="Event")


def _load_slowly(body: bytes) -> Any:
    try:
        text = body.decode()
        value = json.loads(text, parse_int=_integer, parse_float=finite, parse_constant=refuse)
    except ValueError:  # UnicodeError is one
        raise not_an_event("is not JSON", body) from None
    # In UTF-16 half an emoji has a place, and a name.
    halves = json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass")
    return json.loads(halves.decode("utf-16", "replace"))


def _integer(literal: str) -> int | None:
    return int(literal) if len(literal) <= _LONGEST_INTEGER else None


def refuse(literal: str) -> NoReturn:
    """Refuse NaN and the infinities, which Python's reader takes for JSON."""
    raise ValueError(f"{literal} is not JSON")
