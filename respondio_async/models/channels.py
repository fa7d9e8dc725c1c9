# ruff: noqa: PYI051 - `Literal[...] | str` is an open enum: editors offer the known values, any
# other is accepted
"""Channels of the workspace, and a contact's connection to them.

Source: the vendor's API reference, "List space channels" and "List contact channels".
"""

from datetime import datetime
from typing import Any, Literal

import msgspec

from ._base import AnyShape, Model, moment, parsed

ChannelSource = (
    Literal[
        "facebook", "instagram", "line", "telegram", "viber", "twitter", "wechat", "custom_channel",
        "gmail",
        "other_email", "twilio", "message_bird", "nexmo", "360dialog_whatsapp", "twilio_whatsapp",
        "message_bird_whatsapp", "whatsapp", "nexmo_whatsapp", "whatsapp_cloud", "tiktok_business",
        "whatsapp_business",
    ]
    | str
)  # fmt: skip
"""Open enum: the kind of a channel."""


class Channel(Model, frozen=True):
    """A channel that is connected to the workspace."""

    _shown = ("name",)

    id: int
    name: str | None = None
    source: ChannelSource | None = None
    created_at: int | None = msgspec.field(name="created_at", default=None)
    """Unix seconds; `created` is the same as a datetime."""

    @property
    def created(self) -> datetime | None:
        """When it was connected, in UTC."""
        return moment(self.created_at)


class ContactChannel(Channel, frozen=True):
    """A channel through which a contact has been in touch."""

    contact_channel_id: int | None = None
    meta: AnyShape[dict[str, Any]] = msgspec.field(default_factory=dict[str, Any])
    """What the channel knows about the contact: a dict, though the server also sends it as JSON
    text or null.
    """
    last_message_time: int | float | str | None = None
    """As received, in an undocumented unit; `last_message_at` is the same as a datetime."""
    last_incoming_message_time: int | float | str | None = None

    def __post_init__(self) -> None:
        if type(self.meta) is not dict:
            meta = parsed(self.meta)
            msgspec.structs.force_setattr(self, "meta", meta if isinstance(meta, dict) else {})

    @property
    def last_message_at(self) -> datetime | None:
        """When the last message went through it, either way, in UTC; the unit is taken from the
        magnitude.
        """
        return moment(self.last_message_time)

    @property
    def last_incoming_message_at(self) -> datetime | None:
        """When the contact last wrote through it, in UTC: on most channels the start of the reply
        window.
        """
        return moment(self.last_incoming_message_time)
