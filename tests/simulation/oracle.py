"""The best that can be had beside others: a policy that sees the server's window.

No client can have it. It tells how near the limiter is to what is possible, where a figure that one
would like cannot be reached: `python -m benchmarks.oracle`.
"""

import asyncio
from collections.abc import Callable

from respondio_async.limits import Feedback, Priority, Reservation, RouteStatistics
from tests.simulation.servers import SlidingLog


class Oracle:
    """Send whenever the server has room for one more, *headroom* of ours kept free for others.

    It sees each request that the server counts at the moment at which it arrives, and its own that
    are still on their way. What others will send it does not know, nor the delay of its own next
    request, which is *quickest* seconds at the least.
    """

    def __init__(
        self, server: SlidingLog, arrived: Callable[[], int], headroom: int, quickest: float
    ) -> None:
        self._server, self._arrived = server, arrived
        self._headroom, self._quickest = headroom, quickest
        self._granted = 0
        self._turn = asyncio.Lock()

    async def reserve(
        self,
        route: str,
        *,
        priority: Priority = "interactive",
        timeout: float | None = None,
        is_retry: bool = False,
    ) -> Reservation:
        """Join the queue: first come, first served."""
        return _Place(self, route)

    def update(self, reservation: Reservation, feedback: Feedback) -> None:
        """Nothing is to be learnt: the window is seen."""

    def statistics(self) -> dict[str, RouteStatistics]:
        """No figures of its own."""
        return {}

    async def grant(self) -> None:
        """Wait until the server will have room for one more, however quickly it arrives."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            while True:
                # What the server will count when a request sent now arrives, as far as can be seen.
                horizon = loop.time() + self._quickest - 1.0
                counted = [at for at in self._server.log if at > horizon]
                taken = len(counted) + self._granted - self._arrived()
                if taken + self._headroom < self._server.limit:
                    break
                # The oldest is forgotten then; or one of ours is refused, which nobody tells.
                await asyncio.sleep(min([0.01, *(at - horizon + 1e-6 for at in counted[:1])]))
            self._granted += 1


class _Place:
    def __init__(self, oracle: Oracle, route: str) -> None:
        self._oracle, self._route = oracle, route

    @property
    def route(self) -> str:
        return self._route

    async def permit(self, *, max_wait: float | None = None) -> bool:
        await self._oracle.grant()
        return True

    async def wait_until_near(self) -> None:
        """Nobody is sent away."""

    def abandon(self) -> None:
        """Nobody gives up."""
