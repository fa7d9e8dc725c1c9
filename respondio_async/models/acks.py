"""The short answers of writes, and a comment as it was stored."""

from datetime import datetime

import msgspec

from ._base import Model, moment


class Ack(Model, frozen=True):
    """The server took note: creating a contact, moving its lifecycle and deleting a tag are
    answered with no more.
    """

    code: int | None = None
    """Usually the HTTP status again."""
    message: str = ""


class ContactRef(Model, frozen=True):
    """The contact that a write was about.

    `contact_id` is None when the server does not say it, as `create_or_update` has been seen to for
    a new contact.
    """

    contact_id: int | None = None


class SentMessage(Model, frozen=True):
    """The server accepted a message.

    Accepted is not delivered: `messages.wait_for_status` tells.
    """

    message_id: int


class Comment(Model, frozen=True):
    """A comment as the server stored it. It has no id: the API can neither read nor delete it.

    Source: the vendor's API reference, "Create a comment".
    """

    text: str = ""
    contact_id: int | None = None
    created_at: int | None = msgspec.field(name="created_at", default=None)
    """Unix seconds."""

    @property
    def created(self) -> datetime | None:
        """When it was created, in UTC."""
        return moment(self.created_at)
