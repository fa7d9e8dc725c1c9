"""How requests are counted, with the time as a parameter."""

from typing import Any

import pytest

from respondio_async.sandbox.windows import WINDOWS, Gcra, SlidingLog, TokenBucket

ALL = sorted(WINDOWS)


def admitted(window: Any, times: list[float]) -> list[float]:
    return [now for now in times if window.hit(now) is None]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("limit", [1.0, 5.0, 10.0])
def test_steady_use_below_the_limit_is_never_refused(name: str, limit: float) -> None:
    """Requests spaced a little wider than the limit asks always pass."""
    window = WINDOWS[name](limit)
    times = [1000 + number * 1.01 / limit for number in range(200)]
    assert admitted(window, times) == times


@pytest.mark.parametrize("name", ALL)
def test_a_burst_passes_no_more_than_the_limit(name: str) -> None:
    """Of many requests at one instant at most the limit passes, and at least one."""
    window = WINDOWS[name](10.0)
    assert 1 <= len(admitted(window, [1000.5] * 100)) <= 10


@pytest.mark.parametrize(
    "name", ["sliding", "sliding_counting", "fixed", "fixed_first_hit", "bucket"]
)
def test_a_first_burst_of_the_limit_passes_whole(name: str) -> None:
    """A route that was idle takes the limit at once."""
    window = WINDOWS[name](10.0)
    assert len(admitted(window, [1000.5] * 10)) == 10
    assert window.remaining(1000.5) == 0


@pytest.mark.parametrize("name", ALL)
def test_a_refusal_says_how_long_to_wait(name: str) -> None:
    """One who waits as long as told is admitted, when nobody else comes."""
    window = WINDOWS[name](5.0)
    now = 1000.5
    while (wait := window.hit(now)) is None:
        pass
    for _ in range(10):
        assert wait > 0
        now += wait + 1e-6
        wait = window.hit(now)
        if wait is None:
            return
    pytest.fail("never admitted")


def test_a_fixed_window_starts_again_with_the_second() -> None:
    """Twice the limit passes around a full second, as fixed windows let it."""
    window = WINDOWS["fixed"](5.0)
    assert len(admitted(window, [999.99] * 9 + [1000.0] * 9)) == 10


def test_a_first_hit_window_starts_with_its_first_request() -> None:
    """The second begins with a request, wherever the clock stands."""
    window = WINDOWS["fixed_first_hit"](5.0)
    assert len(admitted(window, [999.99] * 9 + [1000.5] * 9)) == 5
    assert window.hit(1000.99) is None


def test_a_sliding_log_never_admits_more_in_any_second() -> None:
    """Any second, wherever it begins, holds at most the limit."""
    window = SlidingLog(5.0)
    passed = admitted(window, [1000 + number * 0.013 for number in range(1000)])
    assert max(sum(1 for other in passed if now <= other < now + 1) for now in passed) == 5


def test_counting_refusals_starves_those_who_hammer() -> None:
    """Where refused requests count, one who never pauses never gets in again."""
    window = WINDOWS["sliding_counting"](5.0)
    times = [1000 + number * 0.05 for number in range(200)]
    assert admitted(window, times) == times[:5]
    assert window.hit(1011.0) is None


def test_the_sliding_counter_weighs_the_last_window() -> None:
    """Half a second into a window, half of the last one still counts."""
    window = WINDOWS["sliding_counter"](10.0)
    assert len(admitted(window, [1000.9] * 20)) == 10
    assert len(admitted(window, [1001.5] * 20)) == 5
    assert window.remaining(1001.5) == 0
    assert window.remaining(1003.5) == 10


def test_a_bucket_refills_at_the_limit() -> None:
    """After the burst, one token drips in every 1/limit seconds, and no more than the burst ever
    lies ready.
    """
    window = TokenBucket(10.0, burst=3)
    assert len(admitted(window, [1000.0] * 9)) == 3
    assert window.hit(1000.05) is not None
    assert window.hit(1000.11) is None
    assert window.remaining(1999.0) == 3


def test_gcra_spaces_requests() -> None:
    """With a burst of one, only evenly spaced requests pass."""
    window = Gcra(10.0, burst=1)
    assert window.remaining(1000.0) == 1
    assert admitted(window, [1000.0, 1000.05, 1000.1, 1000.15, 1000.2]) == [1000.0, 1000.1, 1000.2]


def test_a_limit_below_one_a_second_is_one_in_a_longer_time() -> None:
    """0.5 a second is one in two seconds, not none."""
    window = SlidingLog(0.5)
    assert admitted(window, [1000.0, 1001.0, 1001.9, 1002.0]) == [1000.0, 1002.0]


@pytest.mark.parametrize("name", ALL)
def test_a_limit_must_be_positive(name: str) -> None:
    """Zero would admit nothing for ever."""
    with pytest.raises(ValueError, match="positive"):
        WINDOWS[name](0.0)
