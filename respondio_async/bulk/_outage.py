"""While the server does not answer, the calls of a run wait; the run knows since when, and for how
long it lets them.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

from .._engine.breaker import Breaker, clock_time
from .._values import counted
from ..errors import DeadlineExceededError
from ._outcome import Outage

LONGEST: Final = 3_600.0
"""Seconds of an outage that a run waits out unless told otherwise."""


class OutageWatch:
    """The circuit breakers at which calls of a run wait now."""

    def __init__(
        self, longest: float | None, on_longest: Callable[[DeadlineExceededError], object]
    ) -> None:
        self._longest = longest
        self._on_longest = on_longest
        self._calls: Counter[Breaker] = Counter()
        self._met: dict[tuple[Breaker, float | None], float] = {}
        """When a call of the run first waited in an outage; *since* tells those of a breaker
        apart.
        """
        self._timer: asyncio.TimerHandle | None = None
        self._paused = 0.0
        self._began = 0.0

    @contextmanager
    def __call__(self, breaker: Breaker) -> Generator[None]:
        """Note that a call waits at an open breaker, for as long as the block runs."""
        loop = asyncio.get_running_loop()
        if not self._calls:
            self._began = loop.time()
        self._calls[breaker] += 1
        self._met.setdefault((breaker, breaker.since), loop.time())
        if self._timer is None and self._longest is not None:
            self._timer = loop.call_later(self._longest - self._lasted(breaker), self._look)
        try:
            yield
        finally:
            self._calls[breaker] -= 1
            if not self._calls[breaker]:
                del self._calls[breaker]
            if not self._calls:
                self._paused += loop.time() - self._began

    @property
    def paused(self) -> float:
        """Seconds for which calls have waited for the server."""
        if not self._calls:
            return self._paused
        return self._paused + asyncio.get_running_loop().time() - self._began

    @property
    def outage(self) -> Outage | None:
        """The outage that is on: the longest, if several routes are down."""
        breaker = max(self._calls, key=lambda each: each.open_for, default=None)
        if breaker is None or breaker.since is None:
            return None
        wait = breaker.next_probe - asyncio.get_running_loop().time()
        return Outage(breaker.since, breaker.probes, max(0.0, wait))

    def _lasted(self, breaker: Breaker) -> float:
        """Seconds of the outage that this run has met. One that began before counts from then on:
        nobody may have asked the server since.
        """
        now = asyncio.get_running_loop().time()
        return now - self._met.get((breaker, breaker.since), now)

    def close(self) -> None:
        """End the run's clock."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        """End the run if an outage has lasted too long; else look again when one will have."""
        self._timer = None
        longest, outage = self._longest, self.outage
        if longest is None or outage is None:
            return
        lasted = max(map(self._lasted, self._calls))
        if lasted < longest:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(longest - lasted, self._look)
            return
        self._on_longest(
            DeadlineExceededError(
                f"the server has not answered since {clock_time(outage.since)} "
                f"({counted(outage.probes, 'probe')}), for longer than max_outage={longest:g} s: "
                "the run stopped, and what was waiting is unfinished",
                endpoint="",
                attempts=0,
                sent=False,
            )
        )
