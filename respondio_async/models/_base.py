"""What all models share: frozen, snake_case over the wire's camelCase, and a repr that holds no
contact's data.
"""

from typing import Any

import msgspec

__all__ = ["Model"]


# gc=False: a model holds JSON, so it can't be part of a cycle; 100,000 kept contacts cost the
# collector nothing.
class Model(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """An object of the API. Frozen: `msgspec.structs.replace` makes a changed copy,
    `msgspec.to_builtins` a plain dict.

    Fields that the server may leave out or null have defaults, and fields that it adds tomorrow are
    ignored.
    """

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Name the ids only: names, e-mails, phones and texts end up in logs through reprs."""
        shown: list[tuple[str, Any]] = []
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if (name == "id" or name.endswith("_id")) and isinstance(value, int):
                shown.append((name, value))
        return shown

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({shown})"
