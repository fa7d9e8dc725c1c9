# ruff: noqa: PYI051 - `Literal[...] | str` is an open enum: editors offer the known values, any
# other is accepted
"""What a message holds: one struct a documented type, and `UnknownContent` for all others.

Source: the vendor's API reference, "Send a message" and "Get a message". Types that are only
received (location, rating and others) have no documented shape, and new ones appear without notice:
they are kept as the server sent them.
"""

from typing import Any, Final, Literal, cast

import msgspec

from respondio_async._values import is_object

from ._base import Model, elements


class _Content(Model, frozen=True, tag_field="type"):
    @property
    def type(self) -> str:
        """The vendor's name for this kind of message."""
        return cast("str", self.__struct_config__.tag)


class AttachedFile(Model, frozen=True):
    """A file of a message."""

    type: Literal["image", "video", "audio", "file"] | str | None = None
    url: str | None = None
    """None while the channel is still delivering the file; see `is_pending`."""
    is_pending: bool | None = None
    file_name: str | None = None
    """Also sent as `name`."""
    ext: str | None = None
    size: int | None = None
    """Bytes."""
    mime: str | None = None
    """Also sent as `mimeType`."""
    description: str | None = None


class SentTemplate(Model, frozen=True):
    """The template that a message was made from, with its parameters filled in."""

    _shown = ("name",)

    name: str
    language_code: str | None = None
    components: list[dict[str, Any]] | None = None


class TextContent(_Content, frozen=True, tag="text"):
    """Plain text."""

    text: str
    message_tag: str | None = None
    sub_type: str | None = None
    """Undocumented; what a title and replies beside the text belong to."""
    title: str | None = None
    replies: list[Any] | None = None
    """Undocumented; as received."""


class AttachmentContent(_Content, frozen=True, tag="attachment"):
    """One file."""

    _shown = ("attachment",)

    attachment: AttachedFile


class QuickReplyContent(_Content, frozen=True, tag="quick_reply"):
    """A question with buttons to answer it."""

    title: str
    replies: list[str] = msgspec.field(default_factory=list[str])


class CustomPayloadContent(_Content, frozen=True, tag="custom_payload"):
    """A channel's own JSON."""

    payload: dict[str, Any]


class EmailContent(_Content, frozen=True, tag="email"):
    """An e-mail."""

    text: str = ""
    """Empty for an e-mail of attachments alone. Also sent as `message`."""
    subject: str | None = None
    cc: list[str] | None = None
    bcc: list[str] | None = None
    reply_to_message_id: int | str | None = None
    attachments: list[AttachedFile] | None = None


class WhatsAppTemplateContent(_Content, frozen=True, tag="whatsapp_template"):
    """A message made from a WhatsApp template."""

    _shown = ("template",)

    template: SentTemplate


class FacebookTemplateContent(_Content, frozen=True, tag="facebook_template"):
    """A message made from a Facebook template."""

    _shown = ("template",)

    template: SentTemplate


class UnknownContent(Model, frozen=True):
    """A message of a type without a documented shape, or with another shape than the documented
    one.
    """

    type: str
    """The vendor's name for this kind of message; empty when the server gave none."""
    data: dict[str, Any]
    """The whole object as received, its "type" included; what is no object stands under "value"."""


MessageContent = (
    TextContent
    | AttachmentContent
    | QuickReplyContent
    | CustomPayloadContent
    | EmailContent
    | WhatsAppTemplateContent
    | FacebookTemplateContent
    | UnknownContent
)

_BY_TYPE: Final[dict[str, type[_Content]]] = {
    cast("str", cls.__struct_config__.tag): cls
    for cls in (
        TextContent,
        AttachmentContent,
        QuickReplyContent,
        CustomPayloadContent,
        EmailContent,
        WhatsAppTemplateContent,
        FacebookTemplateContent,
    )
}


_OTHER_KEYS: Final = (("mimeType", "mime"), ("name", "fileName"))
"""What a file's keys are also called on the wire."""


def read_content(raw: Any) -> MessageContent:
    """Read a message's content.

    Never fails: what has no documented reading becomes `UnknownContent`.
    """
    if isinstance(raw, _Content | UnknownContent):
        return cast("MessageContent", raw)
    if not isinstance(raw, dict):
        return UnknownContent("", {} if raw is None else {"value": raw})
    data = cast("dict[str, Any]", raw)
    name = data.get("type")
    if not isinstance(name, str):
        return UnknownContent("", data)
    known = _BY_TYPE.get(name)
    if known is not None:
        try:
            # Lax: a size sent as a string is still a size.
            return cast("MessageContent", msgspec.convert(_spelt(data), known, strict=False))
        except msgspec.ValidationError:
            pass
    return UnknownContent(name, data)


def _spelt(content: dict[str, Any]) -> dict[str, Any]:
    """Give the keys that have been seen under two names the names that the structs know."""
    match content:
        case {"type": "attachment", "attachment": file}:
            return {**content, "attachment": _spelt_file(file)}
        case {"type": "email"}:
            email = {**content, "text": content.get("text") or content.get("message") or ""}
            if files := elements(content.get("attachments")):
                email["attachments"] = [_spelt_file(file) for file in files]
            return email
        case _:
            return content


def _spelt_file(file: Any) -> Any:
    if not is_object(file):
        return file
    other = {
        known: file[alias]
        for alias, known in _OTHER_KEYS
        if file.get(known) is None and alias in file
    }
    return {**file, **other}
