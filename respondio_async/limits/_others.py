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
        "_moved_at",
        "_part",
        "_patience",
        "_recent",
        "_refused_at",
        "_shares",
        "_sorted",
        "changes_at",
        "counts",
        "share",
        "taken",
    )

    def __init__(self, *, shares: bool = True) -> None:
        self._shares = shares
        """Whether a part is given back now and then: not where each has a fixed share."""
        self._recent: deque[tuple[float, float]] = deque()
        self._sorted: list[float] = []
        self.counts: bool | None = None
        """Whether Remaining counts a window, as far as is known."""
        self.share = Sharing()
        self._low = self._high = self._low_own = inf
        self._moved_at = inf
        self._patience = tuning.STILL
        self._part = 1.0
        self.taken = 0.0
        """The requests a window that refusals have taken away."""
        self._refused_at = -inf
        self.changes_at = inf
        """When the oldest sample is forgotten."""

    def left(self, now: float, whole: float) -> float:
        """The requests a window that others leave of the *whole*."""
        if not self._sorted:
            return whole - self.taken
        # One may always be on its way, or nobody would ever hear that others have left.
        left = max(1.0, self._sorted[int((1.0 - tuning.QUANTILE) * len(self._sorted))])
        left += tuning.TOLERANCE * whole
        still = now - self._moved_at - self._patience
        if still > 0.0 and left < whole / 2:
            left += still / tuning.STILL
        self._part = min(1.0, left / whole)
        if left >= whole:
            self.share.end()
            return whole
        return self.share.part(now, left, whole) if self._shares else left

    def heard(self, now: float, remaining: float, own: int) -> None:
        """Take in that *remaining* requests were left when *own* of ours were counted."""
        low, high = min(self._low, remaining), max(self._high, remaining)
        if self._low == inf:
            high, self._low_own = remaining, own
        if high - low > 1:
            self.counts = True
            low = high = remaining
            self._low_own, self._moved_at = own, now
        elif self._moved_at == inf:
            self._moved_at = now
        self._low, self._high, self._low_own = low, high, min(self._low_own, own)
        if own - self._low_own >= tuning.RISE:
            self.counts = False
            self.clear()
        if self.counts:
            self._add(now, remaining + own)

    def refused(self, now: float, whole: float, own: int) -> None:
        """Take in a refusal when others had all but *own* of the *whole*."""
        if self._moved_at < inf and self.counts is not False:
            if now > self._moved_at + self._patience:
                self._patience = min(tuning.STILL_MOST, 2 * self._patience)
            self._moved_at = now
            self.counts = True
            self._low = self._high = inf
            self._add(now, float(own))
        else:
            theirs, step = max(0.0, whole - own), tuning.REFUSED_STEP
            if now - self._refused_at > tuning.SETTLED:
                # One that is refused with few of ours counted says little of the usual.
                step = tuning.REFUSED_PART * (theirs - self.taken) if own >= whole / 5 else 0.0
            self.taken = max(self.taken, min(theirs, self.taken + step))
        self._refused_at = now

    def accepted(self, now: float) -> None:
        """Take in a success."""
        if self.taken > 0.0:
            calm = (now - self._refused_at) / tuning.SETTLED
            self.taken = max(0.0, self.taken - tuning.ACCEPTED_GIVES * (1.0 + calm * calm))

    def _add(self, now: float, left: float) -> None:
        self._recent.append((now, left))
        insort(self._sorted, left)
        self.taken = 0.0
        self.forget(now)

    def forget(self, now: float) -> None:
        """Drop the samples that are too old."""
        recent = self._recent
        memory = tuning.MEMORY + tuning.MEMORY_PART * self._part
        while recent and recent[0][0] <= now - memory:
            del self._sorted[bisect_left(self._sorted, recent.popleft()[1])]
        self.changes_at = recent[0][0] + memory if recent else inf

    def clear(self) -> None:
        """Forget every sample."""
        self._recent.clear()
        self._sorted.clear()
        self.changes_at = inf

    def shift(self, delta: float) -> None:
        """Move every time by *delta*: the clock has changed, or the route has been paused."""
        self._recent = deque((at + delta, left) for at, left in self._recent)
        self._moved_at += delta
        self._refused_at += delta
        self.changes_at += delta
        self.share.shift(delta)


class Sharing:
    """Equal parts for several of us that do not know of one another.

    Now and then each gives back a part of what it has for as long as others need to notice. Whoever
    has less gives back less, so what is taken up ends in equal parts. Where it is not taken up, it
    is tried more seldom.
    """

    __slots__ = ("_at", "_backoff", "_before", "_given", "_until")

    def __init__(self) -> None:
        self._at = inf
        self._until = -inf
        self._backoff = 1.0
        self._before, self._given = inf, 0.0

    def part(self, now: float, left: float, whole: float) -> float:
        """What to use of what is *left* of the *whole*."""
        if now < self._until:
            return left - self._given
        if self._given:
            taken = left <= self._before - self._given / 2
            self._backoff = (
                max(1.0, self._backoff / 2)
                if taken
                else min(tuning.SHARE_SELDOM, self._backoff * 2)
            )
            self._given, self._before = 0.0, left
            self._at = now + self._backoff * tuning.SHARE_EVERY * whole / left
        grown = left < self._before and now > self._until + tuning.SHARE_AGAIN
        if left > 1.0 and (grown or now >= self._at):
            part = tuning.SHARE_GROWN if grown else tuning.SHARE_PART
            self._before, self._given = left, float(max(1, round(left * part)))
            self._until = now + tuning.SHARE_TIME
            return left - self._given
        return left

    def end(self) -> None:
        """Nobody else is there."""
        self._at, self._until, self._before, self._given = inf, -inf, inf, 0.0
        self._backoff = 1.0

    def shift(self, delta: float) -> None:
        """Move every time by *delta*."""
        self._at += delta
        self._until += delta
