"""The model of one route: given the time, may a request go, and if not, when.

Nothing here sleeps, reads a clock or knows of tasks, so hours of traffic can be tried in a moment.
"""

# A comparison costs a third of the builtin `max`, and `due` is on the way of each call.
# ruff: noqa: FURB136

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
        self.paused_until = self.opens_at = self._blamed = -inf
        """No request goes before the first; by the server's word none is accepted before the
        second.
        """
        self._paused = 0.0
        """Seconds of all pauses so far: no observation grows old in one."""
        self._probing = False
        """Whether the next request is the only one that may go until its answer is there."""
        self._probe: Sent | None = None
        self.granted = self.refused = self.pauses = 0
        self.follow(0.0)

    # ── may a request go? ────────────────────────────────────────────────────────────────────────

    def due(self, now: float, ahead: int = 0, waiting: int = 0) -> float:
        """When a request may go, *ahead* others going before it; *now*, if it may go now.

        Exact if none goes before, else the soonest that it may be. Where all who are *waiting* may
        go at once, none of them keeps the pace.
        """
        if now >= self.changes_at:
            self.follow(now)
        window = self.window
        slots, size = window.slots, window.size
        if slots and slots[0] <= now:
            window.expire(now)
        when = self.paused_until if self.paused_until > now else now
        # A pause as long as the window leaves it empty.
        busy = 0 if when >= now + window.span else len(slots)
        lacking, rounds = busy + ahead - size, 0
        if lacking >= 0:
            # Slots whose sends went together come free together. Those beyond a size that was
            # lowered leave as they came.
            beyond = busy - size if busy > size else 0
            rounds, ahead = divmod(lacking - beyond, size)
            free_at = slots[beyond] if busy else when + window.span
            when = free_at if free_at > when else when
        paced = self.pace.due(when, ahead)
        if paced > when and (rounds or not self._may_burst(now, waiting)):
            when = paced
        return when + rounds * (window.span + tuning.FLOOR)

    def _may_burst(self, now: float, waiting: int) -> bool:
        """Whether so many who wait may go at once.

        The last of a longer queue would not go any sooner, and a burst is always the greater risk;
        most of all after a pause.
        """
        window = self.window
        room = self.burst.allowance(window.size) - len(window.slots)
        return 0 < waiting <= room and now >= self.paused_until + window.span

    def take(self, now: float, *, paced: bool) -> Sent:
        """Record that a request goes now, which `due` allows; *paced*: it keeps the pace."""
        sent = self.window.take(now, self.margin.longest, in_burst=not paced)
        if sent.position == 1:
            self.burst.begins(now)
        if self._probing:
            # A probe that is not answered in time is not waited for again.
            self._probing, self._probe = False, sent
            self.paused_until = now + tuning.PROBE_WAIT
        self.granted += 1
        return sent

    # ── what became of it ────────────────────────────────────────────────────────────────────────

    def learn(self, sent: Sent, feedback: Feedback, now: float) -> None:
        """Correct the model by the answer to a request that went, or by its being given up."""
        if 0.0 < feedback.delay < inf:
            # Its second began when it left, not when it was allowed to.
            sent.at = min(now, sent.at + feedback.delay)
        if sent is self._probe:
            self._probe, self.paused_until, self.opens_at = None, now, now
        if feedback.status is None:
            self.window.answered(sent, self.margin.unanswered(now - sent.at))
            return
        refused, headers, awake = feedback.status == 429, feedback.rate_limit, now - self._paused
        corrects = refused or headers is not None or self.others.estimate > 0.0
        limit, lowered = self.calibration.limit, False
        if headers is not None and headers.limit is not None:
            if self.calibration.observe(headers.limit, headers.window, awake):
                # What was left of a lower limit says nothing of this one.
                self.others.clear()
            lowered = self.calibration.limit < limit
        if refused:
            self._blame(sent, now, lowered=lowered)
            self._pause(now, feedback.retry_after)
        else:
            if sent.in_burst:
                self.burst.proven = True
            if self.others.estimate:
                self.others.accepted(awake)
            if headers is not None and headers.remaining is not None and headers.remaining >= 0:
                self.others.observe(awake, headers.remaining, sent.own)
                self.burst.observe(sent, headers.remaining)
        margin, round_trip = self.margin, feedback.round_trip
        if round_trip is not None and 0.0 <= round_trip < inf:
            sent.late = (margin.lateness if refused else margin.learn)(round_trip)
            self.window.answered(sent, margin.guard(sent.late))
        if corrects:
            self.follow(now)

    def _blame(self, sent: Sent, now: float, *, lowered: bool) -> None:
        """Find what explains a refusal: a lower limit, a raise, a burst, too little space for a
        bucket of one, uneven delays, or others.
        """
        self.refused += 1
        # Those that were under way when the first of them was refused teach nothing new, but how
        # much smaller the bucket is.
        new, self._blamed = sent.at >= self._blamed, max(self._blamed, now)
        counts, awake = self.others.counts, now - self._paused
        if not new or lowered or self.calibration.refused(awake):
            if sent.in_burst and not new:
                self.burst.refused(sent, now)
        elif not counts and sent.in_burst:
            self.burst.refused(sent, now)
        elif not counts and self.burst.capacity <= 1 and self.margin.widening < tuning.EXTRA_FIRST:
            self.margin.refused()
        else:
            if self._whole <= sent.own:
                self.margin.refused()
            self.others.refused(awake, sent.own - 1, self._whole)

    def _pause(self, now: float, retry_after: float | None) -> None:
        """Send nothing for *retry_after* seconds; never ends a pause that lasts longer."""
        seconds = retry_after if retry_after and retry_after > 0.0 else tuning.DEFAULT_PAUSE
        if self.window.span > 1.0:
            # Slow processes that share a limit and were refused together would come back together,
            # for ever.
            seconds += self._random() * (min(self.window.span, tuning.LONGEST_PAUSE) - 1.0)
        begin = max(now, self.paused_until)
        self.pauses += begin == now
        self.opens_at = max(self.opens_at, now + seconds)
        self.paused_until = max(self.paused_until, now + min(seconds, tuning.LONGEST_PAUSE))
        self._paused += self.paused_until - begin
        self._probing |= self.paused_until - now >= tuning.PROBE_FROM
        self._probe = None

    # ── what follows ─────────────────────────────────────────────────────────────────────────────

    @property
    def _whole(self) -> float:
        """The organisation's limit, in requests a window."""
        return self.calibration.limit * self.calibration.span

    def follow(self, now: float) -> None:
        """Make window and pace follow the estimates."""
        awake, calibration, others = now - self._paused, self.calibration, self.others
        calibration.step(awake)
        limit = share_of(calibration.limit, self._share)
        span = max(calibration.span, 1.0 / limit)
        # A fraction of a send cannot be sent: 2.5 a second is 2 in any second.
        size = max(1, int(limit * span + 1e-9))
        rate = size / span
        left = others.left(awake, self._whole)
        alone = left >= self._whole
        if not alone:
            left = max(left, calibration.limit * span * tuning.LEAST_PART, 0.5)
            size = min(size, max(1, int(left + 1e-9)))
            rate = min(left, size) / span
        self.window.size, self.window.span = size, span
        self.changes_at = self._paused + min(others.changes_at(), calibration.changes_at())
        burst, overpace, extra = self.burst, 0.0, 0.0
        if burst.capacity <= 1:
            extra = self.margin.extra
        elif burst.proven and burst.capacity >= size and alone:
            overpace = tuning.OVERPACE_WHOLE
        else:
            # A part of a send in a whole window: a bucket of two has one to spare, and uneven
            # delays need the rest of it.
            overpace = min(tuning.OVERPACE, (0.5 if burst.proven else 0.75) / size)
        self.pace.keep(now, rate, size, overpace, extra)
