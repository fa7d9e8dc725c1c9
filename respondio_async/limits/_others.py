"""What others leave of a route's limit, seen in Remaining, or else in refusals."""

from bisect import bisect_left, insort
from collections import deque
from math import inf

from . import _tuning as tuning


class Others:
    """What others on the same limit leave to us, in requests a window.

    An answer's Remaining, and our own sends that the server counted with it, are what was left to
    us at that moment. A low quantile of the samples of the last seconds is used. A refusal is a
    sample too: no more was left than we had. Without Remaining, each refusal adds to an estimate of
    what they take, and each success takes a little away, more of it the longer the last refusal is
    ago.

    Remaining that does not fall while we send more counts no window: it is the level of a small
    bucket, or a number without meaning. It is not followed then.

    Times are without pauses, in which nothing can be seen.
    """

    def __init__(self, *, shares: bool) -> None:
        self.estimate = 0.0
        """What they take, by the refusals alone; 0 once there are samples."""
        self.counts: bool | None = None
        """Whether Remaining counts a window, as far as is known."""
        self._seen: tuple[float, float, int] | None = None
        """The least and most Remaining since it was seen to move, and the least of our own."""
        self._recent: deque[tuple[float, float]] = deque()
        """Samples of what they left, each with its time."""
        self._sorted: list[float] = []
        self._memory = tuning.MEMORY + tuning.MEMORY_PART
        """Seconds for which a sample counts. Who has less takes up first what comes free."""
        self._refused_at = -inf
        self._sharing = Sharing() if shares else None
        """Gives a part back now and then: not where each has a fixed share."""

    def left(self, now: float, whole: float) -> float:
        """The requests a window that others leave of the *whole*."""
        recent, horizon = self._recent, now - self._memory
        while recent and recent[0][0] <= horizon:
            del self._sorted[bisect_left(self._sorted, recent.popleft()[1])]
        if not recent:
            return whole - self.estimate
        # One may always be on its way, or nobody would ever hear that others have left.
        least = self._sorted[int((1.0 - tuning.QUANTILE) * len(recent))]
        left = min(whole, max(1.0, least))
        self._memory = tuning.MEMORY + tuning.MEMORY_PART * left / whole
        given = self._sharing.given(now, left, whole, self._memory) if self._sharing else 0.0
        return left - given

    def changes_at(self) -> float:
        """When the oldest sample is forgotten."""
        return self._recent[0][0] + self._memory if self._recent else inf

    def accepted(self, now: float) -> None:
        """Take in a success."""
        settled = (now - self._refused_at) / tuning.SETTLED
        gives = tuning.ACCEPTED_GIVES * (1.0 + settled**3)
        self.estimate = max(0.0, self.estimate - gives)

    def observe(self, now: float, remaining: float, own: int) -> None:
        """Take in that *remaining* requests were left when *own* of ours were counted."""
        low, high, least = self._seen or (remaining, remaining, own)
        self._seen = low, high, least = min(low, remaining), max(high, remaining), min(least, own)
        if high - low > 1:
            self.counts, self._seen = True, None
        elif own - least >= tuning.RISE:
            self.counts = False
            self.clear()
        if self.counts:
            self._add(now, remaining + own)
        elif self.counts is None:
            # Whoever sends little never sees whether Remaining counts: soon send more, and see.
            self.estimate = max(0.0, self.estimate - tuning.UNSEEN_GIVES)

    def refused(self, now: float, own: int, whole: float) -> None:
        """Take in a refusal when others had all but *own* of the *whole*."""
        if self.counts:
            self._add(now, own)
        elif own:
            # One that is refused with none of ours counted says little of the usual.
            more = max(0.0, whole - own - self.estimate)
            self.estimate += min(more, max(tuning.REFUSED_STEP, tuning.REFUSED_PART * more))
        self._refused_at = now

    def clear(self) -> None:
        """Forget every sample."""
        self._recent.clear()
        self._sorted.clear()

    def _add(self, now: float, left: float) -> None:
        self._recent.append((now, left))
        insort(self._sorted, left)
        self.estimate = 0.0


class Sharing:
    """Equal parts for several of us that do not know of one another.

    When others appear, and now and then, each that has a third or more gives back a part of what it
    has, until one that has half as much must have forgotten that it was taken. That one takes it up
    in time; whoever has as much as the giver does not. Where nobody takes it up, it is given more
    seldom.
    """

    def __init__(self) -> None:
        self._at = self._until = -inf
        self._before = inf
        self._given = 0.0
        self._seldom = 1.0

    def given(self, now: float, left: float, whole: float, memory: float) -> float:
        """What to give back now of what is *left* of the *whole*."""
        least = max(tuning.SHARE_LEAST_REQUESTS, whole * tuning.SHARE_LEAST)
        if left > whole * (1.0 - tuning.LEAST_PART):
            self._at, self._given, self._seldom = -inf, 0.0, 1.0
        elif self._given and now >= self._until:
            if left > self._before - self._given / 2:
                self._seldom = min(tuning.SHARE_SELDOM, 2 * self._seldom)
            self._given = 0.0
            self._at = now + self._seldom * tuning.SHARE_EVERY * whole / left
        elif not self._given and now >= self._at and left >= least:
            part = tuning.SHARE_FIRST if self._at == -inf else tuning.SHARE_PART
            self._before, self._given = left, float(max(1, round(left * part)))
            self._until = now + tuning.SHARE_SHOWS + (tuning.MEMORY + memory) / 2
        return self._given
