"""Parsed JSON, narrowed: each gives the value when it is what was asked for, and None otherwise."""

from typing import Any, cast


def as_object(value: Any) -> dict[str, Any] | None:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def as_list(value: Any) -> list[Any] | None:
    items: list[Any] | None = value if isinstance(value, list) else None  # pyright: ignore[reportUnknownVariableType]
    return items


def as_strings(value: Any) -> list[str] | None:
    """A list with at least one string, none of them empty."""
    items = as_list(value)
    return items if items and all(isinstance(each, str) and each for each in items) else None
