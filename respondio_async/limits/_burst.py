"""How many calls a route that was idle may send at once."""

from math import inf

from ._tuning import BURST_AGAIN, GUESS
from ._window import Sent


class Burst:
    """The server's bucket, as Remaining shows it.

    For the first request in an empty window the bucket's size is Remaining + 1; if a later one
    overtook it, that one reported more, and the larger counts. Any other answer can only show that
    the bucket is larger. A refusal within a burst shows that it is smaller, for some minutes.

    Idle time fills the bucket as it empties the window: what may go at once is what the bucket
    holds beyond the slots that are taken.
    """

    def __init__(self) -> None:
        self.capacity = GUESS
        self.proven = False
        """Whether the server has shown that it takes several at once."""
        self._shown = 0
        """The largest bucket that an answer has shown since the first send in an empty window."""
        self._again_at = inf
        """Until then a refusal bounds what answers may show."""

    def allowance(self, size: int) -> int:
        """The sends that may go at once where *size* fill the window.

        One of a smaller bucket is kept back: the pacer is a little quick.
        """
        return size if self.capacity >= size else max(1, self.capacity - 1)

    def begins(self, now: float) -> None:
        """Take in that the first request goes into an empty window."""
        self._shown = 0
        if now >= self._again_at:
            self.capacity, self._again_at = max(self.capacity, GUESS), inf

    def observe(self, sent: Sent, remaining: float) -> None:
        """Learn from what is left after a call."""
        most = 1e6 if self._again_at == inf else self.capacity
        self._shown = max(self._shown, int(max(1.0, min(remaining + 1.0, most))))
        if sent.position == 1 or self._shown > self.capacity:
            self.capacity, self.proven = self._shown, True

    def refused(self, sent: Sent, now: float) -> None:
        """Learn from the refusal of one of a burst."""
        self.capacity = max(1, min(self.capacity, sent.position - 1))
        self._again_at = now + BURST_AGAIN
