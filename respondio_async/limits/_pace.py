"""The spacing of one route's sends, kept by aiolimiter; this is the only module that imports it."""

from math import inf
from typing import Final

from aiolimiter import AsyncLimiter

from ._margin import FLOOR

_UNPACED: Final = 500.0
"""Above this many a second there is no pacer: a timer comes up to a millisecond late, and every send would wait for one."""
_RESIDUE: Final = 1e-6
"""Ask the pacer this much later than its capacity comes back: floats leave a residue, and it would say no."""
_RETRY: Final = 0.0005


class Pace:
    """The arithmetic of a leaky bucket of `capacity` that lets one send through each `gap` seconds.

    *haste* is the part by which it is quicker than the limit, so that what is late can be caught up with. aiolimiter does not
    tell when it will have capacity; this does.
    """

    __slots__ = ("_not_before", "capacity", "empty_at", "gap")

    def __init__(self, size: int, span: float, haste: float) -> None:
        rate = size / span
        self.capacity = min(4, max(1, size // 25)) if haste else 1
        self.gap = (1.0 - haste) * (span + FLOOR) / size if rate <= _UNPACED else 0.0
        self.empty_at = -inf
        self._not_before = -inf

    def due(self, now: float, ahead: int = 0) -> float:
        """When there is capacity for one more, *ahead* others going before from now on."""
        if not self.gap:
            return now
        empty_at = max(self.empty_at + _RESIDUE, now)
        return max(empty_at + (ahead + 1 - self.capacity) * self.gap, self._not_before)

    def took(self, now: float) -> None:
        """Count a send."""
        self.empty_at = max(self.empty_at, now) + self.gap

    def refused(self, now: float) -> None:
        """Believe the pacer rather than the arithmetic."""
        self._not_before = now + _RETRY

    def follow(self, before: "Pace", now: float) -> None:
        """Take over from the pace of another limit."""
        if before.gap:
            level = max(0.0, (before.empty_at - now) / before.gap)
            self.empty_at = now + min(level, self.capacity) * self.gap

    def shift(self, delta: float) -> None:
        """Move every time by *delta*: the clock has changed."""
        self.empty_at += delta
        self._not_before += delta


class Pacer:
    """An `AsyncLimiter` that never sleeps: it is asked first, so that `acquire` returns at once.

    Its own waiting lets newcomers overtake, wakes waiters in storms, and can re-arm a timer shorter than the clock's resolution
    for ever.
    """

    __slots__ = ("_limiter", "_pace")

    def __init__(self) -> None:
        self._pace: Pace | None = None
        self._limiter: AsyncLimiter | None = None

    def reset(self) -> None:
        """Start anew on another event loop; an `AsyncLimiter` belongs to one."""
        self._pace = self._limiter = None

    async def take(self, pace: Pace, now: float) -> bool:
        """Take one send's capacity without waiting; False when there is none."""
        if not pace.gap or pace.due(now) > now:
            # Not paced, or part of a burst.
            return True
        limiter = self._limiter
        if limiter is None or pace is not self._pace:
            # Changing the period of a live limiter does nothing, so each pace gets its own; `Pace.follow` keeps the spacing.
            limiter = self._limiter = AsyncLimiter(pace.capacity, pace.capacity * pace.gap)
            self._pace = pace
        if not limiter.has_capacity():
            pace.refused(now)
            return False
        await limiter.acquire()
        return True
