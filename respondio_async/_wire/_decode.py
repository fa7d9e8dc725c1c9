"""Bytes in: strictly at msgspec's bare speed first, leniently when that fails, `DecodeError` when
there is no reading.

The vendor's pages and the vendor's own clients disagree about types, wrappers and nulls, so an
answer that differs from the models is read as well as it can be. Deviations are reported in
`Decoded.drift`, by place and kind, never by value.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, get_args, get_origin

import msgspec

from respondio_async._values import finite, is_object
from respondio_async.discreet import Discreet
from respondio_async.errors import DecodeError, InvalidArgumentError

from ._lenient import NoReadingError, Reader

# RecursionError: an answer that is nested deeper than the stack goes.
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)
_ABSENT: Final[Any] = object()
Envelopes = tuple[tuple[str, ...], ...]
_COMMON_WRAPPER: Final = ("data",)


class Decoded(Discreet, msgspec.Struct, frozen=True):
    """An answer's value, and how the answer differed from what was expected."""

    value: Any
    drift: tuple[str, ...] = ()
    """One entry for each kind of difference, such as "$.items[].id: string read as int".

    Empty: read strictly.
    """


def decode(content: bytes, type: Any, *, envelopes: Envelopes = ()) -> Decoded:  # noqa: A002 - the users' name
    """Read an answer as a type, any that msgspec knows.

    `envelopes` are keys under which the value has also been seen wrapped: no drift. Raises
    `DecodeError` and nothing else for any content, and `InvalidArgumentError` for a type that can't
    be read from JSON.
    """
    decoder = _decoder(type)
    try:
        return Decoded(decoder.decode(content))
    except _UNREADABLE:
        # Continued outside, so that no exception below drags the answer's values along in its
        # context.
        pass
    read = _read_drifted(content, type, envelopes)
    if isinstance(read, NoReadingError):
        name = _name(type)
        raise DecodeError(
            f"the answer has no reading as {name}: {read}",
            content=content,
            type=name,
            path=read.path,
        )
    return read


def check_type(type: Any) -> None:  # noqa: A002 - the users' name
    """Refuse a type that can't be read from JSON; ask before a request is made for it."""
    _decoder(type)


@lru_cache(
    maxsize=256
)  # several times the table of endpoints; bounded, because types can be made at run time
def _decoder(expected: Any) -> msgspec.json.Decoder[Any]:
    try:
        return msgspec.json.Decoder(expected)
    except TypeError:
        raise InvalidArgumentError(
            "type: can't be read from JSON by msgspec", argument="type"
        ) from None


def _read_drifted(
    content: bytes,
    expected: Any,
    envelopes: Envelopes,
) -> Decoded | NoReadingError:
    try:
        plain, drift = _parse(content)
        if plain is _ABSENT:
            return NoReadingError("$", "not JSON" if content.strip() else "empty")
        wrapped = list(_unwrap(plain, envelopes))
        for _, candidate in [("$", plain), *wrapped]:
            try:
                return Decoded(msgspec.convert(candidate, expected), drift)
            except msgspec.ValidationError:
                pass
        return _read_leniently(
            [("$", plain), *wrapped, *_unwrap(plain, (_COMMON_WRAPPER,))], expected, drift
        )
    except RecursionError:
        return NoReadingError("$", "nested too deeply")


def _read_leniently(
    candidates: list[tuple[str, Any]],
    expected: Any,
    drift: tuple[str, ...],
) -> Decoded | NoReadingError:
    failures: list[NoReadingError] = []
    for path, candidate in candidates:
        reader = Reader()
        try:
            value = reader.read(candidate, expected, path)
        except NoReadingError as failure:
            failures.append(failure)
        else:
            wrapped = () if path == "$" else (f"{path}: wrapped",)
            return Decoded(value, (*drift, *(reader.drift or wrapped)))
    return failures[0]


def _unwrap(plain: Any, envelopes: Envelopes) -> Iterator[tuple[str, Any]]:
    """Find what stands under each envelope's keys, with its path."""
    for keys in envelopes:
        inner: Any = plain
        for key in keys:
            inner = inner.get(key, _ABSENT) if is_object(inner) else _ABSENT
        if inner is not _ABSENT:
            yield ".".join(("$", *keys)), inner


def _parse(content: bytes) -> tuple[Any, tuple[str, ...]]:
    """Parse to plain Python, repairing what real servers get wrong; `_ABSENT` when it is no JSON at
    all.
    """
    try:
        return msgspec.json.decode(content), ()
    except (msgspec.MsgspecError, UnicodeError):
        pass
    try:
        # A byte-order mark, bytes that aren't UTF-8, raw control characters, NaN, and half of a
        # surrogate pair (a name that was cut in the middle of an emoji) all have a plain meaning. A
        # torn answer has none, and stays an error.
        text = content.decode("utf-8-sig", "replace")
        plain = json.loads(text, strict=False, parse_constant=finite, parse_float=finite)
        repaired = json.dumps(plain, ensure_ascii=False).encode("utf-8", "replace")
        return msgspec.json.decode(repaired), ("$: not quite JSON",)
    except (ValueError, msgspec.MsgspecError):
        return _ABSENT, ()


def _name(expected: Any) -> str:
    """Name a type for a person: "Page[Contact]"."""
    origin = get_origin(expected)
    if origin is None:
        return getattr(expected, "__name__", str(expected))
    return f"{_name(origin)}[{', '.join(_name(argument) for argument in get_args(expected))}]"
