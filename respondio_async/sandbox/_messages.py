"""The payload of a message: what the server takes.

Source: the vendor's "Send a message" page.
"""

import re
from typing import Any, Final
from urllib.parse import urlsplit

from ._call import Problem, RequestContext, RequestValue, not_found

_TAGS: Final = ("ACCOUNT_UPDATE", "POST_PURCHASE_UPDATE", "CONFIRMED_EVENT_UPDATE")
_EXTENSIONS: Final = re.compile(
    r"jpe?g|png|gif|webp|bmp|svg|mp4|3gp|mov|avi|webm|mpeg|mp3|ogg|oga|opus|aac|amr|m4a|wav|pdf|docx?|xlsx?|pptx?|txt|csv|zip|rar"
    r"|json|xml|vcf|ics|html|rtf|odt|ods",
    re.IGNORECASE,
)
_PRIVATE: Final = re.compile(r"localhost|127\.|10\.|192\.168\.|169\.254\.|\[", re.ASCII)
_LONGEST: Final = 65_536
_MEDIA: Final = ("image", "video", "document")
_BUTTONS: Final = {
    "quick_reply": ("text",),
    "url": ("text", "url"),
    "phone_number": ("text", "phone_number"),
    "catalog": ("text",),
    "mpm": ("text",),
    "request_contact_info": ("text",),
}
"""What each kind of button needs."""


def check_message(call: RequestContext, message: RequestValue, channel_id: Any) -> dict[str, Any]:
    """Check the `message` object; what comes back is what will be read later."""
    payload: dict[str, Any] = message.object().value
    kind = message["type"]
    match kind.value:
        case None:
            raise kind.missing
        case "text":
            _check_words(message["text"])
            if message["messageTag"].value not in (None, *_TAGS):
                raise message["messageTag"].invalid
        case "attachment":
            _check_file(message["attachment"].object())
        case "quick_reply":
            _check_words(message["title"])
            if len(message["replies"].strings()) > 10:
                raise message["replies"].invalid
        case "custom_payload":
            if channel_id is None:
                raise Problem(400, "Missing field(s) : channelId")
            message["payload"].object()
        case "email":
            _check_email(message)
            if "message" in payload:
                payload.setdefault("text", payload.pop("message"))
        case "whatsapp_template" | "facebook_template":
            _check_template(call, RequestValue(payload.get("template"), "template").object())
        case _:
            raise kind.invalid
    return payload


def _check_words(value: RequestValue) -> None:
    if value.optional_text(_LONGEST) is None:
        raise value.missing


def _check_file(file: RequestValue) -> None:
    if file["type"].value not in ("image", "video", "audio", "file"):
        raise Problem(400, "message.attachment.type: Invalid value")
    url = file["url"].value
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


def _check_email(message: RequestValue) -> None:
    # One official client writes `message` for `text`.
    words = message["text" if "text" in message.value else "message"]
    if words.value or not message["attachments"].value:
        _check_words(words)
    for name in ("cc", "bcc"):
        if message[name].value is not None:
            message[name].items()
    if message["attachments"].value is not None:
        for file in message["attachments"].objects():
            _check_file(file)


def _check_template(call: RequestContext, template: RequestValue) -> None:
    for name in ("name", "languageCode"):
        if not isinstance(template[name].value, str):
            raise template[name].missing
    wanted = (template["name"].value, template["languageCode"].value)
    if wanted not in {(each.name, each.language) for each in call.workspace.templates.values()}:
        raise not_found("Template")
    if template["components"].value is not None:
        _check_components(template["components"], call.answers.template_text_required)


def _check_components(components: RequestValue, text_required: bool) -> None:
    """Refuse what the server would; the count of variables is not its business (the message fails
    later).
    """
    components.objects()
    for component in components.items():
        match component["type"].value:
            case "header":
                kind = component["format"].value
                if kind not in ("text", "location", *_MEDIA):
                    raise component["format"].invalid
                _check_parameters(component, kind)
            case "body":
                if text_required and not isinstance(component["text"].value, str):
                    raise component["text"].missing
                _check_parameters(component, "text")
            case "footer":
                component["text"].string()
            case "buttons":
                for button in component["buttons"].objects():
                    _check_button(button)
            case "carousel":
                for card in component["cards"].objects():
                    _check_components(card["components"], text_required)
            case _:
                raise component["type"].invalid


def _check_parameters(component: RequestValue, kind: str) -> None:
    for parameter in _optional_objects(component["parameters"]):
        if parameter["type"].value not in (None, kind):
            raise parameter["type"].invalid
        if kind == "text":
            parameter["text"].string()
            continue
        # Beside its type, or in an object of its own.
        holder = parameter[kind].value if kind in parameter.value else parameter.value
        media = RequestValue(holder, parameter[kind].where).object()
        needed = ("name", "address", "latitude", "longitude") if kind == "location" else ("link",)
        for name in (*needed, "filename") if kind == "document" else needed:
            media[name].string()


def _optional_objects(value: RequestValue) -> list[RequestValue]:
    return value.objects() if value.value else []


def _check_button(button: RequestValue) -> None:
    kind = str(button["type"].value)
    if kind not in _BUTTONS:
        raise button["type"].invalid
    for name in _BUTTONS[kind]:
        button[name].string()
    for parameter in _optional_objects(button["parameters"]):
        if kind in ("catalog", "mpm") and not isinstance(parameter["action"].value, dict):
            raise parameter["action"].missing
