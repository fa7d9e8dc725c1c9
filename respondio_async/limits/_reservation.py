"""A place in the queue of one route, from joining it to the permit."""

import asyncio
from enum import Enum, auto
from math import inf
from typing import TYPE_CHECKING

from ._protocol import Priority
from ._tuning import LEAD, PROMPT
from ._window import Sent

if TYPE_CHECKING:
    from ._queue import Queue


class State(Enum):
    """Where a reservation stands.

    ========  ============================================  =======================================
    State     Its holder                                    Goes on to
    ========  ============================================  =======================================
    QUEUED    sleeps among those of its priority            CALLED, when its permit is near due
    CALLED    is awake and prepares: takes a connection     GRANTED, if its permit is due when it
                                                            asks; else WAITING, or PARKED if it is
                                                            further away than the holder will wait
    WAITING   sleeps until its permit is due                WOKEN then; CALLED after a change, for
                                                            a holder who will not wait for ever
    WOKEN     was woken to take its permit, has not run     GRANTED; WAITING if it came to nothing
    PARKED    has given its connection back                 CALLED, when its permit is near due
    GRANTED   has its permit, and sends                     DONE, when its answer is learnt from
    LEFT      gave up, was cancelled or told: too late      (any but GRANTED and DONE may come here)
    ========  ============================================  =======================================

    A permit is taken by its holder in the step in which `permit` returns. So none is ever lost,
    whenever a holder is cancelled.
    """

    QUEUED = auto()
    CALLED = auto()
    WAITING = auto()
    WOKEN = auto()
    PARKED = auto()
    GRANTED = auto()
    DONE = auto()
    LEFT = auto()


class LocalReservation:
    """A place in the queue of a `LocalRateLimiter`'s route."""

    __slots__ = (
        "called_at",
        "deadline",
        "due_in",
        "foreseen",
        "future",
        "is_retry",
        "late_at",
        "max_wait",
        "needed",
        "order",
        "priority",
        "queue",
        "sent",
        "since",
        "state",
        "timer",
    )

    # Set once it is called.
    called_at: float
    due_in: int
    """The version of the route in which its permit was due when it was called; -1: it was not."""
    foreseen: bool
    """Whether the timer for those behind it is already right if it goes now."""
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
        self.state = State.QUEUED
        self.order = 0
        """Its place among those who were called; 0 until it is."""
        self.future: asyncio.Future[None] | None = None
        """What its holder sleeps on."""
        self.timer: asyncio.TimerHandle | None = None
        """Rings at its deadline."""
        self.needed: float | None = None
        """The seconds it would have taken, once it is sent away."""
        self.sent: Sent | None = None

    @property
    def route(self) -> str:
        """The route's name."""
        return self.queue.name

    @property
    def gone(self) -> bool:
        """Whether it has left the queue without a permit."""
        return self.state is State.LEFT

    @property
    def asleep(self) -> bool:
        """Whether its holder sleeps and nobody has woken it."""
        return self.future is not None and not self.future.done()

    async def permit(self, *, max_wait: float | None = None) -> bool:
        """Wait for the permit and take it; True once the request may go, now.

        See `Reservation.permit`.
        """
        if self.state is not State.CALLED and self.state is not State.PARKED:
            raise RuntimeError(
                "this reservation has had its permit, or was given up: every request needs one of "
                "its own"
            )
        queue = self.queue
        route, time = queue.state, queue.loop.time
        self.state, woken, now = State.CALLED, False, time()
        if now > self.called_at + PROMPT or queue.lead:
            queue.asked(self, now)
        try:
            while True:
                if queue.may_go(self, now):
                    paced, version = route.paced(now), route.version
                    if paced:
                        await route.pace.acquire()
                        now = time()
                    # Had the bucket made it wait after all, another might have gone meanwhile.
                    if route.version == version:
                        queue.grant(self, now, paced)
                        return True
                if max_wait is not None or self.deadline < inf:
                    due = queue.due(self, now)
                    queue.require(self, due)
                    # `wait_until_near` ends `LEAD` early: with less the two would take turns.
                    if max_wait is not None and due - now > max(max_wait, LEAD):
                        self.state = State.PARKED
                        queue.pump()
                        return False
                self.max_wait = max_wait
                queue.ask(self, woken)
                await self.sleep()
                self.state, woken, now = State.CALLED, True, time()
        except BaseException:
            self.abandon()
            raise

    async def wait_until_near(self) -> None:
        """Wait until the permit is due within `LEAD` seconds again.

        See `Reservation.wait_until_near`.
        """
        if self.state is not State.CALLED and self.state is not State.PARKED:
            return
        queue = self.queue
        try:
            while (due := queue.due(self, now := queue.loop.time())) > now + LEAD:
                queue.require(self, due)
                queue.park(self)
                await self.sleep()
        except BaseException:
            self.abandon()
            raise
        queue.expect(self, now, due)

    async def sleep(self) -> None:
        """Sleep until woken; whoever is cancelled meanwhile has to `abandon` the queue."""
        assert self.future is not None  # noqa: S101 - for the type checker: the queue has just made it
        if self.future.done():
            # Others were woken before, and have not run yet.
            await asyncio.sleep(0)
        await self.future
        self.woken()

    def woken(self) -> None:
        """Go on after a sleep. Raises if the wait cannot end in time."""
        self.future = None
        if self.needed is not None:
            raise self.queue.too_late(self, self.needed)

    def wake(self) -> None:
        """Wake its holder if it sleeps."""
        if self.future is not None and not self.future.done():
            self.future.set_result(None)

    def abandon(self) -> None:
        """Leave the queue; after a grant, or a second time, do nothing."""
        if self.sent is None and self.state is not State.LEFT:
            self.state = State.LEFT
            self.queue.left(self)
