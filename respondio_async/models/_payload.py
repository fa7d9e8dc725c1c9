"""What all payloads and their parts share: a base whose repr shows no content, which writes the
fields as the API names them, and the checks of their fields.
"""

from typing import Any, ClassVar, Final, cast
from urllib.parse import urlsplit

import msgspec

from respondio_async._values import check_text, is_list, is_object
from respondio_async.discreet import Discreet
from respondio_async.errors import InvalidArgumentError

_NAMES: Final = {
    "message_tag": "messageTag",
    "reply_to_message_id": "replyToMessageId",
    "file_name": "fileName",
    "language_code": "languageCode",
}
"""The fields that the API names differently. Not by msgspec's `rename` and `tag`: the JSON of a
payload, which users keep in queues and journals, is that of its own fields.
"""


class Part(Discreet):
    """What a payload and its parts share."""

    __slots__ = ()

    kind: ClassVar[str] = ""
    """The type on the wire; empty where a field says it."""

    def to_wire(self) -> dict[str, Any]:
        """Return it as the API takes it; a payload is the `message` object of a request."""
        fields = wire_fields(cast("msgspec.Struct", self))
        return {"type": self.kind, **fields} if self.kind else fields


class Payload(Part, msgspec.Struct, frozen=True):
    """The base of every payload."""


def wire_fields(struct: msgspec.Struct) -> dict[str, Any]:
    """Return the fields of *struct* by the API's names. None and empty sequences are not sent in
    fields that may be left out.
    """
    names = struct.__struct_fields__
    required = names[: len(names) - len(struct.__struct_defaults__)]
    fields = {name: getattr(struct, name) for name in names}
    return {
        _NAMES.get(name, name): _on_wire(value)
        for name, value in fields.items()
        if name in required or value not in (None, ())
    }


def _on_wire(value: Any) -> Any:
    if isinstance(value, Part):
        return value.to_wire()
    if isinstance(value, tuple):
        return [_on_wire(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
    return dict(value) if is_object(value) else value


def optional_text(payload: msgspec.Struct, argument: str) -> None:
    """Check a text that may be left out; "" becomes None, since it clears nothing in a message."""
    value = getattr(payload, argument)
    if value is None or value == "":
        msgspec.structs.force_setattr(payload, argument, None)
    else:
        check_text(value, argument)


def check_texts(values: object, argument: str) -> tuple[str, ...]:
    """Return several texts, none of them blank; one text is refused, since its letters would become
    the values.
    """
    if not is_list(values):
        raise InvalidArgumentError(
            f"{argument} is a list of texts, not a {type(values).__name__}", argument=argument
        )
    return tuple(check_text(value, argument) for value in values)


def check_url(value: object, argument: str) -> None:
    """Refuse what is no absolute http or https URL."""
    text = check_text(value, argument)
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a malformed port or IPv6 address
        usable = False
    if not usable or " " in text or not text.isprintable():
        raise InvalidArgumentError(
            f"{argument} is not an absolute http(s) URL without spaces", argument=argument
        )


def check_mapping(value: object, argument: str) -> None:
    """Refuse what is no JSON object, or an empty one."""
    if not is_object(value) or not value or not all(isinstance(key, str) for key in value):
        raise InvalidArgumentError(
            f"{argument} is a mapping with text keys, and not empty", argument=argument
        )
