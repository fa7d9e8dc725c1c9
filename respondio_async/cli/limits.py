"""`respondio limits`: what is in force."""

from collections.abc import Awaitable
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.table import Table

from .. import ROUTES, AsyncRespond, Response, RetryPolicy
from ..errors import NotFoundError, RespondError, TransportError, UnauthorizedError
from ..limits import DEFAULT_LIMITS
from ._client import Account
from ._command import JsonScreen, command
from ._exit import Exit, code_of
from ._screen import table_of

_DEADLINE: Final = 10.0
"""Seconds for one read: a person waits for the table."""


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
    screen.result(rows, _table(rows, observed=observe))
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

    async def ask(operation: str, read: Awaitable[Response[Any]]) -> Any:
        try:
            response = await read
        except (TransportError, UnauthorizedError):
            raise  # the other reads would fail likewise
        except RespondError as error:
            failures[ROUTES[operation]] = error
            return None
        said = response.rate_limit
        if said is not None and said.limit is not None:
            found[ROUTES[operation]] = said.limit
        return response.value

    raw = client.with_options(
        deadline=_DEADLINE, retry=RetryPolicy(outage="fail", max_attempts=2)
    ).raw
    users = await ask("space.list_users", raw.space.list_users(page_size=1))
    channels = await ask("space.list_channels", raw.space.list_channels(page_size=1))
    fields = await ask("space.list_custom_fields", raw.space.list_custom_fields(page_size=1))
    contacts = await ask("contacts.list", raw.contacts.list(page_size=1))
    await ask("space.list_closing_notes", raw.space.list_closing_notes(page_size=1))
    for user in _first(users):
        await ask("space.get_user", raw.space.get_user(user.id))
    for channel in _first(channels):
        await ask("space.list_templates", raw.space.list_templates(channel.id, page_size=1))
    for field in _first(fields):
        await ask("space.get_custom_field", raw.space.get_custom_field(field.id))
    for contact in _first(contacts):
        await ask("contacts.get", raw.contacts.get(contact.id))
        await ask("contacts.list_channels", raw.contacts.list_channels(contact.id, page_size=1))
        messages = await ask("messages.list", raw.messages.list(contact.id, page_size=1))
        for message in _first(messages):
            await ask("messages.get", raw.messages.get(contact.id, message.message_id))
    return found, failures


def _first(page: Any) -> list[Any]:
    return [] if page is None else page.items[:1]


def _table(rows: list[RouteLimit], *, observed: bool) -> Table:
    columns = ("route", "default", "observed") if observed else ("route", "default")
    cells = (
        (row.route, f"{row.default:g}", None if row.observed is None else f"{row.observed:g}")
        for row in rows
    )
    shown = (row[: len(columns)] for row in cells)
    return table_of(columns, shown, numbers={"default", "observed"})
