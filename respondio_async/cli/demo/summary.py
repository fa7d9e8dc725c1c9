"""What the demonstration shows: the migration as it goes, and what came of it."""

import math
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ... import AsyncRespond, RouteStatistics
from .._live import Rates
from .._screen import Screen, table_of
from .migration import STEPS, Migration, MigrationStep

_MOST_NAMED: Final = 10


class MigrationView:
    """Shows a running migration: a line a route."""

    headings: Final = (
        f"seconds {''.join(f'{step.label:>18}' for step in STEPS)}\n        "
        + f"{'done':>5} {'rate':>7}{'wait':>5}" * len(STEPS)
    )

    def __init__(self, client: AsyncRespond, migration: Migration) -> None:
        self._client = client
        self._migration = migration
        self._rates = Rates()

    def _look(self, elapsed: float) -> Iterator[tuple[MigrationStep, RouteStatistics, float, str]]:
        """Give what is known of every step's route: its statistics, its rate, and its limit, which
        is unknown before the first request.
        """
        routes = self._client.statistics().routes
        for step in STEPS:
            use = routes.get(step.route, RouteStatistics(route=step.route))
            rate = self._rates.rate(step.route, elapsed, use.sent)
            yield step, use, rate, "?" if use.limit is None else f"{use.limit:g}"

    def picture(self, elapsed: float) -> Table:
        """Draw the routes."""
        table = Table(
            box=None,
            padding=(0, 1),
            title=f"{elapsed:5.1f} s",
            title_justify="left",
            title_style="bold",
        )
        table.add_column("route")
        table.add_column(width=24)
        for heading in ("done", "sent", "waiting", "rate / limit", "refused"):
            table.add_column(heading, justify="right")
        total = len(self._migration.people)
        for step, use, rate, limit in self._look(elapsed):
            done = self._migration.done[step]
            full = done >= total
            table.add_row(
                Text(step.label, style="dim" if full else ""),
                ProgressBar(total=total, completed=done, width=24),
                f"{done}/{total}",
                str(use.sent),
                Text(str(use.waiting), style="yellow" if use.waiting else "dim"),
                Text(f"{rate:4.1f} / {limit}", style="dim" if full else "cyan"),
                Text(str(use.refused), style="red" if use.refused else "dim"),
            )
        return table

    def sentence(self, elapsed: float) -> str:
        """Say of each route what is done, requests a second against the limit, and how many calls
        wait.
        """
        return f"{elapsed:7.1f} " + "".join(
            f"{self._migration.done[step]:>5} {rate:4.1f}/{limit:<2}{use.waiting:>5}"
            for step, use, rate, limit in self._look(elapsed)
        )


class RouteSummary(msgspec.Struct, frozen=True):
    """One route, as the sandbox saw it."""

    name: str
    route: str
    operations: int
    requests: int
    refused: int
    limit: float
    busiest_second: int
    """The most requests that arrived in any one second."""


class Summary(msgspec.Struct, frozen=True):
    """The whole run."""

    contacts: int
    operations: int
    requests: int
    migration_seconds: float
    """From the first request to the answer of the last, the messages read back included."""
    floor_seconds: float
    """What the limits allow at best for the operations of the slowest route."""
    floor_with_repeats_seconds: float
    """The same for its requests: those that the server answered with 449 count against the limit
    too.
    """
    floor_route: str
    walk_back_seconds: float
    """The walk over the pages of the contact list, afterwards."""
    refused: int
    """429 answers, as the sandbox counted them."""
    not_ready: int
    """449 answers: the contact was still being created."""
    repeated: int
    """Requests that were sent again, for any reason."""
    duplicates: list[str]
    losses: list[str]
    failures: Mapping[str, int]
    """Operations that ended in an error, by error."""
    routes: list[RouteSummary]
    ok: bool


def floor_seconds(operations: int, limit: float) -> float:
    """Give the least time between the first and the last of so many operations, at most *limit* in
    any one second.

    The best that can be: *limit* at once, as many one second later, and so on: ceil(n / L) - 1
    seconds. (Below one a second, n - 1 gaps.)
    """
    if operations == 0:
        return 0.0
    return (
        (operations - 1) / limit
        if limit < 1
        else float(math.ceil(operations / math.floor(limit)) - 1)
    )


def print_summary(screen: Screen, summary: Summary) -> None:
    """Print it for people."""
    screen.line("")
    screen.show(_route_table(summary))
    screen.line("")
    screen.show(_facts(summary))
    for title, found in (("duplicate", summary.duplicates), ("lost", summary.losses)):
        for each in found[:_MOST_NAMED]:
            screen.line(f"  {title}: {each}")
        if len(found) > _MOST_NAMED:
            screen.line(f"  … and {len(found) - _MOST_NAMED} more")
    for failure, count in summary.failures.items():
        screen.line(f"  failed {count} ×: {failure}")
    verdict = (
        Text(
            f"✓ {summary.operations} operations on {summary.contacts} contacts, each exactly once",
            style="bold green",
        )
        if summary.ok
        else Text(
            f"✗ {len(summary.duplicates)} duplicated, {len(summary.losses)} lost", style="bold red"
        )
    )
    screen.show(Panel.fit(verdict, border_style="green" if summary.ok else "red"))


def _route_table(summary: Summary) -> Table:
    numbers = ("operations", "requests", "busiest second", "limit", "refused")
    rows = (
        (
            route.name,
            route.operations,
            route.requests,
            Text(
                str(route.busiest_second),
                style="red" if route.busiest_second > route.limit else "cyan",
            ),
            f"{route.limit:g}",
            Text(str(route.refused), style="red" if route.refused else ""),
        )
        for route in summary.routes
    )
    return table_of(("as the server saw it", *numbers), rows, numbers=numbers)


def _facts(summary: Summary) -> Table:
    wall, walk = summary.migration_seconds, summary.walk_back_seconds
    floor, busy = summary.floor_seconds, summary.floor_with_repeats_seconds
    facts = {
        "Wall time": f"{wall:.1f} s, and {walk:.1f} s to walk back over the contact list",
        "Floor": f"{floor:g} s for the operations{_times(wall, floor)}; {busy:g} s with the "
        f"repeats{_times(wall, busy)}",
        "": "n requests, at most L of them in any one second, take at least ceil(n / L) - 1 s; the "
        "slowest route counts",
        "Refused": f"{summary.refused} (429)",
        "Repeated": f"{summary.repeated}, {summary.not_ready} of them because a new contact was "
        "not ready yet (449)",
        "Failed": sum(summary.failures.values()),
        "Duplicates": len(summary.duplicates),
        "Losses": len(summary.losses),
    }
    rows = ((Text(name, style="bold"), fact) for name, fact in facts.items())
    return table_of(("", ""), rows, header=False)


def _times(wall: float, floor: float) -> str:
    return f" (took {wall / floor:.2f} ×)" if floor else ""
