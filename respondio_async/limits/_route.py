"""The decisions of one route, apart from all waiting: given the time, may a request go, and if not,
when.

Nothing here sleeps, reads a clock or knows of tasks, so hours of traffic can be tried in a moment.
"""

# A comparison costs a third of the builtins `min` and `max`, and these are on the way of each call.
# ruff: noqa: PLR1730

from collections.abc import Callable
from math import inf
from random import random as at_random
from typing import Final

from .._rate_limit import RateLimit
from ._burst import Burst
from ._calibration import Calibration
from ._margin import FLOOR, Margin
from ._pace import Pace
from ._protocol import Feedback
from ._window import Sent, Window

LONGEST_PAUSE: Final = 60.0
"""Seconds; a server that wants more says so again in its next refusal."""
DEFAULT_PAUSE: Final = 1.0
"""What a refusal without a usable Retry-After costs: the window."""
_CALM: Final = 60.0
"""Seconds for which a refusal takes haste out of the pacer."""


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
        "_calm",
        "_calm_until",
        "_random",
        "_share",
        "burst",
        "burst_left",
        "calibration",
        "granted",
        "limit",
        "margin",
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
        self.limit = share_of(limit, share)
        self.margin = Margin()
        self.burst = Burst()
        self.window = Window(self.limit)
        self._calm = 0
        """How often a refusal has halved the pacer's haste."""
        self._calm_until = float("-inf")
        self.pace = self._new_pace()
        self.burst_left = 0
        """Sends of a burst under way that need not keep the pace."""
        self.paused_until = float("-inf")
        self._blamed = float("-inf")
        self.granted = 0
        self.refused = 0
        self.pauses = 0
        self.version = 0
        """Counts what can make a permit that was due not due: that it stands still says that a due
        one still is.
        """

    # ── may a request go?
    # ────────────────────────────────────────────────────────────────────────────────

    def refresh(self, now: float) -> None:
        """Bring the state up to *now*; called before any question."""
        window, calibration = self.window, self.calibration
        if now >= window.changes_at:
            window.expire(now)
        if calibration.limit < calibration.target and calibration.step(now):
            self._apply_limit(now)

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
                # The limit was lowered: those beyond it leave as they came, not one by one at the
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
        window, start = self.window, max(now, self.paused_until)
        # A pause as long as the window leaves it empty; of those beyond a limit that was lowered
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
        return max(free, self.pace.due(free, rest)) - now + rounds * (window.span + FLOOR)

    def may_burst(self, now: float, line: int) -> bool:
        """Whether the *line* may go at once: the route was idle long enough for all of it.

        Only for all of it: the last of a longer line would not go any sooner, and a burst is always
        the greater risk.
        """
        size = self.window.size
        return (
            line <= self.burst.credit(now, self.limit, size)
            and line <= size - self.window.busy
            and now >= self.paused_until
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
        self.burst.took(now, self.limit, window.size, first=sent.position == 1)
        self.granted += 1
        self.version += 1
        return sent

    # ── what became of it
    # ────────────────────────────────────────────────────────────────────────────────

    def learn(self, sent: Sent, feedback: Feedback, now: float) -> None:
        """Learn from the answer to a request that went."""
        if 0.0 < feedback.delay < inf:
            sent.at = min(
                now, sent.at + feedback.delay
            )  # its second began when it left, not when it was allowed to
        if feedback.status is None:
            # Given up on: nothing is known but that it took as long as this.
            self.window.answered(sent, self.margin.given_up(now - sent.at))
            return
        round_trip = feedback.round_trip
        if round_trip is not None and not 0.0 <= round_trip < inf:
            round_trip = None
        if feedback.status == 429:
            self._learn_refusal(sent, feedback.retry_after, now)
        else:
            self.burst.accepted(now, sent.index)
            if self._calm and now >= self._calm_until:
                self._calm -= 1
                self._calm_until = now + _CALM
                self._apply_pace(now)
            if round_trip is not None:
                later = self.margin.learn(round_trip)
                if later:
                    self.window.delay(later)
        if round_trip is not None:
            self.window.answered(sent, self.margin.answered(round_trip))
        if feedback.rate_limit is not None:
            self._learn_told(sent, feedback.rate_limit, now, accepted=feedback.status != 429)

    def _learn_told(self, sent: Sent, told: RateLimit, now: float, *, accepted: bool) -> None:
        if told.limit is not None and self.calibration.told(told.limit, now):
            self._apply_limit(now)
        remaining = told.remaining
        if not accepted or remaining is None or remaining < 0:
            return
        if self.burst.told(now, remaining, first=sent.position == 1):
            self._apply_pace(now)

    def _learn_refusal(self, sent: Sent, retry_after: float | None, now: float) -> None:
        self.refused += 1
        if sent.at >= self._blamed:
            # Those that were under way when the first of them was refused teach nothing new.
            self._blamed = now
            if sent.index <= 1 < self.window.size:
                self.burst.too_close(sent.at - self.pace.gap)
            if self.calibration.refused(now, sent.at):
                self._apply_limit(now)
            elif sent.index > 1 or 1 < sent.position <= self.window.size // 2:
                self.burst.refused(now, sent.index)
                self._apply_pace(now)
            else:
                self.margin.refused()
                self._calm = min(4, self._calm + 1)
                self._calm_until = now + _CALM
                self._apply_pace(now)
        elif sent.index > 1:
            self.burst.refused(now, sent.index)
            self._apply_pace(now)
        self.pause(now, retry_after)

    def pause(self, now: float, retry_after: float | None) -> None:
        """Send nothing for *retry_after* seconds; never ends a pause that lasts longer."""
        seconds = retry_after if retry_after is not None and retry_after > 0 else DEFAULT_PAUSE
        if self.window.span > 1.0:
            # Slow processes that share a limit and were refused together would come back together,
            # for ever.
            seconds += self._random() * (self.window.span - 1.0)
        if now >= self.paused_until:
            self.pauses += 1
        self.paused_until = max(self.paused_until, now + min(seconds, LONGEST_PAUSE))
        # Those of a burst who had not gone yet would all go together when it ends.
        self.burst_left = 0
        self.version += 1

    # ── the limit
    # ────────────────────────────────────────────────────────────────────────────────────────

    def _apply_limit(self, now: float) -> None:
        self.limit = share_of(self.calibration.limit, self._share)
        self.window.resize(self.limit)
        self._apply_pace(now)

    def _apply_pace(self, now: float) -> None:
        pace = self._new_pace()
        pace.follow(self.pace, now)
        self.pace = pace
        self.version += 1

    def _new_pace(self) -> Pace:
        size = self.window.size
        return Pace(
            size, self.window.span, self.burst.haste(size) * 0.5**self._calm, self.burst.slack
        )

    def shift(self, delta: float) -> None:
        """Move every time by *delta*: the clock has changed."""
        self.burst_left = 0  # theirs who were in line on the loop before
        self.window.shift(delta)
        self.burst.shift(delta)
        self.calibration.shift(delta)
        self.pace.shift(delta)
        self.paused_until += delta
        self._blamed += delta
        self._calm_until += delta
