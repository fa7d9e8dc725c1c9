"""The limit of one route, as the server's headers correct it."""

from math import inf, isfinite
from typing import Final

_STEP: Final = 1.0
"""Seconds between two raises."""
_TRIAL: Final = 10.0
"""Seconds after a raise during which a refusal is blamed on it."""
_DISTRUST: Final = 60.0
"""Seconds for which a header that led to refusals is not followed upwards."""


class Calibration:
    """The organisation's limit on one route: what we were told, then what `X-RateLimit-Limit` says.

    The header's unit is not documented. Down is safe in any unit, and done at once; up is done by
    doubling, once a second, so that 600 a minute does not become 600 a second in one step, and a
    refusal after a raise takes half of it back.
    """

    __slots__ = ("_before", "_bounds", "_ceiling", "_raised", "_trust_at", "limit", "target")

    def __init__(self, limit: float, bounds: tuple[float, float]) -> None:
        self.limit: float = limit
        self._bounds = bounds
        self.target: float = limit
        """What the header said last; the limit is on its way there."""
        self._before: float = limit
        self._raised = -inf
        self._ceiling: float = inf
        self._trust_at = -inf

    def told(self, limit: float, now: float) -> bool:
        """Take in a header; True when the limit changed."""
        if limit == self.target == self.limit:
            return False
        low, high = self._bounds
        if not (isfinite(limit) and low <= limit <= high):
            return False
        self.target = limit
        if limit < self.limit:
            self.limit = self._before = limit
            return True
        return self.step(now)

    def step(self, now: float) -> bool:
        """Go one step towards what the header said; True when the limit changed."""
        if self.target <= self.limit or now < self._raised + _STEP - 1e-6:
            return False
        if now >= self._trust_at:
            self._ceiling = inf
        raised = min(self.target, self.limit * 2, self._ceiling)
        if raised <= self.limit:
            return False
        self._before, self.limit, self._raised = self.limit, raised, now
        return True

    def refused(self, now: float, sent: float) -> bool:
        """Take back half of a raise that a request *sent* since has been refused for; True when
        there was one.
        """
        if self.limit <= self._before or not self._raised <= sent or now > self._raised + _TRIAL:
            return False
        self.limit = self._before + (self.limit - self._before) / 2
        if self.limit - self._before < 0.5:
            self.limit = self._before
        self._ceiling, self._trust_at = self.limit, now + _DISTRUST
        return True

    def shift(self, delta: float) -> None:
        """Move every time by *delta*: the clock has changed."""
        self._raised += delta
        self._trust_at += delta
