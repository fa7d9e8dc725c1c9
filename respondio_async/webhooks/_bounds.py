"""How much of an unverified body is read before it is refused."""

from typing import Final

MAX_BODY: Final = 1024 * 1024
"""Bytes. Real events are a few kB; an e-mail's text may make one of some hundred."""
MAX_DEPTH: Final = 64
"""Objects and arrays within one another.

Real events reach about six; recursive readers break near a thousand.
"""

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
