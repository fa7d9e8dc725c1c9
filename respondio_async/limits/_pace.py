"""The spacing of one route's sends, kept by aiolimiter; this is the only module that imports it."""

# A comparison costs a third of the builtins `min` and `max`, and these are on the way of each call.
# ruff: noqa: FURB136

from math import inf

from aiolimiter import AsyncLimiter

from ._tuning import FLOOR, RESIDUE, UNPACED


class Pace:
    """A leaky bucket of `capacity` that lets one send through each `gap` seconds.

    An `AsyncLimiter` keeps the bucket but does not tell when it will have room; the arithmetic here
    does, and is never ahead of it: it counts a send from a moment after the bucket has. So a send
    that is due finds room, and `acquire` returns at once. It must never sleep: its own waiting lets
    newcomers overtake, wakes waiters in storms, and can re-arm a timer shorter than the clock's
    resolution for ever.
    """

    def __init__(self) -> None:
        self._shape: tuple[float, ...] = ()
        self.rate = 0.0
        """Sends a second, on average."""
        self.gap = self._spare = 0.0
        """Seconds; a gap of 0 does not pace."""
        self._empty_at = -inf
        self._bucket = AsyncLimiter(1)

    def keep(self, now: float, rate: float, size: int, overpace: float, extra: float) -> None:
        """Let *rate* sends through a second, where *size* fill the window.

        It is quicker by the part *overpace*, so that what is late can be caught up with; *extra*
        seconds, half a gap at most, are added for a server that takes no two at once.
        """
        shape: tuple[float, ...] = (rate, size, overpace, extra)
        if shape == self._shape:
            return
        self._shape, self.rate = shape, rate
        even = 1.0 / rate + FLOOR / size
        self.gap = (1.0 - overpace) * even + min(extra, even / 2) if rate <= UNPACED else 0.0
        capacity = min(4, max(1, size // 25)) if overpace else 1
        self._spare = (capacity - 1) * self.gap
        # Changing the period of a live `AsyncLimiter` does nothing.
        self._bucket = AsyncLimiter(capacity, capacity * (self.gap or 1.0))
        self._empty_at = min(self._empty_at, now + capacity * self.gap)

    def due(self, now: float, ahead: int = 0) -> float:
        """When there is room for one more, *ahead* others going before from now on; *now* or
        earlier: there is.
        """
        empty_at = self._empty_at + RESIDUE
        return (empty_at if empty_at > now else now) + ahead * self.gap - self._spare

    def take(self, now: float) -> bool:
        """Take room for one; False, if there is none: what goes then does not keep the pace."""
        if not self.gap:
            return True
        empty_at = self._empty_at
        if empty_at + RESIDUE - self._spare > now:
            return False
        acquire = self._bucket.acquire()
        try:
            acquire.send(None)
        except StopIteration:  # it has room, so this ends in its first step
            pass
        else:
            acquire.close()
        self._empty_at = (empty_at if empty_at > now else now) + self.gap
        return True

    def renew(self) -> None:
        """Take a new bucket: an `AsyncLimiter` belongs to an event loop."""
        self._bucket = AsyncLimiter(self._bucket.max_rate, self._bucket.time_period)
