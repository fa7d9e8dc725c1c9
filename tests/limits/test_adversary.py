"""`LocalRateLimiter` in virtual time, in the cases that are easily overlooked."""

import asyncio
from copy import deepcopy
from itertools import pairwise, product
from random import Random

import pytest

from respondio_async.errors import DeadlineExceededError
from respondio_async.limits import Feedback, Priority
from respondio_async.limits._priorities import Priorities
from tests.limits.helpers import ROUND_TRIP, ROUTE, answer, call, calls, granted, limiter_of
from tests.simulation.cells import Cell, simulate
from tests.simulation.servers import SERVERS, TokenBucket
from tests.support.virtual import run

PRIORITIES: tuple[Priority, Priority] = ("interactive", "bulk")


# ── deadlines ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("limit", [1, 5, 10, 100, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("taught", [False, True], ids=["fresh", "taught"])
@pytest.mark.parametrize(("prior", "gap"), [("idle", 0.0), ("one", 1.5), ("full", 0.5)])
def test_who_would_be_served_in_time_is_not_sent_away(
    limit: int, taught: bool, prior: str, gap: float
) -> None:
    """Each of a line is served with just the time that it takes without deadlines: whatever went
    together comes free together.
    """

    async def main(timeouts: list[float | None]) -> list[float]:
        limiter = limiter_of(limit)
        if taught:
            await call(limiter, [], answer(remaining=limit - 1))
            await asyncio.sleep(30)
        if prior != "idle":
            await calls(limiter, 1 if prior == "one" else limit)
            await asyncio.sleep(max(0.0, gap - ROUND_TRIP))
        loop = asyncio.get_running_loop()
        began = loop.time()
        waits = [0.0] * len(timeouts)

        async def one(place: int) -> None:
            reservation = await limiter.reserve(ROUTE, timeout=timeouts[place])
            assert await reservation.permit()
            waits[place] = loop.time() - began
            await asyncio.sleep(ROUND_TRIP)
            limiter.update(reservation, answer())

        late = await asyncio.gather(*map(one, range(len(timeouts))), return_exceptions=True)
        assert not [each for each in late if isinstance(each, DeadlineExceededError)]
        return waits

    waits = run(main([None] * int(limit * 2.5 + 1)))
    run(main([wait + 0.005 for wait in waits]))


class Waiter:
    """Somebody in line."""

    def __init__(self, priority: Priority, is_retry: bool) -> None:
        self.priority: Priority = priority
        self.is_retry = is_retry
        self.gone = False


@pytest.mark.parametrize("seed", range(50))
def test_how_many_go_before_is_exact(seed: int) -> None:
    """Whoever came, went and left before: as many as are counted are called before one who joins
    now.
    """
    random = Random(seed)
    priorities: Priorities[Waiter] = Priorities()
    line: list[Waiter] = []
    for _ in range(60):
        what = random.random()
        if what < 0.6:
            line.append(Waiter(random.choice(PRIORITIES), random.random() < 0.3))
            priorities.join(line[-1])
        elif what < 0.8 and line:
            line.remove(priorities.pop())
        elif line:
            waiter = line.pop(random.randrange(len(line)))
            waiter.gone = True
            priorities.leave(waiter)
        for priority, is_retry in product(PRIORITIES, (False, True)):
            future, newcomer = deepcopy(priorities), Waiter(priority, is_retry)
            future.join(newcomer)
            before = 0
            while future.pop() is not newcomer:
                before += 1
            assert priorities.ahead(priority, is_retry) == before


# ── bursts ────────────────────────────────────────────────────────────────────────────────────────


def test_calls_that_arrive_in_another_order_do_not_spoil_the_next_burst() -> None:
    """Of five that went at once the first arrived third, and was told that two are left: the server
    still takes five.
    """

    async def main() -> float:
        limiter = limiter_of(5)
        loop = asyncio.get_running_loop()
        for left in ([2, 4, 3, 1, 0], [0] * 5):
            await asyncio.sleep(5)
            began = loop.time()
            reservations = await asyncio.gather(*(granted(limiter) for _ in range(5)))
            took = loop.time() - began
            await asyncio.sleep(ROUND_TRIP)
            for reservation, remaining in zip(reservations, left, strict=True):
                limiter.update(reservation, answer(remaining=remaining))
        return took

    assert run(main()) < 0.02


def test_a_refused_burst_is_over() -> None:
    """The second of five is refused while three still look for a connection: they do not go at once
    after the pause.
    """

    async def main() -> list[float]:
        limiter = limiter_of(10)
        loop = asyncio.get_running_loop()
        times: list[float] = []

        async def one(place: int) -> None:
            reservation = await limiter.reserve(ROUTE)
            await asyncio.sleep(0.002 if place < 2 else 0.3)
            while not await reservation.permit(max_wait=0.25):
                await reservation.wait_until_near()
            times.append(loop.time())
            await asyncio.sleep(0.05)
            limiter.update(reservation, answer(429, retry_after=1.0) if place == 1 else answer())

        await asyncio.gather(*map(one, range(5)))
        return times

    times = run(main())
    assert times[1] - times[0] < 0.02
    assert all(later - earlier > 0.09 for earlier, later in pairwise(times[2:]))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("headers", [True, False], ids=["headers", "silent"])
def test_a_bucket_of_two_is_not_overrun_when_delays_are_uneven(seed: int, headers: bool) -> None:
    """300 at once at ten a second, each 0 to 50 ms on its way, of which nothing is known yet."""
    result = simulate(Cell("gcra", "0-50 ms", 10, headers=headers), 30.0, seed)
    assert result.refused == 0
    assert result.accepted >= 280


def test_the_first_calls_of_a_slow_route_are_seldom_refused() -> None:
    """One a second, 0 to 50 ms on their way, and nothing known: one call in 200 is refused at
    most.
    """
    results = [simulate(Cell("sliding-log", "0-50 ms", 1), 60.0, seed) for seed in range(40)]
    assert sum(result.refused for result in results) <= 0.005 * sum(
        result.accepted for result in results
    )


@pytest.mark.parametrize("server", ["sliding-log", "counting-refused"])
def test_delays_that_are_uneven_on_both_ways_cost_a_bounded_part(server: str) -> None:
    """No header tells anything; 300 at once at ten a second take at most 1.06 of their time in the
    median.
    """
    ends = []
    for seed in range(15):
        result = simulate(Cell(server, "0-50 ms", 10, headers=False, both_ways=True), 36.0, seed)
        ends.append(result.times[299])
    assert sorted(ends)[7] <= 30 * 1.06


@pytest.mark.parametrize("load", ["at once", "bursts"])
@pytest.mark.parametrize("limit", [5, 10, 20])
def test_a_server_that_takes_no_two_at_once_is_learnt(
    limit: int, load: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Delays that differ by 5 ms are more than the pacer leaves: it learns to leave more, and is
    hardly refused any more.
    """
    monkeypatch.setitem(SERVERS, "strict", lambda limit: TokenBucket(limit, capacity=1))
    result = simulate(Cell("strict", "5 ms", limit, load), 600.0)
    assert result.refused <= 10
    assert result.use >= 0.8


def test_a_late_departure_is_at_most_as_late_as_now() -> None:
    """A delay that cannot be does not hold a slot for ever."""

    async def main() -> float:
        limiter = limiter_of(1)
        reservation = await granted(limiter)
        await asyncio.sleep(ROUND_TRIP)
        limiter.update(reservation, Feedback(200, round_trip=ROUND_TRIP, delay=1e9))
        await granted(limiter)
        return asyncio.get_running_loop().time()

    assert 1.0 <= run(main()) <= 1.2


@pytest.mark.parametrize(
    ("before", "after", "within"), [(100, 1, 1.3), (100, 10, 1.3), (20, 0.5, 2.3), (10, 5, 1.3)]
)
def test_a_lowered_limit_does_not_stop_the_route(
    before: float, after: float, within: float
) -> None:
    """What was sent under the old limit leaves the window within its second; then the new limit is
    used at once.
    """

    async def main() -> tuple[float, float]:
        limiter = limiter_of(before, bounds=(0.1, 100))
        limiter.update(await granted(limiter), answer(remaining=before - 1))
        await asyncio.sleep(5)
        reservations = await asyncio.gather(*(granted(limiter) for _ in range(int(before))))
        limiter.update(reservations[0], answer(limit=after))
        began = asyncio.get_running_loop().time()
        reservation = await limiter.reserve(ROUTE, timeout=within)
        assert await reservation.permit()
        first = asyncio.get_running_loop().time() - began
        await granted(limiter)
        return first, asyncio.get_running_loop().time() - began

    first, second = run(main())
    assert 0.9 <= first <= within
    assert second - first <= 1.2 / after


# ── patience ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("max_wait", [0.0, 0.01])
def test_the_least_patience_does_not_stop_the_loop(max_wait: float) -> None:
    """Announced a little before its permit, a reservation waits for it, rather than go back and
    forth without ever sleeping.
    """

    async def main() -> int:
        limiter = limiter_of(10)
        line = [asyncio.create_task(granted(limiter)) for _ in range(7)]
        await asyncio.sleep(0)
        reservation = await limiter.reserve(ROUTE)
        tries = 1
        while not await reservation.permit(max_wait=max_wait):
            tries += 1
            assert tries < 10
            await reservation.wait_until_near()
        await asyncio.gather(*line)
        return tries

    assert run(main()) == 1
