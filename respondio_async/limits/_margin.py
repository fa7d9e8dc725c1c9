"""How much longer than its second a slot is held, learnt from the round trips and the refusals."""

# A comparison costs a third of the builtins `min` and `max`, and these are on the way of each call.
# ruff: noqa: FURB136, PLR1730

from math import inf
from typing import Final

FLOOR: Final = 0.008
"""No slot is held for less than this past its second: timers and clocks are not exact."""

_RESERVE: Final = 0.003
_DOUBT: Final = 0.045
"""Added while few round trips are known: 50 ms of unevenness are usual, and the first calls have
nothing to be compared with.
"""
_DOUBT_HALF: Final = 3
"""After so many round trips half of it is left."""
_CEILING: Final = 0.06
_REFUSED: Final = 0.005
_ACCEPTED: Final = _REFUSED * 0.0005
"""Taken away by each success: one refusal in 2,000 keeps the balance."""
_BUDGET: Final = 0.041
"""The hold may cost at most this on average: slow work on the server looks like delay, and must not
cost more.
"""
_BOUND_LOW: Final = 0.02
_BOUND_HIGH: Final = 0.5
_BOUND_STEP: Final = 0.1 / _BUDGET
"""The bound grows by a tenth with an answer that is not late, stays with one as late as the budget,
shrinks with a later one.
"""
_EPOCH: Final = 256


class Margin:
    """The hold of one route's slots.

    A round trip is way there + work + way back. If the shortest of late took `least`, then a
    request whose round trip took `r` arrived at most `r - least` later than the quickest possible
    one. A slot held for that long past its second is therefore safe however late its own request
    was, and costs only the *average* delay, where one margin for all would cost the largest.

    Work on the server counts as delay here, so the hold is bounded: by `_bound`, which moves until
    the average hold keeps to the budget.
    """

    __slots__ = ("_bound", "_known", "_learnt", "_least", "_shortest", "late", "reserve")

    def __init__(self) -> None:
        self._learnt = 0.0
        self._bound = 0.1
        self._least = inf
        """The shortest round trip of this epoch."""
        self._shortest = inf
        """The shortest of this one and the one before."""
        self._known = 0
        self.late = 0.0
        """The average lateness that is held for, in seconds."""
        self.reserve = _RESERVE + _DOUBT
        """What every slot gets on top of its own lateness."""

    @property
    def value(self) -> float:
        """The margin in force, on average."""
        return max(FLOOR, self.reserve + self.late)

    def answered(self, round_trip: float) -> float:
        """The hold of a slot whose answer took *round_trip* seconds."""
        late = round_trip - self._shortest
        if late < 0.0:
            late = 0.0
        hold = self.reserve + (late if late < self._bound else self._bound)
        return hold if hold > FLOOR else FLOOR

    def given_up(self, elapsed: float) -> float:
        """The hold of a slot whose answer nobody waited for longer than *elapsed* seconds, or that
        is not there yet after so many.
        """
        late = elapsed - self._shortest
        if late < self.late:
            late = self.late
        hold = self.reserve + (late if late < self._bound else self._bound)
        return hold if hold > FLOOR else FLOOR

    def learn(self, round_trip: float) -> float:
        """Take in the round trip of a request that was not refused (a refusal does no work, so it
        is quicker).

        Gives by how much those that were answered before turn out to have been later than was
        thought: nothing but a quicker one tells, so the first ones (which may have opened a
        connection) are known to be late only afterwards.
        """
        later = 0.0
        if round_trip < self._least:
            self._least = round_trip
            before = self._shortest
            if round_trip < before:
                self._shortest = round_trip
                if before < inf:
                    later = min(self._bound, before - round_trip)
        known = self._known = self._known + 1
        if not known % _EPOCH:
            # The shortest of the last one to two epochs: a route that has become slower for good is
            # not late for ever.
            self._shortest, self._least = self._least, inf
        late, bound = round_trip - self._shortest, self._bound
        if late < 0.0:
            late = 0.0
        elif late > bound:
            late = bound
        self.late += (late - self.late) / 16
        bound *= 1.1 - late * _BOUND_STEP
        self._bound = (
            _BOUND_LOW if bound < _BOUND_LOW else _BOUND_HIGH if bound > _BOUND_HIGH else bound
        )
        learnt = self._learnt = self._learnt - _ACCEPTED if self._learnt > _ACCEPTED else 0.0
        reserve = _RESERVE + _DOUBT / (1.0 + known / _DOUBT_HALF) + learnt
        self.reserve = reserve if reserve < _CEILING else _CEILING
        return later

    def refused(self) -> None:
        """Widen after a refusal that nothing else explains."""
        learnt = min(max(_CEILING - self.late, 2 * _REFUSED), self._learnt + _REFUSED)
        self.reserve = min(_CEILING, self.reserve + learnt - self._learnt)
        self._learnt = learnt
