"""What the demonstration says at its end: for people, and for machines."""

import math
from collections.abc import Mapping
from typing import Final

import msgspec
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from .._screen import Screen, table_of
from .check import Findings

_MOST_NAMED: Final = 10


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


def summarise(
    routes: list[RouteSummary], findings: Findings, *, failures: Mapping[str, int], **facts: float
) -> Summary:
    """Put the run's numbers together."""
    slowest = max(routes, key=lambda route: floor_seconds(route.requests, route.limit))
    return Summary(
        contacts=int(facts["contacts"]),
        operations=sum(route.operations for route in routes),
        requests=sum(route.requests for route in routes),
        migration_seconds=round(facts["migration_seconds"], 2),
        floor_seconds=max(floor_seconds(route.operations, route.limit) for route in routes),
        floor_with_repeats_seconds=floor_seconds(slowest.requests, slowest.limit),
        floor_route=slowest.route,
        walk_back_seconds=round(facts["walk_back_seconds"], 2),
        refused=sum(route.refused for route in routes),
        not_ready=int(facts["not_ready"]),
        repeated=int(facts["repeated"]),
        duplicates=findings.duplicates,
        losses=findings.losses,
        failures=dict(failures),
        routes=routes,
        ok=findings.ok,
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
