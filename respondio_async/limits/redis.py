"""One organisation's limits, shared by any number of processes and machines through Redis (or
Valkey).

The vendor counts an organisation's requests, whichever process sends them. So does this limiter: a
short script on the Redis server keeps the log of a route's last sends and, asked once, *reserves*:
it returns the instant at which the caller may send, and counts that as sent.

* **One clock.** The server's; each process knows its own clock's distance from it (`ServerClock`).
* **Little is reserved.** Only for the calls at the head of a process's queue, at most half a second
  ahead. A process that is killed costs the others that much. Priorities stay a matter of each
  process.
* **First come, first served.** A process that finds no permit within that half second is told when
  to come again, in the order in which processes first asked.
* **Times are corrected afterwards.** A permit that was used late, or whose answer shows that it
  travelled long, is moved in the log before its slot is counted on again.
* **One model.** The script puts all answers in one order, each with the number of ours that the
  server counted with it. Every process teaches them to the local limiter's model (`SharedModel`),
  and so comes to the same limit, and to the same that others leave of it. The one that has heard
  most decides.
* **Redis may go.** Then each process limits itself to `share` by the same model, starting from its
  own recent sends; to the others it is a neighbour. The first one to find Redis back appoints an
  instant for all; from a window before it nobody sends, and then Redis gives the permits again.
* **Redis may forget.** A log without a permit that the caller has just used (flushed, evicted,
  restarted, clock set) holds everybody for a window and what was reserved.

Keys are named `{prefix:organisation}:route:…`: one slot of a cluster holds all of them. They hold
times and random numbers, and expire within an hour.
"""

import asyncio
import secrets
from collections.abc import Mapping
from math import inf, isnan
from typing import Any, Final, Protocol

import anyio
import msgspec

try:
    from redis.exceptions import ConnectionError as RedisConnectionError
    from redis.exceptions import NoScriptError, ResponseError
except ImportError as _error:  # pragma: no cover - the test runs it in a process of its own
    raise ImportError(
        "respondio_async.limits.redis needs redis-py: pip install 'respondio-async[redis]'",
        name="redis",
    ) from _error

from respondio_async.routes import DEFAULT_LIMITS, UNLISTED_LIMIT

from ..errors import ConfigurationError, InvalidArgumentError
from ._local import LocalRateLimiter
from ._protocol import Feedback, Priority, Reservation, RouteStatistics
from ._redis_clock import ServerClock
from ._redis_link import Exchange, Link
from ._redis_model import SharedModel
from ._redis_permits import SharedPermits
from ._redis_reservation import RedisReservation
from ._redis_route import RedisRoute
from ._redis_script import KEYS, SCRIPT, SCRIPT_ID, ScriptReply
from ._route import Route

__all__ = ["RedisRateLimiter"]

POOL_WAIT: Final = 0.002
"""Seconds until the next look at a pool that has no connection to spare."""
PRIORITIES: Final = frozenset({"interactive", "bulk"})


class UnusableKeyError(Exception):
    """Something else is kept under a route's key."""


class RedisClient(Protocol):
    """What we need of a `redis.asyncio.Redis` or `redis.asyncio.RedisCluster`."""

    def script_load(self, script: str) -> Any: ...
    def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> Any: ...
    def eval(self, script: str, numkeys: int, *keys_and_args: Any) -> Any: ...


class RedisRateLimiter:
    """Keep all processes that name the same *organisation* under its limits together.

    *redis* is yours: it is never closed here. *share* is what this process allows itself of each
    limit while Redis is away: 1/n for n processes. *limits* and *bounds* are those of
    `LocalRateLimiter`, and should be the same everywhere.
    *timeout* bounds, in seconds, each of the two tries after which Redis counts as away; the first
    exchange, which also connects, has two seconds, and a Redis that is always slow three times its
    usual round trip. Belongs to
    the event loop it is first used on, as the connections of *redis* do; on another it raises
    `ConfigurationError`.
    """

    def __init__(
        self,
        redis: RedisClient,
        organisation: str,
        *,
        limits: Mapping[str, float] = DEFAULT_LIMITS,
        share: float = 0.25,
        bounds: tuple[float, float] | None = (1.0, 100.0),
        prefix: str = "respondio",
        timeout: float = 0.25,
    ) -> None:
        for argument, text in (("organisation", organisation), ("prefix", prefix)):
            if not text or "{" in text or "}" in text:
                message = (
                    f"{argument} must be a name without braces: it becomes the hash tag of the keys"
                )
                raise InvalidArgumentError(message, argument=argument)
        if not timeout > 0:
            raise InvalidArgumentError(
                "timeout must be a positive number of seconds", argument="timeout"
            )
        self._redis = redis
        LocalRateLimiter(limits=limits, share=share, bounds=bounds)  # raises what it would
        self._limits = {**DEFAULT_LIMITS, **limits}
        self._share = share
        self._bounds = bounds
        self._tag = f"{{{prefix}:{organisation}}}"
        self._link = Link(self._evaluate, timeout=timeout, share=share, unusable=UnusableKeyError)
        self._clock = ServerClock()
        self._routes: dict[str, RedisRoute] = {}
        self._loaded = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"<RedisRateLimiter {self._tag} {'sharing' if self._link.up else 'without Redis'}>"

    async def reserve(
        self,
        route: str,
        *,
        priority: Priority = "interactive",
        timeout: float | None = None,
        is_retry: bool = False,
    ) -> Reservation:
        """Wait for the head of the *route*'s queue; see `RateLimiter`."""
        if priority not in PRIORITIES:
            raise InvalidArgumentError(
                'priority must be "interactive" or "bulk"', argument="priority"
            )
        if timeout is not None and isnan(timeout):
            raise InvalidArgumentError(
                "timeout must be a number of seconds, or None", argument="timeout"
            )
        return await self._route(route).reserve(priority, is_retry, timeout)

    def update(self, reservation: Reservation, feedback: Feedback) -> None:
        """Take in what became of a granted reservation.

        One that was never granted, was observed before, or is another limiter's changes nothing.
        """
        route = self._routes.get(reservation.route)
        if (
            route is not None
            and isinstance(reservation, RedisReservation)
            and reservation.owner is route
        ):
            route.update(reservation, feedback)

    def statistics(self) -> Mapping[str, RouteStatistics]:
        """A snapshot per route that has been used."""
        return {name: route.statistics() for name, route in self._routes.items()}

    def _route(self, name: str) -> RedisRoute:
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise ConfigurationError(
                "this RedisRateLimiter is in use on another event loop, and so are its "
                "connections: "
                "make a Redis client and a limiter for each event loop"
            )
        route = self._routes.get(name)
        if route is None:
            limit = self._limits.get(name, UNLISTED_LIMIT)
            permits = SharedPermits(
                name,
                SharedModel(limit, self._bounds),
                keys=tuple(f"{self._tag}:{name}:{what}" for what in KEYS),
                # Made at the first use: processes forked from one that had made it would hand out
                # one another's permits.
                process=secrets.token_hex(4) + ":",
                link=self._link,
                clock=self._clock,
                waiting=lambda: len(self._routes[name]),
            )
            local = Route(limit, share=self._share, bounds=self._bounds or (inf, -inf))
            route = self._routes[name] = RedisRoute(name, permits, local, self._link)
        return route

    async def _evaluate(self, keys: tuple[str, ...], question: bytes) -> Exchange:
        """Run the script once and take the time; `Link` bounds how long this may take."""
        while True:
            try:
                return await self._run(keys, question)
            except ResponseError as error:
                if "WRONGTYPE" in str(error):
                    raise UnusableKeyError from error
                raise
            except msgspec.MsgspecError as error:
                raise UnusableKeyError from error
            except RedisConnectionError as error:
                # Before redis-py 7.2 the text alone tells a pool that is used up from a Redis that
                # is gone.
                if "Too many connections" not in str(error):
                    raise
                # The pool is yours and may be small: in a moment one of its connections is free
                # again.
                await anyio.sleep(POOL_WAIT)

    async def _run(self, keys: tuple[str, ...], question: bytes) -> Exchange:
        if not self._loaded:
            # Also opens the connection: a first exchange that had to would tell little about the
            # clock.
            await self._redis.script_load(SCRIPT)
            self._loaded = True
        clock = asyncio.get_running_loop().time
        asked = clock()
        try:
            reply = await self._redis.evalsha(SCRIPT_ID, len(keys), *keys, question)
        except NoScriptError:
            asked = clock()
            reply = await self._redis.eval(SCRIPT, len(keys), *keys, question)
        return Exchange(asked, clock(), ScriptReply.of(reply))
