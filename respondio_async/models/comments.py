"""Internal comments on a contact.

Source: the vendor's API reference, "Create a comment".
"""

from datetime import datetime

import msgspec

from ._base import Model
from ._times import moment

__all__ = ["Comment"]


class Comment(Model, frozen=True):
    """A comment as the server stored it. It has no id: the API can neither read nor delete it."""

    text: str = ""
    contact_id: int | None = None
    created_at: int | None = msgspec.field(name="created_at", default=None)
    """Unix seconds."""

    @property
    def created(self) -> datetime | None:
        """When it was created, in UTC."""
        return moment(self.created_at)
