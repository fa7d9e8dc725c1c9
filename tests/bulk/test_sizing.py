"""As many workers as the limits can use."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from respondio_async.bulk import Bulk
from respondio_async.bulk._sizing import LEAST, MOST, START, Route, Sizer
from respondio_async.limits import LocalRateLimiter
from respondio_async.limits._protocol import Feedback
from tests.support.virtual import VIRTUAL


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


class Line(msgspec.Struct):
    """What a limiter tells of a route."""

    route: str
    limit: float | None
    waiting: int = 0
    granted: int = 0


def lines(*routes: Line) -> Mapping[str, Route]:
    return {route.route: route for route in routes}


def test_a_run_that_uses_no_route_keeps_its_first_number() -> None:
    """Routes that other calls of the client have used do not count."""
    before = lines(Line("a", 5, granted=10))
    sizer = Sizer(0, before)
    assert sizer.look(1, {}, START) == START
    assert sizer.look(2, before, START) == START


def test_the_number_is_what_is_in_service_and_a_line_for_each_route() -> None:
    """Two seconds of a route's limit stand in its line, whatever the measured latency."""
    sizer = Sizer(0, {})
    assert sizer.look(0.1, lines(Line("a", 5, waiting=60, granted=4)), 64) == 5 + 10
    assert (
        sizer.look(0.2, lines(Line("a", 5, waiting=9, granted=4), Line("b", 10, granted=1)), 15)
        == 8 + 10 + 20
    )
    assert sizer.look(0.3, lines(Line("a", None, waiting=15)), 15) == 10


def test_the_number_grows_while_no_line_forms_and_stays_within_its_bounds() -> None:
    """With everything in service more is needed, up to the bound; the least is kept too."""
    sizer = Sizer(0, {})
    seen = [
        sizer.look(number / 10, lines(Line("a", 100, granted=number)), sizer.workers)
        for number in range(1, 30)
    ]
    assert seen == sorted(seen)
    assert seen[-1] == MOST
    assert sizer.look(4, lines(Line("a", 0.1, waiting=50)), 50) == LEAST


def test_growth_for_idle_routes_is_kept_while_they_gain_and_taken_back_when_they_do_not() -> None:
    """A paused route that collects every worker gets more of them past it; a pipeline's idle stages
    gain nothing from more.
    """
    sizer = Sizer(0, {})
    slow, idle = Line("slow", 1, waiting=100, granted=1), Line("idle", 10, granted=1)
    now = 0.0

    def look(gained: int) -> int:
        nonlocal now
        now += 2.5
        idle.granted += gained
        slow.waiting = sizer.workers
        return sizer.look(now, lines(slow, idle), sizer.workers)

    plain = 2 + 20
    first = look(0)
    assert first > plain
    second = look(10)
    assert second > first
    assert look(0) < second, "that growth is taken back"
    grown = [look(0) > plain for _ in range(100)]
    assert 0 < sum(grown[60:]) < 10, "tried again, later and later"
    slow.waiting = 0
    for _ in range(10):
        now += 2.5
        sizer.look(now, lines(slow, idle), 0)
    assert sizer.workers == plain


async def run_pipeline(
    routes: list[str], limiter: LocalRateLimiter, count: int, latency: float
) -> tuple[float, int]:
    """Take *count* items through calls on these routes; give the seconds and the largest number of
    workers.
    """

    async def call(route: str) -> None:
        reservation = await limiter.reserve(route, priority="bulk")
        await reservation.permit()
        await asyncio.sleep(latency)
        limiter.update(reservation, Feedback(200, round_trip=latency))

    async def work(item: int) -> None:
        for route in routes:
            await call(route)

    began = asyncio.get_running_loop().time()
    most = 0
    async with Bulk(work, range(count), routes=limiter.statistics) as run:
        async for outcome in run:
            assert outcome.ok
            most = max(most, run.statistics.workers)
    return asyncio.get_running_loop().time() - began, most


@pytest.mark.parametrize("latency", [0.05, 0.3, 2.0])
async def test_a_pipeline_runs_at_the_speed_of_its_slowest_route(latency: float) -> None:
    """Upsert, tags, lifecycle, message at the vendor's limits: five items a second whatever the
    latency, with a modest crew.
    """
    routes = [
        "POST /contact/create_or_update/{identifier}",
        "POST|DELETE /contact/{identifier}/tag",
        "POST /contact/{identifier}/lifecycle/update",
        "POST /contact/{identifier}/message",
    ]
    seconds, most = await run_pipeline(routes, LocalRateLimiter(), 600, latency)
    assert seconds <= 600 / 5 * 1.05 + 4 * latency
    assert most <= 300


async def test_a_run_reaches_high_limits_within_its_first_second() -> None:
    """At twenty times the vendor's limits and a slow server, hundreds of calls are in flight almost
    at once.
    """
    route = "POST /contact/{identifier}/message"
    seconds, most = await run_pipeline([route], LocalRateLimiter(limits={route: 200.0}), 4_000, 1.0)
    assert most > 200
    assert seconds <= 20 * 1.05 + 2


async def test_routes_idle_for_nobody_while_another_is_held_up() -> None:
    """Items of one kind stand behind a long pause; those of the other kind go on."""
    slow, quick = "POST /contact/merge", "POST /contact/{identifier}/message"
    limiter = LocalRateLimiter(limits={slow: 1.0, quick: 10.0})
    done: list[float] = []
    loop = asyncio.get_running_loop()

    async def work(item: int) -> None:
        route = slow if item % 3 == 0 else quick
        reservation = await limiter.reserve(route, priority="bulk")
        await reservation.permit()
        await asyncio.sleep(0.1)
        limiter.update(reservation, Feedback(200, round_trip=0.1))
        if route == quick:
            done.append(loop.time())

    began = loop.time()
    async with Bulk(work, range(600), routes=limiter.statistics) as run:
        await run.drain()
    # 400 quick items take 40 s at their limit; by then 40 of the 200 slow ones have passed, and the
    # rest must fit in the crew.
    assert done[-1] - began < 60
    assert loop.time() - began < 200 * 1.06 + 5
