"""What a handler is given: the event, and what can be done about it, and what that needs of a
client.
"""

import re
import time
from collections.abc import AsyncIterable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, Protocol, TypeVar

from respondio_async.errors import ConfigurationError
from respondio_async.models import Contact, ContactChannel, Message

from ._contact_states import ContactStates, moment_of
from ._order import KeyedLocks
from .events import AnyEvent, EventMessage, MessageReceived

E_co = TypeVar("E_co", bound=AnyEvent, covariant=True)

REPLY_WINDOW: Final = timedelta(hours=24)
"""How long after the contact's last message most channels (WhatsApp, Messenger, Instagram) take a
message that is not a template.
"""


class BotMessages(Protocol):
    """What is needed of `client.messages`."""

    async def send(
        self, identifier: Any, message: Any, *, channel_id: int | None = None
    ) -> Any: ...

    def list_new(self, identifier: Any, after: int) -> AsyncIterable[Message]: ...


class BotConversations(Protocol):
    """What is needed of `client.conversations`."""

    async def hand_over(self, identifier: Any, user: Any) -> Any: ...


class BotContacts(Protocol):
    """What is needed of `client.contacts`."""

    async def get(self, identifier: Any) -> Contact: ...


class BotClient(Protocol):
    """What is needed of an `AsyncRespond`."""

    @property
    def messages(self) -> BotMessages: ...

    @property
    def conversations(self) -> BotConversations: ...

    @property
    def contacts(self) -> BotContacts: ...


class Context(Generic[E_co]):
    """One event on its way through the handlers."""

    def __init__(
        self,
        event: E_co,
        *,
        client: BotClient | None,
        states: ContactStates,
        locks: KeyedLocks,
        redelivered: bool = False,
    ) -> None:
        self.event = event
        self.redelivered = redelivered
        """True when a handler of this event was running as an earlier process ended: what it did
        may have been done.
        """
        self.match: re.Match[str] | None = None
        """What the handler's `text` pattern found."""
        self.handler: str = ""
        """The name of the handler that runs."""
        self.state: dict[str, Any] = {}
        """For middleware and handlers of this event to leave things for those after them."""
        self.stopped: bool = False
        self._client = client
        self._states = states
        self._locks = locks

    def __repr__(self) -> str:
        return f"Context({self.event!r})"

    @property
    def client(self) -> Any:
        """The `AsyncRespond` that the router was given."""
        if self._client is None:
            raise ConfigurationError(
                "give the router a client to reply: WebhookRouter(…, client=client)"
            )
        return self._client

    @property
    def contact(self) -> Contact:
        """Whom the event is about, as it says; `ConfigurationError` when it names nobody."""
        if self.event.contact is None:
            raise ConfigurationError(
                f"this {self.event.event_type} event names no contact: ask for `event.contact` "
                "first"
            )
        return self.event.contact

    @property
    def contact_id(self) -> int | None:
        """The id of whom the event is about, if it named one."""
        return contact_id(self.event)

    @property
    def message(self) -> EventMessage | None:
        """The event's message, if it is about one."""
        message = getattr(self.event, "message", None)
        return message if isinstance(message, EventMessage) else None

    @property
    def text(self) -> str:
        """The text of the event's message; empty when it has none."""
        return (self.message.text if self.message is not None else None) or ""

    @property
    def channel_id(self) -> int | None:
        """The channel through which to answer: the message's, or the event's."""
        if self.message is not None and self.message.channel_id is not None:
            return self.message.channel_id
        channel = getattr(self.event, "channel", None)
        return channel.id if channel is not None else None

    async def reply(self, message: Any) -> Any:
        """Send *message* (a str or a payload) to the contact through the channel that the event
        came from.

        Returns and raises what `client.messages.send` does. An event without a channel is answered
        through the last one used. Never repeated by itself: look at `redelivered` before.
        """
        return await self.client.messages.send(
            self._known_id(), message, channel_id=self.channel_id
        )

    @property
    def is_human_active(self) -> bool:
        """Whether a person writes to the contact: it is assigned to one, or the last message to it
        came from one, in respond.io or in the channel's own app. See `MessageSent.sender`.
        """
        assigned = self.event.contact is not None and bool(self.event.contact.assignee)
        known = self.contact_id
        return assigned or (known is not None and self._states.of(known).human_since > 0)

    @property
    def is_handed_over(self) -> bool:
        """Whether `hand_over` silenced the bot for this contact."""
        known = self.contact_id
        return known is not None and self._states.of(known).handed_over_since > 0

    async def hand_over(self, user: int | str | None = None) -> None:
        """Assign the contact to *user* (id or e-mail) and silence the bot for it until its
        conversation closes.

        Handlers of received messages then run no more for this contact, except those registered
        with `always=True`. None assigns nobody and only silences. With an inbox the silence
        outlasts a restart. When assigning fails, that is raised, and the bot stays. The late event
        of a conversation that closed before this one's message was written does not end the
        silence.
        """
        known = self._known_id()
        if user is not None:
            await self.client.conversations.hand_over(known, user)
        await self._states.note(known, handed_over_since=moment_of(self.event))

    async def take_back(self) -> None:
        """End the silence of `hand_over` before the conversation closes."""
        await self._states.note(self._known_id(), handed_over_since=0)

    def window_open(self, now: datetime | float | None = None) -> bool:
        """Whether a free text will be taken: the contact wrote within the last 24 hours, through
        the event's channel.
        """
        if (
            isinstance(self.event, MessageReceived)
            and self.message is not None
            and self.message.at is not None
        ):
            return within_window(self.message.at, now)
        channel = getattr(self.event, "channel", None)
        return window_open(channel if isinstance(channel, ContactChannel) else None, now)

    def lock(self) -> AbstractAsyncContextManager[None]:
        """Hold the contact's lock.

        Handlers hold it already; work that they started beside themselves may want it.
        """
        return self._locks.hold(self._known_id())

    def stop(self) -> None:
        """Let no further handler have this event."""
        self.stopped = True

    def _known_id(self) -> int:
        known = self.contact_id
        if known is None:
            raise ConfigurationError(f"this {self.event.event_type} event names no contact")
        return known


def contact_id(event: AnyEvent) -> int | None:
    """Return the id of whom an event is about: the contact's, or what its message names."""
    if event.contact is not None:
        return _storable(event.contact.id)
    message = getattr(event, "message", None)
    return _storable(message.contact_id) if isinstance(message, EventMessage) else None


def received_id(event: AnyEvent) -> int | None:
    """Return the id of the message that an event brought from the contact, if it did."""
    return (
        _storable(event.message.message_id)
        if isinstance(event, MessageReceived) and event.message is not None
        else None
    )


def _storable(number: int | None) -> int | None:
    # No id reaches 64 bits; SQLite takes no number beyond.
    return number if number is not None and 0 < number < 2**63 else None


def is_human_active(context: Context[Any]) -> bool:
    """Whether a person writes to the contact; for `when=` of a handler. See
    `Context.is_human_active`.
    """
    return context.is_human_active


def no_human_active(context: Context[Any]) -> bool:
    """Whether no person writes to the contact; for `when=` of a handler."""
    return not context.is_human_active


def window_open(channel: ContactChannel | None, now: datetime | float | None = None) -> bool:
    """Whether the contact wrote through *channel* within the last 24 hours, so that a free text
    will be taken.

    False when the channel does not tell when the contact last wrote. *now* is an aware datetime or
    Unix seconds.
    """
    if channel is None or (last := channel.last_incoming_message_at) is None:
        return False
    return within_window(last, now)


def within_window(last: datetime, now: datetime | float | None = None) -> bool:
    """Whether the reply window that *last* opened is still open."""
    if not isinstance(now, datetime):
        now = datetime.fromtimestamp(time.time() if now is None else now, UTC)
    return now - last < REPLY_WINDOW
