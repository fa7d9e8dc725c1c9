"""The spacing of one route's sends, kept by aiolimiter; this is the only module that imports it."""

# A comparison costs a third of the builtins `min` and `max`, and these are on the way of each call.
# ruff: noqa: FURB136

from math import inf
from typing import Final

from aiolimiter import AsyncLimiter

from ._margin import FLOOR

_UNPACED: Final = 500.0
"""Above this many a second there is no pacer: a timer comes up to a millisecond late, and every send would wait for one."""
_RESIDUE: Final = 1e-6
"""Ask the pacer this much later than its capacity comes back: floats leave a residue, and it would say no."""
_CERTAIN: Final = 0.0001
"""A bucket that has been empty for so many seconds has room, however inexact floats are, and need not be asked."""
_RETRY: Final = 0.0005


class Pace:
    """A leaky bucket of `capacity` that lets one send through each `gap` seconds.

    *haste* is the part by which it is quicker than the limit, so that what is late can be caught up with. An `AsyncLimiter` keeps
    the bucket but does not tell when it will have capacity; the arithmetic here does. It never sleeps: it is asked first, so that
    `acquire` returns at once. Its own waiting lets newcomers overtake, wakes waiters in storms, and can re-arm a timer
    shorter than the clock's resolution for ever.
    """

    __slots__ = ("_bucket", "_not_before", "capacity", "empty_at", "gap")

    def __init__(self, size: int, span: float, haste: float) -> None:
        rate = size / span
        self.capacity = min(4, max(1, size // 25)) if haste else 1
        self.gap = (1.0 - haste) * (span + FLOOR) / size if rate <= _UNPACED else 0.0
        """Seconds; 0 does not pace."""
        self._bucket: AsyncLimiter | None = None
        self.empty_at = -inf
        self._not_before = -inf

    def due(self, now: float, ahead: int = 0) -> float:
        """When there is capacity for one more, *ahead* others going before from now on; *now* or earlier: there is."""
        if not self.gap:
            return now
        empty_at = self.empty_at + _RESIDUE
        due = (empty_at if empty_at > now else now) + (ahead + 1 - self.capacity) * self.gap
        return due if due > self._not_before else self._not_before

    async def acquire(self, now: float) -> bool:
        """Take one send's capacity from the bucket without waiting; False when there is none, whatever the arithmetic says."""
        bucket = self._bucket
        if bucket is None:
            bucket = self._bucket = AsyncLimiter(self.capacity, self.capacity * self.gap)
        if now < self.empty_at + _CERTAIN and not bucket.has_capacity():
            self._not_before = now + _RETRY
            return False
        await bucket.acquire()
        return True

    def took(self, now: float) -> None:
        """Count a send."""
        empty_at = self.empty_at
        self.empty_at = (empty_at if empty_at > now else now) + self.gap

    def follow(self, before: "Pace", now: float) -> None:
        """Take over from the pace of another limit: changing the period of a live `AsyncLimiter` does nothing."""
        if before.gap:
            level = max(0.0, (before.empty_at - now) / before.gap)
            self.empty_at = now + min(level, self.capacity) * self.gap

    def shift(self, delta: float) -> None:
        """Move every time by *delta*: the clock has changed, and with it the event loop, to which an `AsyncLimiter` belongs."""
        self._bucket = None
        self.empty_at += delta
        self._not_before += delta
