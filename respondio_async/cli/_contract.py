"""The contract report: how a server answers, without a word of what it answered.

Holds shapes, key names, status codes, header names and limits. Values of contacts, users and
messages never enter it; texts of the server are left out too.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, TypeGuard

import msgspec

from respondio_async.discreet import Discreet

from .. import (
    ROUTES,
    APIError,
    AsyncRespond,
    NotFoundError,
    RespondError,
    Response,
    __version__,
)

_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_$-]{0,39}")
_WORD: Final = re.compile(r"[a-z0-9_]{1,32}")
_OPEN_WORDS: Final = {"source", "role", "dataType", "traffic", "type", "category"}
"""Keys whose values are words of the vendor's vocabulary, in the lists named below."""
_VOCABULARY: Final = frozenset({"GET /space/user", "GET /space/channel", "GET /space/custom_field"})
FIRST_PAGE: Final = "POST /contact/list, one a page"
LAST_PAGE: Final = "POST /contact/list"
_NOBODY: Final = 9_007_199_254_740_991
"""A contact id that no workspace has: its 404 shows the error envelope."""


class Answered(Discreet, msgspec.Struct, kw_only=True):
    """How one operation answered."""

    status: int | None
    """None: no answer came."""
    shape: Any = None
    """The body's shape: types by key."""
    headers: list[str] = msgspec.field(default_factory=list[str])
    limit: float | None = None
    next_form: str | None = None
    """What `pagination.next` was: "no_pagination", "missing", "null", "empty", "integer", "string",
    "relative", "url" or "url_without_version".
    """
    next_query: list[str] = msgspec.field(default_factory=list[str])
    """The names in its query, when it was a URL."""
    words: dict[str, list[str]] = msgspec.field(default_factory=dict[str, list[str]])
    """Words of the vendor's vocabulary, by key."""


class ContractReport(msgspec.Struct, kw_only=True):
    """What `respondio doctor --report FILE` writes."""

    format: int = 1
    client: str = __version__
    operations: dict[str, Answered] = msgspec.field(default_factory=dict[str, Answered])
    custom_field_path: str | None = None
    page_sizes: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    """Items on a page of which 100 were asked for (contacts)."""
    not_found: Any = None
    """The shape of the body of a 404."""
    drift: list[dict[str, str | int]] = msgspec.field(default_factory=list[dict[str, str | int]])
    """What only lenient reading could read: endpoint, type, where, and how often."""


async def read_each(
    client: AsyncRespond,
    ask: Callable[[str, Awaitable[Response[Any]]], Awaitable[Any]],
    *,
    page_size: int,
) -> None:
    """Read once on every route that can be read, as far as there is something to read.

    *ask* is given a route and the request of it; what it returns is the answer, or None.
    """

    async def first(operation: str, reading: Awaitable[Response[Any]]) -> list[Any]:
        page = await ask(ROUTES[operation], reading)
        return [] if page is None else page.items[:1]

    raw = client.raw
    space, contacts = raw.space, raw.contacts
    for user in await first("space.list_users", space.list_users(page_size=page_size)):
        await ask(ROUTES["space.get_user"], space.get_user(user.id))
    await first("space.list_closing_notes", space.list_closing_notes(page_size=page_size))
    for channel in await first("space.list_channels", space.list_channels(page_size=page_size)):
        templates = space.list_templates(channel.id, page_size=page_size)
        await first("space.list_templates", templates)
    fields = space.list_custom_fields(page_size=page_size)
    for field in await first("space.list_custom_fields", fields):
        await ask(ROUTES["space.get_custom_field"], space.get_custom_field(field.id))
    for contact in await first("contacts.list", contacts.list(page_size=page_size)):
        await ask(ROUTES["contacts.get"], contacts.get(contact.id))
        channels = contacts.list_channels(contact.id, page_size=page_size)
        await first("contacts.list_channels", channels)
        history = raw.messages.list(contact.id, page_size=min(page_size, 50))
        for message in await first("messages.list", history):
            await ask(ROUTES["messages.get"], raw.messages.get(contact.id, message.message_id))


async def observe_contract(client: AsyncRespond) -> ContractReport:
    """Ask what reading can answer, some fifteen requests; never raises for what the server does."""
    report = ContractReport()
    await _ask(report, FIRST_PAGE, client.raw.contacts.list(page_size=1))
    await read_each(client, partial(_ask, report), page_size=100)
    report.custom_field_path = await custom_field_path(client)
    try:
        await client.contacts.get(_NOBODY)
    except APIError as error:
        report.not_found = {"status": error.status, "shape": shape(_json(error.content))}
    except RespondError:
        pass
    report.drift = [
        {"endpoint": each.endpoint, "type": each.type, "detail": each.detail, "count": each.count}
        for each in client.drift()
    ]
    return report


async def custom_field_path(client: AsyncRespond) -> str | None:
    """Find which of the two documented paths of the custom fields answers; None: neither."""
    for path in ("/space/custom_field", "/space/contact_field"):
        try:
            await client.request("GET", path, query={"limit": 1})
        except NotFoundError:
            continue
        return path
    return None


async def _ask(report: ContractReport, operation: str, reading: Awaitable[Response[Any]]) -> Any:
    try:
        response = await reading
    except APIError as error:
        report.operations[operation] = Answered(
            status=error.status, shape=shape(_json(error.content))
        )
        return None
    except RespondError:
        report.operations[operation] = Answered(status=None)
        return None
    body = _json(response.content)
    answered = Answered(
        status=response.status,
        shape=shape(body),
        headers=sorted({name for name in response.headers if _KEY.fullmatch(name)}),
        limit=response.rate_limit.limit if response.rate_limit else None,
    )
    if is_object(body) and "items" in body:
        answered.next_form, answered.next_query = next_form(body)
        if operation in _VOCABULARY:
            answered.words = words(body)
    if operation == LAST_PAGE:
        report.page_sizes[operation] = len(response.value.items)
    report.operations[operation] = answered
    return response.value


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Say whether it is a JSON object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Say whether it is a JSON array."""
    return isinstance(value, list)


_TYPES: Final[dict[type, str]] = {bool: "boolean", int: "integer", float: "number", str: "string"}


def shape(value: object, depth: int = 8) -> Any:
    """Replace every value by its type's name; the elements of an array are merged into one."""
    if value is None:
        return "null"
    if is_object(value) and depth:
        found: dict[str, Any] = {}
        for key, each in list(value.items())[:200]:
            name = key if _KEY.fullmatch(key) else "<key>"
            found[name] = _merge(found.get(name), shape(each, depth - 1))
        return found
    if is_list(value) and depth:
        merged: Any = None
        for each in value[:200]:
            merged = _merge(merged, shape(each, depth - 1))
        return [] if merged is None else [merged]
    return _TYPES.get(type(value), "…")


def _merge(first: Any, second: Any) -> Any:
    if first is None or first == second:
        return second
    if is_object(first) and is_object(second):
        keys = {**first, **second}
        return {key: _merge(first.get(key), second.get(key, first.get(key))) for key in keys}
    if is_list(first) and is_list(second):
        return [_merge(first[0], second[0])] if first and second else first or second
    return " | ".join(sorted({*_names(first), *_names(second)}))


def _names(form: object) -> list[str]:
    if isinstance(form, str):
        return form.split(" | ")
    return ["object" if is_object(form) else "array"]


def next_form(body: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Say what `pagination.next` is, and which names its query has."""
    pagination = body.get("pagination")
    if not is_object(pagination):
        return "no_pagination", []
    if "next" not in pagination:
        return "missing", []
    value = pagination["next"]
    if not isinstance(value, str):
        return shape(value) if value is None or isinstance(value, int) else "other", []
    if not value or "?" not in value:
        return "string" if value else "empty", []
    address, _, query = value.partition("#")[0].partition("?")
    names = [part.partition("=")[0] for part in query.split("&")]
    form = "relative" if "://" not in address else "url"
    if form == "url" and "/v2/" not in address:
        form = "url_without_version"
    return form, sorted({name for name in names if _KEY.fullmatch(name)})


def words(body: Mapping[str, Any]) -> dict[str, list[str]]:
    """Collect the words of the vendor's vocabulary in the items of a list."""
    found: dict[str, set[str]] = {}
    items = body.get("items")
    for item in items if is_list(items) else ():
        for key, value in item.items() if is_object(item) else ():
            if key in _OPEN_WORDS and isinstance(value, str) and _WORD.fullmatch(value):
                found.setdefault(key, set()).add(value)
    return {key: sorted(values) for key, values in found.items()}


def _json(content: bytes | None) -> Any:
    try:
        return msgspec.json.decode(content or b"")
    except (ValueError, msgspec.MsgspecError, RecursionError):
        return None


def as_text(report: ContractReport) -> str:
    """Write the report for people, to paste into an issue."""
    lines = [
        f"respondio-async {report.client}: how the server answers (shapes only, no values)",
        f"custom fields answer at: {report.custom_field_path or 'neither path'}",
    ]
    for operation, answered in report.operations.items():
        lines += ["", f"{operation}: {answered.status or 'no answer'}"]
        if answered.limit is not None:
            lines.append(f"  limit: {answered.limit:g}")
        if answered.next_form:
            query = f" ({', '.join(answered.next_query)})" if answered.next_query else ""
            lines.append(f"  pagination.next: {answered.next_form}{query}")
        for key, values in answered.words.items():
            lines.append(f"  {key}: {', '.join(values)}")
        if answered.headers:
            lines.append(f"  headers: {', '.join(answered.headers)}")
        lines.append(f"  body: {msgspec.json.encode(answered.shape).decode()}")
    not_found = msgspec.json.encode(report.not_found).decode()
    lines += ["", f"a contact that is not there: {not_found}"]
    lines += [f"drift: {msgspec.json.encode(each).decode()}" for each in report.drift]
    return "\n".join(lines) + "\n"
