"""Retry policy as a pure function: retry after N seconds, or stop; a parameter gives randomness.

What may be repeated depends on two things: the operation's replay class (`endpoints.Replay`) and
whether the server can have acted.

=========================  ==============================  =====================================
what happened              "always" (a repeat is harmless)  "unsent" (a repeat would do it twice)
=========================  ==============================  =====================================
never left this machine    retry, as an outage             retry, as an outage
429, 449                   retry when the server says so   retry: refused before any work
503                        retry, as an outage             stop: it was not done (in a run: retry)
reset, timeout, other 5xx  retry                           stop: the outcome is unknown
any other answer           stop                            stop
=========================  ==============================  =====================================

"As an outage": the deadline ends it and not a number of attempts. While the route's circuit breaker
(`breaker.py`) is open, it says when any call may repeat, and such a repeat costs no retry budget:
one call at a time is sent.
"""

import random
from collections.abc import Callable
from typing import Final, Literal

import msgspec

from ..errors import ConfigurationError

Certainty = Literal["unsent", "unknown", "answered"]
WaitReason = Literal["rate_limited", "not_ready", "outage", "failed"]

_SERVER_ACTED_NOT: Final = frozenset({501, 503, 505})
"""5xx that say the request was not carried out.

Every other one, a CDN's 52x included, leaves a write's outcome open.
"""

_ABOUT_THE_REQUEST: Final = frozenset({501, 505})
"""5xx that speak of the request itself."""

_WINDOW: Final = 1.0
"""The vendor counts by the second: the first wait after a 429 that does not say how long."""

_LAST_CHANCE: Final = 1.0
"""A wait for 449 that would pass the deadline is cut to leave this many seconds for one last
attempt.
"""


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How often and how long a call is repeated; what may be repeated at all is not up to it.

    All waits are seconds and end with the call's deadline. `max_attempts=1` turns every repeat off,
    waiting out outages, 429 and 449 included.
    """

    outage: Literal["wait", "fail"] = "wait"
    """What a call does while the server is down.

    "wait": a request that never left (connection refused, DNS, TLS) and, where a repeat is
    harmless, an answer of 503 are waited out for as long as the deadline allows (120 s unless
    changed).
    "fail": they count as failed attempts, as any other failure does. In a bulk run calls always
    wait, for up to its `max_outage`.

    Either way, five failures in a row on a route (no answer, 5xx) open its circuit breaker. From
    then on one call at a time is sent, as a probe: the first after 0.5 s, each next one after twice
    as long, up to 6 s. The other calls wait, and are all sent when a probe is answered; with "fail"
    they fail at once instead.
    """
    max_attempts: int = 5
    """Attempts of one call that may fail (no answer, 5xx) before it does. What is waited out does
    not count, nor does the time at an open circuit breaker.
    """
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
        if self.outage not in ("wait", "fail"):
            raise ConfigurationError('RetryPolicy.outage is "wait" or "fail"')
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


def waits_out(policy: RetryPolicy, *, in_run: bool) -> bool:
    """Whether a call waits while the server is down; in a bulk run it always does."""
    return policy.max_attempts > 1 and (in_run or policy.outage == "wait")


class RetryBudget:
    """Bounds the repeats of a client whose server fails: ten successes earn one repeat."""

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

    @property
    def is_outage(self) -> bool:
        """Whether the server was not reached, or says that it cannot work now."""
        return self.certainty == "unsent" or self.status == 503

    @property
    def speaks_of_server(self) -> bool:
        """Whether the server, and not the request, seems to be the cause."""
        if self.certainty != "answered":
            return True
        return (
            self.status is not None and self.status >= 500 and self.status not in _ABOUT_THE_REQUEST
        )


class Tally(msgspec.Struct):
    """What one call has been through so far."""

    attempts: int = 0
    failures: int = 0
    outages: int = 0
    refusals: int = 0
    not_ready: int = 0
    may_have_landed: bool = False


class Retry(msgspec.Struct, frozen=True):
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
    is_paced: bool = False,
    in_run: bool = False,
    rng: Callable[[], float] = random.random,
) -> Retry | Stop:
    """Decide after a failed attempt, and note it in *tally*.

    *left* is what the deadline leaves, in seconds; None: no deadline. *is_paced*: the route's
    circuit breaker is open and says when the call may be sent again. *in_run*: the call is one of a
    bulk run's.
    """
    if failure.may_have_landed:
        tally.may_have_landed = True
        if replay == "unsent":
            return Stop(unknown=True)
    if failure.status in (429, 449):
        return _after_refusal(failure, tally, policy, left)
    # A run waits out a 503 to a write too: nothing was done, and its next start would send it.
    is_worth_it = _worth_repeating(failure, replay) or (in_run and failure.status == 503)
    waits = waits_out(policy, in_run=in_run)
    if not is_worth_it or (is_paced and not waits):
        return Stop()
    is_waited_out = failure.is_outage and waits
    if is_waited_out:
        tally.outages += 1
    else:
        tally.failures += 1
        if tally.failures >= policy.max_attempts:
            return Stop(why="attempts")
    if is_paced:
        return Stop(why="deadline") if left == 0 else Retry(0.0, "outage")
    charged = None if is_waited_out else budget
    return _after_failure(failure, tally, policy, charged, left=left, rng=rng)


def _after_failure(
    failure: Failure,
    tally: Tally,
    policy: RetryPolicy,
    budget: RetryBudget | None,
    *,
    left: float | None,
    rng: Callable[[], float],
) -> Retry | Stop:
    """Back off. *budget*: None for what costs none."""
    wait = failure.retry_after
    if not wait:  # a server that is down and says 0 is not to be asked again at once by everybody
        repeats = tally.failures + tally.outages
        wait = rng() * _doubling(policy.backoff, policy.max_backoff, repeats)
    if left is not None and wait >= left:
        return Stop(why="deadline")
    if budget is None:
        return Retry(wait, "outage")
    return Retry(wait, "failed") if budget.spend() else Stop(why="budget")


def _worth_repeating(failure: Failure, replay: Literal["always", "unsent"]) -> bool:
    if failure.certainty == "unsent":
        return True
    if replay == "unsent":
        return False
    return failure.speaks_of_server or failure.status == 408


def _after_refusal(
    failure: Failure, tally: Tally, policy: RetryPolicy, left: float | None
) -> Retry | Stop:
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
    return Stop(why="deadline") if left is not None and wait >= left else Retry(wait, reason)


def _doubling(first: float, most: float, times: int) -> float:
    return min(most, first * 2.0 ** min(times - 1, 60))
