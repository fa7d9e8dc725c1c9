"""A message for every row: a template, or a text, with the row's columns as variables."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from ... import AsyncRespond
from ...errors import InvalidArgumentError
from ...models import Channel, Payload, Template, Text, WhatsAppTemplate
from .._exit import UsageError
from ..files.rows import Row

_VARIABLE: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_COLUMN: Final = re.compile(r"\{([^{}]+)\}")

Compose = Callable[[Row], Payload]
"""Raises ValueError, without the row's values, for a row that makes no message."""


async def find_channel(client: AsyncRespond, wanted: str) -> Channel:
    """Find a channel by its id or its name."""
    channels = await client.space.list_channels().collect()
    found = [each for each in channels if wanted == str(each.id)] or [
        each for each in channels if (each.name or "").casefold() == wanted.casefold()
    ]
    if len(found) != 1:
        known = ", ".join(f"{each.id} {each.name}" for each in channels)
        raise UsageError(
            f"--channel: {'no' if not found else 'more than one'} channel is called so; there are "
            f"{known}"
        )
    return found[0]


async def find_template(
    client: AsyncRespond, channel: Channel, name: str, language: str | None
) -> Template:
    """Find an approved template of the channel by its name, and its language where there are
    several.
    """
    templates = await client.space.list_templates(channel.id).collect()
    named = [each for each in templates if each.name == name]
    found = [
        each
        for each in named
        if language is None or (each.language_code or "").casefold() == language.casefold()
    ]
    if not found:
        other = (
            f" in {language}; there is {_languages(named)}"
            if named
            else f"; there are {', '.join(sorted({each.name for each in templates}))}"
        )
        raise UsageError(f"the channel has no template {name}{other}")
    if len(found) > 1:
        raise UsageError(
            f"the template {name} is there in several languages: say --language "
            f"({_languages(found)})"
        )
    if not found[0].is_approved:
        raise UsageError(
            f"the template {name} is {found[0].status or 'without a status'}, not approved"
        )
    return found[0]


def template_composer(
    template: Template,
    columns: Iterable[str],
    variables: Mapping[str, str],
    header: str | None,
    buttons: Iterable[str],
) -> Compose:
    """Fill a template from a row: *variables* maps the body's placeholders to columns; by default a
    column has the same name.
    """
    names = list(dict.fromkeys(_VARIABLE.findall(_body(template))))
    columns, buttons = list(columns), list(buttons)
    chosen = {name: variables.get(name, name) for name in names}
    unknown = [name for name in variables if name not in names]
    if unknown:
        raise UsageError(
            f"the template has no variable {', '.join(unknown)}; it has "
            f"{', '.join(names) or 'none'}"
        )
    absent = [
        column
        for column in (*chosen.values(), *([header] if header else ()), *buttons)
        if column not in columns
    ]
    if absent:
        raise UsageError(
            f"the file has no column {', '.join(dict.fromkeys(absent))}: say --var VARIABLE=COLUMN"
        )

    def compose(row: Row) -> Payload:
        filled = {name: row.text(column) for name, column in chosen.items()}
        try:
            return WhatsAppTemplate.fill(
                template,
                filled,
                header=row.text(header) if header else None,
                buttons=[row.text(column) for column in buttons],
            )
        except InvalidArgumentError as error:
            raise ValueError(str(error)) from None

    return compose


def text_composer(text: str, columns: Iterable[str]) -> Compose:
    """Fill {column} in a text from a row. The server's own {{$contact.name}} is left to it."""
    columns = list(columns)
    pattern = re.compile(r"(?<!\{)" + _COLUMN.pattern + r"(?!\})")
    absent = [name for name in pattern.findall(text) if name not in columns]
    if absent:
        raise UsageError(f"the file has no column {', '.join(dict.fromkeys(absent))}")

    def compose(row: Row) -> Payload:
        def value(match: re.Match[str]) -> str:
            found = row.text(match[1])
            if not found:
                raise ValueError(f"{match[1]} is empty")
            return found

        return Text(pattern.sub(value, text))

    return compose


def preview(message: Mapping[str, Any]) -> str:
    """Write a composed message as its reader will see it, or as JSON what has no text."""
    if message.get("type") == "text":
        return str(message["text"])
    if message.get("type") != "whatsapp_template":
        return json.dumps(message, ensure_ascii=False)
    template = message["template"]
    lines = [f"template {template['name']} ({template['languageCode']})"]
    for part in template["components"]:
        buttons = part.get("buttons")
        lines += [_filled(each) for each in buttons] if buttons else [_filled(part)]
    return "\n".join(lines)


def _filled(part: Mapping[str, Any]) -> str:
    """Put a component's parameters into its text, or its button's link."""
    values: list[str] = []
    for each in part.get("parameters", ()):
        file: Mapping[str, Any] = each.get(each.get("type", "")) if "text" not in each else {}
        values.append(str(each.get("text") or (file or {}).get("link", "")))
    names = iter(values)

    def fill(text: str) -> str:
        known: dict[str, str] = {}
        return _VARIABLE.sub(lambda m: known.setdefault(m[1], next(names, m[0])), text)

    kind, text, url = part.get("type", ""), part.get("text"), part.get("url")
    shown = " ".join(fill(each) for each in (text, url) if each)
    return f"{kind}: {shown or ' '.join(values)}"


def _body(template: Template) -> str:
    return next(
        (
            str(each.get("text") or "")
            for each in template.components
            if str(each.get("type", "")).lower() == "body"
        ),
        "",
    )


def _languages(templates: Iterable[Template]) -> str:
    return ", ".join(sorted({each.language_code or "?" for each in templates}))
