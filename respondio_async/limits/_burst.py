"""How many calls a route that was idle may send at once, learnt from the server."""

# A comparison costs a third of the builtins `min` and `max`, and these are on the way of each call.
# ruff: noqa: FURB136, PLR1730

from math import inf
from typing import Final

_GUESS: Final = 6
"""The bucket assumed before anything is known: five calls of a bot go out at once, and one is kept
back.
"""
_TOGETHER: Final = 0.02
_IDLE_RATE: Final = 0.9
"""The share of the limit at which idle time earns sends: below one, so that a busy route earns
none.
"""
_SLACK: Final = 0.005
"""Seconds by which the refusal of a send that kept the pace widens the gap, where no two are taken
at once.
"""
_SLACK_MOST: Final = 0.05
_PATIENCE: Final = 300.0
_PATIENCE_MOST: Final = 3600.0


class Burst:
    """The server's bucket, as far as it is known.

    A sliding or a fixed window takes a whole limit's worth at once; gcra and small buckets refuse
    it. What the server says is left after the first call of an idle route tells which, and so does
    a refusal right after a burst.
    """

    __slots__ = (
        "_again_at",
        "_ceiling",
        "_credit",
        "_last",
        "_patience",
        "_shown",
        "_single_since",
        "_slack",
        "began",
        "capacity",
        "proven",
    )

    def __init__(self) -> None:
        self.capacity = _GUESS
        self._ceiling: float = inf
        self.proven = False
        """Whether the server has shown that it takes several at once."""
        self.began = -inf
        """When the first send went into an empty window."""
        self._shown = 0
        """The largest bucket that an answer has shown since."""
        self._credit = 0.0
        self._last = -inf
        self._slack = 0.0
        self._single_since = inf
        self._again_at = inf
        self._patience = _PATIENCE

    def most(self, size: int) -> int:
        """The sends that may go at once where *size* fill the window.

        One of a smaller bucket is kept back: the pacer is a little quick.
        """
        return size if self.capacity >= size else max(1, self.capacity - 1)

    def haste(self, size: int) -> float:
        """The part by which the pacer may be quicker than the limit."""
        if self.capacity <= 1:
            return 0.0
        if self.proven and self.capacity >= size:
            return 0.3
        # A part of a send in a whole window: a bucket of two has one to spare, and uneven delays
        # need the rest of it.
        return min(0.1, (0.5 if self.proven else 0.75) / size)

    @property
    def slack(self) -> float:
        """Seconds that sends must be further apart than on average, for a server that takes no two
        at once.
        """
        return self._slack if self.capacity <= 1 else 0.0

    def too_close(self, since: float) -> None:
        """Learn from the refusal of a send that had kept the pace *since* then: where no two may
        arrive at once, delays were too uneven.
        """
        if self.capacity <= 1 and since > self._single_since:
            self._slack = min(_SLACK_MOST, self._slack + _SLACK)

    def credit(self, now: float, limit: float, size: int) -> int:
        """The sends that may go at once now."""
        if not self.proven and now > self.began + _TOGETHER and (now - self._last) < 1.0:
            # A guess is for calls that come together on an idle route, not for the crowd of a busy
            # one.
            return 0
        return int(self._earned(now, limit, size) + 1e-9)

    def took(self, now: float, limit: float, size: int, *, first: bool) -> None:
        """Count a send, the *first* in an empty window or a later one."""
        if first:
            self.began, self._shown = now, 0
        # `_earned` written out.
        earned, credit = (now - self._last) * limit * _IDLE_RATE, self._credit
        if earned < credit:
            earned = credit
        if earned > 1.0:
            most = self.most(size)
            self._credit = (earned if earned < most else most) - 1.0
        else:
            self._credit = 0.0
        self._last = now

    def _earned(self, now: float, limit: float, size: int) -> float:
        """The sends' worth of idle time, as far as the server takes them."""
        earned, most = (now - self._last) * limit * _IDLE_RATE, self.most(size)
        if earned < self._credit:
            earned = self._credit
        return earned if earned < most else most

    def told(self, now: float, remaining: float, *, first: bool) -> bool:
        """Learn from what the server says is left after a call; whether it is news.

        What is left after the *first* in an empty window, and that one, is the bucket. A later one
        may have overtaken it on the way: then the first finds less, and the later one was told
        more. Any other answer can only show that the bucket is larger.
        """
        shown = int(max(1.0, min(remaining + 1.0, self._ceiling, 1e6)))
        if shown > self._shown:
            self._shown = shown
        capacity = self._shown if first else max(shown, self.capacity)
        if capacity == self.capacity and (self.proven or not first):
            return False
        if capacity < self.capacity:
            # What was counted on is not there.
            self._credit = 0.0
        self._hold(now, capacity)
        self.proven = True
        return True

    def refused(self, now: float, index: int) -> None:
        """Learn from a refusal within a window that was not full: *index* at once were one too
        many.
        """
        if self._again_at < inf and now >= self._again_at:
            self._patience = min(_PATIENCE_MOST, self._patience * 2)
        self._ceiling = max(1, min(self.capacity, index - 1))
        self._hold(now, int(self._ceiling))
        self._credit = 0.0
        self._again_at = now + self._patience

    def _hold(self, now: float, capacity: int) -> None:
        if capacity <= 1 < self.capacity:
            self._single_since = now
        self.capacity = capacity

    def accepted(self, now: float, index: int) -> None:
        """Learn from a send that was the *index*-th at once; after a long time without a refusal,
        try one more.
        """
        if index > 1:
            self.proven = True
        if now >= self._again_at:
            self._ceiling += 1
            self.capacity = max(self.capacity, int(min(self._ceiling, _GUESS)))
            self._again_at = now + self._patience

    def shift(self, delta: float) -> None:
        """Move every time by *delta*: the clock has changed."""
        self._last += delta
        self.began += delta
        self._again_at += delta
        self._single_since += delta
