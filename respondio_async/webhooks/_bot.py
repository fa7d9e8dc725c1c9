"""What a bot asks of an event, and what it needs of a client."""

import time
from collections.abc import AsyncIterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from respondio_async.models import Contact, ContactChannel, Message

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
