"""A contact as a row of an export. `contacts import` reads the same columns."""

from typing import Any, Final

from ...models import Contact
from .._fields import Definitions

COLUMNS: Final = (
    "id", "first_name", "last_name", "phone", "email", "language", "country_code", "profile_pic",
    "tags", "lifecycle", "status", "assignee_id", "assignee_email", "created",
)  # fmt: skip


def columns_of(definitions: Definitions) -> list[str]:
    """Name the columns: a contact's own, then one for each custom field of the workspace."""
    return [*COLUMNS, *(f"custom:{field.name}" for field in definitions.fields)]


def record_of(contact: Contact) -> dict[str, Any]:
    """Make a row of a contact."""
    return {
        "id": contact.id,
        "first_name": contact.first_name,
        "last_name": contact.last_name,
        "phone": contact.phone,
        "email": contact.email,
        "language": contact.language,
        "country_code": contact.country_code,
        "profile_pic": contact.profile_pic,
        "tags": list(contact.tags),
        "lifecycle": contact.lifecycle,
        "status": contact.status,
        "assignee_id": contact.assignee_id,
        "assignee_email": contact.assignee.email if contact.assignee else None,
        "created": None if contact.created is None else contact.created.isoformat(),
        "custom_fields": contact.custom,
    }
