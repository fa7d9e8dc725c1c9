"""How many calls a route that was idle may send at once."""

# A comparison costs a third of the builtins `min` and `max`, and these are on the way of each call.
# ruff: noqa: FURB136

from math import inf

from ._tuning import BURST_AGAIN, GUESS, IDLE_RATE


class Burst:
    """The server's bucket, as Remaining shows it, and the part of it that idle time has filled.

    For the first request in an empty window the bucket's size is Remaining + 1; if a later one
    overtook it, that one reported more, and the larger counts. Any other answer can only show that
    the bucket is larger. A refusal within a burst shows that it is smaller, for some minutes.
    """

    __slots__ = ("_again_at", "_full_at", "_most_shown", "_shown", "capacity", "proven")

    def __init__(self) -> None:
        self.capacity = GUESS
        self.proven = False
        """Whether the server has shown that it takes several at once."""
        self._full_at = -inf
        self._shown = 0
        """The largest bucket that an answer has shown since the first send in an empty window."""
        self._most_shown = inf
        """What a refusal leaves of what the next answers may show, until `_again_at`."""
        self._again_at = inf

    def most(self, size: int) -> int:
        """The sends that may go at once where *size* fill the window.

        One of a smaller bucket is kept back: the pacer is a little quick.
        """
        return size if self.capacity >= size else max(1, self.capacity - 1)

    def credit(self, now: float, rate: float, size: int) -> float:
        """The sends that may go at once now."""
        return self.most(size) - max(0.0, self._full_at - now) * rate * IDLE_RATE + 1e-9

    def took(self, now: float, rate: float, size: int, position: int) -> None:
        """Count a send, the *position*-th in its window."""
        if now >= self._again_at:
            self.capacity, self._most_shown, self._again_at = max(self.capacity, GUESS), inf, inf
        if position == 1:
            self._shown = 0
        fills = rate * IDLE_RATE
        full_at = (self._full_at if self._full_at > now else now) + 1 / fills
        empty = now + self.most(size) / fills
        self._full_at = full_at if full_at < empty else empty

    def heard(self, remaining: float, *, first: bool) -> bool:
        """Learn from what is left after a call, the *first* in an empty window or a later one;
        whether the bucket is another than was thought.
        """
        self._shown = max(self._shown, int(max(1.0, min(remaining + 1.0, self._most_shown, 1e6))))
        before = self.capacity, self.proven
        if first or self._shown > self.capacity:
            self.capacity, self.proven = self._shown, True
        return before != (self.capacity, self.proven)

    def refused(self, now: float, position: int) -> None:
        """Learn from the refusal of the *position*-th of a burst."""
        self.capacity = max(1, min(self.capacity, position - 1))
        self._most_shown, self._again_at = self.capacity, now + BURST_AGAIN

    def stop(self, now: float, rate: float, size: int) -> None:
        """Forget what idle time has filled."""
        self._full_at = now + self.most(size) / (rate * IDLE_RATE)
