"""The model of one route: given the time, may a request go, and if not, when.

Nothing here sleeps, reads a clock or knows of tasks, so hours of traffic can be tried in a moment.
"""

# A comparison costs a third of the builtin `max`, and `due` is on the way of each call.
# ruff: noqa: FURB136

from collections.abc import Callable
from math import inf
from random import random as at_random

from .._rate_limit import RateLimit
from . import _tuning as tuning
from ._burst import Burst
from ._calibration import Calibration
from ._margin import Margin
from ._others import Others
from ._pace import Pace
from ._protocol import Feedback
from ._window import Sent, Window

_SILENT = RateLimit()


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
        "_left",
        "_probe",
        "_probing",
        "_random",
        "_rate",
        "_share",
        "burst",
        "burst_left",
        "calibration",
        "changes",
        "granted",
        "margin",
        "opens_at",
        "others",
        "pace",
        "paused_until",
        "pauses",
        "refused",
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
        self.pace = Pace()
        self.burst_left = 0
        """Sends of a burst under way that need not keep the pace."""
        self.paused_until = self.opens_at = self._blamed = -inf
        """No request goes before the first; by the server's word none is accepted before the
        second.
        """
        self._probing = False
        """Whether the next request is the only one that may go until its answer is there."""
        self._probe: Sent | None = None
        self.granted = self.refused = self.pauses = 0
        self.changes = 0
        """Grants, pauses and changes of the pace; unchanged, a permit that was due is still due."""
        self._rate = self._left = 0.0
        self._follow(0.0)

    # ── may a request go? ────────────────────────────────────────────────────────────────────────

    def refresh(self, now: float) -> None:
        """Bring the state up to *now*; called before any question."""
        self.window.expire(now)
        forgotten = now >= self.others.changes_at
        if forgotten:
            self.others.forget(now)
        calibration = self.calibration
        if forgotten or (calibration.limit < calibration.target and calibration.step(now)):
            self._follow(now)

    def due(self, now: float, ahead: int = 0, burst: int = 0) -> float:
        """When a request may go, *ahead* others going before it; *now*, if it may go now.

        Exact if none goes before, else the soonest that it may be; *burst* of them may turn out to
        need no pace.
        """
        window = self.window
        slots, size = window.slots, window.size
        when = self.paused_until if self.paused_until > now else now
        # A pause as long as the window leaves it empty.
        busy = 0 if when >= now + window.span else len(slots)
        lacking, rounds = busy + ahead - size, 0
        if lacking >= 0:
            # Slots whose sends went together come free together. Those beyond a size that was
            # lowered leave as they came.
            beyond = busy - size if busy > size else 0
            rounds, ahead = divmod(lacking - beyond, size)
            when = max(when, slots[beyond]) if busy else when + window.span
        if rounds or ahead >= self.burst_left + burst:
            when = max(when, self.pace.due(when, ahead - self.burst_left))
        return when + rounds * (window.span + tuning.FLOOR)

    def may_burst(self, now: float, count: int) -> bool:
        """Whether so many may go at once: the route was idle long enough for all of them.

        Only for all: the last of a longer queue would not go any sooner, and a burst is always the
        greater risk.
        """
        size = self.window.size
        return (
            count <= self.burst.credit(now, self._rate, size)
            and count <= size - len(self.window.slots)
            and now >= self.paused_until
            and not self._probing
        )

    def paced(self, now: float) -> bool:
        """Whether a request that may go now keeps the pace, and takes from its bucket; part of a
        burst does not.
        """
        return self.pace.gap > 0.0 and not (self.burst_left and self.pace.due(now) > now)

    def take(self, now: float, *, paced: bool) -> Sent:
        """Record that a request goes now. The caller has asked `due` and `paced`."""
        window = self.window
        if paced:
            self.pace.took(now)
        if self.burst_left:
            self.burst_left -= 1
        guard = self.margin.unanswered(window.span)
        sent = window.take(now, guard, in_burst=not paced and self.pace.gap > 0.0)
        self.burst.took(now, self._rate, window.size, sent.position)
        if self._probing:
            # A probe that is not answered in time is not waited for again.
            self._probing, self._probe = False, sent
            self.paused_until = now + tuning.PROBE_WAIT
        self.granted += 1
        self.changes += 1
        return sent

    # ── what became of it ────────────────────────────────────────────────────────────────────────

    def learn(self, sent: Sent, feedback: Feedback, now: float) -> None:
        """Learn from the answer to a request that went, or from its being given up."""
        if 0.0 < feedback.delay < inf:
            # Its second began when it left, not when it was allowed to.
            sent.at = min(now, sent.at + feedback.delay)
        if sent is self._probe:
            self._probe, self.paused_until = None, now
        if feedback.status is None:
            self.window.answered(sent, self.margin.unanswered(now - sent.at))
            return
        round_trip, told = feedback.round_trip, feedback.rate_limit or _SILENT
        before, changed = self.calibration.limit, False
        if told.limit is not None:
            changed = self.calibration.told(told.limit, told.window, now)
        if feedback.status == 429:
            self._learn_refusal(sent, now, lowered=self.calibration.limit < before)
            self._pause(now, feedback.retry_after)
            changed = True
        else:
            changed |= self._learn_success(sent, told.remaining, now, before)
        if round_trip is not None and 0.0 <= round_trip < inf:
            if feedback.status != 429:
                self.margin.learn(round_trip)
            sent.late = self.margin.lateness(round_trip)
            self.window.answered(sent, self.margin.guard(sent.late))
        if changed or self.others.left(now, self._whole) != self._left:
            self._follow(now)

    def _learn_success(
        self, sent: Sent, remaining: float | None, now: float, before: float
    ) -> bool:
        """Learn from an acceptance; whether the server's bucket is another than was thought."""
        self.burst.proven |= sent.in_burst
        self.others.accepted(now)
        if remaining is None or remaining < 0:
            return False
        whole = self._whole
        if before * self.calibration.span < min(whole, remaining + sent.own):
            # What was left of a lower limit says nothing of this one.
            self.others.clear()
        self.others.heard(now, remaining, sent.own)
        return self.burst.heard(remaining, first=sent.position == 1)

    def _learn_refusal(self, sent: Sent, now: float, *, lowered: bool) -> None:
        """Find what explains a refusal: a lower limit, a raise, a burst, too little space for a
        bucket of one, uneven delays, or others.
        """
        self.refused += 1
        # Those that were under way when the first of them was refused teach nothing new, but how
        # much smaller the bucket is.
        new, self._blamed = sent.at >= self._blamed, max(self._blamed, now)
        counts, whole = self.others.counts, self._whole
        if not new or lowered or self.calibration.refused(now):
            if sent.in_burst and not new:
                self.burst.refused(now, sent.position)
        elif not counts and sent.in_burst:
            self.burst.refused(now, sent.position)
        elif not counts and self.burst.capacity <= 1 and self.margin.learnt < tuning.EXTRA_FIRST:
            self.margin.refused()
        else:
            if whole <= sent.own:
                self.margin.refused()
            self.others.refused(now, whole, sent.own - 1)

    def _pause(self, now: float, retry_after: float | None) -> None:
        """Send nothing for *retry_after* seconds; never ends a pause that lasts longer."""
        seconds = retry_after if retry_after and retry_after > 0.0 else tuning.DEFAULT_PAUSE
        if self.window.span > 1.0:
            # Slow processes that share a limit and were refused together would come back together,
            # for ever.
            seconds += self._random() * (min(self.window.span, tuning.LONGEST_PAUSE) - 1.0)
        begin = max(now, self.paused_until)
        self.pauses += now >= self.paused_until
        self.changes += 1
        self.opens_at = max(self.opens_at, now + seconds)
        self.paused_until = max(self.paused_until, now + min(seconds, tuning.LONGEST_PAUSE))
        self._probing |= self.paused_until - now >= tuning.PROBE_FROM
        self._probe = None
        self.others.paused(self.paused_until - begin)
        self.calibration.paused(self.paused_until - begin)
        # Those of a burst who had not gone yet would all go together when it ends.
        self.burst_left = 0
        self.burst.stop(now, self._rate, self.window.size)

    # ── what follows ─────────────────────────────────────────────────────────────────────────────

    @property
    def _whole(self) -> float:
        """The organisation's limit, in requests a window."""
        return self.calibration.limit * self.calibration.span

    def _follow(self, now: float) -> None:
        """Make window and pace follow what was learnt."""
        limit = share_of(self.calibration.limit, self._share)
        span = max(self.calibration.span, 1.0 / limit)
        # A fraction of a send cannot be sent: 2.5 a second is 2 in any second.
        size = max(1, int(limit * span + 1e-9))
        whole, rate = self.calibration.limit * span, size / span
        left = self._left = self.others.left(now, self._whole)
        alone = left >= whole
        if not alone:
            left = max(left, whole * tuning.LEAST_PART, 0.5)
            size = min(size, max(1, int(left + 1e-9)))
            rate = min(left, size) / span
        self.window.size, self.window.span, self._rate = size, span, rate
        burst, overpace, extra = self.burst, 0.0, 0.0
        if burst.capacity <= 1:
            extra = self.margin.learnt
        elif burst.proven and burst.capacity >= size and alone:
            overpace = tuning.OVERPACE_WHOLE
        else:
            # A part of a send in a whole window: a bucket of two has one to spare, and uneven
            # delays need the rest of it.
            overpace = min(tuning.OVERPACE, (0.5 if burst.proven else 0.75) / size)
        was = self.pace.shape
        if (size, overpace) != was[1:3] or abs(rate - was[0]) > 0.02 * rate or extra != was[3]:
            self.pace.keep(now, rate, size, overpace, extra)
            self.changes += 1

    def move(self) -> None:
        """Go on on another event loop, where nobody is in the queue."""
        self.burst_left = 0
        self.pace.renew()
