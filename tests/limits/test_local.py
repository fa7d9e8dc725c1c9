"""`LocalRateLimiter` in virtual time."""

import asyncio
import gc
import math
import threading
from collections.abc import Coroutine
from random import Random
from typing import Any

import pytest

from respondio_async import RateLimit
from respondio_async.errors import ConfigurationError, DeadlineExceededError, InvalidArgumentError
from respondio_async.limits import (
    DEFAULT_LIMITS,
    Feedback,
    LocalRateLimiter,
    Priority,
    RateLimiter,
    Reservation,
)
from respondio_async.limits._calibration import Calibration
from respondio_async.limits._others import Others
from respondio_async.limits._route import Route
from respondio_async.limits._tuning import LEAD
from tests.limits.helpers import (
    ROUND_TRIP,
    ROUTE,
    answer,
    call,
    calls,
    granted,
    limiter_of,
    most_in,
)
from tests.support.virtual import VirtualLoop, run


def now() -> float:
    return asyncio.get_running_loop().time()


def test_it_is_a_rate_limiter() -> None:
    """The limiter satisfies the protocol that the pipeline knows."""
    assert isinstance(LocalRateLimiter(), RateLimiter)


# ── the limit ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("limit", [1, 2.5, 5, 10, 37, 100, 499, 501, 2000])
def test_no_second_holds_more_than_the_limit_and_nearly_as_many(limit: float) -> None:
    """In no second and its margin do more than the limit's whole number go, and over time nearly as
    many do.
    """
    size = math.floor(limit)
    seconds = 20 if limit < 1000 else 5
    times = run(calls(limiter_of(limit), size * seconds + 1))
    assert most_in(times, 1.0079) <= size
    assert times == sorted(times)
    assert times[-1] <= seconds * 1.025


@pytest.mark.parametrize("limit", [0.2, 0.5, 0.99, 1 / 3])
def test_below_one_a_second_it_is_one_every_so_many_seconds(limit: float) -> None:
    """0.2 a second is one in any five seconds."""
    times = run(calls(limiter_of(limit), 5))
    assert most_in(times, 1 / limit) == 1
    assert times[-1] <= 4 * (1 / limit + 0.03)


class CountingLoop(VirtualLoop):
    """Counts the timers that are set."""

    timers = 0

    def call_at(self, *args: Any, **named: Any) -> asyncio.TimerHandle:
        self.timers += 1
        return super().call_at(*args, **named)


@pytest.mark.parametrize("limit", [10, 100, 501, 2000])
def test_who_waits_is_woken_a_few_times_however_many_wait(limit: float) -> None:
    """A call in a long queue costs a few timers: those who wait for the same moment are not woken
    again and again because one of them was woken out of order.
    """
    loop, count = CountingLoop(0.0), max(500, round(2.2 * limit))
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(calls(limiter_of(limit), count))
    assert loop.timers <= 5 * count


def test_a_million_a_second_does_not_wait() -> None:
    """A limit that no client can reach costs no waiting."""
    times = run(calls(limiter_of(1e6), 5000))
    assert times[-1] < 0.1


def test_sends_are_spaced_when_the_line_is_long() -> None:
    """A long line is paced from its first call on: a small bucket on the server would refuse a
    burst.
    """
    times = run(calls(limiter_of(10), 40))
    assert most_in(times, 0.05) == 1


def test_an_unlisted_route_gets_the_default_for_unlisted_routes() -> None:
    """A route that nobody listed is limited like the others outside the vendor's table."""

    async def main() -> float:
        limiter = LocalRateLimiter()
        await (await limiter.reserve("GET /unheard/of")).permit()
        return limiter.statistics()["GET /unheard/of"].limit

    assert run(main()) == 5.0


# ── bursts ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("limit", [5, 10, 20, 100])
def test_five_calls_on_an_idle_route_go_at_once(limit: float) -> None:
    """A few calls on an idle route do not wait for the pacer."""

    async def main() -> list[float]:
        limiter = limiter_of(limit)
        await calls(limiter, 1)
        await asyncio.sleep(1.1)
        began = now()
        return [at - began for at in await calls(limiter, 5)]

    assert run(calls(limiter_of(limit), 5))[-1] <= 0.02
    assert run(main())[-1] <= 0.02


@pytest.mark.parametrize("overtaker_answered_first", [True, False])
def test_a_first_call_that_was_overtaken_does_not_shrink_the_burst(
    overtaker_answered_first: bool,
) -> None:
    """The second call arrived first and found the bucket full; the first one found one less, and
    says so.
    """

    async def main() -> float:
        limiter = limiter_of(20)
        told = [
            (await granted(limiter), answer(remaining=18)),
            (await granted(limiter), answer(remaining=19)),
        ]
        for reservation, what in reversed(told) if overtaker_answered_first else told:
            limiter.update(reservation, what)
        await asyncio.sleep(5)
        began = now()
        return (await calls(limiter, 20))[-1] - began

    assert run(main()) <= 0.02


def test_a_refused_burst_is_not_repeated() -> None:
    """A refusal right after a burst teaches how many the route takes at once."""

    async def main() -> list[float]:
        limiter = limiter_of(10)
        reservations = await asyncio.gather(*(granted(limiter) for _ in range(5)))
        for place, reservation in enumerate(reservations):
            limiter.update(reservation, answer(200 if place < 3 else 429, retry_after=1))
        await asyncio.sleep(3)
        times = await calls(limiter, 5)
        return [at - times[0] for at in times]

    times = run(main())
    assert most_in(times, 0.05) == 1


def test_what_is_left_after_the_first_call_tells_the_burst() -> None:
    """A server that says one is left after the first call takes two at once, and one that says nine
    takes ten.
    """

    async def main(remaining: float) -> list[float]:
        limiter = limiter_of(10)
        await calls(limiter, 1, answer(remaining=remaining))
        await asyncio.sleep(2)
        times = await calls(limiter, 10)
        return [at - times[0] for at in times]

    assert most_in(run(main(1)), 0.05) == 1
    assert run(main(9))[-1] <= 0.02


def test_a_smaller_burst_is_unlearnt_in_time() -> None:
    """After many quiet minutes the route tries a burst again."""

    async def main() -> float:
        limiter = limiter_of(10)
        reservations = await asyncio.gather(*(granted(limiter) for _ in range(5)))
        for place, reservation in enumerate(reservations):
            limiter.update(reservation, answer(200 if place < 1 else 429, retry_after=1))
        for _ in range(8):
            await asyncio.sleep(310)
            await calls(limiter, 1)
        await asyncio.sleep(310)
        times = await calls(limiter, 5)
        return times[-1] - times[0]

    assert run(main()) <= 0.02


# ── margin ────────────────────────────────────────────────────────────────────────────────────────


def test_a_late_answer_holds_its_slot() -> None:
    """A request that may have arrived late keeps its slot for that much longer."""

    async def main() -> float:
        limiter = limiter_of(1)
        for _ in range(200):
            limiter.update(await granted(limiter), answer(round_trip=0.08))
        late = await granted(limiter)
        began = now()
        limiter.update(late, answer(round_trip=0.28))
        await granted(limiter)
        return now() - began

    assert 1.2 <= run(main()) <= 1.22


def test_slow_work_on_the_server_does_not_widen_the_margin_without_bound() -> None:
    """Round trips between 0.1 and 3 seconds cost a few per cent of the limit, not most of it."""

    async def main() -> float:
        limiter = limiter_of(10)
        for place in range(2000):
            limiter.update(
                await granted(limiter), answer(round_trip=0.1 + 2.9 * (place * 0.618 % 1))
            )
        return now()

    assert run(main()) <= 200 * 1.07


def test_answers_that_never_come_do_not_starve_the_route() -> None:
    """A slot without an answer is given back all the same."""
    times = run(calls(limiter_of(10), 100, answer(None, round_trip=None)))  # type: ignore[arg-type]
    assert times[-1] <= 10.5


def test_a_refusal_widens_the_margin_once_an_episode() -> None:
    """Of several requests refused together only the first widens the margin."""

    async def main() -> tuple[float, float, int]:
        limiter = limiter_of(10)
        reservations = [await granted(limiter) for _ in range(30)]
        for reservation in reservations[:-2]:
            limiter.update(reservation, answer())
        before = limiter.statistics()[ROUTE].margin
        limiter.update(reservations[-1], answer(429, retry_after=1))
        limiter.update(reservations[-2], answer(429, retry_after=1))
        return before, limiter.statistics()[ROUTE].margin, limiter.statistics()[ROUTE].refused

    before, after, refused = run(main())
    assert after <= before + 0.0051
    assert refused == 2


# ── pause ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("retry_after", "paused"),
    [
        (None, 1.0),
        (3.0, 3.0),
        (0.0, 1.0),
        (259_200.0, 60.0),
        (math.inf, 60.0),
        (math.nan, 1.0),
        (-5.0, 1.0),
    ],
)
def test_a_refusal_pauses_for_retry_after(retry_after: float | None, paused: float) -> None:
    """The route stops for Retry-After: a second without one, a minute at most."""

    async def main() -> float:
        limiter = limiter_of(10)
        limiter.update(await granted(limiter), answer(429, retry_after=retry_after))
        began = now()
        assert limiter.statistics()[ROUTE].paused == pytest.approx(paused)
        await granted(limiter)
        return now() - began

    assert run(main()) == pytest.approx(paused, abs=0.01)


def test_refusals_are_soon_forgotten_where_remaining_is_told() -> None:
    """A machine that stalls has its first requests refused, before it is known whether Remaining
    counts: a few answers later all of the limit is used again.
    """
    others = Others(shares=True)
    others.observe(0.0, 9, 1)
    for second in range(20):
        others.refused(second, 1, 10)
    assert others.left(20.0, 10) < 4
    for second in range(21, 30):
        others.observe(second, 9, 1)
        others.accepted(second)
    assert others.left(30.0, 10) == 10


def test_a_pause_is_only_ever_extended() -> None:
    """Neither a success nor a shorter Retry-After ends a pause."""

    async def main() -> float:
        limiter = limiter_of(100)
        first, second, third = [await granted(limiter) for _ in range(3)]
        limiter.update(first, answer(429, retry_after=5))
        limiter.update(second, answer(429, retry_after=1))
        limiter.update(third, answer(200, remaining=50))
        await granted(limiter)
        return now()

    assert run(main()) >= 5.0


def test_a_pause_holds_its_own_route_only() -> None:
    """Other routes go on."""

    async def main() -> float:
        limiter = LocalRateLimiter()
        limiter.update(await granted(limiter), answer(429, retry_after=5))
        await (await limiter.reserve("GET /space/user")).permit()
        return now()

    assert run(main()) < 0.1


def test_nothing_remaining_is_no_reason_to_pause() -> None:
    """At full use `Remaining` is zero all the time."""
    times = run(calls(limiter_of(10), 100, answer(remaining=0)))
    assert times[-1] <= 10.2


def test_an_impatient_holder_gives_its_connection_back() -> None:
    """With *max_wait*, `permit` returns False at once when a pause moved it; `wait_until_near`
    comes back `LEAD` before it is due.
    """

    async def main() -> tuple[float, float, float]:
        limiter = limiter_of(1)
        first = await granted(limiter)
        reservation = await limiter.reserve(ROUTE)
        newcomer = asyncio.create_task(granted(limiter))
        asking = asyncio.create_task(reservation.permit(max_wait=0.25))
        await asyncio.sleep(0.0001)
        limiter.update(first, answer(429, retry_after=3))
        assert not await asking
        refused = now()
        await reservation.wait_until_near()
        near = now()
        assert await reservation.permit(max_wait=0.25)
        assert not newcomer.done()
        permitted = now()
        await newcomer
        return refused, near, permitted

    refused, near, permitted = run(main())
    assert refused < 1.0
    assert permitted - LEAD - 0.01 <= near < permitted
    assert permitted >= 3.0


# ── calibration ───────────────────────────────────────────────────────────────────────────────────


def test_a_raise_from_10_to_50_is_reached_within_two_seconds() -> None:
    """The limit doubles once a second towards what the header says, without an answer being needed
    for each step.
    """

    async def main() -> list[float]:
        limiter = limiter_of(10)
        seen = []
        limiter.update(await granted(limiter), answer(limit=50))
        began = now()
        for offset in (0.0, 0.9, 1.001, 1.9, 2.001):
            await asyncio.sleep(began + offset - now())
            (await limiter.reserve(ROUTE)).abandon()
            seen.append(limiter.statistics()[ROUTE].limit)
        return seen

    assert run(main()) == [20, 20, 40, 40, 50]


def test_a_lower_limit_holds_at_once_and_the_log_is_kept() -> None:
    """From 10 to 2: those already sent in this second count."""

    async def main() -> list[float]:
        limiter = limiter_of(10)
        reservations = [await granted(limiter) for _ in range(10)]
        limiter.update(reservations[0], answer(limit=2))
        assert limiter.statistics()[ROUTE].limit == 2
        began = now()
        times = [at - began for at in await calls(limiter, 4)]
        assert times[0] >= 0.9
        return times

    assert most_in(run(main()), 1.0) <= 2


@pytest.mark.parametrize("limit", [0, -1, 600, 101, 0.5, math.nan, math.inf])
def test_a_limit_outside_the_bounds_is_ignored(limit: float) -> None:
    """Six hundred a minute is not six hundred a second."""

    async def main() -> float:
        limiter = limiter_of(10)
        limiter.update(await granted(limiter), answer(limit=limit))
        return limiter.statistics()[ROUTE].limit

    assert run(main()) == 10


def test_bounds_can_be_widened_or_calibration_turned_off() -> None:
    """With wider bounds 600 is followed; with none, nothing is."""

    async def main(bounds: tuple[float, float] | None, limit: float) -> float:
        limiter = limiter_of(10, bounds=bounds)
        limiter.update(await granted(limiter), answer(limit=limit))
        return limiter.statistics()[ROUTE].limit

    assert run(main((0.1, 1000), 600)) == 20
    assert run(main((0.1, 1000), 0.5)) == 0.5
    assert run(main(None, 5)) == 10


def test_a_refused_raise_is_taken_back() -> None:
    """10 to 20, refused: 10, and the header is not followed upwards again at once, but later."""

    async def main() -> list[float]:
        limiter = limiter_of(10)
        seen = []
        limiter.update(await granted(limiter), answer(limit=20))
        await asyncio.sleep(0.5)
        limiter.update(await granted(limiter), answer(429, retry_after=1, limit=20))
        seen.append(limiter.statistics()[ROUTE].limit)
        await asyncio.sleep(5)
        limiter.update(await granted(limiter), answer(limit=20))
        seen.append(limiter.statistics()[ROUTE].limit)
        await asyncio.sleep(60)
        limiter.update(await granted(limiter), answer(limit=20))
        seen.append(limiter.statistics()[ROUTE].limit)
        return seen

    assert run(main()) == [10, 10, 20]


# ── share ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("limit", "share", "mine"),
    [(10, 0.25, 2), (10, 1 / 3, 3), (5, 0.25, 1), (5, 0.1, 0.5), (1, 0.25, 0.25), (10, 0.3, 3)],
)
def test_a_share_is_whole_requests_or_one_every_so_many_seconds(
    limit: float, share: float, mine: float
) -> None:
    """A share is rounded down, so that all of them together never exceed the limit."""

    async def main() -> float:
        limiter = limiter_of(limit, share=share)
        await granted(limiter)
        return limiter.statistics()[ROUTE].limit

    assert run(main()) == pytest.approx(mine)


def test_calibration_corrects_the_organisations_limit_before_the_share() -> None:
    """The header speaks of the organisation: a quarter of 20 is 5."""

    async def main() -> float:
        limiter = limiter_of(10, share=0.25)
        limiter.update(await granted(limiter), answer(limit=20))
        return limiter.statistics()[ROUTE].limit

    assert run(main()) == 5


# ── priorities ────────────────────────────────────────────────────────────────────────────────────


async def _order(limiter: LocalRateLimiter, names: list[str]) -> list[str]:
    order: list[str] = []

    async def one(name: str) -> None:
        priority, is_retry = ("bulk" if name.startswith("b") else "interactive"), name.endswith("!")
        reservation = await limiter.reserve(ROUTE, priority=priority, is_retry=is_retry)  # type: ignore[arg-type]
        await reservation.permit()
        order.append(name)

    await asyncio.gather(*(one(name) for name in names))
    return order


def test_a_priority_is_first_come_first_served_and_one_bulk_call_in_eight_goes() -> None:
    """Interactive calls go first, but bulk never starves."""
    names = [f"b{place}" for place in range(10)] + [f"i{place}" for place in range(40)]
    order = run(_order(limiter_of(10), names))
    assert order.pop(0) == "b0"
    assert [name for name in order if name[0] == "i"] == [f"i{place}" for place in range(40)]
    assert [name for name in order if name[0] == "b"] == [f"b{place}" for place in range(1, 10)]
    kinds = "".join(name[0] for name in order[:40])
    assert "i" * 8 not in kinds
    assert "bb" not in kinds


def test_one_who_comes_again_goes_before_the_first_timers_of_its_priority() -> None:
    """A refused call does not go to the back of a long line."""
    order = run(_order(limiter_of(10), [f"i{place}" for place in range(8)] + ["ix!", "iy!"]))
    assert order[:3] == ["i0", "ix!", "iy!"]


def test_interactive_calls_hardly_wait_over_a_bulk_job() -> None:
    """With 5,000 bulk calls in line an interactive one waits 0.4 s at most."""

    async def main() -> float:
        limiter = limiter_of(10)
        bulk = [asyncio.create_task(granted(limiter, priority="bulk")) for _ in range(5000)]
        waits = []
        for _ in range(100):
            await asyncio.sleep(1)
            began = now()
            await granted(limiter)
            waits.append(now() - began)
        for task in bulk:
            task.cancel()
        await asyncio.gather(*bulk, return_exceptions=True)
        return max(waits)

    assert run(main()) <= 0.4


# ── deadlines ─────────────────────────────────────────────────────────────────────────────────────


def test_a_wait_that_cannot_end_in_time_fails_at_once() -> None:
    """Fifty in line at ten a second: one with a second to spare is told that it would take five."""

    async def main() -> tuple[float, float | None]:
        limiter = limiter_of(10)
        line = [asyncio.create_task(granted(limiter)) for _ in range(50)]
        await asyncio.sleep(0)
        began = now()
        with pytest.raises(DeadlineExceededError) as caught:
            await granted(limiter, timeout=1)
        for task in line:
            task.cancel()
        await asyncio.gather(*line, return_exceptions=True)
        return now() - began, caught.value.needed

    waited, needed = run(main())
    assert waited == 0
    assert needed == pytest.approx(5, abs=0.3)


def test_those_who_are_in_time_are_not_refused() -> None:
    """Each of fifty calls with just the time it needs gets through."""

    async def main() -> list[float]:
        limiter = limiter_of(10)
        times: list[float] = []

        async def one(place: int) -> None:
            await granted(limiter, timeout=(place // 10 + 1) * 1.03)
            times.append(now())

        await asyncio.gather(*(one(place) for place in range(50)))
        return times

    assert len(run(main())) == 50


@pytest.mark.parametrize(("retry_after", "timeout"), [(10.0, 2.0), (3600.0, 100.0)])
def test_a_pause_sends_those_away_who_cannot_outwait_it(retry_after: float, timeout: float) -> None:
    """They learn it when the pause begins, wherever they stand: in line, or asking for the
    permit. A pause of an hour is probed after a minute, but counted as an hour.
    """

    async def main() -> list[float]:
        limiter = limiter_of(1)
        first = await granted(limiter)
        failed: list[float] = []

        async def fails(work: Coroutine[Any, Any, object]) -> None:
            with pytest.raises(DeadlineExceededError) as caught:
                await work
            assert caught.value.needed is not None
            assert caught.value.needed >= retry_after
            failed.append(now())

        head = await limiter.reserve(ROUTE, timeout=timeout)
        tasks = [
            asyncio.create_task(fails(head.permit())),
            asyncio.create_task(fails(granted(limiter, timeout=1.5 * timeout))),
        ]
        await asyncio.sleep(0.0001)
        limiter.update(first, answer(429, retry_after=retry_after))
        await asyncio.gather(*tasks)
        await fails(granted(limiter, timeout=2 * timeout))
        return failed

    assert all(at < 1.0 for at in run(main()))


def test_no_time_at_all_is_enough_on_an_idle_route() -> None:
    """`timeout=0` is served when there is nothing to wait for, and refused otherwise."""

    async def main() -> None:
        limiter = limiter_of(1)
        await granted(limiter, timeout=0)
        with pytest.raises(DeadlineExceededError):
            await granted(limiter, timeout=0)

    run(main())


def test_bad_arguments_are_named() -> None:
    """A priority or a timeout that is none is an `InvalidArgumentError`."""

    async def main() -> None:
        limiter = LocalRateLimiter()
        with pytest.raises(InvalidArgumentError, match="priority"):
            await limiter.reserve(ROUTE, priority="express")  # type: ignore[arg-type]
        with pytest.raises(InvalidArgumentError, match="timeout"):
            await limiter.reserve(ROUTE, timeout=math.nan)

    run(main())


# ── cancellation ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("steps", range(8))
def test_a_waiter_cancelled_at_any_moment_loses_nothing(steps: int) -> None:
    """Whether in line, announced, asking or in the very step of being woken: the others go on at
    full rate.
    """

    async def main() -> list[float]:
        limiter = limiter_of(10)
        times: list[float] = []
        tasks = [asyncio.create_task(call(limiter, times)) for _ in range(60)]
        for place, task in enumerate(tasks[::2]):
            await asyncio.sleep(0.0918 * 0.9)
            for _ in range((place + steps) % 8):
                await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert limiter.statistics()[ROUTE].waiting == 0
        return times

    times = run(main())
    assert len(times) >= 30
    assert most_in(times, 1.0) <= 10
    assert times[-1] <= len(times) / 10 * 1.03 + 1


def test_a_cancel_storm_loses_no_permit() -> None:
    """At twice the limit, half of the waiters give up at random; the rest use the whole limit, and
    nothing is left behind.
    """

    async def main() -> tuple[int, float]:
        limiter = limiter_of(10)
        times: list[float] = []
        tasks = []
        for place in range(2000):
            task = asyncio.create_task(call(limiter, times))
            asyncio.get_running_loop().call_later(0.01 + (place * 0.618 % 1) * 3, task.cancel)
            tasks.append(task)
            await asyncio.sleep(0.05)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert limiter.statistics()[ROUTE].waiting == 0
        return len(times), now()

    count, seconds = run(main())
    assert count >= seconds * 10 * 0.975


def test_a_turn_that_is_abandoned_wastes_nothing() -> None:
    """The next one goes at once, and abandoning twice, or after the grant, does nothing."""

    async def main() -> None:
        limiter = limiter_of(1)
        reservation = await limiter.reserve(ROUTE)
        reservation.abandon()
        reservation.abandon()
        with pytest.raises(RuntimeError):
            await reservation.permit()
        second = await granted(limiter)
        assert now() < 0.01
        second.abandon()
        assert limiter.statistics()[ROUTE].granted == 1
        with pytest.raises(RuntimeError):
            await second.permit()
        limiter.update(reservation, answer(429))
        assert limiter.statistics()[ROUTE].refused == 0
        limiter.update(second, answer(429))
        limiter.update(second, answer(429))
        assert limiter.statistics()[ROUTE].refused == 1

    run(main())


def test_a_holder_who_is_slow_to_ask_does_not_stop_the_others() -> None:
    """While the head looks for a connection for ten seconds, the rest of the queue goes by."""

    async def main() -> list[float]:
        limiter = limiter_of(10)
        slow = await limiter.reserve(ROUTE)
        times = await calls(limiter, 40)
        assert await slow.permit()
        return times

    times = run(main())
    assert times[-1] <= 4.5
    assert most_in(times, 1.0) <= 10


def test_the_line_after_a_pause_goes_at_full_rate() -> None:
    """Those who were held back by a pause are not all woken for one permit, and none of them is
    forgotten.
    """

    async def main() -> list[float]:
        limiter = limiter_of(10)
        first = await granted(limiter)
        tasks = asyncio.gather(calls(limiter, 60))
        await asyncio.sleep(0.5)
        limiter.update(first, answer(429, retry_after=1))
        return (await tasks)[0]

    times = [at - 1.5 for at in run(main()) if at >= 1.5]
    assert len(times) >= 50
    assert times[-1] <= len(times) / 10 * 1.03


def test_a_line_emptied_by_its_last_deadline_leaves_no_timer() -> None:
    """The one waits for a permit that comes too late, the other gives up in the same moment."""

    async def main() -> int:
        limiter = limiter_of(3)
        loop: Any = asyncio.get_running_loop()
        await granted(limiter)
        tasks = [asyncio.create_task(granted(limiter, timeout=timeout)) for timeout in (None, 0.4)]
        await asyncio.sleep(0)
        loop.stall(1.0)
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return int(loop.timers())

    assert run(main()) == 0


# ── event loops ───────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_left_behind() -> None:
    """Once nobody waits there is no timer, no task, and no waiter."""

    async def main() -> tuple[int, int]:
        limiter = limiter_of(10)
        await calls(limiter, 30)
        tasks = [asyncio.create_task(granted(limiter, timeout=60)) for _ in range(20)]
        await asyncio.sleep(0.5)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        loop: Any = asyncio.get_running_loop()
        return len(asyncio.all_tasks()), loop.timers()

    assert run(main()) == (1, 0)


def test_a_new_loop_takes_over_what_was_sent() -> None:
    """`asyncio.run` twice with one limiter: the second run counts the first one's requests,
    whatever its clock says.
    """
    limiter = limiter_of(10)

    async def main(begin: float) -> list[float]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.stall(begin)
        return [at - begin for at in await calls(limiter, 10)]

    first, second, third = run(main(1000.0)), run(main(0.0)), run(main(50_000.0))
    assert first[0] < 0.01
    assert 0.0 < second[0] < 1.1
    assert third[-1] < 3.0
    assert limiter.statistics()[ROUTE].granted == 30


def test_a_waiter_left_on_a_closed_loop_does_no_harm() -> None:
    """Its loop ended under it; another loop uses the limiter, and the old reservation can still be
    abandoned.
    """
    limiter = limiter_of(1)
    kept: list[Reservation] = []

    async def first() -> None:
        await granted(limiter)

    async def second() -> None:
        kept.append(await limiter.reserve(ROUTE))

    async def third() -> None:
        await granted(limiter)

    run(first())
    run(second())
    run(third())
    kept[-1].abandon()
    run(third())


async def test_two_threads_are_told_to_have_a_limiter_each() -> None:
    """A limiter in use on a running loop refuses a second loop, with words on what to do."""
    limiter = limiter_of(10)
    await granted(limiter)
    errors: list[BaseException] = []

    def other() -> None:
        try:
            asyncio.run(calls(limiter, 1))
        except ConfigurationError as error:
            errors.append(error)

    thread = threading.Thread(target=other)
    thread.start()
    while thread.is_alive():
        await asyncio.sleep(0.01)
    assert "share=1/n" in str(errors[0])


# ── configuration and observation ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"GET /contact/{identifer}": 5}, "did you mean 'GET /contact/{identifier}'"),
        ({"nonsense": 5}, "DEFAULT_LIMITS"),
        ({ROUTE: 0}, "positive"),
        ({ROUTE: -1}, "positive"),
        ({ROUTE: math.inf}, "positive"),
        ({ROUTE: math.nan}, "positive"),
        ({ROUTE: True}, "positive"),
        ({ROUTE: "10"}, "positive"),
    ],
)
def test_bad_limits_are_refused_with_a_hint(limits: Any, words: str) -> None:
    """A typing error in a route would leave it unlimited in its author's mind."""
    with pytest.raises(ConfigurationError, match=words.replace("{", "\\{").replace("?", "\\?")):
        LocalRateLimiter(limits)


@pytest.mark.parametrize("share", [0, -0.5, 1.5, math.nan, math.inf, True, "1"])
def test_a_bad_share_is_refused(share: Any) -> None:
    """A share is above 0 and at most 1."""
    with pytest.raises(ConfigurationError, match="share"):
        LocalRateLimiter(share=share)


@pytest.mark.parametrize("bounds", [(5, 1), (0, 10), (1,), (math.nan, 3)])
def test_bad_bounds_are_refused(bounds: Any) -> None:
    """Bounds are two positive numbers in order."""
    with pytest.raises(ConfigurationError, match="bounds"):
        LocalRateLimiter(bounds=bounds)


def test_overrides_leave_the_other_routes_alone() -> None:
    """A mapping of one route changes that route."""

    async def main() -> dict[str, float]:
        limiter = LocalRateLimiter({ROUTE: 3})
        for route in DEFAULT_LIMITS:
            await (await limiter.reserve(route)).permit()
        return {name: each.limit for name, each in limiter.statistics().items()}

    assert run(main()) == {**DEFAULT_LIMITS, ROUTE: 3}


def test_statistics_tell_what_happens() -> None:
    """Waiting, granted, refused, pauses and the waits are there per route that was used."""

    async def main() -> None:
        limiter = limiter_of(10)
        assert limiter.statistics() == {}
        task = asyncio.gather(*(granted(limiter) for _ in range(30)))
        await asyncio.sleep(1.5)
        during = limiter.statistics()[ROUTE]
        assert (during.route, during.limit, during.granted + during.waiting) == (ROUTE, 10, 30)
        assert 14 <= during.granted <= 16
        reservations = await task
        limiter.update(reservations[-1], answer(429, retry_after=2))
        after = limiter.statistics()[ROUTE]
        assert (after.waiting, after.granted, after.refused, after.pauses) == (0, 30, 1, 1)
        assert after.paused == pytest.approx(2)
        assert 1.3 <= after.wait_p50 <= 1.7
        assert 2.7 <= after.wait_p99 <= 2.95

    run(main())


def test_a_waiter_is_small_and_forgotten_when_it_leaves() -> None:
    """What the limiter keeps for a waiter has no dict; a line that everybody has left keeps
    nobody.
    """

    async def main() -> None:
        limiter = limiter_of(10)
        tasks = [asyncio.create_task(granted(limiter, timeout=60)) for _ in range(100)]
        await asyncio.sleep(0)
        reservation = await limiter.reserve("GET /space/user")
        assert not hasattr(reservation, "__dict__")
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        del task
        tasks.clear()
        gc.collect()
        assert [each for each in gc.get_objects() if type(each) is type(reservation)] == [
            reservation
        ]

    run(main())


def test_round_trips_that_make_no_sense_are_ignored() -> None:
    """A missing, negative or infinite round trip teaches nothing and breaks nothing."""

    async def main() -> float:
        limiter = limiter_of(10)
        for round_trip in (None, -1.0, math.nan, math.inf, ROUND_TRIP):
            limiter.update(await granted(limiter), answer(round_trip=round_trip))
        return limiter.statistics()[ROUTE].margin

    assert 0.008 <= run(main()) <= 0.06


# ── slow holders ──────────────────────────────────────────────────────────────────────────────────


async def _prepared(limiter: LocalRateLimiter, times: list[float], seconds: float) -> None:
    """A call that needs so many seconds between its announcement and its permit, as for a new
    connection.
    """
    reservation = await limiter.reserve(ROUTE, timeout=3600)
    try:
        await asyncio.sleep(seconds)
        assert await reservation.permit()
        times.append(now())
        asyncio.get_running_loop().call_later(ROUND_TRIP, limiter.update, reservation, answer())
    finally:
        reservation.abandon()


@pytest.mark.parametrize(
    ("limit", "seconds"), [(10, 0.03), (10, 0.3), (5, 1.0), (100, 0.1), (100, 0.3)]
)
def test_holders_that_need_long_to_prepare_cost_little_of_the_limit(
    limit: float, seconds: float
) -> None:
    """Turns are announced as early as holders need, and several at a time while they prepare."""

    async def main() -> list[float]:
        limiter, times = limiter_of(limit), list[float]()
        await asyncio.gather(*(_prepared(limiter, times, seconds) for _ in range(int(limit) * 30)))
        return times

    times = run(main())
    assert len(times) / limit / times[-1] >= (0.98 if seconds <= LEAD else 0.65)
    assert most_in(times, 1.0) <= limit


def test_prompt_holders_are_announced_when_their_permit_is_due() -> None:
    """Who asks at once is woken once; a slow holder makes the route announce ahead again."""

    async def main() -> tuple[float, float]:
        limiter = limiter_of(10)
        await calls(limiter, 30)
        (await limiter.reserve(ROUTE)).abandon()
        await granted(limiter)
        began = now()
        prompt = await limiter.reserve(ROUTE)
        at_once = now() - began
        await asyncio.sleep(0.01)
        assert await prompt.permit()
        began = now()
        (await limiter.reserve(ROUTE)).abandon()
        return at_once, now() - began

    at_once, ahead = run(main())
    assert at_once >= 0.08
    assert ahead <= at_once - LEAD + 0.02


@pytest.mark.parametrize("limit", [1e6, 400])
def test_one_who_never_asks_does_not_stop_a_crowd(limit: float) -> None:
    """More wait than are ever announced at once, each with a deadline far away, and one of them is
    busy elsewhere.
    """

    async def main() -> list[float]:
        limiter, times = limiter_of(limit), list[float]()
        busy = [
            asyncio.create_task(_prepared(limiter, times, 20.0 if place % 100 == 50 else 0.0))
            for place in range(600)
        ]
        await asyncio.sleep(10)
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
        return times

    times = run(main())
    assert len(times) == 594
    assert times[-1] <= 600 / limit + 0.2


@pytest.mark.parametrize("steps", range(6))
def test_a_slow_holder_cancelled_at_any_moment_loses_nothing(steps: int) -> None:
    """Cancelled while it prepares, asks, or has just been woken to take its permit: the others go
    on at full rate.
    """

    async def main() -> list[float]:
        limiter, times = limiter_of(10), list[float]()
        tasks = [asyncio.create_task(_prepared(limiter, times, 0.02)) for _ in range(60)]
        for place, task in enumerate(tasks[1::2]):
            before = len(times)
            while len(times) == before:
                await asyncio.sleep(0.0009)
            for _ in range((place + steps) % 6):
                await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert limiter.statistics()[ROUTE].waiting == 0
        return times

    times = run(main())
    assert len(times) >= 30
    assert most_in(times, 1.0) <= 10
    assert times[-1] <= len(times) / 10 * 1.03 + 1


def test_one_woken_and_cancelled_in_the_same_step_passes_its_turn_on() -> None:
    """The baton of a waiter that is cancelled before it has run goes to the next."""

    async def main(steps: int) -> float | None:
        limiter = limiter_of(1)
        await granted(limiter)
        first = await limiter.reserve(ROUTE, timeout=5)
        asking = asyncio.create_task(first.permit())
        behind = asyncio.create_task(granted(limiter))
        await asyncio.sleep(0)
        loop: Any = asyncio.get_running_loop()
        loop.stall(2)
        began = now()
        # In one of these its timer has rung, and it has not run yet.
        for _ in range(steps):
            await asyncio.sleep(0)
        asking.cancel()
        second = await behind
        assert second.route == ROUTE
        return now() - began if asking.cancelled() else None

    passed_on = [run(main(steps)) for steps in range(4)]
    assert passed_on[0] is not None
    assert passed_on[-1] is None
    assert max(each for each in passed_on if each is not None) <= 0.01


@pytest.mark.parametrize("limit", [1, 10, 100])
@pytest.mark.parametrize("told", [None, 50])
def test_whoever_comes_after_a_stall_does_not_overtake_those_who_are_being_woken(
    limit: float, told: float | None
) -> None:
    """The loop ran nothing for a while: a new call takes its first step before those in line do,
    and still goes after them.
    """

    async def main() -> list[int]:
        loop: Any = asyncio.get_running_loop()
        limiter, order, tasks = limiter_of(limit), list[int](), list["asyncio.Task[None]"]()

        async def one(number: int) -> None:
            await granted(limiter)
            order.append(number)

        first = await granted(limiter)
        for number in range(6):
            tasks.append(asyncio.create_task(one(number)))
            if number == 2:
                await asyncio.sleep(0)
                limiter.update(first, answer(limit=told))
            if number > 1:
                loop.stall(0.7)
                await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        return order

    assert run(main()) == list(range(6))


def test_a_turn_that_is_over_need_not_wait_for_anything() -> None:
    """`wait_until_near` after the grant, or after giving up, returns at once."""

    async def main() -> None:
        limiter = limiter_of(1)
        reservation = await granted(limiter)
        await reservation.wait_until_near()
        given_up = await limiter.reserve(ROUTE)
        given_up.abandon()
        await given_up.wait_until_near()
        assert now() < 1.1

    run(main())


def test_waiting_for_the_permit_to_come_near_keeps_the_deadline() -> None:
    """`wait_until_near` fails at once when the permit has moved past the deadline."""

    async def main() -> float:
        limiter = limiter_of(1)
        first = await granted(limiter)
        reservation = await limiter.reserve(ROUTE, timeout=5)
        limiter.update(first, answer(429, retry_after=30))
        with pytest.raises(DeadlineExceededError) as caught:
            await reservation.wait_until_near()
        assert caught.value.needed is not None
        assert caught.value.needed >= 30
        assert limiter.statistics()[ROUTE].waiting == 0
        return now()

    assert run(main()) < 1.1


def test_another_limiters_turn_teaches_nothing() -> None:
    """A reservation is observed by the limiter that granted it."""

    async def main() -> None:
        mine, other = limiter_of(10), limiter_of(10)
        reservation = await granted(other)
        mine.update(reservation, answer(429))
        assert mine.statistics() == {}
        await granted(mine)
        mine.update(await granted(other), answer(429))
        assert mine.statistics()[ROUTE].refused == 0

    run(main())


def test_one_who_gave_its_connection_back_does_not_wait_for_a_slow_holder() -> None:
    """After a pause the parked are called although one before them is still busy elsewhere."""

    async def main() -> float:
        limiter = limiter_of(100)
        first = await granted(limiter)
        _slow, parked = await limiter.reserve(ROUTE), await limiter.reserve(ROUTE)
        limiter.update(first, answer(429, retry_after=2))
        assert not await parked.permit(max_wait=0.25)
        waiting = asyncio.create_task(parked.wait_until_near())
        await asyncio.sleep(0)
        loop: Any = asyncio.get_running_loop()
        loop.stall(2 - LEAD)
        await waiting
        assert await parked.permit(max_wait=0.25)
        return now()

    assert 2.0 <= run(main()) <= 2.1


def test_a_request_that_left_late_holds_its_slot_from_then_on() -> None:
    """A second is counted from the request's leaving, not from its permit."""

    async def main() -> float:
        limiter = limiter_of(1)
        reservation = await granted(limiter)
        await asyncio.sleep(0.4 + ROUND_TRIP)
        limiter.update(reservation, Feedback(200, None, None, ROUND_TRIP, delay=0.4))
        await granted(limiter)
        return now()

    assert 1.4 <= run(main()) <= 1.46


# ── decisions ─────────────────────────────────────────────────────────────────────────────────────


def follow(calibration: Calibration, limit: float, now: float) -> float:
    """What the limit is after a header."""
    calibration.observe(limit, None, now)
    calibration.step(now)
    return calibration.limit


def test_a_limit_that_was_held_is_returned_to_in_one_step() -> None:
    """From 20 to 5 and back: no doubling, and no trial, as 20 was held before."""
    calibration = Calibration(20, (1, 100))
    assert follow(calibration, 5, 0.0) == 5
    assert follow(calibration, 20, 0.5) == 5
    assert follow(calibration, 20, 1.1) == 20
    assert not calibration.refused(1.2)


def test_a_lower_limit_in_any_answer_holds_a_raise_back() -> None:
    """Two tokens are told 10 and 20 of the same limit: 10 it is."""
    calibration = Calibration(10, (1, 100))
    for place in range(40):
        limit = follow(calibration, 10 if place % 3 else 20, 100 + place * 0.1)
        assert place < 3 or limit == 10


@pytest.mark.parametrize("retry_after", [1.0, 5.0, 15.0, 60.0])
def test_a_trial_does_not_run_out_during_the_pause_of_its_refusal(retry_after: float) -> None:
    """Whatever Retry-After says, the second refused raise is blamed as well, and the limit before
    the first is returned to.
    """

    async def main() -> list[float]:
        limiter, seen = limiter_of(10), []
        limiter.update(await granted(limiter), answer(limit=100))
        await asyncio.sleep(1.1)
        for _ in range(2):
            reservation = await granted(limiter)
            seen.append(limiter.statistics()[ROUTE].limit)
            limiter.update(reservation, answer(429, retry_after=retry_after))
        return [*seen, limiter.statistics()[ROUTE].limit]

    assert run(main()) == [40, 20, 10]


def test_a_window_that_a_header_names_is_kept() -> None:
    """A hundred a minute are a hundred in any minute, and not a hundred a second."""

    async def main() -> list[float]:
        limiter = limiter_of(10)
        told = Feedback(200, RateLimit(100, 99, 60.0), None, ROUND_TRIP)
        limiter.update(await granted(limiter), told)
        await asyncio.sleep(61)
        return await calls(limiter, 210)

    times = run(main())
    assert most_in(times, 60.0) <= 100
    assert times[-1] - times[0] <= 130


def test_a_route_that_was_not_paced_is_paced_when_its_limit_falls() -> None:
    """From 1,000 a second, too many for a pacer, to 10."""

    async def main() -> list[float]:
        limiter = limiter_of(1000, bounds=(1, 5000))
        limiter.update(await granted(limiter), answer(limit=10))
        await asyncio.sleep(2)
        return await calls(limiter, 30)

    assert most_in(run(main()), 0.05) == 1


def test_a_refusal_in_a_burst_counts_even_after_another_one() -> None:
    """Of two refused together the one that was earlier in the burst tells more."""
    route = Route(10)
    sent = [route.take(0.0, paced=place == 0) for place in range(5)]
    route.learn(sent[4], answer(429), 0.1)
    assert route.burst.capacity == 4
    route.learn(sent[2], answer(429), 0.1)
    assert route.burst.capacity == 2


def test_slow_processes_that_were_refused_together_do_not_come_back_together() -> None:
    """Below one request a second a pause is longer by chance, by up to what is over a second of the
    span.
    """
    route = Route(0.5, random=lambda: 0.5)
    route.learn(route.take(0.0, paced=True), answer(429, retry_after=1), 0.1)
    assert route.paused_until == pytest.approx(0.1 + 1 + 0.5)


def test_an_accepted_probe_opens_the_route_for_those_who_wait_a_short_time() -> None:
    """The server's word that nothing is accepted for an hour holds until something is."""

    async def main() -> None:
        limiter = limiter_of(10)
        limiter.update(await granted(limiter), answer(429, retry_after=3600))
        with pytest.raises(DeadlineExceededError):
            await granted(limiter, timeout=600.0)
        limiter.update(await granted(limiter), answer())
        await granted(limiter, timeout=1.0)

    run(main())


def test_whoever_waits_for_a_connection_holds_up_nobody_who_has_one() -> None:
    """After a pause one in front has given its connection back; one behind may have it now."""

    async def main() -> float:
        limiter = limiter_of(10)
        first = await granted(limiter)
        waiting = await limiter.reserve(ROUTE)
        limiter.update(first, answer(429, retry_after=1))
        assert not await waiting.permit(max_wait=0.25)
        await waiting.wait_until_near()
        began = now()
        await asyncio.wait_for(granted(limiter), 60)
        return now() - began

    assert run(main()) <= 0.3


@pytest.mark.parametrize("seed", range(20))
def test_every_call_goes_however_few_connections_there_are(seed: int) -> None:
    """Calls take connections, give them back in pauses, are refused, give up and come again, and
    nobody waits for one who waits for it.
    """
    random = Random(seed)
    limit, many = random.choice([5, 10, 50, 200]), random.randint(1, 6)

    async def main() -> None:
        limiter, connections = limiter_of(limit), asyncio.Semaphore(many)

        async def one(priority: Priority) -> None:
            reservation = await limiter.reserve(ROUTE, priority=priority)
            try:
                while True:
                    async with connections:
                        await asyncio.sleep(random.choice([0.0, 0.001, 0.02, 0.3]))
                        if await reservation.permit(max_wait=random.choice([0.0, 0.25])):
                            await asyncio.sleep(ROUND_TRIP)
                            break
                    await reservation.wait_until_near()
            finally:
                reservation.abandon()
            refused = random.random() < 0.03
            limiter.update(
                reservation,
                answer(429, retry_after=random.choice([0, 1, 5])) if refused else answer(),
            )

        kinds: list[Priority] = ["interactive", "bulk"]
        calling = [asyncio.create_task(one(random.choice(kinds))) for _ in range(150)]
        loop: Any = asyncio.get_running_loop()
        for task in random.sample(calling, 30):
            loop.call_later(random.random() * 10, task.cancel)
        for _ in range(5):
            await asyncio.sleep(random.random())
            loop.stall(random.random() / 2)
        await asyncio.wait(calling, timeout=3600)
        assert all(task.done() for task in calling)
        assert limiter.statistics()[ROUTE].waiting == 0

    run(main())


def test_one_that_is_given_up_by_another_task_says_so() -> None:
    """Whoever waits for its permit hears of it, and does not wait for ever."""

    async def main() -> None:
        limiter = limiter_of(1)
        await granted(limiter)
        reservation = await limiter.reserve(ROUTE)
        asking = asyncio.create_task(reservation.permit())
        await asyncio.sleep(0)
        reservation.abandon()
        with pytest.raises(RuntimeError, match="given up"):
            await asyncio.wait_for(asking, 60)
        await granted(limiter)

    run(main())


def test_a_deadline_holds_also_for_one_that_was_called_at_once() -> None:
    """A limit that falls while it waits moves its permit from just before its deadline to after."""

    async def main() -> float:
        limiter = limiter_of(10)
        first = await granted(limiter)
        await asyncio.sleep(0.2)
        second = await granted(limiter)
        await asyncio.sleep(0.2)
        reservation = await limiter.reserve(ROUTE, timeout=0.75)
        assert now() == pytest.approx(0.4)
        limiter.update(first, answer(limit=2))
        asking = asyncio.create_task(reservation.permit())
        await asyncio.sleep(0.01)
        assert not asking.done()
        limiter.update(second, answer(limit=1))
        with pytest.raises(DeadlineExceededError):
            await asking
        return now()

    assert run(main()) == pytest.approx(0.4 + 0.75, abs=0.01)
