"""Retry decisions: pure, so every rule is a table."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respondio_async import ConfigurationError, RetryPolicy
from respondio_async._engine.retry import Failure, Retry, RetryBudget, Stop, Tally, decide

POLICY = RetryPolicy()


def ask(
    failure: Failure,
    *,
    tally: Tally | None = None,
    replay: str = "always",
    policy: RetryPolicy = POLICY,
    budget: RetryBudget | None = None,
    left: float | None = 100.0,
    is_paced: bool = False,
    in_run: bool = False,
    rng: Callable[..., Any] = lambda: 1.0,
) -> Retry | Stop:
    return decide(
        failure,
        tally if tally is not None else Tally(),
        replay=replay,
        policy=policy,
        budget=budget or RetryBudget(60),
        left=left,
        is_paced=is_paced,
        in_run=in_run,
        rng=rng,
    )


def answered(status: int, retry_after: float | None = None) -> Failure:
    return Failure("answered", status, retry_after)


@pytest.mark.parametrize("status", [500, 502, 504, 520, 522, 524, 599])
def test_a_write_whose_server_failed_midway_is_unknown_and_a_harmless_call_is_repeated(
    status: int,
) -> None:
    """A 5xx that may come after the work leaves an unsafe write unknown."""
    assert ask(answered(status), replay="unsent") == Stop(unknown=True)
    assert isinstance(ask(answered(status), replay="always"), Retry)


@pytest.mark.parametrize("status", [503, 501, 505])
def test_a_refusing_5xx_ends_an_unsafe_write_with_a_known_outcome(status: int) -> None:
    """503, 501 and 505 say that nothing was done, so the outcome is not unknown; and the write is
    not repeated.
    """
    assert ask(answered(status), replay="unsent") == Stop()


def test_a_run_waits_out_a_503_to_a_write_too() -> None:
    """A run waits out a 503 to a write too, as nothing was done; without repeats it is raised."""
    assert ask(answered(503), replay="unsent", in_run=True) == Retry(0.5, "outage")
    once = RetryPolicy(max_attempts=1)
    assert ask(answered(503), replay="unsent", in_run=True, policy=once) == Stop(why="attempts")
    assert ask(answered(501), replay="unsent", in_run=True) == Stop()


def test_503_is_repeated_where_a_repeat_is_harmless_and_501_never() -> None:
    """Overload passes; a missing feature does not."""
    assert ask(answered(503, 3.0)) == Retry(3.0, "outage")
    assert ask(answered(501)) == Stop()


@pytest.mark.parametrize("replay", ["always", "unsent"])
def test_what_never_left_is_sent_again_whatever_it_is(replay: str) -> None:
    """A failed connection has done nothing."""
    assert ask(Failure("unsent"), replay=replay) == Retry(0.5, "outage")


def test_a_lost_answer_repeats_only_harmless_calls() -> None:
    """A lost answer repeats only harmless calls: reset or timeout after sending."""
    assert isinstance(ask(Failure("unknown")), Retry)
    assert ask(Failure("unknown"), replay="unsent") == Stop(unknown=True)


@pytest.mark.parametrize("status", [300, 302, 400, 401, 403, 404, 409, 418, 422])
@pytest.mark.parametrize("replay", ["always", "unsent"])
def test_a_definite_answer_is_final(status: int, replay: str) -> None:
    """What the server has decided is not asked again."""
    assert ask(answered(status), replay=replay) == Stop()


@pytest.mark.parametrize("replay", ["always", "unsent"])
def test_429_waits_as_long_as_the_server_says_and_costs_no_budget(replay: str) -> None:
    """A refusal did nothing, so even an unsafe write comes back."""
    budget = RetryBudget(0)
    assert ask(answered(429, 7.0), replay=replay, budget=budget) == Retry(7.0, "rate_limited")


def test_429_without_a_header_waits_the_vendors_window_and_then_longer() -> None:
    """429 without a header waits the vendors window and then longer: one second, doubling."""
    tally = Tally()
    assert [ask(answered(429), tally=tally).seconds for _ in range(4)] == [1.0, 2.0, 4.0, 8.0]


def test_a_retry_after_beyond_the_deadline_stops_at_once() -> None:
    """Three days of waiting end now, not at the deadline."""
    assert ask(answered(429, 259_200.0), left=119.0) == Stop(why="deadline")
    assert ask(answered(503, 259_200.0), left=119.0) == Stop(why="deadline")
    assert ask(answered(449, 259_200.0), left=119.0) == Stop(why="deadline")


def test_without_a_deadline_refusals_are_still_counted() -> None:
    """Nothing is for ever."""
    tally = Tally()
    policy = RetryPolicy(max_refusals=3)
    decisions = [ask(answered(429, 1.0), tally=tally, policy=policy, left=None) for _ in range(3)]
    assert decisions == [
        Retry(1.0, "rate_limited"),
        Retry(1.0, "rate_limited"),
        Stop(why="attempts"),
    ]


@pytest.mark.parametrize("replay", ["always", "unsent"])
def test_449_is_waited_out_on_its_own_schedule(replay: str) -> None:
    """449 is waited out on its own schedule: two seconds, doubling to thirty."""
    tally = Tally()
    waits = [ask(answered(449), tally=tally, replay=replay, left=1000.0).seconds for _ in range(6)]
    assert waits == [2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_449_uses_the_last_second_for_one_more_try() -> None:
    """A wait that would pass the deadline is cut to end one second before it; then it is over."""
    tally = Tally(not_ready=4, refusals=4)
    assert ask(answered(449), tally=tally, left=10.0) == Retry(9.0, "not_ready")
    assert ask(answered(449), tally=tally, left=1.0) == Stop(why="deadline")


def test_449_takes_a_retry_after_when_there_is_one() -> None:
    """The server knows best."""
    assert ask(answered(449, 5.0)) == Retry(5.0, "not_ready")


def test_a_retry_after_of_zero_leaves_the_wait_to_us() -> None:
    """A server that says "at once" and refuses again would be asked at full speed until the
    attempts are used up.
    """
    tally = Tally()
    assert [ask(answered(449, 0.0), tally=tally, left=1000.0).seconds for _ in range(3)] == [
        2.0,
        4.0,
        8.0,
    ]
    assert ask(answered(503, 0.0)) == Retry(0.5, "outage")


def test_back_off_is_full_jitter_and_bounded() -> None:
    """Back off is full jitter and bounded between nothing and a bound that doubles up to the
    maximum.
    """
    tally = Tally()
    policy = RetryPolicy(max_attempts=100)
    bounds = [ask(answered(500), tally=tally, policy=policy).seconds for _ in range(7)]
    assert bounds == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert ask(answered(500), rng=lambda: 0.0) == Retry(0.0, "failed")


def test_attempts_are_bounded() -> None:
    """Attempts are bounded: five in all by default."""
    tally = Tally()
    decisions = [ask(answered(500), tally=tally) for _ in range(5)]
    assert [isinstance(each, Retry) for each in decisions] == [True] * 4 + [False]
    assert decisions[-1] == Stop(why="attempts")


@pytest.mark.parametrize("failure", [Failure("unsent"), answered(503)])
def test_an_outage_uses_up_time_and_neither_attempts_nor_budget(failure: Failure) -> None:
    """Its waits grow as those of any failure."""
    tally, budget = Tally(), RetryBudget(1)
    waits = [ask(failure, tally=tally, budget=budget) for _ in range(7)]
    seconds = [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert waits == [Retry(each, "outage") for each in seconds]
    assert ask(failure, tally=tally, budget=budget, left=7.9) == Stop(why="deadline")
    assert budget.left == 1


@pytest.mark.parametrize("failure", [Failure("unsent"), answered(503)])
def test_an_outage_is_a_failure_like_any_other_for_whoever_wants_it_so(failure: Failure) -> None:
    """With `outage="fail"` attempts count, and nothing is repeated while the breaker is open."""
    policy, tally = RetryPolicy(outage="fail"), Tally()
    decisions = [ask(failure, tally=tally, policy=policy) for _ in range(5)]
    assert decisions[0] == Retry(0.5, "failed")
    assert decisions[-1] == Stop(why="attempts")
    assert ask(failure, policy=policy, is_paced=True) == Stop()


def test_a_repeat_that_the_breaker_paces_costs_no_budget_and_still_counts() -> None:
    """A failed probe is an attempt of its call."""
    tally, budget = Tally(), RetryBudget(0)
    decisions = [ask(answered(500), tally=tally, budget=budget, is_paced=True) for _ in range(5)]
    assert decisions == [Retry(0.0, "outage")] * 4 + [Stop(why="attempts")]


@pytest.mark.parametrize("status", [429, 449, 500, 503])
def test_one_attempt_means_one_attempt(status: int) -> None:
    """`max_attempts=1` turns every repeat off, refusals included."""
    assert isinstance(ask(answered(status), policy=RetryPolicy(max_attempts=1)), Stop)


def test_a_wait_that_does_not_fit_the_deadline_stops() -> None:
    """Waiting only to fail helps nobody."""
    assert ask(answered(500), left=0.4) == Stop(why="deadline")
    assert isinstance(ask(answered(500), left=0.6), Retry)


def test_the_budget_lets_sixty_repeats_ahead_of_successes_and_then_one_per_ten() -> None:
    """A dead server is not hammered; a healthy one refills the budget."""
    budget = RetryBudget(60)
    taken = sum(budget.spend() for _ in range(100))
    assert taken == 60
    assert ask(answered(500), budget=budget) == Stop(why="budget")
    for _ in range(9):
        budget.earn()
    assert not budget.spend()
    budget.earn()
    assert budget.spend()
    for _ in range(10_000):
        budget.earn()
    assert budget.left == 60


def test_an_outcome_that_may_have_landed_is_remembered() -> None:
    """An outcome that may have landed is remembered, so that a 404 on a repeated DELETE can be read
    as done.
    """
    tally = Tally()
    ask(answered(503), tally=tally)
    assert not tally.may_have_landed
    ask(Failure("unknown"), tally=tally)
    assert tally.may_have_landed


@given(
    certainty=st.sampled_from(["unsent", "unknown", "answered"]),
    status=st.integers(100, 999),
    retry_after=st.none() | st.floats(0, 1e9),
    replay=st.sampled_from(["always", "unsent"]),
    left=st.none() | st.floats(0, 1e6),
    rng=st.floats(0, 1),
    refusals=st.integers(0, 100),
    failures=st.integers(0, 10),
    is_paced=st.booleans(),
    in_run=st.booleans(),
)
def test_an_unsafe_write_is_never_repeated_after_it_may_have_landed(
    certainty: str,
    status: int,
    retry_after: float | None,
    replay: str,
    left: float | None,
    rng: float,
    refusals: int,
    failures: int,
    is_paced: bool,
    in_run: bool,
) -> None:
    """An unsafe write is never repeated after it may have landed, whatever happens: no repeat of
    what may have landed, no wait past the deadline, no negative wait.
    """
    failure = Failure(certainty, status if certainty == "answered" else None, retry_after)
    tally = Tally(refusals=refusals, failures=failures, not_ready=refusals)
    decision = ask(
        failure,
        tally=tally,
        replay=replay,
        left=left,
        is_paced=is_paced,
        in_run=in_run,
        rng=lambda: rng,
    )
    if isinstance(decision, Retry):
        assert decision.seconds >= 0
        assert left is None or decision.seconds < left
        assert not (replay == "unsent" and failure.may_have_landed)
    if replay == "unsent" and failure.may_have_landed:
        assert decision == Stop(unknown=True)


@pytest.mark.parametrize(
    "options",
    [
        {"max_attempts": 0},
        {"max_refusals": 0},
        {"backoff": -1},
        {"budget": -1},
        {"max_backoff": float("nan")},
    ],
)
def test_a_policy_that_cannot_work_is_refused(options: dict[str, Any]) -> None:
    """Wrong numbers fail where they are written."""
    with pytest.raises(ConfigurationError):
        RetryPolicy(**options)
