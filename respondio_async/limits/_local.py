"""The limiter of one process.

The vendor counts requests per second, per route, per organisation, and does not say how: in the
seconds of the clock, in any second (a sliding log), or with a bucket that fills all the time. The
strictest usual reading is the sliding log: *in no second do more than L requests arrive*. Who keeps
to it is fine with all the others that have room for L. Others may use the limit too.

From the call to the permit::

    reserve() ──> QUEUED ──near due──> CALLED ──permit()──> due? ──yes──> GRANTED ──answer──> DONE
                two priorities        takes a   ^            │ no                      corrects:
                                    connection  └──due── WAITING          pause, slots, pacer

A permit is due at the latest of three times, which `_route` knows:

* the *pause* is over: a refusal stops its own route for Retry-After;
* a *slot* is free (`_window`): each send holds one for a second and a guard time (`_margin`);
* the *pacer* has room (`_pace`, an aiolimiter bucket that is asked only then, so that nobody ever
  sleeps in it). A queue that fits into what an idle route may send at once (`_burst`) goes without.

The answer corrects them: `X-RateLimit-Limit` the limit (`_calibration`), `Remaining` the bucket
(`_burst`) and what others leave (`_others`), the round trip the guard time. `_queue.State` tells
what happens to a call, step by step, docs/limiter.md tells it with an example, and `_tuning` holds
every number with its measurement.
"""

import asyncio
import difflib
import time
from collections.abc import Mapping
from math import inf, isfinite, isnan
from typing import Final

from respondio_async.routes import DEFAULT_LIMITS, UNLISTED_LIMIT

from ..errors import ConfigurationError, InvalidArgumentError
from ._protocol import Feedback, Priority, Reservation, RouteStatistics
from ._queue import LocalReservation, Queue, State
from ._route import Route

_PRIORITIES: Final = frozenset({"interactive", "bulk"})


class LocalRateLimiter:
    """Keep one process under the organisation's limits; the default limiter of a client.

    *limits* overrides the vendor's table per route, in requests a second: any positive number, 0.2
    and 1,000,000 too. *share* is this process's part when several that do not talk to one another
    use the same organisation: 0.25 for one of four. It is rounded down to whole requests a second;
    below one a second it is one every so many seconds, and as the processes do not know one
    another's permits, up to two thirds of those are refused: `RedisRateLimiter` knows.

    `X-RateLimit-Limit` corrects a route's limit within *bounds*; None leaves the limits as they are
    given. Clients of the same organisation should share one limiter. It serves one event loop at a
    time: a second loop in another thread raises `ConfigurationError`, and a new loop after the
    first has ended takes everything over.
    """

    def __init__(
        self,
        limits: Mapping[str, float] = DEFAULT_LIMITS,
        *,
        share: float = 1.0,
        bounds: tuple[float, float] | None = (1.0, 100.0),
    ) -> None:
        for route, limit in limits.items():
            _check_limit(route, limit)
        if not _is_number(share) or not 0 < share <= 1:
            raise ConfigurationError(
                "share must be above 0 and at most 1: 0.25 for one of four processes"
            )
        if bounds is None:
            bounds = (inf, -inf)
        elif not (len(bounds) == 2 and all(map(_is_number, bounds)) and 0 < bounds[0] <= bounds[1]):
            raise ConfigurationError(
                "bounds must be two positive numbers, the lower first, or None"
            )
        self._limits = {**DEFAULT_LIMITS, **limits}
        self._share = float(share)
        self._bounds = (float(bounds[0]), float(bounds[1]))
        self._queues: dict[str, Queue] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._seen = self._ahead = 0.0
        """When it was last used, and by how much its time is ahead of the loop's."""
        self.used_at: float = time.monotonic()
        """When it was last used, on the process's monotonic clock."""

    async def reserve(
        self,
        route: str,
        *,
        priority: Priority = "interactive",
        timeout: float | None = None,
        is_retry: bool = False,
    ) -> Reservation:
        """Wait for the head of the *route*'s queue; see `RateLimiter.reserve`."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._move_to(loop)
        queue = self._queues.get(route)
        if queue is None:
            queue = self._open(route, loop)
        if priority not in _PRIORITIES:
            raise InvalidArgumentError(
                'priority must be "interactive" or "bulk"', argument="priority"
            )
        now = self._seen = queue.now()
        self.used_at = time.monotonic()
        deadline = inf
        if timeout is not None:
            if isnan(timeout):
                raise InvalidArgumentError(
                    "timeout must be a number of seconds, or None", argument="timeout"
                )
            deadline = now + max(timeout, 0.0)
        reservation = LocalReservation(queue, priority, is_retry, now, deadline)
        if (called := queue.admit(reservation, now)) is not None:
            try:
                await called
            except BaseException:
                reservation.abandon()
                raise
        return reservation

    def update(self, reservation: Reservation, feedback: Feedback) -> None:
        """Learn from what became of a granted reservation.

        One that was never granted, was observed before, or is another limiter's teaches nothing.
        """
        if not isinstance(reservation, LocalReservation) or reservation.state is not State.GRANTED:
            return
        reservation.state = State.DONE
        route, sent = reservation.queue.route, reservation.sent
        # Of a loop before, it may have been in another queue.
        queue = self._queues.get(reservation.queue.name)
        if queue is None or queue.route is not route or sent is None:
            return
        paused_until, rate = route.paused_until, route.pace.rate
        route.learn(sent, feedback, queue.now())
        if route.paused_until > paused_until:
            queue.paused()
        elif route.pace.rate != rate or sent.until - queue.lead < queue.rings_at < inf:
            queue.pump()

    def statistics(self) -> Mapping[str, RouteStatistics]:
        """A snapshot per route that has been used."""
        return {name: self._snapshot(name, queue) for name, queue in self._queues.items()}

    def _snapshot(self, name: str, queue: Queue) -> RouteStatistics:
        route = queue.route
        waits = sorted(queue.waits) or [0.0]
        return RouteStatistics(
            route=name,
            limit=route.window.size / route.window.span,
            waiting=len(queue),
            granted=route.granted,
            refused=route.refused,
            margin=route.margin.value,
            paused=max(0.0, route.paused_until - queue.now()),
            pauses=route.pauses,
            wait_p50=waits[len(waits) // 2],
            wait_p99=waits[len(waits) * 99 // 100],
        )

    def _open(self, name: str, loop: asyncio.AbstractEventLoop) -> Queue:
        route = Route(
            self._limits.get(name, UNLISTED_LIMIT), share=self._share, bounds=self._bounds
        )
        queue = self._queues[name] = Queue(name, route, loop, self._ahead)
        return queue

    def _move_to(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve another event loop from now on; what was sent and observed is kept."""
        before, queues = self._loop, self._queues
        if before is not None:
            if before.is_running() or (any(map(len, queues.values())) and not before.is_closed()):
                raise ConfigurationError(
                    "this limiter is in use on another event loop; give each thread a client with "
                    "a limiter of its own, "
                    "LocalRateLimiter(share=1/n) for n threads"
                )
            # Each loop has a clock of its own. How long ago the last call was, the process's clock
            # tells.
            self._ahead = self._seen + (time.monotonic() - self.used_at) - loop.time()
            for name, queue in queues.items():
                queue.route.pace.renew()
                queues[name] = Queue(name, queue.route, loop, self._ahead)
        self._loop = loop


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _check_limit(route: str, limit: float) -> None:
    if route not in DEFAULT_LIMITS:
        close = difflib.get_close_matches(str(route), DEFAULT_LIMITS, n=1, cutoff=0.5)
        hint = f"; did you mean {close[0]!r}?" if close else "; DEFAULT_LIMITS lists them"
        raise ConfigurationError(f"limits names a route that does not exist: {route!r}{hint}")
    if not _is_number(limit) or limit <= 0:
        raise ConfigurationError(
            f"limits must be positive requests per second; the one of {route!r} is not"
        )
