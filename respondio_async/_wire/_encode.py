"""Arguments to bytes: the target of a request, and its JSON body."""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any, Final, cast
from urllib.parse import quote

import msgspec

from respondio_async._values import is_list, is_object, is_set
from respondio_async.errors import InvalidArgumentError
from respondio_async.identifiers import segment

Params = Mapping[str, Any]
Scalar = str | int | float | bool | None
QueryValue = Scalar | Sequence[Scalar]
Query = Mapping[str, QueryValue]

_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.~-")
_HUGE: Final = 2**64


def build_target(template: str, params: Params | None = None, query: Query | None = None) -> str:
    """Fill the `{names}` of *template* and add the query: "/contact/id:1/message/list?limit=50".

    The parameter called `identifier` is a contact's identifier; every other one is an int or a text
    of one segment, with nothing safe in it. Only the template decides which path is called: values
    cannot add a segment, and the template itself is a plain path (a value written into it would
    reach the logs, which name templates).
    """
    literals, names = _parse(template)
    params = params or {}
    if len(params) != len(names):
        raise _misfit(names, params)
    target = literals[0]
    for name, literal in zip(names, literals[1:], strict=True):
        try:
            value = params[name]
        except KeyError:
            raise _misfit(names, params) from None
        if name == "identifier":
            target += segment(value) + literal
        elif type(value) is int and 0 < value < _HUGE:
            target += str(value) + literal
        else:
            target += _segment(name, value) + literal
    pairs = _query(query) if query else ""
    return f"{target}?{pairs}" if pairs else target


@lru_cache(maxsize=1024)
def _parse(template: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split a template into the texts around its names, and the names."""
    if not template.startswith("/"):
        raise _template_error('begins with "/", below the base URL')
    literals, names = [""], list[str]()
    for part in template[1:].split("/"):
        literals[-1] += "/"
        if part.startswith("{") and part.endswith("}") and part[1:-1].isidentifier():
            names.append(part[1:-1])
            literals.append("")
        elif not part or part in (".", ".."):
            raise _template_error("has no empty, . or .. segment")
        elif _UNRESERVED.issuperset(part):
            literals[-1] += part
        else:
            raise _template_error(
                "is a plain path with whole segments in braces; put values into params and the "
                "query into query"
            )
    if len(set(names)) != len(names):
        raise _template_error("names each parameter once")
    return tuple(literals), tuple(names)


def _template_error(rule: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"a path template {rule}", argument="path")


def _misfit(names: tuple[str, ...], params: Params) -> InvalidArgumentError:
    unlike = {
        "missing": [name for name in names if name not in params],
        "unused": [str(name) for name in params if name not in names],
    }
    said = "; ".join(f"{how}: {', '.join(which)}" for how, which in unlike.items() if which)
    return InvalidArgumentError(f"the params do not fit the path ({said})", argument="params")


def _segment(name: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidArgumentError(
            f"{name} is a {type(value).__name__}, not an int or a str", argument=name
        )
    text = _text(name, value)
    if text in ("", ".", ".."):
        raise InvalidArgumentError(
            f"{name} is empty or a dot segment, which no path can carry", argument=name
        )
    return text


def _query(query: Query) -> str:
    pairs: list[str] = []
    for name, value in query.items():
        many = value if is_list(value) else (value,)
        pairs += [f"{_quoted(name, name)}={_text(name, each)}" for each in many if each is not None]
    return "&".join(pairs)


def _text(name: str, value: object) -> str:
    """Write a scalar as the part of a URL that it becomes, quoted."""
    if isinstance(value, Enum):
        value = value.value
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _quoted(name, value)
        case int() if -_HUGE < value < _HUGE:
            return format(value, "d")
        case int():
            raise InvalidArgumentError(f"{name} is an integer of more than 64 bits", argument=name)
        case float() if math.isfinite(value):
            return _quoted(name, repr(value))
        case float():
            raise InvalidArgumentError(f"{name} is not a finite number", argument=name)
        case _:
            raise InvalidArgumentError(
                f"{name} is a {type(value).__name__}, not text, a number or a bool", argument=name
            )


def _quoted(name: str, text: str) -> str:
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise InvalidArgumentError(
            f"{name} holds half a surrogate pair, which is no text", argument=name
        ) from None


_encode: Final = msgspec.json.Encoder().encode


def encode_json(body: object, *, argument: str = "json") -> bytes:
    """Encode a JSON body. Dates become `yyyy-mm-dd`, times `HH:MM`.

    Refused: NaN and infinity (JSON has none, and null in their place would clear a field), and
    datetimes, whose form differs from operation to operation.
    """
    try:
        return _encode(_plain(body, argument))
    except InvalidArgumentError:
        raise
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError, RecursionError) as error:
        # The encoder's own text names types; it is left out all the same, since a value may stand
        # in it.
        raise InvalidArgumentError(
            f"{argument} cannot be written as JSON ({type(error).__name__})", argument=argument
        ) from None


def _plain(value: Any, argument: str) -> Any:
    kind = cast("type[object]", type(value))
    if value is None or kind is str or kind is int or kind is bool:
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        raise InvalidArgumentError(
            f"{argument} holds a number that is not finite", argument=argument
        )
    if kind is dict or is_object(value):
        return {key: _plain(each, argument) for key, each in value.items()}
    if is_list(value) or is_set(value):
        return [_plain(each, argument) for each in value]
    return _rare(value, argument)


def _rare(value: Any, argument: str) -> Any:
    if isinstance(value, Enum):
        return _plain(value.value, argument)
    if isinstance(value, dt.datetime):
        raise InvalidArgumentError(
            f"{argument} holds a datetime: give a date, a time, Unix seconds or the text that the "
            "field takes",
            argument=argument,
        )
    if isinstance(value, dt.time):
        return time_text(value)
    if isinstance(value, msgspec.Struct):
        return _plain(msgspec.to_builtins(value, builtin_types=(dt.datetime, dt.time)), argument)
    if isinstance(value, bytes | bytearray | memoryview):
        raise InvalidArgumentError(f"{argument} holds bytes, which JSON has not", argument=argument)
    return value


def time_text(value: dt.time) -> str:
    """Write a time as the API takes it, `HH:MM`; seconds and the zone are dropped."""
    return f"{value.hour:02d}:{value.minute:02d}"
