"""RedisRateLimiter against coincidences: a fork, a refusal or a cancellation while a question is
under way, late departures.
"""

import asyncio
import logging
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from math import inf, nan
from typing import Any

import pytest
import redis.asyncio

from respondio_async.errors import DeadlineExceededError
from respondio_async.limits import DEFAULT_LIMITS, LocalRateLimiter
from respondio_async.limits._protocol import Feedback, Reservation
from respondio_async.limits.redis import RedisRateLimiter

from .redis_server import RedisServer, redis_server

pytestmark = pytest.mark.real_time

ROUTE = "GET /contact/{identifier}"
SLOW = "POST /contact/merge"


def log(route: str) -> str:
    return f"{{respondio:acme}}:{route}:log"


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
async def client(server: RedisServer) -> AsyncIterator["redis.asyncio.Redis"]:
    client = redis.asyncio.Redis.from_url(server.url)
    yield client
    await client.aclose()


class Distant:
    """A client whose server is far away: each answer takes *latency* seconds to come back."""

    def __init__(self, client: "redis.asyncio.Redis", latency: float) -> None:
        self._client = client
        self.latency = latency

    async def script_load(self, script: str) -> Any:
        return await self._client.script_load(script)

    async def evalsha(self, *words: Any) -> Any:
        reply = await self._client.evalsha(*words)
        await asyncio.sleep(self.latency)
        return reply

    eval = evalsha


def limiter_on(client: Any, **options: object) -> RedisRateLimiter:
    return RedisRateLimiter(client, "acme", **{"limits": {ROUTE: 20, SLOW: 1}, **options})  # type: ignore[arg-type]


async def granted(limiter: RedisRateLimiter, route: str = ROUTE, **options: object) -> Reservation:
    reservation = await limiter.reserve(route, **options)  # type: ignore[arg-type]
    assert await reservation.permit()
    return reservation


async def test_a_refusal_heard_while_a_question_is_under_way_stops_the_turn_it_brings(
    client: "redis.asyncio.Redis",
) -> None:
    """A permit that was reserved before Redis knew of the pause is not used in it."""
    for _ in range(4):
        await client.flushall()
        distant = Distant(client, 0.0)
        limiter = limiter_on(distant, timeout=1.0)
        first = await granted(limiter)
        distant.latency = 0.1
        waiting = asyncio.create_task(granted(limiter))
        await asyncio.sleep(0.05)
        limiter.update(first, Feedback(status=429, retry_after=0.8))
        refused = time.monotonic()
        await waiting
        assert time.monotonic() - refused > 0.7


async def test_a_caller_cancelled_while_a_question_is_under_way_leaves_no_reservation(
    client: "redis.asyncio.Redis",
) -> None:
    """What the answer then brings is given back: the other processes need the slot."""
    distant = Distant(client, 0.1)
    limiter, other = limiter_on(distant, timeout=1.0), limiter_on(client)
    with pytest.raises(DeadlineExceededError):
        await limiter.reserve(SLOW, timeout=0.05)
    await asyncio.sleep(0.25)
    assert await client.zcard(log(SLOW)) == 0
    await granted(other, SLOW, timeout=0.3)


async def test_an_unsent_request_gives_back_its_own_permit_only(
    client: "redis.asyncio.Redis",
) -> None:
    """At high rates several permits are reserved together; each is a permit of its own."""
    limiter = limiter_on(client, limits={ROUTE: 1000})
    reservations = await asyncio.gather(*(granted(limiter) for _ in range(5)))
    for reservation in reservations[1:]:
        limiter.update(reservation, Feedback(status=200, round_trip=0.001))
    limiter.update(reservations[0], Feedback(status=None, sent=False))
    await granted(limiter)
    await asyncio.sleep(0.1)
    assert await client.zcard(log(ROUTE)) == 5


async def test_a_request_that_left_late_is_counted_late(client: "redis.asyncio.Redis") -> None:
    """A connection had to be made after the permit: the second begins when the request leaves."""
    limiter = limiter_on(client)
    reservation = await granted(limiter, SLOW)
    ((_, due),) = await client.zrange(log(SLOW), 0, -1, withscores=True)
    await asyncio.sleep(0.2)
    limiter.update(reservation, Feedback(status=200, round_trip=0.001, delay=0.2))
    await asyncio.sleep(0.1)
    ((_, moved),) = await client.zrange(log(SLOW), 0, -1, withscores=True)
    assert moved - due >= 190_000


@pytest.mark.parametrize("delay", [3600.0, inf, nan, -5.0])
async def test_a_delay_that_cannot_be_is_not_believed(
    client: "redis.asyncio.Redis", delay: float
) -> None:
    """A request cannot have left later than now, nor before its permit, as with the local
    limiter.
    """
    limiter = limiter_on(client)
    reservation = await granted(limiter, SLOW)
    ((_, due),) = await client.zrange(log(SLOW), 0, -1, withscores=True)
    await asyncio.sleep(0.1)
    now = time.time_ns() / 1000
    limiter.update(reservation, Feedback(status=200, round_trip=0.001, delay=delay))
    await asyncio.sleep(0.1)
    ((_, moved),) = await client.zrange(log(SLOW), 0, -1, withscores=True)
    assert due <= moved <= now + 50_000
    await granted(limiter, SLOW, timeout=10.0)


async def test_turns_of_others_teach_nothing(client: "redis.asyncio.Redis") -> None:
    """As with the local limiter: what another limiter gave is ignored, and stays to be observed
    there.
    """
    limiter, other, local = limiter_on(client), limiter_on(client), LocalRateLimiter()
    refusal = Feedback(status=429, retry_after=30.0)
    reservation = await granted(other)
    limiter.update(reservation, refusal)
    await granted(limiter)
    foreign = await local.reserve(ROUTE)
    assert await foreign.permit()
    limiter.update(foreign, refusal)
    limiter.update(reservation, refusal)
    assert limiter.statistics()[ROUTE].refused == 0
    other.update(reservation, refusal)
    other.update(reservation, refusal)
    assert other.statistics()[ROUTE].refused == 1


async def test_a_turn_given_up_by_another_task_is_not_granted(
    client: "redis.asyncio.Redis",
) -> None:
    """`abandon` is safe at any time, even while its own permit is waited for."""
    limiter = limiter_on(client)
    await granted(limiter)
    reservation = await limiter.reserve(ROUTE)
    permit = asyncio.create_task(reservation.permit())
    await asyncio.sleep(0.005)
    reservation.abandon()
    with pytest.raises(RuntimeError):
        await permit
    await asyncio.gather(*(granted(limiter) for _ in range(3)))
    statistics = limiter.statistics()[ROUTE]
    assert (statistics.waiting, statistics.granted) == (0, 4)


@pytest.mark.parametrize("limit", [0.0004, 0.029, 1 / 3, 10])
async def test_statistics_tell_a_fractional_limit(
    client: "redis.asyncio.Redis", limit: float
) -> None:
    """What Redis says of the limit is exact enough to divide by."""
    limiter = limiter_on(client, limits={ROUTE: limit})
    await granted(limiter)
    statistics = limiter.statistics()[ROUTE]
    assert statistics.limit == pytest.approx(limit, rel=1e-5)
    assert 0.005 < statistics.margin < 0.07


FORKING = """
import asyncio, os, sys, time, redis.asyncio
from respondio_async.limits.redis import RedisRateLimiter

server = redis.asyncio.Redis.from_url(sys.argv[1])
limiter = RedisRateLimiter(server, "acme", limits={sys.argv[2]: 10})
workers = [os.fork()]

async def send():
    for _ in range(8):
        reservation = await limiter.reserve(sys.argv[2], timeout=10.0)
        await reservation.permit()
        os.write(1, f"{time.monotonic()}\\n".encode())

asyncio.run(send())
if workers[0]:
    os.waitpid(workers[0], 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_processes_forked_from_one_that_made_the_limiter_share_the_limit(
    server: RedisServer,
) -> None:
    """A limiter made before the workers are forked, as preloading servers do, gives each of them
    turns of its own.
    """
    run = subprocess.run(
        [sys.executable, "-c", FORKING, server.url, ROUTE],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    sends = sorted(float(line) for line in run.stdout.split())
    assert len(sends) == 16
    assert all(late - early > 0.9 for early, late in zip(sends, sends[10:], strict=False))


async def test_one_routes_unusable_keys_are_told_once(
    server: RedisServer, client: "redis.asyncio.Redis", caplog: pytest.LogCaptureFixture
) -> None:
    """Redis answers on one route and fails on another; the log does not report its return, and
    loss, with every probe.
    """
    caplog.set_level(logging.INFO, logger="respondio_async")
    limiter = limiter_on(client)
    server.command("SET", log(SLOW), "mine")

    async def keep_calling(route: str) -> None:
        while True:
            await granted(limiter, route)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2.5):
            await asyncio.gather(keep_calling(ROUTE), keep_calling(SLOW))
    ours = [record.levelname for record in caplog.records if record.name == "respondio_async"]
    assert ours == ["WARNING"]
    assert "sharing" in repr(limiter)


async def test_a_small_connection_pool_is_no_outage(server: RedisServer) -> None:
    """Six busy routes on two connections: whoever finds none waits a moment, and the limits stay
    shared.
    """
    routes = list(DEFAULT_LIMITS)[:6]
    async with redis.asyncio.Redis.from_url(server.url, max_connections=2) as client:
        limiter = RedisRateLimiter(client, "acme", limits=dict.fromkeys(routes, 20))

        async def call(route: str) -> None:
            reservation = await limiter.reserve(route)
            assert await reservation.permit()
            limiter.update(reservation, Feedback(200, round_trip=0.01))

        await asyncio.gather(*(call(route) for route in routes for _ in range(20)))
        assert limiter._link.outages == 0
        assert sum(each.granted for each in limiter.statistics().values()) == 120
