"""What `messages.send` can send. A plain `str` is a `Text`.

Payloads are checked when they are made, so that a bad one never costs a permit, and their reprs
show no content.

Source: the vendor's "Send a message" page.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, cast

import msgspec

from respondio_async._values import check_choice, check_id, check_text, digits_as_id, is_list
from respondio_async.errors import InvalidArgumentError

from ._payload import Payload, check_mapping, check_texts, check_url, optional_text
from .template_payloads import (
    ActionButton,
    DocumentParameter,
    FacebookTemplate,
    ImageParameter,
    LocationParameter,
    PhoneButton,
    QuickReplyButton,
    TemplateBody,
    TemplateButton,
    TemplateButtons,
    TemplateComponent,
    TemplateFooter,
    TemplateHeader,
    TemplateParameter,
    TextParameter,
    UrlButton,
    VideoParameter,
    WhatsAppTemplate,
)

__all__ = [
    "ActionButton",
    "Attachment",
    "AttachmentType",
    "CustomPayload",
    "DocumentParameter",
    "Email",
    "EmailAttachment",
    "FacebookTemplate",
    "ImageParameter",
    "LocationParameter",
    "MessageTag",
    "Payload",
    "PhoneButton",
    "QuickReplies",
    "QuickReplyButton",
    "RawPayload",
    "TemplateBody",
    "TemplateButton",
    "TemplateButtons",
    "TemplateComponent",
    "TemplateFooter",
    "TemplateHeader",
    "TemplateParameter",
    "Text",
    "TextParameter",
    "UrlButton",
    "VideoParameter",
    "WhatsAppTemplate",
    "to_wire",
]

MessageTag = Literal["ACCOUNT_UPDATE", "POST_PURCHASE_UPDATE", "CONFIRMED_EVENT_UPDATE"] | str  # noqa: PYI051 - names the known ones
AttachmentType = Literal["image", "video", "audio", "file"]

_MOST_REPLIES = 10
_ADDRESS = re.compile(r"[^\s@,;<>]+@[^\s@,;<>]+")


class Text(Payload, frozen=True):
    """A text. `{{$contact.name}}` and its like are filled in by the server.

    Facebook and Instagram want a *message_tag* more than 24 hours after the contact's last message.
    """

    kind: ClassVar[str] = "text"

    text: str
    message_tag: MessageTag | None = None

    def __post_init__(self) -> None:
        check_text(self.text, "text")
        optional_text(self, "message_tag")


class Attachment(Payload, frozen=True):
    """A file at a public URL: `Attachment.image("https://…")`.

    There is no upload; each channel allows certain file extensions.
    """

    url: str
    type: AttachmentType

    def __post_init__(self) -> None:
        check_url(self.url, "url")
        check_choice(self.type, "type", AttachmentType)

    @classmethod
    def image(cls, url: str) -> "Attachment":
        """Attach an image."""
        return cls(url, "image")

    @classmethod
    def video(cls, url: str) -> "Attachment":
        """Attach a video."""
        return cls(url, "video")

    @classmethod
    def audio(cls, url: str) -> "Attachment":
        """Attach a sound."""
        return cls(url, "audio")

    @classmethod
    def file(cls, url: str) -> "Attachment":
        """Attach any other file."""
        return cls(url, "file")

    def to_wire(self) -> dict[str, Any]:
        return {"type": "attachment", "attachment": super().to_wire()}


class QuickReplies(Payload, frozen=True):
    """A question with one to ten answers to tap."""

    kind: ClassVar[str] = "quick_reply"

    title: str
    replies: Sequence[str]

    def __post_init__(self) -> None:
        check_text(self.title, "title")
        replies = check_texts(self.replies, "replies")
        if not 1 <= len(replies) <= _MOST_REPLIES:
            raise InvalidArgumentError(
                f"replies are {len(replies)}, not 1 to {_MOST_REPLIES}", argument="replies"
            )
        msgspec.structs.force_setattr(self, "replies", replies)


class CustomPayload(Payload, frozen=True):
    """A channel's own JSON, passed through: Telegram, Facebook, Viber and LINE.

    `channel_id` must be given; WhatsApp answers 403.
    """

    kind: ClassVar[str] = "custom_payload"

    payload: Mapping[str, Any]

    def __post_init__(self) -> None:
        check_mapping(self.payload, "payload")


class EmailAttachment(Payload, frozen=True):
    """A file of an e-mail, at a public URL."""

    url: str
    type: AttachmentType
    file_name: str

    def __post_init__(self) -> None:
        check_url(self.url, "url")
        check_choice(self.type, "type", AttachmentType)
        check_text(self.file_name, "file_name")


class Email(Payload, frozen=True):
    """An e-mail, for e-mail channels: a text, attachments, or both.

    *reply_to_message_id*, an int or its digits, keeps it in the thread of that message. "" and
    empty lists are not sent, like None.
    """

    kind: ClassVar[str] = "email"

    text: str | None = None
    subject: str | None = None
    cc: Sequence[str] | None = None
    bcc: Sequence[str] | None = None
    reply_to_message_id: int | str | None = None
    attachments: Sequence[EmailAttachment] | None = None

    def __post_init__(self) -> None:
        optional_text(self, "text")
        optional_text(self, "subject")
        for argument in ("cc", "bcc"):
            addresses = getattr(self, argument)
            if addresses is not None:
                msgspec.structs.force_setattr(self, argument, _check_addresses(addresses, argument))
        reply_to = _message_id(self.reply_to_message_id)
        msgspec.structs.force_setattr(self, "reply_to_message_id", reply_to)
        if self.attachments is not None:
            attachments: object = self.attachments
            if not is_list(attachments) or not all(
                isinstance(each, EmailAttachment) for each in attachments
            ):
                raise InvalidArgumentError(
                    "attachments is a list of EmailAttachment objects", argument="attachments"
                )
            msgspec.structs.force_setattr(self, "attachments", tuple(attachments))
        if self.text is None and not self.attachments:
            raise InvalidArgumentError(
                "an e-mail has a text or at least one attachment", argument="text"
            )


class RawPayload(Payload, frozen=True):
    """A `message` object as it stands, for types that the API adds tomorrow.

    It must have a "type".
    """

    message: Mapping[str, Any]

    def __post_init__(self) -> None:
        check_mapping(self.message, "message")
        kind = self.message.get("type")
        if not isinstance(kind, str) or not kind:
            raise InvalidArgumentError('message has no "type"', argument="message")

    def to_wire(self) -> dict[str, Any]:
        return dict(self.message)


def to_wire(message: str | Payload) -> dict[str, Any]:
    """Return the `message` object of a text or a payload."""
    if isinstance(message, str):
        message = Text(check_text(message, "message"))
    # An attachment of an e-mail shares the payloads' base, but is no message.
    if not isinstance(cast("object", message), Payload) or isinstance(message, EmailAttachment):
        raise InvalidArgumentError(
            f"message is a {type(message).__name__}, not a str or a payload (RawPayload takes a "
            "dict)",
            argument="message",
        )
    return message.to_wire()


def _check_addresses(values: object, argument: str) -> tuple[str, ...]:
    addresses = check_texts(values, argument)
    if not all(_ADDRESS.fullmatch(address) for address in addresses):
        raise InvalidArgumentError(
            f"{argument} holds something that is no e-mail address", argument=argument
        )
    return addresses


def _message_id(value: object) -> int | None:
    if value is None or value == "":
        return None
    return check_id(digits_as_id(value), "reply_to_message_id")
