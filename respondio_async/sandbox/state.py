"""What a workspace holds. Plain records; tests may read them and, between requests, change them.

A channel and a closing note are answered as they are: their fields are the API's.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["WorkspaceEvent"]

DataType = Literal["text", "list", "checkbox", "email", "number", "url", "date", "time"]


@dataclass(slots=True)
class User:
    id: int
    first_name: str
    last_name: str
    email: str
    role: str = "agent"
    team_id: int | None = None
    team_name: str | None = None
    restrictions: tuple[str, ...] = ()


@dataclass(slots=True)
class Channel:
    id: int
    name: str
    source: str
    created_at: int


@dataclass(slots=True)
class ContactChannel:
    """A channel through which a contact was reached; times are Unix seconds."""

    channel: Channel
    contact_channel_id: int
    created_at: int
    last_message_at: int | None = None
    last_incoming_at: int | None = None
    wrote_at: float | None = None
    """When the customer last wrote while the sandbox ran, by its clock; opens the reply window."""


@dataclass(slots=True)
class Template:
    """A message template. *components* as the API shows them."""

    id: int
    channel_id: int
    name: str
    language: str
    category: str
    components: list[dict[str, Any]]
    status: str = "approved"


@dataclass(slots=True)
class CustomField:
    id: int
    name: str
    slug: str
    data_type: DataType
    description: str | None = None
    allowed_values: list[str] | None = None
    created_at: int = 0


@dataclass(slots=True)
class ClosingNote:
    category: str
    description: str


@dataclass(slots=True)
class Tag:
    id: int
    name: str
    description: str | None = None
    color: str | None = None
    emoji: str | None = None


@dataclass(slots=True)
class Comment:
    text: str
    created_at: int


@dataclass(slots=True)
class Message:
    """A message in either direction. *failure* is the reason why it will never be delivered."""

    id: int
    contact_id: int
    channel_id: int
    traffic: Literal["incoming", "outgoing"]
    content: dict[str, Any]
    sender: dict[str, Any]
    accepted: float
    """When, on the sandbox's clock: its status moves with the time since then."""
    channel_message_id: str = ""
    failure: str | None = None

    @property
    def text(self) -> str:
        """What it says; empty for those without words."""
        value = self.content.get("text", self.content.get("title"))
        return value if isinstance(value, str) else ""


@dataclass(slots=True)
class Conversation:
    """The latest conversation with a contact; times are Unix seconds."""

    opened_at: int
    opened_by: str
    closed_at: int | None = None
    closed_by: str | None = None
    category: str | None = None
    summary: str | None = None
    first_incoming_at: int | None = None
    first_response_at: int | None = None
    assigned_at: int | None = None
    incoming: int = 0
    outgoing: int = 0
    closer: User | None = None
    """The person who closed it, if it was one."""


@dataclass(slots=True)
class Contact:
    id: int
    created_at: int
    """Unix seconds."""
    created: float
    """The same instant on the sandbox's clock: lags count from here."""
    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    email: str | None = None
    language: str | None = None
    profile_pic: str | None = None
    country_code: str | None = None
    lifecycle: str | None = None
    assignee: User | None = None
    blocked: bool = False
    conversation: Conversation | None = None
    not_ready_answers: int = 0
    """How many 449 were given for it."""
    custom: dict[int, Any] = field(default_factory=dict[int, Any])
    """Values as written, by the id of the custom field."""
    tags: list[str] = field(default_factory=list[str])
    channels: dict[int, ContactChannel] = field(default_factory=dict[int, ContactChannel])
    """By channel id."""
    messages: list[Message] = field(default_factory=list[Message])
    """Oldest first."""
    comments: list[Comment] = field(default_factory=list[Comment])

    @property
    def open_conversation(self) -> Conversation | None:
        conversation = self.conversation
        return conversation if conversation is not None and conversation.closed_at is None else None

    @property
    def status(self) -> str:
        if self.blocked:
            return "blocked"
        return "closed" if self.open_conversation is None else "open"


@dataclass(slots=True)
class WorkspaceEvent:
    """Something changed.

    *type* is the webhook event's name; *data* what the event would carry beside the contact.
    """

    type: str
    contact: Contact
    organisation_id: int
    data: dict[str, Any]
