"""Ways in which a server can count requests: pure functions of the time.

The vendor says how many requests a second it allows, not how it counts them. Each class is one way;
`hit(now)` counts a request and answers with None when it is allowed, or with the seconds until one
would be. `remaining(now)` is what X-RateLimit-Remaining would say.
"""

import math
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol


class RateWindow(Protocol):
    """Counts the requests of one organisation on one route."""

    def hit(self, now: float) -> float | None: ...

    def remaining(self, now: float) -> int: ...


WindowFactory = Callable[[float], RateWindow]
"""Makes the window of a route from its limit in requests a second."""


class _Counted:
    """A limit as a whole number of requests in a span: 5/s is 5 in one second, 0.5/s is one in two
    seconds.
    """

    def __init__(self, limit: float) -> None:
        if not limit > 0:
            raise ValueError("limit must be positive")
        self.capacity: int = max(1, int(limit))
        self.span: float = self.capacity / limit


class FixedWindow(_Counted):
    """Seconds of the wall: the count starts again at each full second."""

    def __init__(self, limit: float) -> None:
        super().__init__(limit)
        self._start = -math.inf
        self._used = 0

    def _roll(self, now: float) -> None:
        start = now // self.span * self.span
        if start > self._start:
            self._start, self._used = start, 0

    def hit(self, now: float) -> float | None:
        self._roll(now)
        if self._used >= self.capacity:
            return self._start + self.span - now
        self._used += 1
        return None

    def remaining(self, now: float) -> int:
        self._roll(now)
        return self.capacity - self._used


class FirstHitWindow(FixedWindow):
    """A second that begins with its first request."""

    def _roll(self, now: float) -> None:
        if now >= self._start + self.span:
            self._start, self._used = now, 0


class SlidingLog(_Counted):
    """The strictest reading: never more than the limit in any second."""

    def __init__(self, limit: float, *, count_refused: bool = False) -> None:
        super().__init__(limit)
        self._log: deque[float] = deque()
        self._count_refused = count_refused

    def _expire(self, now: float) -> None:
        while self._log and self._log[0] <= now - self.span:
            self._log.popleft()

    def hit(self, now: float) -> float | None:
        self._expire(now)
        allowed = len(self._log) < self.capacity
        if allowed or self._count_refused:
            self._log.append(now)
        # A refused request that counts pushes the way out further off: what matters is the oldest
        # of the last `capacity`.
        return None if allowed else self._log[-self.capacity] + self.span - now

    def remaining(self, now: float) -> int:
        self._expire(now)
        return max(0, self.capacity - len(self._log))


class SlidingCounter(_Counted):
    """Two fixed windows, the older weighed by how much of it the last second still covers."""

    def __init__(self, limit: float) -> None:
        super().__init__(limit)
        self._index = -1
        self._current = 0
        self._previous = 0

    def _estimate(self, now: float) -> float:
        index = int(now // self.span)
        if index != self._index:
            self._previous = self._current if index == self._index + 1 else 0
            self._index, self._current = index, 0
        covered = 1 - (now % self.span) / self.span
        return self._current + self._previous * covered

    def hit(self, now: float) -> float | None:
        if self._estimate(now) >= self.capacity:
            return self.span / self.capacity
        self._current += 1
        return None

    def remaining(self, now: float) -> int:
        return max(0, int(self.capacity - self._estimate(now) + 1e-9))


class TokenBucket:
    """Tokens drip in at the limit's rate, up to *burst* of them (by default a second's worth).

    Kept as the time at which the bucket is full again, as GCRA does: no sums of small refills.
    """

    def __init__(self, limit: float, *, burst: float | None = None) -> None:
        if not limit > 0:
            raise ValueError("limit must be positive")
        self.rate = limit
        self.burst: float = max(1.0, limit if burst is None else burst)
        self._full_at = -math.inf

    def _tokens(self, now: float) -> float:
        # A little more than there is: a wait of just as long as it was told must be enough.
        return self.burst - max(0.0, self._full_at - now) * self.rate + 1e-9

    def hit(self, now: float) -> float | None:
        tokens = self._tokens(now)
        if tokens < 1:
            return (1 - tokens) / self.rate
        self._full_at = max(self._full_at, now) + 1 / self.rate
        return None

    def remaining(self, now: float) -> int:
        return int(self._tokens(now))


class Gcra(TokenBucket):
    """Evenly spaced requests, of which *burst* may come at once (by default a fifth of a second's
    worth, at least two): a small bucket.
    """

    def __init__(self, limit: float, *, burst: float | None = None) -> None:
        super().__init__(limit, burst=max(2.0, limit / 5) if burst is None else burst)


WINDOWS: Final[dict[str, WindowFactory]] = {
    "sliding": SlidingLog,
    "sliding_counting": partial(SlidingLog, count_refused=True),
    "sliding_counter": SlidingCounter,
    "fixed": FixedWindow,
    "fixed_first_hit": FirstHitWindow,
    "bucket": TokenBucket,
    "gcra": Gcra,
}
"""By name.

`sliding_counting` counts refused requests too; `sliding_counter` is the two-window approximation.
"""
