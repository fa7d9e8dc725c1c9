"""Put values into a fetched template, and count them: a wrong count fails at WhatsApp, some time
after the 200. What is of an unknown kind and wants a value is refused for the same reason.

What the server lists is in Meta's style ("BODY", "IMAGE"); what it takes is in lower case.
"""

import re
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import msgspec

from respondio_async._values import is_list, is_object, read_json
from respondio_async.errors import InvalidArgumentError

from ._base import elements
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

_LONGEST_NUMBER = 9
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
    given = {"body": body, "header": header, "buttons": buttons, "cards": cards}
    filled = [_filled(component, given) for component in _listed(components)]
    for argument, value in given.items():
        is_empty = not value and (is_list(value) or is_object(value))
        if value is not None and not is_empty:
            raise InvalidArgumentError(f"the template has no {argument} to fill", argument=argument)
    return filled


def _filled(component: Mapping[str, Any], given: dict[str, Any]) -> Component:
    """Fill one component with its part of what is *given*, which is taken out."""
    match _kind(component):
        case "header":
            return _header(component, given.pop("header", None))
        case "body":
            text = _text(component)
            return TemplateBody(text, _texts(given.pop("body", ()), text, "body"))
        case "footer":
            text = str(component.get("text") or "")
            _refuse_unfilled(text, "footer")
            return TemplateFooter(text)
        case "buttons":
            return TemplateButtons(_buttons(component, given.pop("buttons", ())))
        case "carousel":
            return {"type": "carousel", "cards": _cards(component, given.pop("cards", ()))}
        case kind:  # of a kind that we do not know: as it came
            _refuse_unfilled(component, f"component {kind!r}")
            return {**component, "type": kind}


def _listed(components: object) -> list[Mapping[str, Any]]:
    if components is None:
        return []
    if isinstance(components, str):
        components = read_json(components or "[]", otherwise="")  # refused below
    items: list[Any] = list(components) if is_list(components) else [components]
    items = [
        msgspec.to_builtins(item) if isinstance(item, msgspec.Struct) else item for item in items
    ]
    if not all(is_object(item) for item in items):
        raise InvalidArgumentError(
            "the template's components are not readable", argument="template"
        )
    return items


def _header(component: Mapping[str, Any], value: object) -> TemplateHeader:
    kind = str(component.get("format") or "text").lower()
    if kind == "text":
        text = _text(component)
        if isinstance(value, TextParameter):
            value = value.text
        if value is None:
            value = ()
        elif not is_list(value) and not is_object(value):
            value = (value,)
        return TemplateHeader("text", text, _texts(value, text, "header"))
    if kind not in _MEDIA:
        raise InvalidArgumentError(
            "the template's header has an unknown format: build the components by hand",
            argument="template",
        )
    return TemplateHeader(cast("Any", kind), None, [_medium(kind, value)])


def _buttons(component: Mapping[str, Any], values: object) -> list[Any]:
    if not is_list(values):
        raise InvalidArgumentError(
            "buttons is a list with one value a button that wants one", argument="buttons"
        )
    templates = _objects(component.get("buttons"))
    _count("buttons", sum(map(_wants_value, templates)), len(values))
    left = iter(values)
    return [_button(each, next(left) if _wants_value(each) else None) for each in templates]


def _cards(component: Mapping[str, Any], values: object) -> list[dict[str, Any]]:
    """Fill each card of a carousel as a small template of its own."""
    if not is_list(values) or not all(is_object(each) for each in values):
        raise InvalidArgumentError(
            "cards is a list with one mapping a card: body, header, buttons", argument="cards"
        )
    templates = _objects(component.get("cards"))
    if values:
        _count("cards", len(templates), len(values))
    return [
        {"components": _card(template, values[index] if values else {}, index)}
        for index, template in enumerate(templates)
    ]


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
    try:
        is_unfilled = _wants_filling(part)
    except RecursionError:  # nested so deeply that nobody can look
        is_unfilled = True
    if is_unfilled:
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


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [each for each in elements(value) if is_object(each)]


def _text(component: Mapping[str, Any]) -> str | None:
    text = component.get("text")
    return text if isinstance(text, str) else None


def _names(text: str | None) -> list[str]:
    """Return the placeholders of a text, each once: numbers in their order, names as they first
    appear.
    """
    names = list(dict.fromkeys(_PLACEHOLDER.findall(text or "")))
    are_numbers = all(name.isdecimal() and len(name) <= _LONGEST_NUMBER for name in names)
    return sorted(names, key=int) if are_numbers else names


def _texts(values: object, text: str | None, argument: str) -> list[TextParameter]:
    """Return the values of the placeholders of *text*, in their order."""
    names = _names(text)
    if is_object(values):
        by_name = {str(name): value for name, value in values.items()}
        if missing := [name for name in names if name not in by_name]:
            raise InvalidArgumentError(
                f"{argument} does not fit the template's variables (missing: {', '.join(missing)})",
                argument=argument,
            )
        _count(argument, len(names), len(by_name))
        values = [by_name[name] for name in names]
    if not is_list(values):
        raise InvalidArgumentError(
            f"{argument} is a list of values, or a mapping of names to values", argument=argument
        )
    _count(argument, len(names), len(values))
    return [TextParameter(_value(value, argument)) for value in values]


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


def _kind(part: Mapping[str, Any]) -> str:
    return str(part.get("type", "")).lower()


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
