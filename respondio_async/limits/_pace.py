"""The spacing of one route's sends, kept by aiolimiter; this is the only module that imports it."""

# A comparison costs a third of the builtins `min` and `max`, and these are on the way of each call.
# ruff: noqa: FURB136

from collections.abc import Coroutine
from math import inf
from typing import Any

from aiolimiter import AsyncLimiter

from . import _tuning as tuning


class Pace:
    """A leaky bucket of `capacity` that lets one send through each `gap` seconds.

    *rate* is what may be sent a second where *size* sends fill the window. *overpace* is the part
    by which it is quicker, so that what is late can be caught up with; *extra* seconds, half a gap
    at most, are added for a server that takes no two at once.

    An `AsyncLimiter` keeps the bucket but does not tell when it will have room; the arithmetic here
    does, and is never ahead of it: it counts a send from a moment after the bucket has. So a send
    that is due finds room, and `acquire` returns at once. It must never sleep: its own waiting lets
    newcomers overtake, wakes waiters in storms, and can re-arm a timer shorter than the clock's
    resolution for ever.
    """

    __slots__ = ("_bucket", "_spare", "capacity", "empty_at", "extra", "gap", "overpace")

    def __init__(self, rate: float, size: int, overpace: float, extra: float) -> None:
        self.capacity = min(4, max(1, size // 25)) if overpace else 1
        self.overpace, self.extra = overpace, extra
        even = 1.0 / rate + tuning.FLOOR / size
        paced = rate <= tuning.UNPACED
        self.gap = (1.0 - overpace) * even + min(extra, even / 2) if paced else 0.0
        """Seconds; 0 does not pace."""
        self._spare = (self.capacity - 1) * self.gap
        self._bucket: AsyncLimiter | None = None
        self.empty_at = -inf

    def due(self, now: float, ahead: int = 0) -> float:
        """When there is room for one more, *ahead* others going before from now on; *now* or
        earlier: there is.
        """
        empty_at = self.empty_at + tuning.RESIDUE
        return (empty_at if empty_at > now else now) + ahead * self.gap - self._spare

    def acquire(self) -> Coroutine[Any, Any, None]:
        """Take a send's room from the bucket; to be awaited at once, for a send that is due."""
        bucket = self._bucket
        if bucket is None:
            bucket = self._bucket = AsyncLimiter(self.capacity, self.capacity * self.gap)
        return bucket.acquire()

    def took(self, now: float) -> None:
        """Count a send that the bucket let through no later than *now*."""
        empty_at = self.empty_at
        self.empty_at = (empty_at if empty_at > now else now) + self.gap

    def follow(self, before: "Pace", now: float) -> None:
        """Take over from the pace of another limit: changing the period of a live `AsyncLimiter`
        does nothing.
        """
        if before.gap and before.empty_at > now:
            level = max(0.0, (before.empty_at - now) / before.gap)
            self.empty_at = now + min(level, self.capacity) * self.gap

    def shift(self, delta: float) -> None:
        """Move every time by *delta*: the clock has changed, and with it the event loop, to which
        an `AsyncLimiter` belongs.
        """
        self._bucket = None
        self.empty_at += delta
