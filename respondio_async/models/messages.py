# ruff: noqa: PYI051 - `Literal[...] | str` is an open enum: editors offer the known values, any
# other is accepted
"""Messages, and how far each has come.

Source: the vendor's API reference, "Get a message" and "List messages".
"""

from datetime import datetime
from typing import Any, Literal

import msgspec

from respondio_async.discreet import showable

from ._base import AnyShape, Model, moment, moment_of_id
from .contents import (
    EmailContent,
    MessageContent,
    QuickReplyContent,
    TextContent,
    UnknownContent,
    read_content,
)

MessageStatusValue = Literal["pending", "sent", "delivered", "read", "failed"] | str
"""Open enum."""

SenderSource = (
    Literal[
        "contact",
        "user",
        "ai_agent",
        "workflow",
        "api",
        "broadcast",
        "echo",
        "zapier",
        "make",
        "n8n",
        "bot",
    ]
    | str
)
"""Open enum."""


class MessageStatus(Model, frozen=True):
    """One step of a message on its way."""

    _shown = ("value",)

    value: MessageStatusValue | None = None
    timestamp: int | None = None
    """Unix seconds; `at` is the same as a datetime."""
    message: str | None = None
    """Why it failed, in the channel's own words."""

    @property
    def at(self) -> datetime | None:
        """When it got there, in UTC."""
        return moment(self.timestamp)


class Sender(Model, frozen=True):
    """Who or what sent a message."""

    source: SenderSource | None = None
    user_id: int | None = None
    team_id: int | None = None
    workflow_id: int | None = None
    broadcast_history_id: int | None = None


class Message(Model, frozen=True):
    """One message of a conversation."""

    _shown = ("status", "sender")

    message_id: int
    """Microseconds since 1970; `sent_at` is the same as a datetime."""
    # Not a closed union: a new type of message must not fail the page.
    message: AnyShape[MessageContent] = msgspec.field(
        default_factory=lambda: UnknownContent("", {})
    )
    """What it holds; `content` is another name for it."""
    traffic: Literal["incoming", "outgoing"] | str | None = None
    contact_id: int | None = None
    channel_id: int | None = None
    channel_message_id: int | str | None = None
    """The channel's own id for it."""
    status: list[MessageStatus] = msgspec.field(default_factory=list[MessageStatus])
    """Its steps, oldest first; empty for incoming messages."""
    sender: Sender | None = None
    reply_to: Any = None
    """The message it answers. Undocumented; as received."""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "message", read_content(self.message))

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [*super().__rich_repr__(), ("type", showable(self.message.type))]

    @property
    def content(self) -> MessageContent:
        """What it holds."""
        return self.message

    @property
    def text(self) -> str | None:
        """Its text, if any: a text's, an e-mail's, a quick reply's title, or the "text" of an
        unknown content.
        """
        match self.message:
            case TextContent(text=text) | EmailContent(text=text) | QuickReplyContent(title=text):
                return text
            case UnknownContent(data={"text": str(text)}):
                return text
            case _:
                return None

    @property
    def current_status(self) -> MessageStatus | None:
        """How far it has come: the last of its steps."""
        return self.status[-1] if self.status else None

    @property
    def sent_at(self) -> datetime | None:
        """When it was sent, in UTC, by its id: the API gives no other time.

        None for an id that can't be a time.
        """
        return moment_of_id(self.message_id)
