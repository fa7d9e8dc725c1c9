# ruff: noqa: PYI051 - `Literal[...] | str` is an open enum: editors offer the known values, any
# other is accepted
"""The workspace: its users, custom fields, closing notes and tags.

Source: the vendor's API reference, "Space".
"""

from datetime import datetime
from typing import Any, Literal, cast

import msgspec

from respondio_async._values import is_list

from ._base import AnyShape, Model, elements, moment, parsed

UserRole = Literal["agent", "manager", "owner"] | str
"""Open enum."""

UserRestriction = (
    Literal[
        "restrict_data_export", "restrict_contact_deletion", "restrict_space_setting",
        "show_team_contacts",
        "show_only_mine", "restrict_space_integration", "restrict_shortcuts",
    ]
    | str
)  # fmt: skip
"""Open enum: what a user is not allowed to do or see."""

CustomFieldType = (
    Literal["text", "list", "checkbox", "email", "number", "url", "date", "time"] | str
)
"""Open enum."""


class Team(Model, frozen=True):
    """A team of users."""

    _shown = ("name",)

    id: int | None = None
    name: str | None = None


class User(Model, frozen=True):
    """A user of the workspace."""

    _shown = ("role", "team")

    id: int
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    role: UserRole | None = None
    team: Team | None = None
    restrictions: list[UserRestriction] = msgspec.field(default_factory=list[UserRestriction])


class CustomField(Model, frozen=True):
    """A custom field that contacts of the workspace can have."""

    _shown = ("name", "slug")

    id: int
    name: str = ""
    data_type: CustomFieldType | None = None
    allowed_values: AnyShape[list[str] | None] = None
    """The choices of a list field; None for every other type."""
    description: str | None = None
    title: str | None = None
    slug: str | None = None
    created_at: int | None = msgspec.field(name="created_at", default=None)
    """Unix seconds; `created` is the same as a datetime."""

    def __post_init__(self) -> None:
        if self.allowed_values is not None:
            msgspec.structs.force_setattr(self, "allowed_values", _as_choices(self.allowed_values))

    @property
    def created(self) -> datetime | None:
        """When it was created, in UTC."""
        return moment(self.created_at)


class ClosingNote(Model, frozen=True):
    """A category that a conversation can be closed with."""

    _shown = ("category",)

    category: str
    description: str | None = None
    content: str | None = None
    timestamp: int | float | str | None = None
    """As received, in an undocumented unit; `at` is the same as a datetime."""

    @property
    def at(self) -> datetime | None:
        """The note's time in UTC; the unit is taken from the magnitude."""
        return moment(self.timestamp)


class Tag(Model, frozen=True):
    """A tag of the workspace. Its name is its key: updates and deletions go by name."""

    _shown = ("name",)

    name: str
    id: int | None = None
    description: str | None = None
    emoji: str | None = None
    color_code: str | None = None
    """A colour's hex, or one of the vendor's names such as "tag-red"."""
    created_at: int | float | str | None = None
    """As received, seen on some tags; `created` is the same as a datetime."""

    @property
    def created(self) -> datetime | None:
        """When it was created, in UTC."""
        return moment(self.created_at)


def _as_choices(value: Any) -> list[str] | None:
    value = parsed(value)
    if isinstance(value, dict):
        value = cast("dict[str, Any]", value).get("listValues")
    choices = [str(choice) for choice in elements(value) if isinstance(choice, str | int | float)]
    return choices if is_list(value) else None
