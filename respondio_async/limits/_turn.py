"""A place in the line of one route, from joining it to the permit."""

import asyncio
from math import inf
from typing import TYPE_CHECKING, Final

from ._protocol import Priority
from ._tuning import LEAD
from ._window import Sent

if TYPE_CHECKING:
    from ._queue import Queue


PROMPT: Final = 0.001
"""Seconds within which a holder that needs no time to prepare asks for its permit."""


class LocalReservation:
    """A place in the line of a `LocalRateLimiter`'s route: in its priority, then announced, then
    granted, or gone at any time.
    """

    __slots__ = (
        "announced_at",
        "baton",
        "deadline",
        "due_in",
        "foreseen",
        "future",
        "gone",
        "is_retry",
        "late_at",
        "max_wait",
        "needed",
        "order",
        "parked",
        "priority",
        "queue",
        "sent",
        "since",
    )

    # Set once it is announced.
    announced_at: float
    due_in: int
    """The version of the route's state in which its permit was due when it was announced; -1: it
    was not due.
    """
    late_at: float
    """When it no longer keeps others back, if its holder has not asked for the permit."""
    max_wait: float | None

    def __init__(
        self, queue: "Queue", priority: Priority, is_retry: bool, since: float, deadline: float
    ) -> None:
        self.queue = queue
        self.priority: Priority = priority
        self.is_retry = is_retry
        self.since = since
        self.deadline = deadline
        self.order = 0
        """Its place among the announced; 0 until it is."""
        self.foreseen = False
        """Whether the timer for those behind it is already right if it goes now."""
        self.future: asyncio.Future[None] | None = None
        """What its holder sleeps on."""
        self.baton = False
        """Whether its holder was woken to take the permit and has not run yet."""
        self.parked = False
        """Whether its holder has given its connection back and waits for the permit to come
        near.
        """
        self.gone = False
        """Whether it was given up, or its answer has been observed."""
        self.needed: float | None = None
        """The seconds it would have taken, once it is sent away."""
        self.sent: Sent | None = None

    @property
    def route(self) -> str:
        """The route's name."""
        return self.queue.name

    async def permit(self, *, max_wait: float | None = None) -> bool:
        """Wait for the permit and take it; True once the request may go, now.

        See `Reservation.permit`.
        """
        if self.sent is not None or self.gone or not self.order:
            raise RuntimeError(
                "this turn has had its permit, or was given up: every request needs a turn of its "
                "own"
            )
        queue = self.queue
        state, time = queue.state, queue.loop.time
        self.parked = woken = False
        now = time()
        if now > self.announced_at + PROMPT or queue.lead:
            queue.asked(self, now)
        try:
            while True:
                if queue.may_go(self, now):
                    paced, version = state.paced(now), state.version
                    if paced:
                        await state.pace.acquire()
                        now = time()
                    # Had the bucket made it wait after all, another might have gone meanwhile.
                    if state.version == version:
                        queue.grant(self, now, paced)
                        return True
                if max_wait is not None or self.deadline < inf:
                    due = queue.due(self, now)
                    queue.require(self, due)
                    # `soon` ends `LEAD` early: with less patience the two would take turns for
                    # ever.
                    if max_wait is not None and due - now > max(max_wait, LEAD):
                        self.parked = True
                        queue.pump()
                        return False
                self.max_wait = max_wait
                queue.ask(self, woken)
                await self.sleep()
                woken = True
                now = time()
        except BaseException:
            self.abandon()
            raise

    async def wait_until_near(self) -> None:
        """Wait until the permit is due within `LEAD` seconds again.

        See `Reservation.wait_until_near`.
        """
        if self.sent is not None or self.gone or not self.order:
            return
        queue = self.queue
        try:
            while True:
                now = queue.loop.time()
                due = queue.due(self, now)
                if due <= now + LEAD:
                    break
                queue.require(self, due)
                queue.park(self)
                await self.sleep()
        except BaseException:
            self.abandon()
            raise
        self.parked = False
        queue.expect(self, now, due)

    async def sleep(self) -> None:
        """Sleep until woken; whoever is cancelled meanwhile has to `abandon` the line."""
        assert self.future is not None  # noqa: S101 - for the type checker: the queue has just made it
        if self.future.done():
            # Others were woken before, and have not run yet.
            await asyncio.sleep(0)
        await self.future
        self.woken()

    def woken(self) -> None:
        """Go on after a sleep. Raises if the wait cannot end in time."""
        self.future = None
        if self.baton:
            self.queue.take_back(self)
        if self.needed is not None:
            raise self.queue.too_late(self, self.needed)

    @property
    def asleep(self) -> bool:
        """Whether its holder sleeps and nobody has woken it."""
        return self.future is not None and not self.future.done()

    @property
    def roused(self) -> bool:
        """Whether its holder has been woken and has not run yet."""
        return self.future is not None and self.future.done()

    def wake(self) -> None:
        """Wake its holder if it sleeps."""
        future = self.future
        if future is not None and not future.done():
            future.set_result(None)

    def abandon(self) -> None:
        """Leave the line; after a grant, or a second time, do nothing."""
        if self.sent is None and not self.gone:
            self.gone = True
            self.queue.left(self)
