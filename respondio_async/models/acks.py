"""The short answers of writes."""

from ._base import Model

__all__ = ["Ack", "ContactRef", "SentMessage"]


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
