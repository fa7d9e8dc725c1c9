"""What a client has done so far, in numbers."""

import re
import time
from collections.abc import Mapping
from typing import Final

import msgspec

from .._transport import PoolStatistics
from ..limits import RouteStatistics

_ANY_POSITION: Final = re.compile(r"\[[0-9]{1,9}\]")


class RouteCounters(msgspec.Struct):
    """What a client counts of one route."""

    sent: int = 0
    refused: int = 0
    retried: int = 0
    latency: float = 0.0
    waited: float = 0.0

    def answered(self, status: int, elapsed: float) -> None:
        """Note an answer; the latency is a mean in which an answer's weight fades by a tenth with
        each later one.
        """
        if status == 429:
            self.refused += 1
        else:
            self.latency += (elapsed - self.latency) * (0.1 if self.latency else 1.0)


class DriftRecord(msgspec.Struct, frozen=True):
    """A way in which answers differ from what they are documented to be."""

    endpoint: str
    type: str
    detail: str
    """Where in the answer and how, without the value."""
    count: int
    last_seen: float
    """Unix time."""


class DriftLog:
    """Every kind of drift that a client has met, bounded."""

    _MOST: Final = 1000
    """Kinds that are kept; details hold positions, so a broken server could make up any number."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], DriftRecord] = {}

    def note(self, endpoint: str, type_name: str, detail: str) -> bool:
        """Count one. True if it is the first of its kind."""
        key = (endpoint, type_name, _ANY_POSITION.sub("[…]", detail))
        known = self._found.get(key)
        if known is None and len(self._found) == self._MOST:
            return False
        count = 1 if known is None else known.count + 1
        self._found[key] = DriftRecord(*key, count, time.time())
        return known is None

    def records(self) -> list[DriftRecord]:
        """What was met so far."""
        return list(self._found.values())


class ClientStatistics(msgspec.Struct, frozen=True):
    """A snapshot of a client."""

    routes: Mapping[str, RouteStatistics]
    pool: PoolStatistics
    retry_budget: float
    """Repeats after failures that may be made now."""


def route_statistics(
    route: str, counters: RouteCounters, of_limiter: RouteStatistics | None
) -> RouteStatistics:
    """Join what the client has counted with what its limiter knows."""
    known = of_limiter or RouteStatistics(route=route, granted=counters.sent)
    return msgspec.structs.replace(
        known,
        sent=counters.sent,
        retried=counters.retried,
        refused=counters.refused,
        latency=counters.latency,
        waited=counters.waited,
    )
