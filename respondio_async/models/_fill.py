"""Put values into a fetched template, and count them: a wrong count fails at WhatsApp, some time
after the 200. What is of an unknown kind and wants a value is refused for the same reason.

What the server lists is in Meta's style ("BODY", "IMAGE"); what it takes is in lower case.
"""

import re
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import msgspec

from respondio_async._values import is_list, is_object
from respondio_async.errors import InvalidArgumentError

from .template_payloads import (
    ActionButton,
    DocumentParameter,
    ImageParameter,
    LocationParameter,
    PhoneButton,
    QuickReplyButton,
    TemplateBody,
    TemplateButtons,
    TemplateComponent,
    TemplateFooter,
    TemplateHeader,
    TemplateParameter,
    TextParameter,
    UrlButton,
    VideoParameter,
)

__all__ = ["filled_components"]

_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_MEDIA: dict[str, type[TemplateParameter]] = {
    "image": ImageParameter,
    "video": VideoParameter,
    "document": DocumentParameter,
    "location": LocationParameter,
}

_GAPS = {"example", "examples", "sample", "samples", "media", "link", *_MEDIA}
"""Keys of samples and media."""

Component = TemplateComponent | dict[str, Any]


def filled_components(
    components: object, body: object, header: object, buttons: object, cards: object = ()
) -> list[Component]:
    """Return the components of a template with its variables filled."""
    filled: list[Component] = []
    pending = _Given(body, header, buttons, cards)
    for component in _listed(components):
        match str(component.get("type", "")).lower():
            case "header":
                filled.append(pending.fill_header(component))
            case "body":
                filled.append(pending.fill_body(component))
            case "footer":
                _refuse_unfilled(component.get("text"), "footer")
                filled.append(TemplateFooter(str(component.get("text") or "")))
            case "buttons":
                filled.append(pending.fill_buttons(component))
            case "carousel":
                filled.append({"type": "carousel", "cards": pending.fill_cards(component)})
            case kind:  # of a kind that we do not know: as it came
                _refuse_unfilled(component, f"component {kind!r}")
                filled.append({**component, "type": kind})
    pending.refuse_unused()
    return filled


def _listed(components: object) -> list[Mapping[str, Any]]:
    if components is None:
        return []
    if isinstance(components, str):
        try:
            components = msgspec.json.decode(components or "[]")
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            components = ""  # refused below
    items: list[Any] = list(components) if is_list(components) else [components]
    items = [
        msgspec.to_builtins(item) if isinstance(item, msgspec.Struct) else item for item in items
    ]
    if not all(is_object(item) for item in items):
        raise InvalidArgumentError(
            "the template's components are not readable", argument="template"
        )
    return items


class _Given:
    """The caller's values, until a component takes them."""

    def __init__(self, body: object, header: object, buttons: object, cards: object) -> None:
        self.body = body
        self.header = header
        self.buttons = buttons
        self.cards = cards

    def fill_body(self, component: Mapping[str, Any]) -> TemplateBody:
        text = _text(component)
        values, self.body = self.body, ()
        return TemplateBody(
            text, [TextParameter(value) for value in _ordered(values, _names(text), "body")]
        )

    def fill_header(self, component: Mapping[str, Any]) -> TemplateHeader:
        kind = str(component.get("format") or "text").lower()
        value, self.header = self.header, None
        if kind == "text":
            text = _text(component)
            names = _names(text)
            if isinstance(value, TextParameter):
                value = value.text
            values: object = (
                () if value is None else value if is_list(value) or is_object(value) else (value,)
            )
            return TemplateHeader(
                "text", text, [TextParameter(each) for each in _ordered(values, names, "header")]
            )
        if kind not in _MEDIA:
            raise InvalidArgumentError(
                "the template's header has an unknown format: build the components by hand",
                argument="template",
            )
        return TemplateHeader(cast("Any", kind), None, [_medium(kind, value)])

    def fill_buttons(self, component: Mapping[str, Any]) -> TemplateButtons:
        templates = [each for each in component.get("buttons") or () if is_object(each)]
        wanted = [each for each in templates if _wants_value(each)]
        values, self.buttons = self.buttons, ()
        if not is_list(values):
            raise InvalidArgumentError(
                "buttons is a list with one value a button that wants one", argument="buttons"
            )
        _count("buttons", len(wanted), len(values))
        left = iter(values)
        return TemplateButtons(
            [_button(each, next(left) if _wants_value(each) else None) for each in templates]
        )

    def fill_cards(self, component: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Fill each card of a carousel as a small template of its own."""
        templates = [each for each in component.get("cards") or () if is_object(each)]
        values, self.cards = self.cards, ()
        if not is_list(values) or not all(is_object(each) for each in values):
            raise InvalidArgumentError(
                "cards is a list with one mapping a card: body, header, buttons", argument="cards"
            )
        if values:
            _count("cards", len(templates), len(values))
        return [
            {"components": _card(template, values[index] if values else {}, index)}
            for index, template in enumerate(templates)
        ]

    def refuse_unused(self) -> None:
        """Raise when a value was given for a component that the template has not."""
        for argument, value in (
            ("body", self.body),
            ("header", self.header),
            ("buttons", self.buttons),
            ("cards", self.cards),
        ):
            if value is None or ((is_list(value) or is_object(value)) and not value):
                continue
            raise InvalidArgumentError(f"the template has no {argument} to fill", argument=argument)


def _card(template: Mapping[str, Any], given: Mapping[str, Any], index: int) -> list[Any]:
    if unknown := given.keys() - {"body", "header", "buttons"}:
        raise InvalidArgumentError(
            f"card {index} has {', '.join(sorted(map(str, unknown)))}; it takes body, header and "
            "buttons",
            argument="cards",
        )
    body, buttons = given.get("body", ()), given.get("buttons", ())
    try:
        filled = filled_components(template.get("components"), body, given.get("header"), buttons)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"card {index}: {error}", argument="cards") from None
    return [part if isinstance(part, dict) else part.to_wire() for part in filled]


def _refuse_unfilled(part: object, name: str) -> None:
    """Refuse what would arrive at the contact with a gap in it."""
    if _wants_filling(part):
        raise InvalidArgumentError(
            f"the template's {name} wants a value that fill() cannot give it: build the components "
            "by hand, WhatsAppTemplate(name, language_code, components=[…])",
            argument="template",
        )


def _wants_filling(part: object) -> bool:
    """Whether it holds a placeholder, a medium, or a sample of what belongs there."""
    if is_object(part):
        return any(_is_gap(str(key).lower(), value) for key, value in part.items())
    if is_list(part):
        return any(_wants_filling(each) for each in part)
    return isinstance(part, str) and _PLACEHOLDER.search(part) is not None


def _is_gap(key: str, value: object) -> bool:
    if key == "format":
        return str(value or "text").lower() != "text"
    return (bool(value) and key in _GAPS) or _wants_filling(value)


def _text(component: Mapping[str, Any]) -> str | None:
    text = component.get("text")
    return text if isinstance(text, str) else None


def _names(text: str | None) -> list[str]:
    """Return the placeholders of a text, each once: numbers in their order, names as they first
    appear.
    """
    names = list(dict.fromkeys(_PLACEHOLDER.findall(text or "")))
    return sorted(names, key=int) if all(name.isdecimal() for name in names) else names


def _ordered(values: object, names: list[str], argument: str) -> list[str]:
    if is_object(values):
        by_name = {str(name): value for name, value in values.items()}
        missing = [name for name in names if name not in by_name]
        if missing or len(by_name) != len(names):
            said = (
                f"missing: {', '.join(missing)}" if missing else "it has more values than variables"
            )
            raise InvalidArgumentError(
                f"{argument} does not fit the template's variables ({said})", argument=argument
            )
        return [_value(by_name[name], argument) for name in names]
    if not is_list(values):
        raise InvalidArgumentError(
            f"{argument} is a list of values, or a mapping of names to values", argument=argument
        )
    _count(argument, len(names), len(values))
    return [_value(value, argument) for value in values]


def _count(argument: str, wanted: int, given: int) -> None:
    if wanted != given:
        raise InvalidArgumentError(
            f"{argument} takes {wanted} values in this template, not {given}", argument=argument
        )


def _value(value: object, argument: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidArgumentError(
            f"{argument} holds a {type(value).__name__}, not a text", argument=argument
        )
    text = str(value)
    if not text.strip():
        raise InvalidArgumentError(
            f"{argument} holds an empty value, which WhatsApp refuses", argument=argument
        )
    return text


def _medium(kind: str, value: object) -> TemplateParameter:
    wanted = _MEDIA[kind]
    if isinstance(value, wanted):
        return value
    if kind == "location" or not isinstance(value, str):
        alternative = "" if kind == "location" else " or its URL"
        raise InvalidArgumentError(
            f"this template's header wants a {wanted.__name__}{alternative}", argument="header"
        )
    try:
        if kind == "document":
            return DocumentParameter(value, unquote(urlsplit(value).path.rpartition("/")[2]))
        return ImageParameter(value) if kind == "image" else VideoParameter(value)
    except (InvalidArgumentError, ValueError) as error:
        nameless = isinstance(error, InvalidArgumentError) and error.argument == "filename"
        raise InvalidArgumentError(
            "the URL has no file name: give a DocumentParameter"
            if nameless
            else "header is not an absolute http(s) URL",
            argument="header",
        ) from None


def _kind(button: Mapping[str, Any]) -> str:
    return str(button.get("type", "")).lower()


def _wants_value(button: Mapping[str, Any]) -> bool:
    kind = _kind(button)
    return kind in ("catalog", "mpm") or (
        kind == "url" and bool(_names(str(button.get("url") or "")))
    )


def _button(button: Mapping[str, Any], value: object) -> Any:
    text = str(button.get("text") or "")
    _refuse_unfilled(text, "button")
    match _kind(button):
        case "quick_reply":
            return QuickReplyButton(text)
        case "url":
            return UrlButton(
                text,
                str(button.get("url") or ""),
                () if value is None else (_value(value, "buttons"),),
            )
        case "phone_number":
            return PhoneButton(
                text, str(button.get("phone_number") or button.get("phoneNumber") or "")
            )
        case "catalog" | "mpm" as kind:
            if not is_object(value) or not value:
                raise InvalidArgumentError(
                    "a catalogue button takes its action, a mapping", argument="buttons"
                )
            return ActionButton(text, value, kind)
        case kind:  # "request_contact_info" needs no more than its text
            _refuse_unfilled(button, f"button {kind!r}")
            return {**button, "type": kind}
