"""Again, or stop, and after how long: a pure decision, with the clock and the dice handed in.

What may be repeated depends on two things: the operation's replay class (`_endpoints.Replay`) and
whether the server can have acted.

=========================  ==============================  =====================================
what happened              "always" (a repeat is harmless)  "unsent" (a repeat would do it twice)
=========================  ==============================  =====================================
never left this machine    again                           again
429, 449                   again, when the server says so  again: refused before any work
503                        again                           stop: the server has said no
reset, timeout, 5xx        again                           stop: the outcome is unknown
any other answer           stop                            stop
=========================  ==============================  =====================================
"""

import random
from collections.abc import Callable
from typing import Final, Literal

import msgspec

from .errors import ConfigurationError

Certainty = Literal["unsent", "unknown", "answered"]
WaitReason = Literal["rate_limited", "not_ready", "failed"]

_SERVER_ACTED_NOT: Final = frozenset({501, 503, 505})
"""5xx that say the request was not carried out.

Every other one, a CDN's 52x included, leaves a write's outcome open.
"""

_WINDOW: Final = 1.0
"""The vendor counts by the second: the first wait after a 429 that does not say how long."""

_LAST_CHANCE: Final = 1.0
"""A wait for 449 that would pass the deadline is cut to leave this many seconds for one last
attempt.
"""


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How often and how patiently a call is repeated; what may be repeated at all is not up to it.

    All waits are seconds and end with the call's deadline. `max_attempts=1` turns every repeat off,
    waiting out 429 and 449 included.
    """

    max_attempts: int = 5
    """Attempts that may fail (no answer, 5xx) before the call does."""
    max_refusals: int = 60
    """Answers of 429 or 449 before the call fails; the deadline usually ends it first."""
    backoff: float = 0.5
    """Upper bound of the first random wait; it doubles each time ("full jitter")."""
    max_backoff: float = 8.0
    not_ready_wait: float = 2.0
    """First wait after a 449 (the contact is still being created); it doubles each time."""
    max_not_ready_wait: float = 30.0
    """Longest wait after a 449: reached with the fifth. A new contact may take minutes."""
    budget: int = 60
    """Repeats after failures that a client may be ahead of its successes; ten successes earn one
    more.
    """

    def __post_init__(self) -> None:
        whole = {"max_attempts": self.max_attempts, "max_refusals": self.max_refusals}
        for name, number in whole.items():
            if number < 1:
                raise ConfigurationError(f"RetryPolicy.{name} counts attempts: at least 1")
        waits = (
            self.backoff,
            self.max_backoff,
            self.not_ready_wait,
            self.max_not_ready_wait,
            self.budget,
        )
        if not all(wait >= 0 for wait in waits):
            raise ConfigurationError("RetryPolicy's waits and its budget must not be negative")


class RetryBudget:
    """Keeps a client from doubling the load of a server that is down: repeats are paid for by
    successes.
    """

    __slots__ = ("_size", "_tenths")

    def __init__(self, size: int) -> None:
        # Whole tenths: ten successes are one repeat exactly.
        self._size = self._tenths = 10 * size

    @property
    def left(self) -> float:
        """Repeats that may be made now."""
        return self._tenths / 10

    def spend(self) -> bool:
        """Take one repeat; False when there is none."""
        if self._tenths < 10:
            return False
        self._tenths -= 10
        return True

    def earn(self) -> None:
        """Note a success."""
        if self._tenths < self._size:
            self._tenths += 1


class Failure(msgspec.Struct, frozen=True):
    """Why an attempt did not succeed."""

    certainty: Certainty
    status: int | None = None
    retry_after: float | None = None

    @property
    def may_have_landed(self) -> bool:
        """Whether the server may have acted on the request."""
        if self.certainty == "answered":
            return (
                self.status is not None
                and self.status >= 500
                and self.status not in _SERVER_ACTED_NOT
            )
        return self.certainty == "unknown"


class Tally(msgspec.Struct):
    """What one call has been through so far."""

    attempts: int = 0
    failures: int = 0
    refusals: int = 0
    not_ready: int = 0
    may_have_landed: bool = False


class Again(msgspec.Struct, frozen=True):
    """Repeat after so many seconds."""

    seconds: float
    reason: WaitReason


class Stop(msgspec.Struct, frozen=True):
    """Raise what happened. `why` is for the error's text."""

    unknown: bool = False
    """The write may have happened."""
    why: Literal["final", "attempts", "budget", "deadline"] = "final"


def decide(
    failure: Failure,
    tally: Tally,
    *,
    replay: Literal["always", "unsent"],
    policy: RetryPolicy,
    budget: RetryBudget,
    left: float | None,
    dice: Callable[[], float] = random.random,
) -> Again | Stop:
    """Decide after a failed attempt, and note it in *tally*.

    *left* is what the deadline leaves, in seconds; None: no deadline.
    """
    if failure.may_have_landed:
        tally.may_have_landed = True
        if replay == "unsent":
            return Stop(unknown=True)
    if failure.status in (429, 449):
        return _after_refusal(failure, tally, policy, left)
    if _worth_repeating(failure, replay):
        return _after_failure(failure, tally, policy, budget, left=left, dice=dice)
    return Stop()


def _worth_repeating(failure: Failure, replay: Literal["always", "unsent"]) -> bool:
    if failure.certainty == "unsent":
        return True
    if replay == "unsent":
        return False
    if failure.certainty == "unknown":
        return True
    return failure.status == 408 or (
        failure.status is not None and failure.status >= 500 and failure.status not in {501, 505}
    )


def _after_failure(
    failure: Failure,
    tally: Tally,
    policy: RetryPolicy,
    budget: RetryBudget,
    *,
    left: float | None,
    dice: Callable[[], float],
) -> Again | Stop:
    tally.failures += 1
    if tally.failures >= policy.max_attempts:
        return Stop(why="attempts")
    wait = failure.retry_after
    if not wait:  # a server that is down and says 0 is not to be asked again at once by everybody
        wait = dice() * _doubling(policy.backoff, policy.max_backoff, tally.failures)
    if left is not None and wait >= left:
        return Stop(why="deadline")
    return Again(wait, "failed") if budget.spend() else Stop(why="budget")


def _after_refusal(
    failure: Failure, tally: Tally, policy: RetryPolicy, left: float | None
) -> Again | Stop:
    """429 and 449: the server has done nothing and asks to come back.

    They cost no budget: the wait is the server's own.
    """
    tally.refusals += 1
    if policy.max_attempts == 1 or tally.refusals >= policy.max_refusals:
        return Stop(why="attempts")
    wait = failure.retry_after
    if failure.status == 429:
        reason: WaitReason = "rate_limited"
        if wait is None:
            wait = _doubling(_WINDOW, policy.max_not_ready_wait, tally.refusals)
    else:
        reason = "not_ready"
        tally.not_ready += 1
        # 0 too: the contact takes as long as it takes, and asking at full speed would use up the
        # refusals.
        if not wait:
            wait = _doubling(policy.not_ready_wait, policy.max_not_ready_wait, tally.not_ready)
            if left is not None and wait >= left - _LAST_CHANCE > 0:
                wait = left - _LAST_CHANCE
    return Stop(why="deadline") if left is not None and wait >= left else Again(wait, reason)


def _doubling(first: float, most: float, times: int) -> float:
    return min(most, first * 2.0 ** min(times - 1, 60))
