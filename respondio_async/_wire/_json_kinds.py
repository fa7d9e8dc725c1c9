"""Tell the kinds of JSON apart, for values that may be anything."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, TypeGuard


def is_object(value: object) -> TypeGuard[Mapping[Any, Any]]:
    """Tell a mapping from the rest."""
    return isinstance(value, Mapping)


def is_list(value: object) -> TypeGuard[Sequence[Any]]:
    """Tell a list or tuple from a text or bytes, which are sequences too."""
    return isinstance(value, Sequence) and not isinstance(
        value, str | bytes | bytearray | memoryview
    )


def is_set(value: object) -> TypeGuard[AbstractSet[Any]]:
    """Tell a set from the rest."""
    return isinstance(value, AbstractSet)
