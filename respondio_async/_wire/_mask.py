"""Take personal data out of a text that came from the server.

Masked: e-mail addresses, phone numbers (seven digits or more, however they are grouped), tokens,
and every value that the call itself sent: a server that refuses a value likes to quote it. The
names of fields stay, since they say what to correct.
"""

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, Final
from urllib.parse import quote, quote_plus

import msgspec

from respondio_async._values import is_list, is_object, is_set, read_json
from respondio_async.identifiers import ContactId

MASK: Final = "***"

# Each pattern here costs time in proportion to the text, whatever the text is: a run of characters
# is tried from its beginning only (a look-behind), and is never given back (possessive).
_TOKEN: Final = re.compile(
    r"\beyJ[\w-]{8,}(?:\.[\w-]+){0,2}"  # a JSON Web Token, whole or cut off
    r"|(?<=bearer )[\w.~+/=-]{12,}"
    r"|\b(?=[A-Za-z_]*[0-9])[A-Za-z0-9_]{32,}",  # hexadecimal and base-64 secrets
    re.IGNORECASE,
)
_EMAIL: Final = re.compile(
    r"(?<![^\s<>\"'(),;:=/|\[\]{}])[^\s<>\"'(),;:=/|@\[\]{}]++@[^\s<>\"'(),;:=/|@\[\]{}]++"
    r"|(?<![\w.+-])[\w.+-]++%40[\w.-]++",
    re.IGNORECASE,
)
_DIGITS: Final = re.compile(r"(?:\+|%2B)?\(?\d(?:[ \u00a0().\-/]{0,2}\d){6,}", re.IGNORECASE)

# What these keys hold is the API's vocabulary, not anybody's data, and a message without it says
# nothing.
_VOCABULARY: Final = frozenset(
    {"type", "format", "operator", "field", "dataType", "status", "timezone", "languageCode"}
)
_FILTER_CATEGORIES: Final = frozenset({"contactField", "contactTag", "lifecycle"})
_SHORT: Final = 4
_QUOTED_START: Final = 12
_DEEPEST: Final = 20


def mask(text: str, sent: object = None) -> str:
    """Return *text* with what could be personal data, or was *sent*, replaced by `***`."""
    values = {value for value in _values(sent, _DEEPEST) if value.strip()}
    if values:
        text = _without(text, {form for value in values for form in _forms(value)})
    text = _TOKEN.sub(MASK, text)
    text = _EMAIL.sub(MASK, text)
    return _DIGITS.sub(MASK, text)


def _without(text: str, forms: Iterable[str]) -> str:
    """Mask every place of *text* that one of *forms* covers; places that overlap are one."""
    folded = _fold(text)
    spans = sorted(span for form in forms for span in _spans(folded, _fold(form)))
    if not spans:
        return text
    parts: list[str] = []
    covered = 0
    for start, end in spans:
        if start >= covered:
            parts += (text[covered:start], MASK)
        covered = max(covered, end)
    return "".join((*parts, text[covered:]))


def _fold(text: str) -> str:
    """Fold the case of *text* and keep its length, so that places in both are the same.

    U+0130 is the one character whose lower case is longer, and a final sigma depends on what
    follows.
    """
    return text.replace("\u0130", "i").lower().replace("ς", "σ")


def _spans(text: str, form: str) -> Iterator[tuple[int, int]]:
    """Yield the places of *form* in *text*: of a short one as a whole word (masking each "a" would
    leave no sentence), of a long one that is quoted cut off ("Lorem ipsum dol…") what is there.
    """
    if len(form) < _SHORT:
        for match in re.finditer(rf"(?<!\w){re.escape(form)}(?!\w)", text):
            yield match.span()
        return
    # str.find and not a pattern, which would try each place of a repetitive text anew.
    key = form if form in text or len(form) <= _QUOTED_START else form[:_QUOTED_START]
    start = text.find(key)
    while start >= 0:
        end = start + len(key)
        while key is not form and text[end : end + 1] == form[end - start : end - start + 1] != "":
            end += 1
        yield start, end
        start = text.find(key, end)


def _forms(value: str) -> Iterator[str]:
    """Yield the ways in which a server may write a value back: as it is, in a URL, in JSON, in
    HTML, on one line.
    """
    safe = value.encode("utf-8", "replace").decode("utf-8")
    seen = {""}
    for form in (
        value,
        value.strip(),
        " ".join(value.split()),
        quote(safe, safe=""),
        quote(safe, safe="@"),
        quote(safe),
        quote_plus(safe),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        html.escape(value),
    ):
        if form not in seen:
            seen.add(form)
            yield form


def _values(sent: object, depth: int) -> Iterator[str]:
    """Yield every value within *sent*, as text."""
    if depth == 0 or sent is None or isinstance(sent, bool | msgspec.UnsetType):
        return
    if isinstance(sent, Enum | ContactId):
        sent = sent.value
    if isinstance(sent, str):
        yield from _text_values(sent)
    elif isinstance(sent, int | float):
        if (
            abs(sent) < 1e30
        ):  # Python writes no integer of thousands of digits, and no answer quotes one
            yield str(sent)
        if isinstance(sent, float) and sent.is_integer():
            yield str(int(sent))
    elif isinstance(sent, bytes):
        plain = read_json(sent, otherwise=sent.decode("utf-8", "replace"))
        yield from _values(plain, depth - 1)
    elif isinstance(sent, msgspec.Struct):
        yield from _values(msgspec.structs.asdict(sent), depth - 1)
    elif is_object(sent):
        yield from _mapping_values(sent, depth - 1)
    elif is_list(sent) or is_set(sent):
        for item in sent:
            yield from _values(item, depth - 1)
    else:
        yield str(sent)  # dates, times, decimals


def _text_values(text: str) -> Iterator[str]:
    yield text
    kind, colon, value = text.partition(":")
    if colon and kind in ("id", "email", "phone"):
        yield value
        text = value
    if text.startswith("+") and text[1:].isdigit():
        yield text[1:]  # a phone number that lost its plus sign


def _mapping_values(sent: Mapping[Any, object], depth: int) -> Iterator[str]:
    pair = len(sent) == 2 and "name" in sent and "value" in sent  # one of custom_fields
    for key, value in sent.items():
        if key == "custom_fields" and is_object(value):  # the caller's spelling: name to value
            yield from _values([*value.values()], depth)
        elif (
            (key in _VOCABULARY and isinstance(value, str))
            or (pair and key == "name")
            or (key == "category" and value in _FILTER_CATEGORIES)
        ):
            continue
        else:
            yield from _values(value, depth)
