"""How much of a stranger's body is looked at before it is refused."""

import re
from typing import Final

MAX_BODY: Final = 1024 * 1024
"""Bytes. Real events are a few kB; an e-mail's text may make one of some hundred."""
MAX_DEPTH: Final = 64
"""Objects and arrays within one another.

Real events reach about six; recursive readers break near a thousand.
"""

_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_BRACKET: Final = re.compile(rb"[\[{\]}]")


def deeper_than(limit: int, body: bytes) -> bool:
    """Whether objects and arrays in *body* are nested deeper than *limit*; text that is no JSON may
    count either way.
    """
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", body)):
        depth += 1 if bracket in b"[{" else -1
        if depth > limit:
            return True
    return False
