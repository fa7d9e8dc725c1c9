"""The limit of one route, as the server's headers correct it."""

from math import inf

from ._tuning import DISTRUST, RAISE_EVERY, TRIAL


class Calibration:
    """The organisation's limit on one route: as configured, then as the header says.

    The header's unit is not documented. Down is safe in any unit, and done at once. Up is done by
    doubling, once a second, and not while any answer still names a lower limit. A limit above
    `_held` is on trial: a refusal halves it, and no limit above is tried for a minute, then two,
    and so on. A limit that was held for a whole trial is returned to in one step.

    `span` is the window in seconds that the header names; the limit is a rate in any case. Times
    are without pauses: a trial does not run out during the pause of its own refusal.
    """

    def __init__(self, limit: float, bounds: tuple[float, float]) -> None:
        self.span = max(1.0, 1.0 / limit)
        self.limit = self.target = self._held = limit
        """In force; what the header said last; the highest that was held for a whole trial."""
        self._bounds = bounds
        self._raise_at = self._trial_until = self._trust_at = -inf
        self._distrust = DISTRUST

    def observe(self, limit: float, window: float | None, now: float) -> bool:
        """Take in a header of so many requests a *window*; True if it is more than the last."""
        rate, before = limit / (window or 1.0), self.target
        if not self._bounds[0] <= rate <= self._bounds[1]:
            return False
        if rate < before:
            self._raise_at = max(self._raise_at, now + RAISE_EVERY)
        self.span, self.target = max(window or 1.0, 1.0 / rate), rate
        self.limit = min(self.limit, rate)
        return rate > before

    def changes_at(self) -> float:
        """When the limit may be raised next."""
        if self.limit >= self.target:
            return inf
        return self._raise_at if self.limit < self._held else max(self._raise_at, self._trust_at)

    def step(self, now: float) -> None:
        """Go one step towards what the header said, if it is time."""
        if now >= self._trial_until:
            self._held = max(self._held, self.limit)
        most = self._held if now < self._trust_at else max(2 * self.limit, self._held)
        raised = min(self.target, most)
        if raised > self.limit and now >= self._raise_at - 1e-6:
            self._raise_at = now + RAISE_EVERY
            self.limit = raised
            if raised > self._held:
                self._trial_until = now + TRIAL

    def refused(self, now: float) -> bool:
        """Take back a raise that a request has been refused in; True when there was one."""
        if self.limit <= self._held:
            return False
        self.limit = max(self._held, self.limit / 2)
        if now >= self._trust_at:
            self._trust_at = now + self._distrust
            self._distrust *= 2
        return True
