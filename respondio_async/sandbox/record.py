"""What arrived: a record of every request, for assertions."""

import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

__all__ = ["Arrival"]

if TYPE_CHECKING:
    from .organisation import Organisation

SECOND: Final = 1.0


@dataclass(slots=True)
class Arrival:
    """One request as it arrived. The token is not kept."""

    number: int
    """1 for the first."""
    time: float
    """Unix seconds."""
    at: float
    """The same on the sandbox's steady clock."""
    method: str
    path: str
    """Raw, below the base URL."""
    template: str
    """The operation: "GET /contact/{identifier}"; empty when the path names none."""
    route: str
    """The limits' bucket."""
    query: dict[str, str]
    headers: dict[str, str]
    """Lower-case names; without Authorization."""
    content: bytes
    organisation_id: int | None = None
    status: int | None = None
    """What was answered; None: nothing (yet)."""
    processed: bool = False
    """Whether the work was done, whatever was answered."""
    refused: bool = False
    """Whether the limit refused it."""
    fault: str | None = None

    @property
    def body(self) -> Any:
        """The parsed JSON body; None when there is none, the bytes when it is not JSON."""
        try:
            return json.loads(self.content) if self.content else None
        except (ValueError, RecursionError):
            return self.content


@dataclass(slots=True)
class RouteRecord:
    """Counts of one route, kept for the whole run."""

    arrived: int = 0
    refused: int = 0
    processed: int = 0
    most_in_a_second: int = 0
    most_admitted_in_a_second: int = 0
    _arrivals: deque[float] = field(default_factory=deque[float], repr=False)
    _admitted: deque[float] = field(default_factory=deque[float], repr=False)

    def count(self, now: float, *, refused: bool) -> None:
        self.arrived += 1
        self.most_in_a_second = max(self.most_in_a_second, _within(self._arrivals, now))
        if refused:
            self.refused += 1
        else:
            self.most_admitted_in_a_second = max(
                self.most_admitted_in_a_second, _within(self._admitted, now)
            )


def _within(times: deque[float], now: float) -> int:
    times.append(now)
    while times[0] <= now - SECOND:
        times.popleft()
    return len(times)


class AccessLog:
    """The latest requests, and counts of all."""

    def __init__(self, keep: int | None) -> None:
        self.arrivals: deque[Arrival] = deque(maxlen=keep)
        self.routes: dict[str, RouteRecord] = {}
        self.total: int = 0

    def add(self, arrival: Arrival) -> RouteRecord:
        """Note an arrival; its route's counts come back."""
        self.total += 1
        arrival.number = self.total
        self.arrivals.append(arrival)
        return self.route(arrival.route)

    def route(self, route: str) -> RouteRecord:
        return self.routes.setdefault(route, RouteRecord())

    def clear(self) -> None:
        """Forget everything that arrived."""
        self.arrivals.clear()
        self.routes.clear()
        self.total = 0


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The same thing done more than once to the same contact."""

    kind: str
    contact_id: int
    content: str
    """What was sent, as JSON."""
    count: int


def done(organisations: "Iterable[Organisation]") -> Iterator[tuple[str, int, Any]]:
    """Everything that happens again when it is asked for again: (kind, contact id, content)."""
    for organisation in organisations:
        for message in organisation.workspace.sent:
            yield "message", message.contact_id, message.content
        for contact_id, comment in organisation.workspace.commented:
            yield "comment", contact_id, comment.text


def duplicates(done: Iterable[tuple[str, int, Any]]) -> Iterator[Duplicate]:
    """Find what was done more than once among (kind, contact id, content)."""
    counts = Counter(
        (kind, contact_id, json.dumps(content, sort_keys=True))
        for kind, contact_id, content in done
    )
    for (kind, contact_id, content), count in counts.items():
        if count > 1:
            yield Duplicate(kind, contact_id, content, count)
