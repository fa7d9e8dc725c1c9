"""The payload of a message: what the server takes.

Source: the vendor's "Send a message" page.
"""

import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from ._call import (
    Problem,
    RequestContext,
    as_list,
    as_object,
    as_strings,
    invalid,
    missing,
    not_found,
)
from ._templates import check_components

_TAGS: Final = ("ACCOUNT_UPDATE", "POST_PURCHASE_UPDATE", "CONFIRMED_EVENT_UPDATE")
_EXTENSIONS: Final = re.compile(
    r"jpe?g|png|gif|webp|bmp|svg|mp4|3gp|mov|avi|webm|mpeg|mp3|ogg|oga|opus|aac|amr|m4a|wav|pdf|docx?|xlsx?|pptx?|txt|csv|zip|rar"
    r"|json|xml|vcf|ics|html|rtf|odt|ods",
    re.IGNORECASE,
)
_PRIVATE: Final = re.compile(r"localhost|127\.|10\.|192\.168\.|169\.254\.|\[", re.ASCII)


def check_message(call: RequestContext, message: Any, channel_id: int | None) -> dict[str, Any]:
    """Check the `message` object; what comes back is what will be read later."""
    if message is None:
        raise missing("message")
    payload = as_object(message)
    if payload is None:
        raise invalid("message")
    kind: Any = payload.get("type")
    if kind is None:
        raise missing("message.type")
    check = _CHECKS.get(kind) if isinstance(kind, str) else None
    if check is None:
        raise invalid("message.type")
    if kind == "custom_payload" and channel_id is None:
        raise missing("channelId")
    check(call, payload)
    if kind == "email" and "message" in payload:
        payload.setdefault("text", payload.pop("message"))
    return payload


def _words(message: dict[str, Any], name: str, *, longest: int = 65_536) -> str:
    value = message.get(name)
    if value is None or value == "":
        raise missing(f"message.{name}")
    if not isinstance(value, str) or len(value) > longest:
        raise invalid(f"message.{name}")
    return value


def _text(call: RequestContext, message: dict[str, Any]) -> None:  # noqa: ARG001
    _words(message, "text")
    if message.get("messageTag") not in (None, *_TAGS):
        raise invalid("message.messageTag")


def _attachment(call: RequestContext, message: dict[str, Any]) -> None:  # noqa: ARG001
    attachment = as_object(message.get("attachment"))
    if attachment is None:
        raise missing("message.attachment")
    _check_attachment(attachment)


def _check_attachment(attachment: dict[str, Any]) -> None:
    if attachment.get("type") not in ("image", "video", "audio", "file"):
        raise invalid("message.attachment.type")
    url = attachment.get("url")
    if not isinstance(url, str) or not _is_public(url):
        raise Problem(400, "attachment url is not valid")


def _is_public(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or "." not in host or _PRIVATE.match(host):
        return False
    _, dot, extension = parts.path.rpartition("/")[2].rpartition(".")
    return bool(dot) and _EXTENSIONS.fullmatch(extension) is not None


def _quick_reply(call: RequestContext, message: dict[str, Any]) -> None:  # noqa: ARG001
    _words(message, "title")
    if message.get("replies") is None:
        raise missing("message.replies")
    replies = as_strings(message["replies"])
    if replies is None or len(replies) > 10:
        raise invalid("message.replies")


def _custom_payload(call: RequestContext, message: dict[str, Any]) -> None:  # noqa: ARG001
    if not isinstance(message.get("payload"), dict):
        raise missing("message.payload")


def _email(call: RequestContext, message: dict[str, Any]) -> None:  # noqa: ARG001
    # One official client writes `message` for `text`.
    name = "text" if "text" in message else "message"
    if message.get(name) or not message.get("attachments"):
        _words(message, name)
    for name in ("cc", "bcc", "attachments"):
        if message.get(name) is not None and as_list(message[name]) is None:
            raise invalid(f"message.{name}")
    for each in message.get("attachments") or ():
        attachment = as_object(each)
        if attachment is None:
            raise invalid("message.attachments")
        _check_attachment(attachment)


def _template(call: RequestContext, message: dict[str, Any]) -> None:
    template = as_object(message.get("template"))
    if template is None:
        raise missing("template")
    for name in ("name", "languageCode"):
        if not isinstance(template.get(name), str):
            raise missing(f"template.{name}")
    known = (
        each
        for each in call.workspace.templates.values()
        if each.name == template["name"] and each.language == template["languageCode"]
    )
    if next(known, None) is None:
        raise not_found("Template")
    components = template.get("components")
    if components is not None:
        check_components(components, text_required=call.answers.template_text_required)


_CHECKS: Final[dict[str, Callable[[RequestContext, dict[str, Any]], None]]] = {
    "text": _text,
    "attachment": _attachment,
    "quick_reply": _quick_reply,
    "custom_payload": _custom_payload,
    "email": _email,
    "whatsapp_template": _template,
    "facebook_template": _template,
}
"""What can be sent; the other types are only ever received."""
