"""A circuit breaker for one route: while the server is down, one call asks and the others wait.

* **Closed**: every call may go. `TRIPPING` failures in a row, with no answer between them, open it.
* **Open**: calls wait. After a pause the first of them may go, as a *probe*.
* A probe that is answered closes it, and all go on. One that fails starts the next pause, and its
  call waits behind the others. The pauses double from `FIRST_PAUSE` to `LONGEST_PAUSE`, less a
  random fifth, so that many processes do not ask in step.

A failure is a request that got no answer, or a 5xx that does not speak of the request itself. One
breaker for each route: an operation that always answers 500 must not stop the others.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from typing import Final

TRIPPING: Final = 5
"""Failures in a row. Fewer would pause a route for a few bad connections among good ones."""

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 6.0
"""Seconds: a minute of outage costs about 14 probes, and everything goes on within 6 s of its end.

The retry policy's back-off does not change them: a short one is meant for passing failures.
"""

LONGEST_RETRY_AFTER: Final = 60.0
"""Seconds that a Retry-After of a server that is down can postpone the next probe."""


def clock_time(since: float | None) -> str:
    """Write a Unix time as the local time of day."""
    return time.strftime("%H:%M:%S", time.localtime(since))


class Breaker:
    """The breaker of one route on one event loop."""

    __slots__ = (
        "_failures",
        "_opened",
        "_probing",
        "_rng",
        "_timer",
        "_waiting",
        "next_probe",
        "probes",
        "since",
    )

    def __init__(self, rng: Callable[[], float] = random.random) -> None:
        self.since: float | None = None
        """Unix time of the failure that opened it; None: it is closed."""
        self.probes = 0
        """Probes that failed since then."""
        self.next_probe = 0.0
        """On the loop's clock."""
        self._rng = rng
        self._failures = 0
        self._opened = 0.0
        self._probing = False
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: deque[asyncio.Future[bool]] = deque()

    @property
    def is_open(self) -> bool:
        """Whether calls have to wait."""
        return self.since is not None

    @property
    def open_for(self) -> float:
        """Seconds since it opened; 0 while it is closed."""
        return asyncio.get_running_loop().time() - self._opened if self.is_open else 0.0

    def succeeded(self) -> float | None:
        """Note an answer. Returns how many seconds it was open, if this closed it."""
        self._failures = 0
        if self.since is None:
            return None
        lasted = self.open_for
        self.since = None
        self._probing = False
        self._cancel_timer()
        while self._waiting:
            self._wake(is_probe=False)
        return lasted

    def failed(self, *, is_probe: bool, retry_after: float | None = None) -> bool:
        """Note a failure. True if this opened it."""
        self._failures += 1
        opens = self.since is None and self._failures >= TRIPPING
        if opens:
            self.since = time.time()
            self._opened = asyncio.get_running_loop().time()
            self.probes = 0
        elif is_probe:
            self.probes += 1
        if opens or is_probe:
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self.probes, 60))
            self._pause(
                max(pause * (1 - self._rng() / 5), min(retry_after or 0.0, LONGEST_RETRY_AFTER))
            )
        return opens

    def release_probe(self) -> None:
        """Note that a probe ended without a verdict: the next call may ask at once."""
        if self._probing and self.is_open:
            self._pause(0.0)

    def try_probe(self) -> bool:
        """Become the probe if one is due now."""
        due = not self._probing and asyncio.get_running_loop().time() >= self.next_probe
        self._probing = self._probing or due
        return due

    async def wait(self) -> bool:
        """Wait until this call may go. True: as the probe, whose end must be told."""
        if not self._waiting and self.try_probe():
            return True
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        self._waiting.append(waiter)
        self._set_timer()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.result():
                self.release_probe()
            raise

    def _pause(self, seconds: float) -> None:
        self._probing = False
        self._cancel_timer()
        self.next_probe = asyncio.get_running_loop().time() + seconds
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is None and self._waiting and not self._probing:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self.next_probe, self._send_probe)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _send_probe(self) -> None:
        self._timer = None
        while self._waiting and not self._probing:
            self._probing = self._wake(is_probe=True)

    def _wake(self, *, is_probe: bool) -> bool:
        waiter = self._waiting.popleft()
        if waiter.done():  # its call was cancelled
            return False
        waiter.set_result(is_probe)
        return True
