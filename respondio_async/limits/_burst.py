"""How many calls a route that was idle may send at once, learnt from the server."""

from math import inf
from typing import Final

_GUESS: Final = 6
"""The bucket assumed before anything is known: five calls of a bot go out at once, and one is kept back."""
_IDLE_RATE: Final = 0.9
"""The share of the limit at which idle time earns sends: below one, so that a busy route earns none."""
_PATIENCE: Final = 300.0
_PATIENCE_MOST: Final = 3600.0


class Burst:
    """The server's bucket, as far as it is known.

    A sliding or a fixed window takes a whole limit's worth at once; gcra and small buckets refuse it. What the server says is left after
    the first call of an idle route tells which, and so does a refusal right after a burst.
    """

    __slots__ = ("_again_at", "_ceiling", "_credit", "_last", "_patience", "capacity")

    def __init__(self) -> None:
        self.capacity = _GUESS
        self._ceiling: float = inf
        self._credit = 0.0
        self._last = -inf
        self._again_at = inf
        self._patience = _PATIENCE

    def most(self, size: int) -> int:
        """The sends that may go at once where *size* fill the window. One of a smaller bucket is kept back: the pacer is a little quick."""
        return size if self.capacity >= size else max(1, self.capacity - 1)

    @property
    def smooth(self) -> bool:
        """True when the server takes no two at once, so that the pacer must not be quick at all."""
        return self.capacity <= 1

    def credit(self, now: float, limit: float, size: int) -> int:
        """The sends that may go at once now."""
        return int(min(self.most(size), max(self._credit, (now - self._last) * limit * _IDLE_RATE)) + 1e-9)

    def took(self, now: float, limit: float, size: int) -> None:
        """Count a send."""
        earned = min(float(self.most(size)), max(self._credit, (now - self._last) * limit * _IDLE_RATE))
        self._credit = max(0.0, earned - 1.0)
        self._last = now

    def told(self, remaining: float) -> None:
        """Learn from what the server says is left after a call that found the window empty."""
        self.capacity = int(max(1.0, min(remaining + 1.0, self._ceiling, 1e6)))

    def refused(self, now: float, index: int) -> None:
        """Learn from a refusal within a window that was not full: *index* at once were one too many."""
        if self._again_at < inf and now >= self._again_at:
            self._patience = min(_PATIENCE_MOST, self._patience * 2)
        self._ceiling = max(1, min(self.capacity, index - 1))
        self.capacity = int(self._ceiling)
        self._again_at = now + self._patience

    def accepted(self, now: float) -> None:
        """After a long time without such a refusal, try one more."""
        if now >= self._again_at:
            self._ceiling += 1
            self.capacity = max(self.capacity, int(min(self._ceiling, _GUESS)))
            self._again_at = now + self._patience

    def shift(self, delta: float) -> None:
        """Move every time by *delta*: the clock has changed."""
        self._last += delta
        self._again_at += delta
