"""What all models share: a frozen base with snake_case names whose repr shows no personal data, the
reading of fields that the server sends now as JSON and now as JSON inside a string, and of times.
"""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar, cast

import msgspec

from respondio_async._values import is_list, read_json
from respondio_async.discreet import Discreet

T = TypeVar("T")

if TYPE_CHECKING:
    AnyShape = Annotated[T, "whatever its shape on the wire"]
else:

    class AnyShape:
        """A field that decodes from anything; `__post_init__` makes it what its type says."""

        def __class_getitem__(cls, _made: object) -> object:
            return Any


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MICROSECOND: Final = int(
    (datetime.max.replace(tzinfo=UTC) - _EPOCH) / timedelta(microseconds=1)
)

# A number up to each bound counts in units of so many to the second: 1e11 s is the year 5138, 1e11
# ms is 1973.
_UNITS: Final = ((10**11, 1), (10**14, 1_000), (10**17, 1_000_000), (10**20, 1_000_000_000))


# gc=False: a model holds JSON, so it can't be part of a cycle; 100,000 kept contacts cost the
# collector nothing.
class Model(Discreet, msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """An object of the API. Frozen: `msgspec.structs.replace` makes a changed copy, `to_dict` a
    plain dict.

    Fields that the server may leave out or null have defaults, and fields that it adds tomorrow are
    ignored.
    """

    def to_dict(self, *, wire: bool = False) -> dict[str, Any]:
        """Return its fields as plain Python, objects within it included.

        By their names here (snake_case, `pandas.DataFrame([contact.to_dict() for …])`), or with
        *wire* by the API's names.
        """
        if wire:
            return cast("dict[str, Any]", msgspec.to_builtins(self))
        tag = self.__struct_config__.tag
        fields = {name: _plain(getattr(self, name)) for name in self.__struct_fields__}
        return fields if tag is None else {"type": tag, **fields}


def _plain(value: Any) -> Any:
    if isinstance(value, Model):
        return value.to_dict()
    if isinstance(value, list):
        return [_plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def parsed(value: Any) -> Any:
    """Parse a JSON text; give back what isn't a string, and None for a text that isn't JSON."""
    return read_json(value, otherwise=None) if isinstance(value, str) else value


def elements(value: Any) -> list[Any]:
    """The elements of a list; none when it is no list."""
    return list(value) if is_list(value) else []


def moment(value: float | str | None) -> datetime | None:
    """Read a time whose unit goes by its magnitude (s, ms, µs, ns), or an ISO 8601 text, in UTC;
    None when it is neither.

    The vendor documents seconds for `created_at` and status timestamps, and no unit for the times
    of conversations.
    """
    if isinstance(value, str):
        return _moment_of_text(value)
    if value is None or value != value:  # noqa: PLR0124 - NaN is what differs from itself
        return None
    for bound, per_second in _UNITS:
        if abs(value) < bound:
            whole, part = divmod(value, per_second)
            return _at(int(whole) * 1_000_000 + int(part * 1_000_000 // per_second))
    return None


def moment_of_id(message_id: int) -> datetime | None:
    """Read a message id, which is microseconds since 1970; None for the small ids of samples and
    impossible ones.
    """
    return _at(message_id) if message_id >= 10**15 else None


def _moment_of_text(text: str) -> datetime | None:
    try:
        return moment(float(text))
    except ValueError:
        pass
    try:
        read = datetime.fromisoformat(text)
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _at(microseconds: int) -> datetime | None:
    if (
        not -62_135_596_800_000_000 <= microseconds <= _LAST_MICROSECOND
    ):  # the year 1 to the year 9999
        return None
    return _EPOCH + timedelta(microseconds=microseconds)
