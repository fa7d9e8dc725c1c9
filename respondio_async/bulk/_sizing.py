"""How many items to keep in progress: Little's law, with the limits as the servers.

Every route can keep `limit × latency` calls in flight, and a pipeline of routes runs at the speed
of its slowest only while none of the others ever runs dry. So the count is what is in service now
(measured: whatever does not stand in a route's line) and a short line in front of each route. While
there is no line at all, everything is in service and the count grows by a quarter at each look:
more workers are needed until lines form, which is Little's law without a measured latency.

One case is left: a route that is paused or slow collects every worker in its line while others
idle. Then the count grows beyond that, as long as the idle routes gain from it; growth that brought
nothing (in a pipeline the later stages *are* idle, and more intake only makes the first line
longer) is taken back, and tried again later and later.
"""

import math
from collections.abc import Mapping
from typing import Final, Protocol

from ..limits._defaults import UNLISTED_LIMIT


class Route(Protocol):
    """What a look needs of a route; `RouteStatistics` and the client's own snapshot have it."""

    @property
    def route(self) -> str: ...
    @property
    def limit(self) -> float | None: ...
    @property
    def waiting(self) -> int: ...
    @property
    def granted(self) -> int: ...


START: Final = 64
"""Before anything is measured: the calls that the vendor's full table keeps in flight at about 0.4
s each.
"""
LEAST: Final = 4
MOST: Final = 1_024
"""A parked worker costs some ten kilobytes and no work."""

_LINE_SECONDS: Final = 2.0
"""How long a route's line lasts if nothing joins it: hides the spread of the other stages'
latencies.
"""
_SPARE: Final = 1.25
_LOOK: Final = 2.0
"""Seconds between two judgements of a growth: at five permits a second, ten."""
_CHANCE: Final = 2.0
"""Permits more or less in a look that mean nothing."""
_LONGEST_REST: Final = 64.0


class Sizer:
    """Looks at the routes now and then and says how many workers there should be."""

    def __init__(self, now: float, routes: Mapping[str, Route]) -> None:
        self.workers = START
        self._before = {route.route: route.granted for route in routes.values()}
        self._granted = dict(self._before)
        self._looked = now
        self._extra = self._extra_before = 0
        self._idle: frozenset[str] = frozenset()
        self._idle_rate = 0.0
        self._rest = _LOOK
        self._resting_until = now

    def look(self, now: float, routes: Mapping[str, Route], busy: int) -> int:
        """Say how many workers to have, *busy* of the present ones being at work."""
        used = [r for r in routes.values() if r.waiting or r.granted > self._before.get(r.route, 0)]
        if not used:
            return self.workers  # the work does not use the limits: nothing to learn
        lines = sum(route.waiting for route in used)
        need = math.ceil(max(0, busy - lines) * _SPARE) + sum(
            math.ceil(max(1.0, _limit(route) * _LINE_SECONDS)) for route in used
        )
        if now - self._looked >= _LOOK:
            self._judge(now, used, stuck=lines >= busy / 2 and busy >= self.workers)
        self.workers = min(MOST, max(LEAST, need + self._extra))
        return self.workers

    def _judge(self, now: float, used: list[Route], *, stuck: bool) -> None:
        """Grow for the sake of idle routes, and take back a growth that they did not gain from."""
        seconds = now - self._looked
        # A route seen for the first time has no rate yet: take it for busy.
        rates = {r.route: (r.granted - self._granted.get(r.route, 0)) / seconds for r in used}
        idle = frozenset(
            r.route for r in used if not r.waiting and rates[r.route] < 0.8 * _limit(r)
        )
        self._granted = {r.route: r.granted for r in used}
        self._looked = now
        if self._idle:  # the last look grew
            gained = sum(rates.get(route, 0.0) for route in self._idle) - self._idle_rate
            self._idle = frozenset()
            if gained * seconds > _CHANCE and gained > 0.1 * self._idle_rate:
                self._rest = _LOOK
            else:
                self._extra = self._extra_before // 2
                self._resting_until = now + self._rest
                self._rest = min(_LONGEST_REST, self._rest * 2)
        if stuck and idle and now >= self._resting_until:
            self._extra_before = self._extra
            self._extra += self.workers // 2
            self._idle, self._idle_rate = idle, sum(rates[route] for route in idle)
        elif not stuck:
            self._extra //= 2


def _limit(route: Route) -> float:
    return UNLISTED_LIMIT if route.limit is None else route.limit
