"""How much longer than its second a slot is held, learnt from the round trips and the refusals."""

# A comparison costs a third of the builtins `min` and `max`, and these are on the way of each call.
# ruff: noqa: FURB136, PLR1730

from math import inf
from typing import Final

from ._tuning import (
    ACCEPTED_TAKES,
    EPOCH,
    FLOOR,
    GUARD_HALF_LIFE,
    INITIAL_GUARD,
    LATENESS_BUDGET,
    LATENESS_LEAST,
    LATENESS_MOST,
    MOST_RESERVE,
    REFUSED_ADDS,
    RESERVE,
)

_BOUND_STEP: Final = 0.1 / LATENESS_BUDGET
"""The bound grows by a tenth with an answer that is not late, stays with one as late as the budget,
shrinks with a later one.
"""


class Margin:
    """The hold of one route's slots.

    A round trip is way there + work + way back. If the shortest of late took `least`, then a
    request whose round trip took `r` arrived at most `r - least` later than the quickest possible
    one. A slot held for that long past its second is therefore safe however late its own request
    was, and costs only the *average* delay, where one margin for all would cost the largest.

    Work on the server counts as delay here, so the hold is bounded: by `_bound`, which moves until
    the average hold keeps to the budget.
    """

    __slots__ = ("_bound", "_known", "_least", "_shortest", "late", "learnt", "reserve")

    def __init__(self) -> None:
        self.learnt = 0.0
        self._bound = 0.1
        self._least = inf
        """The shortest round trip of this epoch."""
        self._shortest = inf
        """The shortest of this one and the one before."""
        self._known = 0
        self.late = 0.0
        """The average lateness that is held for, in seconds."""
        self.reserve = RESERVE + INITIAL_GUARD
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
        if not known % EPOCH:
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
            LATENESS_LEAST
            if bound < LATENESS_LEAST
            else LATENESS_MOST
            if bound > LATENESS_MOST
            else bound
        )
        learnt = self.learnt = self.learnt - ACCEPTED_TAKES if self.learnt > ACCEPTED_TAKES else 0.0
        reserve = RESERVE + INITIAL_GUARD / (1.0 + known / GUARD_HALF_LIFE) + learnt
        self.reserve = reserve if reserve < MOST_RESERVE else MOST_RESERVE
        return later

    def refused(self) -> None:
        """Widen after a refusal that nothing else explains."""
        learnt = min(
            max(MOST_RESERVE - self.late, 2 * REFUSED_ADDS),
            self.learnt + REFUSED_ADDS,
        )
        self.reserve = min(MOST_RESERVE, self.reserve + learnt - self.learnt)
        self.learnt = learnt
