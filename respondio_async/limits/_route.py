"""The model of one route: given the time, may a request go, and if not, when.

Nothing here sleeps, reads a clock or knows of tasks, so hours of traffic can be tried in a moment.
"""

# A comparison costs a third of the builtins `min` and `max`, and these are on the way of each call.
# ruff: noqa: PLR1730

from collections.abc import Callable
from math import inf
from random import random as at_random

from . import _tuning as tuning
from ._burst import Burst
from ._calibration import Calibration
from ._margin import Margin
from ._others import Others
from ._pace import Pace
from ._protocol import Feedback
from ._window import Sent, Window


def share_of(limit: float, share: float) -> float:
    """What one of several processes may use: whole sends a second, or else one every so many
    seconds.
    """
    mine = limit * share
    return mine if share >= 1.0 or mine < 1.0 else float(int(mine + 1e-9))


class Route:
    """What is known about one route, and what follows from it."""

    __slots__ = (
        "_blamed",
        "_dirty",
        "_left",
        "_probe",
        "_probing",
        "_random",
        "_rate",
        "_reduced",
        "_share",
        "burst",
        "burst_left",
        "calibration",
        "granted",
        "limit",
        "margin",
        "opens_at",
        "others",
        "pace",
        "paused_until",
        "pauses",
        "refused",
        "version",
        "window",
    )

    def __init__(
        self,
        limit: float,
        *,
        share: float = 1.0,
        bounds: tuple[float, float] = (1.0, 100.0),
        random: Callable[[], float] = at_random,
    ) -> None:
        self._random = random
        self._share = share
        self.calibration = Calibration(limit, bounds)
        self.margin = Margin()
        self.burst = Burst()
        self.others = Others(shares=share >= 1.0)
        self.window = Window(1, 1.0)
        self.pace = Pace(1.0, 1, 0.0, 0.0)
        self.limit = self._rate = 0.0
        self.burst_left = 0
        """Sends of a burst under way that need not keep the pace."""
        self.paused_until = self.opens_at = -inf
        """No request goes before the one; by the server's word none is accepted before the other.
        """
        self._probing = False
        """Whether only one request may go until its answer is there."""
        self._probe: Sent | None = None
        self._blamed = -inf
        self._dirty = False
        """Whether anything but what others leave has changed since window and pace were made."""
        self._left = inf
        self._reduced = False
        """Whether others leave less than the limit."""
        self.granted = self.refused = self.pauses = 0
        self.version = 0
        """Incremented by every change that can postpone a permit; unchanged, a due permit is still
        due.
        """
        self._apply(0.0)

    # ── may a request go? ────────────────────────────────────────────────────────────────────────

    def refresh(self, now: float) -> None:
        """Bring the state up to *now*; called before any question."""
        window, calibration, others = self.window, self.calibration, self.others
        if now >= window.changes_at:
            window.expire(now)
        if now >= others.changes_at:
            others.forget(now)
            self._apply(now)
        if calibration.limit < calibration.target and calibration.step(now):
            self._apply(now)

    def due(self, now: float, ahead: int = 0) -> float:
        """When a request may go, *ahead* others going before it; *now*, if it may go now.

        Exact if those before may go now, a close guess otherwise.
        """
        when, window = self.paused_until, self.window
        if when < now:
            when = now
        if ahead >= self.burst_left:
            paced = self.pace.due(now, ahead - self.burst_left)
            if paced > when:
                when = paced
        lacking = window.busy + ahead - window.size
        if lacking >= 0:
            if lacking > ahead:
                # The size was lowered: those beyond it leave as they came, not one by one at the
                # new pace.
                free, lacking = window.next_free(lacking - ahead), ahead
            else:
                free = window.next_free() if window.busy else now + window.span
            free += lacking * window.span / window.size
            if free > when:
                when = free
        return when

    def wait(self, now: float, ahead: int) -> float:
        """The least that a request with *ahead* others before it has to wait, in seconds."""
        window, start = self.window, max(now, self.paused_until, self.opens_at)
        # A pause as long as the window leaves it empty; of those beyond a size that was lowered
        # nothing is known.
        busy = 0 if start >= now + window.span else min(window.busy, window.size)
        lacking = busy + ahead - window.size
        if lacking < 0:
            quick = ahead < self.burst.most(window.size)
            return (start if quick else max(start, self.pace.due(now, ahead))) - now
        free = max(start, window.soonest_free()) if busy else start + window.span
        # Slots whose sends went together come free together, and then only the pacer keeps those
        # who take them apart.
        rounds, rest = divmod(lacking, window.size)
        return max(free, self.pace.due(free, rest)) - now + rounds * (window.span + tuning.FLOOR)

    def may_burst(self, now: float, line: int) -> bool:
        """Whether a queue of so many may go at once: the route was idle long enough for all of it.

        Only for all of it: the last of a longer queue would not go any sooner, and a burst is
        always the greater risk.
        """
        size = self.window.size
        return (
            line <= self.burst.credit(now, self._rate, size)
            and line <= size - self.window.busy
            and now >= self.paused_until
            and not self._probing
        )

    def paced(self, now: float) -> bool:
        """Whether a request that may go now keeps the pace, and takes from its bucket; part of a
        burst does not.
        """
        pace = self.pace
        return pace.gap > 0.0 and not (self.burst_left and pace.due(now) > now)

    def take(self, now: float, paced: bool) -> Sent:
        """Record that a request goes now. The caller has asked `due` and `paced`."""
        window, index = self.window, 1
        if paced:
            self.pace.took(now)
        elif self.pace.gap:
            index = window.busy + 1
        if self.burst_left:
            self.burst_left -= 1
        sent = window.take(now, self.margin.given_up(window.span), index)
        self.burst.took(now, self._rate, window.size, first=sent.position == 1)
        if self._probing:
            # A probe that is not answered in time is not waited for again.
            self._probing = self._probe is None
            if self._probing:
                self._probe, self.paused_until = sent, now + tuning.PROBE_WAIT
        self.granted += 1
        self.version += 1
        return sent

    # ── what became of it ────────────────────────────────────────────────────────────────────────

    def learn(self, sent: Sent, feedback: Feedback, now: float) -> None:
        """Learn from the answer to a request that went."""
        if 0.0 < feedback.delay < inf:
            # Its second began when it left, not when it was allowed to.
            sent.at = min(now, sent.at + feedback.delay)
        if sent is self._probe:
            self._probe = None
            if self._probing:
                self._probing, self.paused_until = False, now
        if feedback.status is None:
            # Given up on: nothing is known but that it took as long as this.
            self.window.answered(sent, self.margin.given_up(now - sent.at))
            return
        round_trip = feedback.round_trip
        if round_trip is not None and not 0.0 <= round_trip < inf:
            round_trip = None
        if feedback.status == 429:
            self._learn_refusal(sent, feedback, now)
        else:
            self._learn_success(sent, feedback, now)
            if round_trip is not None:
                later = self.margin.learn(round_trip)
                if later:
                    self.window.delay(later)
        if round_trip is not None:
            hold = self.margin.answered(round_trip)
            sent.late = max(0.0, hold - self.margin.reserve)
            self.window.answered(sent, hold)
        others = self.others
        if self._dirty or (
            (others.taken or others.changes_at < inf or self._reduced)
            and others.left(now, self._whole) != self._left
        ):
            self._apply(now)

    def _learn_success(self, sent: Sent, feedback: Feedback, now: float) -> None:
        self.burst.accepted(now, sent.index)
        self.others.accepted(now)
        told = feedback.rate_limit
        if told is None:
            return
        before, remaining = self._whole, told.remaining
        if told.limit is not None and self.calibration.told(told.limit, told.window, now):
            self._dirty = True
        if remaining is not None and remaining >= 0:
            if self._whole > before < remaining + sent.own:
                self.others.clear()
            if self.burst.heard(remaining, first=sent.position == 1):
                self._dirty = True
            self.others.heard(now, remaining, sent.own)

    def _learn_refusal(self, sent: Sent, feedback: Feedback, now: float) -> None:
        self.refused += 1
        self._dirty = True
        told, lowered = feedback.rate_limit, False
        if told is not None and told.limit is not None:
            before = self.calibration.limit
            self.calibration.told(told.limit, told.window, now)
            lowered = self.calibration.limit < before
        if sent.at >= self._blamed:
            # Those that were under way when the first of them was refused teach nothing new.
            self._blamed = now
            if not lowered:
                self._blame(sent, now)
        elif sent.index > 1:
            self.burst.refused(now, sent.index)
        self._pause(now, feedback.retry_after)

    def _blame(self, sent: Sent, now: float) -> None:
        """Find what explains a refusal: a raise, a burst, others, or uneven delays."""
        if self.calibration.refused(now):
            return
        if sent.index > 1 and not self.others.counts:
            self.burst.refused(now, sent.index)
            return
        spacing = self.burst.capacity <= 1 and not self.others.counts
        if spacing and self.margin.learnt < tuning.EXTRA_FIRST:
            self.margin.refused()
            return
        if self._whole - sent.own <= 0.0:
            self.margin.refused()
        self.others.refused(now, self._whole, sent.own - 1)

    def _pause(self, now: float, retry_after: float | None) -> None:
        """Send nothing for *retry_after* seconds; never ends a pause that lasts longer."""
        usable = retry_after is not None and retry_after > 0.0
        seconds = retry_after if usable and retry_after else tuning.DEFAULT_PAUSE
        if self.window.span > 1.0:
            # Slow processes that share a limit and were refused together would come back together,
            # for ever.
            seconds += self._random() * (min(self.window.span, 60.0) - 1.0)
        if now >= self.paused_until:
            self.pauses += 1
        self.opens_at = max(self.opens_at, now + seconds)
        begin = max(now, self.paused_until)
        self.paused_until = max(self.paused_until, now + min(seconds, tuning.LONGEST_PAUSE))
        if self.paused_until - now >= tuning.PROBE_FROM:
            self._probing, self._probe = True, None
        self.others.shift(self.paused_until - begin)
        self.calibration.paused(self.paused_until - begin)
        # Those of a burst who had not gone yet would all go together when it ends.
        self.burst_left = 0
        self.burst.stop()
        self.version += 1

    # ── what follows ─────────────────────────────────────────────────────────────────────────────

    @property
    def _whole(self) -> float:
        """The organisation's limit, in requests a window."""
        return self.calibration.limit * self.window.span

    def _apply(self, now: float) -> None:
        """Make window and pace anew where what was learnt changes them."""
        calibration = self.calibration
        limit = share_of(calibration.limit, self._share)
        span = max(calibration.span, 1.0 / limit)
        # A fraction of a send cannot be sent: 2.5 a second is 2 in any second.
        size = max(1, int(limit * span + 1e-9))
        whole, rate = calibration.limit * span, size / span
        self._dirty, self._left = False, self.others.left(now, whole)
        left, self._reduced = self._left, self._left < whole
        if self._reduced:
            left = max(left, whole * tuning.LEAST_PART, 0.5)
            size = min(size, max(1, int(left + 1e-9)))
            rate = min(left, size) / span
        overpace, extra = self._spacing(size, alone=left >= whole)
        if (
            size == self.window.size
            and span == self.window.span
            and abs(rate - self._rate) <= 0.02 * rate
            and overpace == self.pace.overpace
            and abs(extra - self.pace.extra) < 0.001
        ):
            return
        self.limit, self._rate = limit, rate
        self.window.size, self.window.span = size, span
        pace = Pace(rate, size, overpace, extra)
        pace.follow(self.pace, now)
        self.pace = pace
        self.version += 1

    def _spacing(self, size: int, *, alone: bool) -> tuple[float, float]:
        """How much quicker than the limit sends may be, and how much further apart they must be."""
        burst = self.burst
        if burst.capacity <= 1:
            return 0.0, self.margin.learnt
        if burst.proven and burst.capacity >= size and alone:
            return tuning.OVERPACE_WHOLE, 0.0
        # A part of a send in a whole window: a bucket of two has one to spare, and uneven delays
        # need the rest of it.
        return min(tuning.OVERPACE, (0.5 if burst.proven else 0.75) / size), 0.0

    def shift(self, delta: float) -> None:
        """Move every time by *delta*: the clock has changed."""
        self.burst_left = 0  # theirs who were in the queue on the loop before
        self.window.shift(delta)
        self.burst.shift(delta)
        self.others.shift(delta)
        self.calibration.shift(delta)
        self.pace.shift(delta)
        self.paused_until += delta
        self.opens_at += delta
        self._blamed += delta
