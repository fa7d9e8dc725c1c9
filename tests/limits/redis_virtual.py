"""RedisRateLimiters of several processes in virtual time, on a real Redis.

Each has a connection of its own to the server, as far away as is asked; the script runs on the real
server, which is told the time. So an hour of thirty processes passes in a minute, and nothing
depends on the machine.
"""

import asyncio
from random import Random
from typing import Any

import redis

from respondio_async.limits.redis import RedisRateLimiter
from tests.simulation.neighbours import ROUTE, Make

EPOCH = 1_700_000_000
"""Virtual time 0 on the server's clock."""


class VirtualRedis:
    """One process's client: *way* seconds to the server, *way* back, each a little uneven, and
    *connecting* seconds before the first of them.
    """

    def __init__(self, port: int, way: float, dice: Random, connecting: float) -> None:
        self._server: Any = redis.Redis(port=port)
        self._way, self._dice, self._connecting = way, dice, connecting
        self._script = ""
        self.cut = False
        """Whether the server cannot be reached."""

    async def script_load(self, script: str) -> Any:
        self._script = script.replace(
            "redis.call('TIME')", "{tonumber(redis.call('GET', 'now')), 0}"
        ).replace("time[1] * SECOND", "time[1]")
        await asyncio.sleep(self._connecting)
        await self._travel()

    async def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> Any:
        await self._travel()
        now = int((EPOCH + asyncio.get_running_loop().time()) * 1e6)
        pipeline = self._server.pipeline(transaction=False)
        pipeline.set("now", now)
        pipeline.eval(self._script, numkeys, *keys_and_args)
        reply = pipeline.execute()[1]
        await self._travel()
        return reply

    async def eval(self, script: str, numkeys: int, *keys_and_args: Any) -> Any:
        return await self.evalsha(script, numkeys, *keys_and_args)

    async def _travel(self) -> None:
        if self.cut:
            raise ConnectionError("cut off")
        await asyncio.sleep(self._way * self._dice.uniform(0.9, 1.1))


def sharing(
    port: int,
    processes: int,
    *,
    way: float = 0.0005,
    cut_off: int = 0,
    connecting: float = 0.0,
) -> Make:
    """Makes so many processes' limiters, one after another; the first *cut_off* never reach it."""
    clients = [
        VirtualRedis(port, way, Random(f"{place}"), connecting) for place in range(processes)
    ]
    for client in clients[:cut_off]:
        client.cut = True
    following = iter(clients)
    organisation = f"virtual {id(clients)}"

    def make(limit: int) -> RedisRateLimiter:
        return RedisRateLimiter(
            next(following), organisation, limits={ROUTE: limit}, share=1 / processes
        )

    return make
