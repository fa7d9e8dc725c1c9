"""From a body to its event: at once when it is as documented, leniently when it is not."""

from collections.abc import Callable, Collection
from typing import Any, Final, TypeVar, Union, cast, get_args

import msgspec

from respondio_async._wire import decode
from respondio_async.errors import DecodeError

from ._json import MAX_BODY, MAX_DEPTH, deeper_than, load_object, not_an_event
from .events import AnyEvent, Event, UnknownEvent

E = TypeVar("E", bound=AnyEvent)

_KNOWN: Final[tuple[type[Any], ...]] = tuple(
    each for each in get_args(Event) if each is not UnknownEvent
)
_BY_TYPE: Final[dict[str, type[Any]]] = {
    cast("str", cls.__struct_config__.tag): cls for cls in _KNOWN
}
# One pass over the body when it is as documented: the tag picks the type on the way.
_decode: Final[Callable[[bytes], Event]] = msgspec.json.Decoder(cast("Any", Union[_KNOWN])).decode  # noqa: UP007 - a tuple


def parse(body: bytes, *, max_body: int = MAX_BODY, max_depth: int = MAX_DEPTH) -> Event:
    """Read an event; `verify` its body first.

    An event of an unknown type becomes `UnknownEvent`. A part that is missing or of another type
    than documented is None, and numbers sent as strings are read. `DecodeError` is only for what is
    no JSON object, too large or nested too deeply.
    """
    size = len(body)
    if size > max_body:
        raise not_an_event(f"is larger than {max_body} bytes", body)
    # Fewer openings than the limit, wherever they stand, cannot nest deeper: that ends it for
    # nearly every body. Removing a byte that is rare is three times as fast as counting it: it
    # leaps from one to the next.
    openings = 2 * size - len(body.replace(b"{", b"")) - len(body.replace(b"[", b""))
    if openings > max_depth and deeper_than(max_depth, body):
        raise not_an_event(f"is nested deeper than {max_depth} levels", body)
    try:
        event = _decode(body)
    except (msgspec.MsgspecError, UnicodeError):
        event = _read_leniently(body)
    vars(event)["_body"] = body
    return event


def _read_leniently(body: bytes) -> Event:
    data = load_object(body)
    name = data.get("event_type")
    known = _BY_TYPE.get(name) if isinstance(name, str) else None
    if known is not None:
        return cast("Event", _read_parts(data, known))
    # What all events share is read from an unknown one as well: its place among the contact's
    # events depends on it.
    event = _read_parts(data, UnknownEvent, ("event_id", "contact"))
    return msgspec.structs.replace(event, type=name if isinstance(name, str) else "", data=data)


def _read_parts(data: dict[str, Any], cls: type[E], parts: Collection[str] | None = None) -> E:
    """Read an event part by part; one that has no reading is left at its default."""
    values: dict[str, Any] = {}
    drift: list[str] = []
    for field in msgspec.structs.fields(cls):
        name = field.encode_name
        if name not in data or (parts is not None and name not in parts):
            continue
        try:
            decoded = decode(msgspec.json.encode(data[name]), field.type)
        except (DecodeError, msgspec.MsgspecError):
            drift.append(f"$.{name}: has no reading")
        else:
            values[field.name] = decoded.value
            drift += [f"$.{name}{detail[1:]}" for detail in decoded.drift]
    event = cls(**values)
    vars(event)["_drift"] = tuple(drift)
    return event
