"""Message templates as they are sent: parameters, buttons, components, and the two payloads that
carry them.

`WhatsAppTemplate.fill` makes one from a template of `space.list_templates()`; the classes here are
for those who build one by hand.

Source: the vendor's "Send a message" page (`whatsapp_template`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import msgspec

from respondio_async._values import check_choice, check_text, is_list, is_object, number_text
from respondio_async.errors import InvalidArgumentError

from ._payload import Part, Payload, check_mapping, check_url, wire_fields

HeaderFormat = Literal["text", "image", "video", "document", "location"]


# ── parameters ────────────────────────────────────────────────────────────────────────────────────


class TemplateParameter(Part, msgspec.Struct, frozen=True):
    """The base of what fills a variable."""


class TextParameter(TemplateParameter, frozen=True):
    """A text."""

    kind: ClassVar[str] = "text"

    text: str

    def __post_init__(self) -> None:
        check_text(self.text, "text")


class _NestedParameter(TemplateParameter, frozen=True):
    """One whose fields stand under the name of its type."""

    def to_wire(self) -> dict[str, Any]:
        return {"type": self.kind, self.kind: wire_fields(self)}


class _Media(_NestedParameter, frozen=True):
    link: str
    caption: str | None = None
    filename: str | None = None

    def __post_init__(self) -> None:
        check_url(self.link, "link")


class ImageParameter(_Media, frozen=True):
    """An image at a public URL."""

    kind: ClassVar[str] = "image"


class VideoParameter(_Media, frozen=True):
    """A video at a public URL."""

    kind: ClassVar[str] = "video"


class DocumentParameter(_NestedParameter, frozen=True):
    """A document at a public URL, and the name under which the contact sees it."""

    kind: ClassVar[str] = "document"

    link: str
    filename: str
    caption: str | None = None

    def __post_init__(self) -> None:
        check_url(self.link, "link")
        check_text(self.filename, "filename")


class LocationParameter(_NestedParameter, frozen=True):
    """A place. Degrees may be given as numbers; the API takes them as texts."""

    kind: ClassVar[str] = "location"

    name: str
    address: str
    latitude: float | str
    longitude: float | str

    def __post_init__(self) -> None:
        check_text(self.name, "name")
        check_text(self.address, "address")
        for argument, most in (("latitude", 90), ("longitude", 180)):
            msgspec.structs.force_setattr(
                self, argument, _degrees(getattr(self, argument), argument, most)
            )


def _degrees(value: object, argument: str, most: int) -> str:
    text = number_text(value)
    if text is None or not -most <= float(text) <= most:
        raise InvalidArgumentError(
            f"{argument} is a number of degrees from -{most} to {most}", argument=argument
        )
    return text


# ── buttons ───────────────────────────────────────────────────────────────────────────────────────


class TemplateButton(Part, msgspec.Struct, frozen=True):
    """The base of a template's buttons."""


class QuickReplyButton(TemplateButton, frozen=True):
    """A button that sends its text back."""

    kind: ClassVar[str] = "quick_reply"

    text: str


class UrlButton(TemplateButton, frozen=True):
    """A link; *parameters* fill the variable of its URL."""

    kind: ClassVar[str] = "url"

    text: str
    url: str
    parameters: Sequence[str | TemplateParameter] = ()

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "parameters", _parameters(self.parameters))


class PhoneButton(TemplateButton, frozen=True):
    """A button that calls a number."""

    kind: ClassVar[str] = "phone_number"

    text: str
    phone_number: str


class ActionButton(TemplateButton, frozen=True):
    """A button that opens a catalogue ("catalog") or several products ("mpm"); *action* is in
    WhatsApp's own terms.
    """

    text: str
    action: Mapping[str, Any]
    type: Literal["catalog", "mpm"] = "catalog"

    def __post_init__(self) -> None:
        check_mapping(self.action, "action")
        check_choice(self.type, "type", Literal["catalog", "mpm"])

    def to_wire(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "text": self.text,
            "parameters": [{"type": "action", "action": dict(self.action)}],
        }


# ── components ────────────────────────────────────────────────────────────────────────────────────


class TemplateComponent(Part, msgspec.Struct, frozen=True):
    """The base of a template's components.

    A mapping may stand in its place, and is sent as it is.
    """


class TemplateHeader(TemplateComponent, frozen=True):
    """The header: a text, or a medium or place given as its one parameter."""

    kind: ClassVar[str] = "header"

    format: HeaderFormat
    text: str | None = None
    parameters: Sequence[str | TemplateParameter] = ()

    def __post_init__(self) -> None:
        check_choice(self.format, "format", HeaderFormat)
        msgspec.structs.force_setattr(self, "parameters", _parameters(self.parameters))


class TemplateBody(TemplateComponent, frozen=True):
    """The body: the template's whole text with its placeholders, and what fills them."""

    kind: ClassVar[str] = "body"

    text: str | None = None
    parameters: Sequence[str | TemplateParameter] = ()

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "parameters", _parameters(self.parameters))


class TemplateFooter(TemplateComponent, frozen=True):
    """The footer, which has no variables."""

    kind: ClassVar[str] = "footer"

    text: str


class TemplateButtons(TemplateComponent, frozen=True):
    """The buttons, in the template's order."""

    kind: ClassVar[str] = "buttons"

    buttons: Sequence[TemplateButton | Mapping[str, Any]]

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(
            self, "buttons", _parts(self.buttons, TemplateButton, "buttons")
        )


# ── the payloads ──────────────────────────────────────────────────────────────────────────────────


class _TemplatePayload(Payload, frozen=True):
    _shown = ("name",)

    name: str
    language_code: str
    components: Sequence[TemplateComponent | Mapping[str, Any]] | None = None

    def __post_init__(self) -> None:
        check_text(self.name, "name")
        check_text(self.language_code, "language_code")
        if self.components is not None:
            msgspec.structs.force_setattr(
                self, "components", _parts(self.components, TemplateComponent, "components")
            )

    def to_wire(self) -> dict[str, Any]:
        return {"type": self.kind, "template": wire_fields(self)}


class WhatsAppTemplate(_TemplatePayload, frozen=True):
    """A WhatsApp template: the only message that WhatsApp takes more than 24 hours after the
    contact's last one.
    """

    kind: ClassVar[str] = "whatsapp_template"

    @classmethod
    def fill(
        cls,
        template: Any,
        body: Sequence[str | int] | Mapping[str, str | int] = (),
        *,
        header: "str | int | TemplateParameter | None" = None,
        buttons: "Sequence[str | int | Mapping[str, Any]]" = (),
        cards: "Sequence[Mapping[str, Any]]" = (),
    ) -> "WhatsAppTemplate":
        """Fill a fetched `Template`.

        *body* gives the values of its variables: by number, or in the order in which named ones
        first appear, or as a mapping of names to values. *header* is the value of the header's
        variable, or the URL (or the parameter) of its medium; a place needs a `LocationParameter`.
        *buttons* has one value for each button that wants one: the variable part of a link, or the
        action of a catalogue. *cards* has one mapping for each card of a carousel, with what
        `body`, `header` and `buttons` are for that card: `{"header": url, "body": ["Ada"]}`.

        The counts are checked. A component or button of a kind that is not known here, and that
        holds a placeholder, a medium or a sample (a code to copy, say), is refused: build the
        components by hand. Whether the template is approved is the server's to say.
        """
        from ._fill import filled_components

        name, language = getattr(template, "name", None), getattr(template, "language_code", None)
        if not isinstance(name, str) or not name or not isinstance(language, str) or not language:
            raise InvalidArgumentError(
                "template has no name or no language_code", argument="template"
            )
        return cls(
            name,
            language,
            filled_components(getattr(template, "components", None), body, header, buttons, cards),
        )


class FacebookTemplate(_TemplatePayload, frozen=True):
    """A Facebook message template."""

    kind: ClassVar[str] = "facebook_template"


# ── sequences of parts ────────────────────────────────────────────────────────────────────────────


def _parameters(values: object) -> tuple[TemplateParameter | Mapping[str, Any], ...]:
    if is_list(values):
        values = [TextParameter(each) if isinstance(each, str) else each for each in values]
    return _parts(values, TemplateParameter, "parameters")


def _parts(values: object, base: type[Any], argument: str) -> tuple[Any, ...]:
    if not is_list(values):
        raise InvalidArgumentError(
            f"{argument} is a list, not a {type(values).__name__}", argument=argument
        )
    for part in values:
        if not isinstance(part, base) and not is_object(part):
            raise InvalidArgumentError(
                f"{argument} holds a {type(part).__name__}", argument=argument
            )
    return tuple(values)
