"""How many calls a route that was idle may send at once."""

# A comparison costs a third of the builtins `min` and `max`, and these are on the way of each call.
# ruff: noqa: FURB136, PLR1730

from math import inf

from . import _tuning as tuning


class Burst:
    """The server's bucket, as far as it is known, and the part of it that idle time has earned.

    For the first request in an empty window the bucket's size is Remaining + 1; if a later one
    overtook it, that one reported more, and the larger counts. Any other answer can only show that
    the bucket is larger. A refusal within a burst shows that it is smaller.
    """

    __slots__ = (
        "_again_at",
        "_began",
        "_ceiling",
        "_credit",
        "_last",
        "_shown",
        "capacity",
        "proven",
    )

    def __init__(self) -> None:
        self.capacity = tuning.GUESS
        self.proven = False
        """Whether the server has shown that it takes several at once."""
        self._ceiling: float = inf
        self._again_at = inf
        self._began = -inf
        self._shown = 0
        """The largest bucket that an answer has shown since the first send in an empty window."""
        self._credit = 0.0
        self._last = -inf

    def most(self, size: int) -> int:
        """The sends that may go at once where *size* fill the window.

        One of a smaller bucket is kept back: the pacer is a little quick.
        """
        return size if self.capacity >= size else max(1, self.capacity - 1)

    def credit(self, now: float, rate: float, size: int) -> float:
        """The sends that may go at once now."""
        if not self.proven and now > self._began + tuning.TOGETHER and now - self._last < 1.0:
            # A guess is for calls that come together on an idle route, not for a busy one's.
            return 0.0
        return self._earned(now, rate, size) + 1e-9

    def _earned(self, now: float, rate: float, size: int) -> float:
        earned, most = (now - self._last) * rate * tuning.IDLE_RATE, self.most(size)
        if earned < self._credit:
            earned = self._credit
        return earned if earned < most else most

    def took(self, now: float, rate: float, size: int, *, first: bool) -> None:
        """Count a send, the *first* in an empty window or a later one."""
        if first:
            self._began, self._shown = now, 0
        earned = self._earned(now, rate, size)
        self._credit = earned - 1.0 if earned > 1.0 else 0.0
        self._last = now

    def heard(self, remaining: float, *, first: bool) -> bool:
        """Learn from what is left after a call; whether the bucket is another than was thought."""
        shown = int(max(1.0, min(remaining + 1.0, self._ceiling, 1e6)))
        if shown > self._shown:
            self._shown = shown
        capacity = self._shown if first else max(shown, self.capacity)
        if capacity == self.capacity and (self.proven or not first):
            return False
        if capacity < self.capacity:
            self._credit = 0.0
        self.capacity, self.proven = capacity, True
        return True

    def refused(self, now: float, index: int) -> None:
        """Learn from the refusal of the *index*-th of a burst."""
        self.capacity = max(1, min(self.capacity, index - 1))
        self._ceiling, self._credit = self.capacity, 0.0
        self._again_at = now + tuning.BURST_AGAIN

    def accepted(self, now: float, index: int) -> None:
        """Learn from the *index*-th of a burst; try one more after a long time."""
        if index > 1:
            self.proven = True
        if now >= self._again_at:
            self._ceiling += 1
            self.capacity = max(self.capacity, int(min(self._ceiling, tuning.GUESS)))
            self._again_at = now + tuning.BURST_AGAIN

    def stop(self) -> None:
        """Forget what idle time had earned."""
        self._credit = 0.0

    def shift(self, delta: float) -> None:
        """Move every time by *delta*: the clock has changed."""
        self._last += delta
        self._began += delta
        self._again_at += delta
