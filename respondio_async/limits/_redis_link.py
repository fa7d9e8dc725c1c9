"""Whether Redis answers, and what happens when it does not."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, Protocol

import anyio

from ._redis_script import ScriptReply

__all__ = ["Exchange", "Link", "Unreachable", "Unusable"]

logger = logging.getLogger("respondio_async")

FIRST_PROBE: Final = 0.1
LAST_PROBE: Final = 1.0
"""Seconds between two probes for Redis: doubled from the first to the last, and no more,
because the others wait until all have probed (see `RESYNC`).
"""
FIRST_TIME: Final = 2.0
"""Seconds for the first exchange: it connects, shakes hands and loads the script as well."""
SLOWEST: Final = 3.0
"""An exchange may take so many times the usual round trip before Redis counts as away."""


class Exchange(NamedTuple):
    """One request to Redis: our clock when it was sent and when its answer came, and the answer."""

    asked: float
    answered: float
    reply: ScriptReply


Evaluate = Callable[[tuple[str, ...], bytes], Awaitable[Exchange]]


class Unreachable(Exception):  # noqa: N818 - never leaves this package
    """Redis gave no usable answer, twice."""


class Unusable(Unreachable):
    """Redis answered that the script cannot use this route's keys; other routes' may be fine."""


class Member(Protocol):
    """A route that waits for Redis to come back."""

    def __len__(self) -> int: ...

    async def resync(self) -> bool: ...


class Link:
    """The way to Redis: one script, asked within a bounded time, and a memory of whether it
    answers.
    """

    def __init__(
        self,
        evaluate: Evaluate,
        *,
        timeout: float,
        share: float,
        unusable: type[Exception] | tuple[type[Exception], ...] = (),
    ) -> None:
        self._evaluate = evaluate
        self._share = share
        self._unusable = unusable
        self.timeout = timeout
        self.round_trip = 0.0
        """Seconds that an exchange takes, by the slower ones of late; 0 before the first."""
        self.up = True
        self.outages = 0
        """Outages so far.

        A route that last agreed with the others before the newest must resync first.
        """
        self._absent: set[Member] = set()
        self._watching: asyncio.Task[None] | None = None

    async def ask(self, keys: tuple[str, ...], question: bytes) -> Exchange:
        """Run the script. A second try follows a failed one: the script knows a permit that it has
        handed out already.

        A single slow answer is often our own event loop's fault, and falling back costs a second of
        silence.
        """
        failure: BaseException | None = None
        for _ in range(2 if self.up else 1):
            try:
                async with asyncio.timeout(self._time_limit()):
                    exchange = await self._evaluate(keys, question)
            except self._unusable as error:
                raise Unusable from error
            except Exception as error:  # noqa: BLE001 - whatever is wrong with Redis, calls go on without it
                failure = error
            else:
                took = exchange.answered - exchange.asked
                self.round_trip = max(took, self.round_trip + (took - self.round_trip) / 8)
                self._rose()
                return exchange
        self._fell(type(failure).__name__)
        raise Unreachable

    def _time_limit(self) -> float:
        """Seconds that the next exchange may take."""
        if self.round_trip == 0.0 and self.up:
            return max(FIRST_TIME, self.timeout)
        return max(self.timeout, SLOWEST * self.round_trip)

    def _rose(self) -> None:
        if not self.up:
            self.up = True
            logger.info("Redis is back: the limits are shared again")

    def _fell(self, reason: str) -> None:
        if self.up:
            self.up = False
            self.outages += 1
            # The error's words may hold the server's address or user name; its class does not.
            logger.warning(
                "Redis does not answer (%s): each process limits itself to %g of the limits until "
                "it does",
                reason,
                self._share,
            )

    def watch(self, member: Member) -> None:
        """Look for Redis until it is back, and let *member* resync then; given up when nobody
        waits there any more.
        """
        self._absent.add(member)
        if self._watching is None or self._watching.done():
            self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        pause = FIRST_PROBE
        while self._absent:
            await anyio.sleep(pause * random.uniform(0.8, 1.0))  # noqa: S311 - so that processes do not probe in step
            pause = min(LAST_PROBE, 2 * pause)
            for member in tuple(self._absent):
                if not len(member) or await member.resync():
                    self._absent.discard(member)
                elif not self.up:
                    break
