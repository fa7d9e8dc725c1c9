"""The limit of one route, as the server's headers correct it."""

from math import inf

from ._tuning import DISTRUST, DISTRUST_MOST, RAISE_EVERY, TRIAL


class Calibration:
    """The organisation's limit on one route: what we were told, then what the header says.

    The header's unit is not documented. Down is safe in any unit, and done at once. Up is done by
    doubling, once a second, and not while any answer still names a lower limit. A refusal during a
    raise's trial goes back to the limit before, and the raise is not tried again for a minute, then
    two, and so on. A limit that was held for a whole trial is returned to in one step.

    `span` is the window in seconds that the header names; the limit is a rate in any case.
    """

    __slots__ = (
        "_before",
        "_bounds",
        "_distrust",
        "_held",
        "_raise_at",
        "_trial_until",
        "_trust_at",
        "limit",
        "span",
        "target",
    )

    def __init__(self, limit: float, bounds: tuple[float, float]) -> None:
        self.limit: float = limit
        self.span = max(1.0, 1.0 / limit)
        self.target: float = limit
        """What the header said last; the limit is on its way there."""
        self._bounds = bounds
        self._before = self._held = limit
        self._raise_at = self._trial_until = self._trust_at = -inf
        self._distrust = DISTRUST

    def told(self, limit: float, window: float | None, now: float) -> bool:
        """Take in a header of so many requests a *window*; True when the limit changed."""
        rate = limit / (window or 1.0)
        if not self._bounds[0] <= rate <= self._bounds[1]:
            return False
        before, self.span = self.span, max(window or 1.0, 1.0 / rate)
        if rate < self.target:
            self._raise_at = max(self._raise_at, now + RAISE_EVERY)
        self.target = rate
        if rate < self.limit:
            self.limit = self._before = rate
            self._trial_until = -inf
            return True
        return self.step(now) or self.span != before

    def step(self, now: float) -> bool:
        """Go one step towards what the header said; True when the limit changed."""
        if self.target <= self.limit or now < self._raise_at - 1e-6:
            return False
        if now >= self._trial_until > -inf:
            self._held, self._trial_until = max(self._held, self.limit), -inf
        most = self._held if now < self._trust_at else max(2 * self.limit, self._held)
        raised = min(self.target, most)
        if raised <= self.limit:
            return False
        self._raise_at = now + RAISE_EVERY
        if raised > self._held:
            self._before, self._trial_until = self.limit, now + TRIAL
        self.limit = raised
        return True

    def refused(self, now: float) -> bool:
        """Take a raise back that a request has been refused in; True when there was one."""
        if now >= self._trial_until:
            return False
        self.limit = self._before if self._before < self.limit else self._held
        if now >= self._trust_at:
            self._trust_at = now + self._distrust
            self._distrust = min(DISTRUST_MOST, 2 * self._distrust)
        if self.limit <= self._held:
            self._trial_until = -inf
        return True

    def paused(self, seconds: float) -> None:
        """A pause is no part of a trial."""
        self._trial_until += seconds
