"""Compact forms of a JSON body, for signatures that were made over a re-serialisation instead of
over the bytes that arrived.

The vendor's samples sign `JSON.stringify(body)`. Usually that is what is sent, byte for byte; but a
gateway or a framework on the way may have re-written the JSON (spaces, `\\uXXXX`, `1.0`), and then
the signed bytes must be found again. Only `_signature` uses this.

`JSON.stringify` differs from other compact writers in its numbers (every number is a double,
printed shortest: `1.0` → `1`), in properties that look like array indices (they come first,
ascending) and in lone surrogates (escaped). Source: ECMA-262, `Number::toString`,
`OrdinaryOwnPropertyKeys` and `QuoteJSONString`.
"""

import json
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any, Final, cast

from ._json import refuse

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_ARRAY_INDEX: Final = re.compile(r"(?:0|[1-9][0-9]{0,9})\Z")
_LARGEST_INDEX: Final = 2**32 - 2
_EXACT_DIGITS: Final = 15
"""A double holds every integer of this many digits exactly."""
_ODD_NUMBERS: Final = {"-0": "0", "inf": "null", "-inf": "null"}
"""What JavaScript writes for the numbers that are no digits, and for minus zero."""


class _Number(str):
    """A number, already written as JavaScript writes it."""

    __slots__ = ()


def compact_forms(body: bytes) -> Iterator[bytes]:
    """Yield the compact serialisations of *body*: JavaScript's, then the plain ones, unescaped and
    escaped to ASCII.

    Nothing is yielded for a body that is no JSON. The caller bounds size and nesting: this
    recurses.
    """
    try:
        yield javascript(body)
        value = json.loads(body, parse_constant=refuse)
        for ascii_only in (False, True):
            form = json.dumps(
                value, ensure_ascii=ascii_only, separators=(",", ":"), allow_nan=False
            )
            yield form.encode()
    except (ValueError, RecursionError):  # also for a lone surrogate, 1e400, thousands of digits
        return


def javascript(body: bytes) -> bytes:
    """Return `JSON.stringify(JSON.parse(body))`; ValueError when that would throw."""
    value = json.loads(
        body,
        object_pairs_hook=_object,
        parse_int=_number,
        parse_float=_number,
        parse_constant=refuse,
    )
    return _write(value).encode()


def _write(value: Any) -> str:
    match value:
        case _Number():
            return value
        case str():
            return _string(value)
        case dict():
            members = cast("dict[str, Any]", value).items()
            return (
                "{" + ",".join([f"{_string(name)}:{_write(item)}" for name, item in members]) + "}"
            )
        case list():
            return "[" + ",".join(map(_write, cast("Iterable[Any]", value))) + "]"
        case None:
            return "null"
        case _:
            return "true" if value else "false"


def _string(text: str) -> str:
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", encode_basestring(text))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(
        pairs
    )  # a repeated name keeps its first place and its last value, as in JavaScript
    indices = [name for name in found if _ARRAY_INDEX.match(name) and int(name) <= _LARGEST_INDEX]
    if not indices:
        return found
    return {name: found[name] for name in sorted(indices, key=int)} | found


def _number(literal: str) -> _Number:
    """Write a JSON number as JavaScript prints the double that it reads it as."""
    if len(literal) <= _EXACT_DIGITS and literal.isdecimal():
        return _Number(literal)
    # repr() gives the shortest digits that read back as the same double: the very digits that
    # JavaScript prints. The two differ in the form of very small and very large numbers.
    written = repr(float(literal))
    mantissa, _, exponent = written.partition("e")
    if not exponent:
        written = written.removesuffix(".0")
    elif -7 < int(exponent) < 21:
        written = f"{Decimal(written):f}"
    else:
        written = f"{mantissa}e{int(exponent):+d}"
    return _Number(_ODD_NUMBERS.get(written, written))
