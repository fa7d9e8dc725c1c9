"""The second reading of an answer: field by field, keeping all that has a reading.

Any struct is walked by its own annotations, so a new model needs nothing here. The rules, from best
to worst:

* what reads strictly is read strictly;
* a number sent as a string, a string sent as a number, 0 and 1 for a boolean are what they say;
* an object with a name is its name where a text is expected, and the other way round (a lifecycle
  stage as {id, name}, a team as its name);
* null, or anything else that can't be read, gives an optional field its default;
* an element that can't be read is left out of an optional list (one bad tag costs no contact);
* a required value that can't be read fails whatever holds it. So a page whose item has no id fails
  as a whole: an error is seen, and its `.content` holds every item, where an item left out would be
  lost in silence.

All but the first are reported as drift. Unknown keys are no drift, whether they are ignored or kept
in a struct's `extra`.
"""

import re
import types
from functools import lru_cache
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec

from respondio_async._values import is_list, is_object
from respondio_async.models import Page

_INDEX: Final = re.compile(r"\[\d+\]")
_KINDS: Final[dict[type, str]] = {
    type(None): "null",
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
}


class NoReadingError(Exception):
    """A value has no reading as what it should be. Holds the place, never the value."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path


class Reader:
    """One lenient reading; `drift` tells afterwards where it had to bend."""

    def __init__(self) -> None:
        # A dict for its order: the same difference in each of a hundred items is reported once.
        self.drift: dict[str, None] = {}

    def _note(self, text: str) -> None:
        self.drift[_INDEX.sub("[]", text)] = None

    def read(self, raw: Any, expected: Any, path: str, *, required: bool = True) -> Any:
        """Read a value as the expected type, or raise `NoReadingError`."""
        try:
            return msgspec.convert(raw, expected)
        except msgspec.ValidationError:
            pass
        plain = get_args(expected)[0] if get_origin(expected) is Annotated else expected
        origin = get_origin(plain) or plain
        if origin is Union or origin is types.UnionType:
            return self._read_union(raw, get_args(plain), path, required=required)
        if origin is list:
            return self._read_list(raw, (*get_args(plain), Any)[0], path, required=required)
        if _is_plain_struct(origin):
            return self._read_struct(raw, plain, path)
        return self._read_scalar(raw, expected, plain, path)

    def _read_union(self, raw: Any, members: tuple[Any, ...], path: str, *, required: bool) -> Any:
        before = dict(self.drift)
        for member in members:
            try:
                return self.read(raw, member, path, required=required)
            except NoReadingError:
                self.drift = dict(before)
        raise NoReadingError(path, f"{_kind(raw)} has no reading")

    def _read_list(self, raw: Any, element: Any, path: str, *, required: bool) -> list[Any]:
        if not is_list(raw):
            raise NoReadingError(path, f"{_kind(raw)} where an array was expected")
        read: list[Any] = []
        for index, value in enumerate(raw):
            try:
                read.append(self.read(value, element, f"{path}[{index}]"))
            except NoReadingError as failure:
                if required and value is not None:  # a null holds nothing that could be lost
                    raise
                self._note(f"{failure}, left out")
        return read

    def _read_struct(self, raw: Any, expected: Any, path: str) -> Any:
        cls: Any = get_origin(expected) or expected
        if isinstance(raw, str) and raw and _is_named(expected):
            self._note(f"{path}: string where an object was expected, read as its name")
            raw = {"name": raw}
        if expected is Page or get_origin(expected) is Page:
            raw = self._as_page(raw, path)
        if raw == []:  # what PHP makes of an empty object
            raw = {}
            self._note(f"{path}: array where an object was expected")
        if not is_object(raw):
            raise NoReadingError(path, f"{_kind(raw)} where an object was expected")
        values: dict[str, Any] = {}
        if _keeps_extra(cls):
            known = {field.encode_name for field in _fields(expected)} - {"extra"}
            values["extra"] = {key: value for key, value in raw.items() if key not in known}
            raw = {key: value for key, value in raw.items() if key in known}
        for field in _fields(expected):
            where = f"{path}.{field.encode_name}"
            try:
                if field.encode_name in raw:
                    values[field.name] = self.read(
                        raw[field.encode_name], field.type, where, required=field.required
                    )
                elif field.required:
                    raise NoReadingError(where, "missing")  # noqa: TRY301 - caught for optional fields
            except NoReadingError as failure:
                if field.required:
                    raise
                self._note(str(failure))
        try:
            return cls(**values)
        except (TypeError, ValueError):  # a user's own type may refuse in its __post_init__
            raise NoReadingError(path, "refused by its type") from None

    def _as_page(self, raw: Any, path: str) -> Any:
        """Give a list of another shape the shape of a page."""
        if is_list(raw):
            self._note(f"{path}: array where a page was expected")
            return {"items": raw}
        if not is_object(raw) or raw.get("items") is not None:
            return raw
        if is_list(raw.get("data")):
            self._note(f"{path}.data: in place of items")
            return {**raw, "items": raw["data"]}
        if "items" in raw or "pagination" in raw:
            # With neither key it is no page, and must not pass for an empty one: that would end a
            # walk in silence.
            self._note(f"{path}.items: null or missing")
            return {**raw, "items": []}
        return raw

    def _read_scalar(self, raw: Any, expected: Any, plain: Any, path: str) -> Any:
        bent = _bend(raw, plain)
        try:
            read = msgspec.convert(bent, expected, strict=False)
        except msgspec.ValidationError:
            name = getattr(plain, "__name__", str(plain))
            raise NoReadingError(path, f"{_kind(raw)} where {name} was expected") from None
        self._note(f"{path}: {_kind(raw)} read as {getattr(plain, '__name__', str(plain))}")
        return read


def _bend(raw: Any, expected: Any) -> Any:
    """Turn a scalar into the scalar that was meant, or give it back."""
    if expected is str and isinstance(raw, bool | int | float):
        return msgspec.json.encode(raw).decode()
    if expected is str and is_object(raw):
        return raw.get("name", raw)
    if expected is int and isinstance(raw, float) and raw.is_integer():
        return int(raw)
    if expected in (int, float, bool) and isinstance(raw, str):
        return raw.strip().lower()  # and msgspec's lax mode reads what is left
    return raw


def _is_plain_struct(cls: Any) -> bool:
    """Whether it is a struct that its fields say all about."""
    if not (isinstance(cls, type) and issubclass(cls, msgspec.Struct)):
        return False
    config = cls.__struct_config__
    strict = config.forbid_unknown_fields and not _keeps_extra(cls)
    return config.tag is None and not config.array_like and not strict


def _keeps_extra(cls: Any) -> bool:
    return "extra" in cls.__struct_fields__


def _is_named(struct: Any) -> bool:
    """Whether it has a name and can do with that alone; a struct that requires its name is the
    answer itself, for which a sentence must not pass.
    """
    fields = _fields(struct)
    return any(field.name == "name" for field in fields) and not any(
        field.required for field in fields
    )


@lru_cache(maxsize=256)
def _fields(struct: Any) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(struct)


def _kind(raw: object) -> str:
    """Name what JSON calls it."""
    return _KINDS.get(type(raw), "object")
