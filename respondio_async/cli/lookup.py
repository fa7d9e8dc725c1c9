"""What there is, as tables: the ids that other commands ask for (`respondio channels`, `users`,
`fields`, `templates`, `contacts get`), and the limits that are in force (`respondio limits`).
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.table import Table

from .. import AsyncRespond, Contact, Paginator, Response, RetryPolicy
from ..errors import NotFoundError, RespondError, TransportError, UnauthorizedError
from ..limits import DEFAULT_LIMITS
from ._client import Account
from ._command import JsonScreen, command
from ._contract import read_each
from ._exit import Exit, code_of
from ._identify import whole_number
from ._screen import Screen, full_name, table_of

_DEADLINE: Final = 10.0
"""Seconds for one read: a person waits for the table."""

Columns = dict[str, Callable[[Any], object]]


@command()
async def channels(*, screen: JsonScreen, account: Account) -> None:
    """List the workspace's channels.

    **Examples**

    - `respondio channels`
    - `respondio channels --json | jq '.[0].id'`
    """
    columns: Columns = {
        "id": lambda each: each.id,
        "name": lambda each: each.name,
        "source": lambda each: each.source,
    }
    await _list(screen, account, lambda client: client.space.list_channels(), columns)


@command()
async def users(*, screen: JsonScreen, account: Account) -> None:
    """List the workspace's users.

    **Examples**

    - `respondio users`
    """
    columns: Columns = {
        "id": lambda each: each.id,
        "name": full_name,
        "email": lambda each: each.email,
        "role": lambda each: each.role,
        "team": lambda each: each.team.name if each.team else None,
    }
    await _list(screen, account, lambda client: client.space.list_users(), columns)


@command()
async def fields(*, screen: JsonScreen, account: Account) -> None:
    """List the workspace's custom fields, with their types and allowed values.

    **Examples**

    - `respondio fields`
    """
    columns: Columns = {
        "id": lambda each: each.id,
        "name": lambda each: each.name,
        "slug": lambda each: each.slug,
        "type": lambda each: each.data_type,
        "allowed": lambda each: ", ".join(each.allowed_values or ()),
    }
    await _list(screen, account, lambda client: client.space.list_custom_fields(), columns)


@command()
async def templates(
    channel: Annotated[
        int,
        typer.Argument(parser=whole_number, help="The channel's id.", show_default=False),
    ],
    *,
    screen: JsonScreen,
    account: Account,
) -> None:
    """List a channel's message templates.

    **Examples**

    - `respondio templates 2001`
    """
    columns: Columns = {
        "id": lambda each: each.id,
        "name": lambda each: each.name,
        "language": lambda each: each.language_code,
        "category": lambda each: each.category,
        "status": lambda each: each.status,
    }
    await _list(screen, account, lambda client: client.space.list_templates(channel), columns)


@command()
async def get(
    contact: Annotated[
        str, typer.Argument(help='"phone:+60…", "email:…" or "id:…".', show_default=False)
    ],
    *,
    screen: JsonScreen,
    account: Account,
) -> None:
    """Show one contact.

    **Examples**

    - `respondio contacts get phone:+60123456789`
    - `respondio contacts get id:123456 --json`
    """
    async with account.connect() as client:
        found = await client.contacts.get(contact)
    screen.result(found, _facts(found))


def _facts(contact: Contact) -> Table:
    facts: dict[str, object] = {
        "id": contact.id,
        "first name": contact.first_name,
        "last name": contact.last_name,
        "phone": contact.phone,
        "email": contact.email,
        "language": contact.language,
        "country": contact.country_code,
        "status": contact.status,
        "lifecycle": contact.lifecycle,
        "assignee": contact.assignee.id if contact.assignee else None,
        "tags": ", ".join(contact.tags or ()),
        "created": contact.created,
        **contact.custom,
    }
    rows = [(name, value) for name, value in facts.items() if value not in (None, "")]
    return table_of(("", ""), rows, header=False)


async def _list(
    screen: Screen,
    account: Account,
    listed: Callable[[AsyncRespond], Paginator[Any]],
    columns: Columns,
) -> None:
    async with account.connect() as client:
        items = await listed(client).collect()
    rows = [[column(item) for column in columns.values()] for item in items]
    screen.result(items, table_of(columns, rows))


class RouteLimit(msgspec.Struct, frozen=True):
    """A route's limits, in requests a second."""

    route: str
    default: float
    """The vendor's table, which the client begins with."""
    observed: float | None = None
    """What the server says now; None: it was not asked, or does not say."""


@command()
async def limits(
    *,
    observe: Annotated[
        bool,
        typer.Option(
            "--observe", help="Ask the server, with one read on each route that can be read."
        ),
    ] = False,
    screen: JsonScreen,
    account: Account,
) -> int:
    """Show the limits of every route, in requests a second, counted for the whole organisation.

    With --observe, reads (and nothing else) are sent with your token, and the server's
    X-RateLimit-Limit is shown beside the vendor's published table: an organisation may have more.
    Routes that only write cannot be asked. Ends with 1 when a read failed, 4 when the token was
    refused.

    **Examples**

    - `respondio limits`
    - `respondio limits --observe --json`
    """
    observed: dict[str, float] = {}
    failures: dict[str, RespondError] = {}
    if observe:
        async with account.connect() as client:
            observed, failures = await observe_limits(client)
    rows = [
        RouteLimit(route, limit, observed.get(route)) for route, limit in DEFAULT_LIMITS.items()
    ]
    screen.result(rows, _limit_table(rows, observed=observe))
    for error in failures.values():
        screen.error(str(error))
    if observe and not observed:
        screen.note("No limit was observed: respondio doctor says what is wrong.")
    # A route that the workspace's plan does not include is reported, and is no failure.
    codes = [code_of(e) for e in failures.values() if not isinstance(e, NotFoundError)]
    return max(codes, default=Exit.DONE)


async def observe_limits(
    client: AsyncRespond,
) -> tuple[dict[str, float], dict[str, RespondError]]:
    """Read once on every route that can be read, and return what the headers say, and which reads
    failed.

    A route that the workspace's plan does not include is among the failures, and the others are
    read all the same. Raises `TransportError` when the server cannot be reached and
    `UnauthorizedError` for a bad token.
    """
    found: dict[str, float] = {}
    failures: dict[str, RespondError] = {}

    async def ask(route: str, reading: Awaitable[Response[Any]]) -> Any:
        try:
            response = await reading
        except (TransportError, UnauthorizedError):
            raise  # the other reads would fail likewise
        except RespondError as error:
            failures[route] = error
            return None
        said = response.rate_limit
        if said is not None and said.limit is not None:
            found[route] = said.limit
        return response.value

    hurried = client.with_options(
        deadline=_DEADLINE, retry=RetryPolicy(outage="fail", max_attempts=2)
    )
    await read_each(hurried, ask, page_size=1)
    return found, failures


def _limit_table(rows: list[RouteLimit], *, observed: bool) -> Table:
    columns = ("route", "default", "observed") if observed else ("route", "default")
    cells = (
        (row.route, f"{row.default:g}", None if row.observed is None else f"{row.observed:g}")
        for row in rows
    )
    shown = (row[: len(columns)] for row in cells)
    return table_of(columns, shown, numbers={"default", "observed"})
