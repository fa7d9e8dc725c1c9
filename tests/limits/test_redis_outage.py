"""RedisRateLimiter when Redis is gone, silent, wrong or from another time: calls go on, within the
limit, and it comes back.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import redis.asyncio

from respondio_async.errors import DeadlineExceededError
from respondio_async.limits._protocol import Feedback, Reservation
from respondio_async.limits._redis_script import KEYS
from respondio_async.limits.redis import RedisRateLimiter

from .redis_server import RedisServer, redis_server

pytestmark = pytest.mark.real_time

ROUTE = "GET /contact/{identifier}"
OTHER = "POST /contact/merge"
STATE, LOG = (f"{{respondio:acme}}:{ROUTE}:{what}" for what in ("state", "log"))
LIMIT, SHARE = 20, 0.25
YEAR = 365 * 86_400 * 1_000_000


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
async def limiter(server: RedisServer) -> AsyncIterator[RedisRateLimiter]:
    client = redis.asyncio.Redis.from_url(server.url)
    yield RedisRateLimiter(client, "acme", limits={ROUTE: LIMIT}, share=SHARE, timeout=0.1)
    await client.aclose()


async def send(limiter: RedisRateLimiter, times: int, *, route: str = ROUTE) -> list[float]:
    """So many calls, all at once; when each was sent."""
    sends: list[float] = []

    async def call() -> None:
        reservation = await limiter.reserve(route)
        await reservation.permit()
        sends.append(time.monotonic())
        limiter.update(reservation, Feedback(status=200, round_trip=0.001))

    await asyncio.gather(*(call() for _ in range(times)))
    return sends


def most_in_a_second(sends: list[float]) -> int:
    return max(sum(start <= at < start + 1.0 for at in sends) for start in sends)


async def until_shared(limiter: RedisRateLimiter) -> list[float]:
    """Keep calling until Redis gives the permits again."""
    sends: list[float] = []
    while limiter.statistics()[ROUTE].limit != LIMIT:
        sends += await send(limiter, 1)
    return sends


async def test_redis_dies_and_returns(
    server: RedisServer, limiter: RedisRateLimiter, caplog: pytest.LogCaptureFixture
) -> None:
    """The share holds from the start, this process's own sends counted; one warning, without the
    address; then it is shared again.
    """
    caplog.set_level(logging.INFO, logger="respondio_async")
    before = await send(limiter, 10)
    server.kill()
    during = await send(limiter, 6)
    assert during[0] - before[-5] > 1.0, "ten were sent in the last second, and the share is five"
    assert most_in_a_second(during) <= LIMIT * SHARE
    assert limiter.statistics()[ROUTE].limit == LIMIT * SHARE
    assert "without Redis" in repr(limiter)
    server.start()
    during += await until_shared(limiter)
    after = await send(limiter, 15)
    assert after[0] - during[-2] > 0.9, (
        "a window of silence, for the processes that may not know yet"
    )
    assert most_in_a_second(before + during + after) <= LIMIT
    ours = [record.levelname for record in caplog.records if record.name == "respondio_async"]
    assert ours == ["WARNING", "INFO"]
    assert "127.0.0.1" not in caplog.text
    assert str(server.port) not in caplog.text
    assert limiter.statistics()[ROUTE].granted == len(before) + len(during) + len(after)


async def test_a_refusal_without_redis_pauses_this_process(
    server: RedisServer, limiter: RedisRateLimiter
) -> None:
    """The local limiter learns from the answers to its own permits, and Redis hears of the pause
    when it is back.
    """
    server.kill()
    reservation = await limiter.reserve(ROUTE)
    assert await reservation.permit()
    leader = await limiter.reserve(ROUTE)
    limiter.update(reservation, Feedback(status=429, retry_after=1.2))
    assert await leader.permit(max_wait=0.01) is False
    leader.abandon()
    with pytest.raises(DeadlineExceededError):
        await limiter.reserve(ROUTE, timeout=0.5)
    start = time.monotonic()
    (sent,) = await send(limiter, 1)
    assert sent - start > 0.5


async def test_a_leader_changes_over_while_it_waits(
    server: RedisServer, limiter: RedisRateLimiter
) -> None:
    """A reservation that the local limiter had announced is taken to Redis once that is back."""
    server.kill()
    await send(limiter, 1)
    leader = await limiter.reserve(ROUTE)
    server.start()
    while limiter.statistics()[ROUTE].limit != LIMIT:
        await asyncio.sleep(0.05)
    assert await leader.permit()
    assert server.command("ZCARD", LOG) == ":1\r\n"


async def test_routes_that_rest_regroup_when_they_are_used_again(
    server: RedisServer, limiter: RedisRateLimiter
) -> None:
    """Nobody looks for Redis when nobody waits; the next call finds it, on each route."""
    await asyncio.gather(send(limiter, 1), send(limiter, 1, route=OTHER))
    server.kill()
    await asyncio.gather(send(limiter, 6), send(limiter, 1, route=OTHER))
    await asyncio.sleep(0.5)
    server.start()
    await until_shared(limiter)
    await send(limiter, 1, route=OTHER)
    assert server.command("EXISTS", f"{{respondio:acme}}:{OTHER}:state") == ":1\r\n"


@pytest.mark.parametrize("trouble", ["freeze", "CLIENT PAUSE 400", "DEBUG SLEEP 0.4"])
async def test_a_silent_server_holds_nobody_up(
    server: RedisServer, limiter: RedisRateLimiter, trouble: str
) -> None:
    """A call whose timeout is shorter than the silence fails in time, and one without goes on
    locally.
    """
    await send(limiter, 2)
    if trouble == "freeze":
        server.freeze()
        blocked = None
    else:
        blocked = asyncio.create_task(asyncio.to_thread(server.command, *trouble.split()))
        await asyncio.sleep(0.02)
    async with asyncio.timeout(1.0):
        with pytest.raises(DeadlineExceededError):
            await limiter.reserve(ROUTE, timeout=0.05)
    async with asyncio.timeout(3.0):
        await send(limiter, 2)
    server.thaw()
    if blocked is not None:
        await blocked


async def test_a_forgotten_script_is_loaded_again(
    server: RedisServer, limiter: RedisRateLimiter
) -> None:
    """SCRIPT FLUSH goes unnoticed."""
    await send(limiter, 2)
    server.command("SCRIPT", "FLUSH")
    await send(limiter, 2)
    assert limiter.statistics()[ROUTE].limit == LIMIT


async def forget(server: RedisServer) -> None:
    server.command("FLUSHALL")


async def set_back(server: RedisServer) -> None:
    """As if the server's clock had been a year ahead until now."""
    for member in server.command("ZRANGE", LOG, "0", "-1").split("\r\n")[2::2]:
        server.command("ZINCRBY", LOG, str(YEAR), member)
    for field in ("pause", "hold", "tail", "raised", "even"):
        server.command("HSET", STATE, field, f"{time.time_ns() // 1000 + YEAR}")


async def set_forward(server: RedisServer) -> None:
    """As if the server's clock had jumped a year ahead."""
    for member in server.command("ZRANGE", LOG, "0", "-1").split("\r\n")[2::2]:
        server.command("ZINCRBY", LOG, str(-YEAR), member)


@pytest.mark.parametrize("harm", [forget, set_back, set_forward])
async def test_a_log_that_cannot_be_holds_for_a_window(
    server: RedisServer, limiter: RedisRateLimiter, harm: Any
) -> None:
    """Flushed, evicted, or of another time: nobody sends until all that may have been sent is
    forgotten; then it goes on.
    """
    before = await send(limiter, 12)
    await harm(server)
    async with asyncio.timeout(4.0):
        after = await send(limiter, 12)
    assert most_in_a_second(before + after) <= LIMIT
    assert after[0] - before[-1] > 1.0
    assert after[0] - before[-1] < 2.5
    assert limiter.statistics()[ROUTE].limit == LIMIT


@pytest.mark.parametrize("what", KEYS)
async def test_a_key_of_the_wrong_kind_is_an_outage_of_its_route(
    server: RedisServer, limiter: RedisRateLimiter, what: str
) -> None:
    """What somebody else keeps under our key stops nobody, and no other route; when it is gone
    sharing begins.
    """
    key = f"{{respondio:acme}}:{ROUTE}:{what}"
    server.command("SET", key, "mine")
    sends = await send(limiter, 2)
    assert limiter.statistics()[ROUTE].limit == LIMIT * SHARE
    await send(limiter, 2, route=OTHER)
    assert server.command("EXISTS", f"{{respondio:acme}}:{OTHER}:state") == ":1\r\n"
    assert "sharing" in repr(limiter)
    server.command("DEL", key)
    assert most_in_a_second(sends + await until_shared(limiter)) <= LIMIT


async def test_answers_that_are_not_ours_are_an_outage_of_their_route(
    server: RedisServer, limiter: RedisRateLimiter
) -> None:
    """A list of somebody else's under our key is not believed, and stops no other route."""
    server.command("RPUSH", f"{{respondio:acme}}:{ROUTE}:answers", "mine")
    server.command("HSET", STATE, "told", "1")
    await send(limiter, 2)
    assert limiter.statistics()[ROUTE].limit == LIMIT * SHARE
    await send(limiter, 2, route=OTHER)
    assert "sharing" in repr(limiter)


class Babbler:
    """A client whose server answers nonsense."""

    async def script_load(self, script: str) -> str:
        return "sha"

    async def evalsha(self, *words: Any) -> list[int]:
        return [1, 2, 3]

    eval = evalsha


async def test_nonsense_is_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    """An answer that is not our script's is not believed."""
    limiter = RedisRateLimiter(Babbler(), "acme", limits={ROUTE: LIMIT})
    reservation: Reservation = await limiter.reserve(ROUTE)
    assert await reservation.permit()
    assert "ValueError" in caplog.text
