# ruff: noqa: PYI051 - `Literal[...] | str` is an open enum: editors offer the known values, any
# other is accepted
"""Contacts, and their fields for writing.

Source: the vendor's API reference, "Contact".
"""

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, Literal, TypedDict

import msgspec

from ._base import Model, moment

ContactStatus = Literal["open", "closed", "blocked"] | str
"""Open enum. The vendor's SDK says "close" where the server has been seen to answer "closed"."""

CustomFieldInput = str | int | float | bool | date | time | None
"""A custom field's value for writing; None clears it."""


class ContactFields(TypedDict, total=False):
    """What can be written about a contact. Absent: untouched. None: cleared."""

    first_name: str | None
    """The given name."""
    last_name: str | None
    """The family name."""
    phone: str | None
    """The phone number: E.164, with its plus."""
    email: str | None
    """The e-mail address."""
    language: str | None
    """The language: ISO 639-1 ("en")."""
    profile_pic: str | None
    """A public URL of a picture."""
    country_code: str | None
    """The country: ISO 3166-1 alpha-2 ("MY")."""
    custom_fields: Mapping[str, CustomFieldInput] | None
    """Values by the fields' names; a value of None clears its field.

    None for the whole is sent as null, as the vendor's SDK does; what the server makes of that is
    not documented.

    The server refuses the whole write when one name is unknown.
    """


class CustomFieldValue(Model, frozen=True):
    """One custom field of a contact, as received: the server sends numbers and checkboxes as
    strings too.
    """

    _shown = ("name",)

    name: str
    value: str | int | float | bool | list[Any] | dict[str, Any] | None = None
    """An array where the field takes several values."""


class Assignee(Model, frozen=True):
    """The user a conversation is assigned to.

    Falsy without an id: webhooks send an empty one for "nobody".
    """

    id: int | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None

    def __bool__(self) -> bool:
        return self.id is not None


# An unknown key fails the first, strict reading, and the second one keeps it in `extra`: so a usual
# answer pays nothing for it.
class Contact(Model, frozen=True, forbid_unknown_fields=True):
    """A contact as it was when the server answered."""

    id: int
    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    email: str | None = None
    language: str | None = None
    profile_pic: str | None = None
    country_code: str | None = None
    custom_fields: list[CustomFieldValue] | None = msgspec.field(name="custom_fields", default=None)
    """As received; `custom` is the same as a dict."""
    status: ContactStatus | None = None
    """Whether its conversation is open."""
    is_blocked: bool | None = None
    tags: list[str] = msgspec.field(default_factory=list[str])
    assignee: Assignee | None = None
    """Test it as a truth value: "nobody" is None or an empty object."""
    lifecycle: str | None = None
    created_at: int | None = msgspec.field(name="created_at", default=None)
    """Unix seconds; `created` is the same as a datetime."""
    locale: str | None = None
    extra: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    """What the server sent beside the fields above, by its own keys; new keys appear here first."""

    @property
    def created(self) -> datetime | None:
        """When it was created, in UTC."""
        return moment(self.created_at)

    @property
    def custom(self) -> dict[str, Any]:
        """Its custom fields by name, values as received: strings whatever the field's type, None
        for no value.
        """
        return {field.name: field.value for field in self.custom_fields or ()}

    @property
    def assignee_id(self) -> int | None:
        """The id of the user its conversation is assigned to; None for nobody."""
        return self.assignee.id if self.assignee is not None else None
