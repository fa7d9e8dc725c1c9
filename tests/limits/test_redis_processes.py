"""RedisRateLimiter in several processes, against a judge that counts strictly; Redis itself is
killed, frozen and emptied.
"""

import asyncio
from collections.abc import Iterator

import pytest

from .redis_fleet import fleet
from .redis_server import RedisServer, redis_server

pytestmark = [pytest.mark.real_time, pytest.mark.long("four processes and a judge")]


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


# On a machine that is busy with other things a process may stop for longer than any margin: then
# one request in a hundred may arrive early or late. The benchmark asserts the real figures, on a
# quiet machine.
NOISE = 0.01

USE = 0.5
"""Part of the limit that is used however busy the machine is."""


@pytest.mark.parametrize(("limit", "calls_a_permit"), [(10, 1.1), (100, 0.3)])
async def test_four_processes_use_one_limit_and_never_more(
    server: RedisServer, limit: int, calls_a_permit: float
) -> None:
    """Together they stay under the limit in every second, use nearly all of it, and ask Redis
    rarely.
    """
    with fleet(server.url, limit) as workers:
        workers.launch(4, 3.0)
        verdict = await workers.wait()
    sent = len(verdict.arrivals)
    assert verdict.failures == []
    assert verdict.refused <= NOISE * sent
    assert verdict.use > USE
    started_and_ended = (
        3 * 4
    )  # the first and the last few calls of each process, which a longer run would not notice
    assert server.calls() <= calls_a_permit * sent + started_and_ended
    assert verdict.warnings == 0


async def test_redis_is_killed_and_comes_back(server: RedisServer) -> None:
    """Without Redis each process keeps to its share and says so once; then they share again; no
    call fails, few are refused.
    """
    with fleet(server.url, 20) as workers:
        workers.launch(4, 5.5)
        await asyncio.sleep(1.5)
        server.kill()
        await asyncio.sleep(1.2)
        server.start()
        verdict = await workers.wait()
    assert verdict.failures == []
    assert 1 <= verdict.warnings <= 4
    assert verdict.refused <= 20
    assert verdict.most_in_a_second <= 40
    assert server.calls() > 0, "the new server was never asked: nobody returned"


@pytest.mark.parametrize("trouble", ["restart", "freeze"])
async def test_trouble_with_redis_fails_no_call(server: RedisServer, trouble: str) -> None:
    """A new server without state and a silent one cost time, never a call and never more than a
    window's refusals.
    """
    with fleet(server.url, 20) as workers:
        workers.launch(3, 4.5, tasks=4)
        await asyncio.sleep(0.5)
        if trouble == "restart":
            server.kill()
            server.start()
        else:
            server.freeze()
            await asyncio.sleep(0.8)
            server.thaw()
        verdict = await workers.wait()
    assert verdict.failures == []
    assert verdict.refused <= 20
    assert verdict.most_in_a_second <= 40
    late = [at for at in verdict.arrivals if at > verdict.arrivals[0] + 3.0]
    assert late, "nobody sent any more"


async def test_a_killed_process_costs_the_others_little(server: RedisServer) -> None:
    """kill -9 of one process loses what it had reserved, half a second at most; the others go
    on.
    """
    with fleet(server.url, 20) as workers:
        workers.launch(3, 2.5)
        await asyncio.sleep(1.0)
        workers.workers[0].kill()
        verdict = await workers.wait()
    assert verdict.failures == []
    assert verdict.use > USE
    assert verdict.refused <= 1
