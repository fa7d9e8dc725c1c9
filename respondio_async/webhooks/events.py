# ruff: noqa: PYI051 - `Literal[...] | str` is an open enum: editors offer the known values, any
# other is accepted
"""What respond.io tells: one struct an event, and `UnknownEvent` for all that is not listed here.

Source: the vendor's "Webhooks" page. Some events are documented by their name alone
(contact.updated, conversation.opened, comment.created, call.ended), so every part may be None,
whatever the event; `raw` is always the whole body.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal, cast

import msgspec

from respondio_async.discreet import showable
from respondio_async.models import Assignee, Channel, Contact, ContactChannel, Message, Sender, User
from respondio_async.models._base import Model, moment

from ._json import load_object

__all__ = [
    "AnyEvent",
    "CallEnded",
    "CommentCreated",
    "ContactAssigneeUpdated",
    "ContactCreated",
    "ContactLifecycleUpdated",
    "ContactTagUpdated",
    "ContactUpdated",
    "Conversation",
    "ConversationClosed",
    "ConversationOpened",
    "Event",
    "EventMessage",
    "EventUser",
    "MessageReceived",
    "MessageSent",
    "UnknownEvent",
]

Time = int | float | str | None
"""As received; the unit of most is undocumented, so read it with `moment` by its magnitude."""


TagAction = Literal["add", "remove"] | str
"""Open enum."""

PEOPLE: Final = frozenset({"user", "echo"})
"""Sources of a message that a person wrote: in respond.io, or in the channel's own app."""


class EventMessage(Message, frozen=True):
    """A message within an event, which tells its time besides."""

    message_id: int = 0
    """Microseconds since 1970; 0 when the event named none: its text is worth keeping without."""
    timestamp: Time = None
    """Unix seconds, by the vendor's documentation; `at` is the same as a datetime."""
    source: str | None = None
    """One of the places of its sender; see `MessageSent.sender`."""

    @property
    def at(self) -> datetime | None:
        """When it was sent, in UTC: its timestamp, or else what its id tells."""
        return moment(self.timestamp) or self.sent_at


class EventUser(User, frozen=True):
    """A user within an event."""

    id: int = 0
    """0 when the event named none."""

    def __bool__(self) -> bool:
        """False for the empty object that means nobody."""
        return bool(self.id or self.email or self.first_name or self.last_name)


class Conversation(Model, frozen=True):
    """What an event tells of a conversation; much of it is there only once it is closed."""

    category: str | None = None
    """Of the closing note."""
    summary: str | None = None
    opened_time: Time = None
    opened_by_source: str | None = None
    closed_time: Time = None
    closed_by: Assignee | None = None
    """Test it as a truth value: nobody is None or an empty object."""
    closed_by_source: str | None = None
    first_response_time: Time = None
    resolution_time: Time = None
    incoming_message_count: int | None = None
    outgoing_message_count: int | None = None
    assignee_team: Any = None
    last_assignment_time: Time = None

    @property
    def opened_at(self) -> datetime | None:
        """When it was opened, in UTC."""
        return moment(self.opened_time)

    @property
    def closed_at(self) -> datetime | None:
        """When it was closed, in UTC."""
        return moment(self.closed_time)


# gc=True, for dict=True needs it: the body that `raw` is read from lies beside the fields.
class AnyEvent(Model, frozen=True, kw_only=True, gc=True, dict=True):
    """What all events have in common."""

    event_id: str = msgspec.field(name="event_id", default="")
    """A UUID, the same in each delivery of an event; empty when there was none."""
    contact: Contact | None = None
    """Whom it is about, often without tags and custom fields; None when the event named nobody that
    has an id.
    """

    @property
    def event_type(self) -> str:
        """The vendor's name for this kind of event."""
        return cast("str", self.__struct_config__.tag)

    @property
    def raw(self) -> Mapping[str, Any]:
        """The whole body as received, parsed when first asked for; empty for an event that was not
        parsed from one.
        """
        body = vars(self).get("_body")
        if isinstance(body, bytes):
            body = vars(self)["_body"] = load_object(body)
        return cast("Mapping[str, Any]", body or {})

    @property
    def drift(self) -> tuple[str, ...]:
        """Where the body differed from its documentation and was read leniently, without values;
        empty when it did not.
        """
        return cast("tuple[str, ...]", vars(self).get("_drift", ()))

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("event_type", showable(self.event_type)), ("event_id", showable(self.event_id))]


class _Known(AnyEvent, frozen=True, kw_only=True, gc=True, dict=True, tag_field="event_type"):
    pass


class MessageReceived(_Known, frozen=True, kw_only=True, tag="message.received"):
    """The contact wrote."""

    message: EventMessage | None = None
    channel: ContactChannel | None = None

    @property
    def sender(self) -> Sender:
        """Who wrote: the contact, unless the message says otherwise."""
        named = self.message.sender if self.message is not None else None
        return named if named is not None and named.source else Sender(source="contact")


class MessageSent(_Known, frozen=True, kw_only=True, tag="message.sent"):
    """A user, a workflow, the API, … wrote to the contact."""

    message: EventMessage | None = None
    channel: ContactChannel | None = None
    user: EventUser | None = None
    """Who sent it, when a person did; test it as a truth value."""
    body_sender: Sender | None = msgspec.field(name="sender", default=None)
    """The `sender` beside the message; see `sender`."""
    body_source: str | None = msgspec.field(name="source", default=None)
    """The `source` beside the message; see `sender`."""

    @property
    def sender(self) -> Sender | None:
        """Who or what sent it; None when the event does not tell.

        The vendor documents no place for it, and five have been seen. The first that tells counts,
        in this order: `message.sender.source`, `user` (a person), `sender.source`,
        `message.source`, `source`.
        """
        message, user = self.message, self.user
        places = (
            message.sender if message is not None else None,
            Sender(source="user", user_id=user.id or None) if user else None,
            self.body_sender,
            Sender(source=message.source) if message is not None else None,
            Sender(source=self.body_source),
        )
        return next((place for place in places if place is not None and place.source), None)

    @property
    def is_by_person(self) -> bool:
        """Whether a person wrote it, in respond.io ("user") or in the channel's app ("echo")."""
        return self.sender is not None and self.sender.source in PEOPLE


class ContactCreated(_Known, frozen=True, kw_only=True, tag="contact.created"):
    """A contact is new."""


class ContactUpdated(_Known, frozen=True, kw_only=True, tag="contact.updated"):
    """A field of the contact has changed."""


class ContactAssigneeUpdated(_Known, frozen=True, kw_only=True, tag="contact.assignee.updated"):
    """The contact was assigned (`contact.assignee`), or unassigned (an assignee that is None or
    false).
    """


class ContactTagUpdated(_Known, frozen=True, kw_only=True, tag="contact.tag.updated"):
    """A tag was added to the contact, or removed."""

    tag: str | None = None
    action: TagAction | None = None


class ContactLifecycleUpdated(_Known, frozen=True, kw_only=True, tag="contact.lifecycle.updated"):
    """The contact has moved on to another lifecycle stage."""

    lifecycle: str | None = None
    old_lifecycle: str | None = None
    action: str | None = None


class ConversationOpened(_Known, frozen=True, kw_only=True, tag="conversation.opened"):
    """A conversation was opened."""

    conversation: Conversation | None = None


class ConversationClosed(_Known, frozen=True, kw_only=True, tag="conversation.closed"):
    """The conversation was closed."""

    conversation: Conversation | None = None


class CommentCreated(_Known, frozen=True, kw_only=True, tag="comment.created"):
    """Somebody commented on the contact."""

    comment: Any = None
    """Undocumented: seen described as a text, and as an object with one. As received."""
    mentions: Any = None
    user: EventUser | None = None
    body_text: Any = msgspec.field(name="text", default=None)

    @property
    def text(self) -> str | None:
        """The comment, wherever the event has it."""
        inner: Any = self.comment
        if isinstance(inner, dict):
            inner = cast("dict[str, Any]", inner).get("text")
        return next((text for text in (inner, self.body_text) if isinstance(text, str)), None)


class CallEnded(_Known, frozen=True, kw_only=True, tag="call.ended"):
    """A call ended. Its shape is undocumented: see `raw`."""

    call: Any = None
    channel: Channel | None = None
    user: EventUser | None = None


class UnknownEvent(AnyEvent, frozen=True, kw_only=True):
    """An event of no type above, or one in which nothing could be read as its type documents."""

    type: str = ""
    """The same as `event_type`; empty when the body named none."""
    data: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    """The whole body."""

    @property
    def event_type(self) -> str:
        """The vendor's name for this kind of event; empty when the body named none."""
        return self.type


Event = (
    MessageReceived
    | MessageSent
    | ContactCreated
    | ContactUpdated
    | ContactAssigneeUpdated
    | ContactTagUpdated
    | ContactLifecycleUpdated
    | ConversationOpened
    | ConversationClosed
    | CommentCreated
    | CallEnded
    | UnknownEvent
)
