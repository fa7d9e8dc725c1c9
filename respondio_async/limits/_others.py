"""What others leave of a route's limit, seen in Remaining, or else in refusals."""

from bisect import bisect_left, insort
from collections import deque
from math import inf

from . import _tuning as tuning


class Others:
    """What others on the same limit leave to us.

    An answer's Remaining, and our own sends that the server counted with it, are what was left to
    us at that moment. A low quantile of the samples of the last seconds is used. A refusal is a
    sample too: no more was left than we had. Without Remaining, each refusal takes a step away and
    each success gives a little back, more of it the longer the last refusal is ago.

    Remaining that does not fall while we send more counts no window: it is the level of a small
    bucket, or a number without meaning. It is not followed then.
    """

    __slots__ = (
        "_high",
        "_low",
        "_low_own",
        "_part",
        "_recent",
        "_refused_at",
        "_sharing",
        "_sorted",
        "_taken",
        "changes_at",
        "counts",
    )

    def __init__(self, *, shares: bool = True) -> None:
        self._sharing = Sharing() if shares else None
        """Gives a part back now and then: not where each has a fixed share."""
        self._recent: deque[tuple[float, float]] = deque()
        """Samples of what they left, each with its time."""
        self._sorted: list[float] = []
        self.changes_at = inf
        """When the oldest sample is forgotten."""
        self.counts: bool | None = None
        """Whether Remaining counts a window, as far as is known."""
        self._low = self._low_own = inf
        """The least Remaining, and the least of our own, since it was seen to move."""
        self._high = -inf
        self._part = 1.0
        """Our part of the limit."""
        self._taken = 0.0
        """The requests a window that refusals have taken away."""
        self._refused_at = -inf

    def left(self, now: float, whole: float) -> float:
        """The requests a window that others leave of the *whole*."""
        if not self._recent:
            return whole - self._taken
        # One may always be on its way, or nobody would ever hear that others have left.
        left = max(1.0, self._sorted[int((1.0 - tuning.QUANTILE) * len(self._sorted))])
        left = min(whole, left + min(tuning.TOLERANCE_MOST, tuning.TOLERANCE * whole))
        self._part = left / whole
        return self._sharing.part(now, left, whole) if self._sharing else left

    def heard(self, now: float, remaining: float, own: int) -> None:
        """Take in that *remaining* requests were left when *own* of ours were counted."""
        self._low, self._high = min(self._low, remaining), max(self._high, remaining)
        self._low_own = min(self._low_own, own)
        if self._high - self._low > 1:
            self.counts = True
            self._low, self._high, self._low_own = remaining, remaining, own
        elif own - self._low_own >= tuning.RISE:
            self.counts = False
            self.clear()
        if self.counts:
            self._add(now, remaining + own)
        elif self.counts is None:
            # Whoever sends little never sees whether Remaining counts: soon send more, and see.
            self._taken = max(0.0, self._taken - tuning.UNSEEN_GIVES)

    def refused(self, now: float, whole: float, own: int) -> None:
        """Take in a refusal when others had all but *own* of the *whole*."""
        if self.counts:
            self._add(now, float(own))
        elif own:
            # One that is refused with none of ours counted says little of the usual.
            more = max(0.0, whole - own - self._taken)
            self._taken += min(more, max(tuning.REFUSED_STEP, tuning.REFUSED_PART * more))
        self._refused_at = now

    def accepted(self, now: float) -> None:
        """Take in a success."""
        if self._taken:
            calm = (now - self._refused_at) / tuning.SETTLED
            gives = tuning.ACCEPTED_GIVES * (1.0 + calm**3)
            self._taken = max(0.0, self._taken - gives)

    def _add(self, now: float, left: float) -> None:
        self._recent.append((now, left))
        insort(self._sorted, left)
        self._taken = 0.0
        self.forget(now)

    def forget(self, now: float) -> None:
        """Drop the samples that are too old."""
        recent, memory = self._recent, tuning.MEMORY + tuning.MEMORY_PART * self._part
        while recent and recent[0][0] <= now - memory:
            del self._sorted[bisect_left(self._sorted, recent.popleft()[1])]
        self.changes_at = recent[0][0] + memory if recent else inf

    def clear(self) -> None:
        """Forget every sample."""
        self._recent.clear()
        self._sorted.clear()
        self.changes_at = inf

    def paused(self, seconds: float) -> None:
        """A pause tells nothing of others, so what is known of them is kept that much longer."""
        self._recent = deque((at + seconds, left) for at, left in self._recent)
        self._refused_at += seconds
        self.changes_at += seconds
        if self._sharing:
            self._sharing.paused(seconds)


class Sharing:
    """Equal parts for several of us that do not know of one another.

    When others appear, and now and then, each gives back a part of what it has, for as long as
    others need to notice. Whoever has less gives back less, so what is taken up ends in equal
    parts. Where it is not taken up, it is tried more seldom.
    """

    def __init__(self) -> None:
        self._at = self._until = -inf
        self._before = inf
        self._given = 0.0
        self._seldom = 1.0

    def part(self, now: float, left: float, whole: float) -> float:
        """What to use of what is *left* of the *whole*."""
        if left >= whole:
            self._at, self._given, self._seldom = -inf, 0.0, 1.0
            return left
        if now >= self._until and self._given:
            taken = left <= self._before - self._given / 2
            self._seldom = (
                max(1.0, self._seldom / 2) if taken else min(tuning.SHARE_SELDOM, 2 * self._seldom)
            )
            self._at, self._given = now + self._seldom * tuning.SHARE_EVERY * whole / left, 0.0
        if now >= self._at and not self._given and left >= 2.0:
            part = tuning.SHARE_FIRST if self._at == -inf else tuning.SHARE_PART
            self._before, self._given = left, float(max(1, round(left * part)))
            self._until = now + tuning.SHARE_TIME
        return left - self._given

    def paused(self, seconds: float) -> None:
        """A pause is no part of any time here."""
        self._at += seconds
        self._until += seconds
