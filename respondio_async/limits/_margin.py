"""How much longer than its second a slot is held, by the round trips and the refusals."""

# A comparison costs a third of the builtins `min` and `max`, and these are on the way of each call.
# ruff: noqa: FURB136

from math import inf

from . import _tuning as tuning


class Margin:
    """The guard time of one route's slots.

    A round trip is way there + work + way back. If the shortest of late took `least`, then a
    request whose round trip took `r` arrived at most `r - least` later than the quickest possible
    one. A slot held for that long past its second is therefore safe however late its own request
    was, and costs only the *average* delay, where one margin for all would cost the largest.

    Work on the server counts as delay here, so the lateness is bounded: by `_bound`, which moves
    until its average keeps to the budget.
    """

    def __init__(self) -> None:
        self.widening = 0.0
        """Seconds that refusals have added."""
        self.extra = 0.0
        """What they had added at the last of them: a bucket of one keeps it as extra spacing."""
        self._bound = 0.1
        self._least = self._shortest = inf
        """The shortest round trip of this epoch, and of this one and the one before."""
        self._known = 0
        self.late = 0.0
        """The average lateness that is held for, in seconds."""
        self.reserve = self.longest = tuning.RESERVE + tuning.INITIAL_GUARD
        """What every slot gets on top of its own lateness; the guard time of one whose answer may
        still come.
        """

    @property
    def value(self) -> float:
        """The margin in force, on average."""
        return max(tuning.FLOOR, self.reserve + self.late)

    def lateness(self, round_trip: float) -> float:
        """The seconds by which a request may have arrived later than the quickest possible one."""
        late = round_trip - self._shortest
        return 0.0 if late < 0.0 else late if late < self._bound else self._bound

    def guard(self, late: float) -> float:
        """The guard time of a slot whose request may have been so *late*."""
        guard = self.reserve + late
        return guard if guard > tuning.FLOOR else tuning.FLOOR

    def unanswered(self, elapsed: float) -> float:
        """The guard time of a slot whose answer is not there after *elapsed* seconds."""
        late = self.lateness(elapsed)
        return self.guard(late if late > self.late else self.late)

    def learn(self, round_trip: float) -> float:
        """Take in the round trip of a request that was not refused (a refusal does no work, so it
        is quicker); its lateness.
        """
        if round_trip < self._least:
            self._least = round_trip
            self._shortest = min(self._shortest, round_trip)
        known = self._known = self._known + 1
        if not known % tuning.EPOCH:
            # A route that has become slower for good is not late for ever.
            self._shortest, self._least = self._least, inf
        late = self.lateness(round_trip)
        self.late += (late - self.late) / 16
        # Grows by a tenth with an answer that is not late, stays with one as late as the budget,
        # shrinks with a later one.
        bound = self._bound * (1.1 - 0.1 * late / tuning.LATENESS_BUDGET)
        least, most = tuning.LATENESS_LEAST, tuning.LATENESS_MOST
        self._bound = least if bound < least else most if bound > most else bound
        widening = self.widening - tuning.ACCEPTED_TAKES
        self.widening = widening if widening > 0.0 else 0.0
        guess = tuning.INITIAL_GUARD / (1.0 + known / tuning.GUARD_HALF_LIFE)
        reserve = tuning.RESERVE + guess + self.widening
        self.reserve = reserve if reserve < tuning.MOST_RESERVE else tuning.MOST_RESERVE
        self.longest = self.reserve + self._bound
        return late

    def refused(self) -> None:
        """Widen after a refusal that nothing else explains."""
        most = max(tuning.MOST_RESERVE - self.late, 2 * tuning.REFUSED_ADDS)
        self.widening = self.extra = min(most, self.widening + tuning.REFUSED_ADDS)
        self.reserve = min(tuning.MOST_RESERVE, self.reserve + tuning.REFUSED_ADDS)
        self.longest = self.reserve + self._bound
