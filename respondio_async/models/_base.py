"""What all models share: a frozen base with snake_case names whose repr shows no personal data, and
the reading of fields that the server sends now as JSON and now as JSON inside a string.
"""

from typing import Any, cast

import msgspec

from respondio_async._values import is_list, read_json
from respondio_async.discreet import Discreet


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
