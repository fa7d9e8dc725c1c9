"""`respondio limits`: what is in force."""

from collections.abc import Awaitable
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.table import Table

from .. import AsyncRespond, Response, RetryPolicy
from ..errors import NotFoundError, RespondError, TransportError, UnauthorizedError
from ..limits import DEFAULT_LIMITS
from ._client import Account
from ._command import JsonScreen, command
from ._contract import read_each
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


def _table(rows: list[RouteLimit], *, observed: bool) -> Table:
    columns = ("route", "default", "observed") if observed else ("route", "default")
    cells = (
        (row.route, f"{row.default:g}", None if row.observed is None else f"{row.observed:g}")
        for row in rows
    )
    shown = (row[: len(columns)] for row in cells)
    return table_of(columns, shown, numbers={"default", "observed"})
