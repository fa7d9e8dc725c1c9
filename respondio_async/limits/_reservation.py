"""A place in the queue of one route, from joining it to the permit."""

import asyncio
from enum import Enum, auto
from typing import TYPE_CHECKING

from ._protocol import Priority
from ._tuning import GRACE, LEAD, PROMPT
from ._window import Sent

if TYPE_CHECKING:
    from ._queue import Queue


class State(Enum):
    """Where a reservation stands.

    ========  ===========================================  ========================================
    State     Its holder                                   Goes on to
    ========  ===========================================  ========================================
    QUEUED    sleeps among those of its priority           CALLED, when its permit is near due
    CALLED    is awake: takes a connection, then asks      GRANTED, if its permit is due when it
                                                           asks; else WAITING, or PARKED if it is
                                                           further away than the holder will wait
    WAITING   sleeps until its permit is due               CALLED then, or when the route is paused
    PARKED    has given its connection back                CALLED, when its permit is near due
    GRANTED   has its permit, and sends                    DONE, when its answer is learnt from
    LEFT      gave up, was cancelled or told: too late     (any but GRANTED and DONE may come here)
    ========  ===========================================  ========================================

    A permit is taken by its holder in the step in which `permit` returns: whoever is called may
    ask, and has nothing yet. So none is ever lost, whenever a holder is cancelled.
    """

    QUEUED = auto()
    CALLED = auto()
    WAITING = auto()
    PARKED = auto()
    GRANTED = auto()
    DONE = auto()
    LEFT = auto()


class LocalReservation:
    """A place in the queue of a `LocalRateLimiter`'s route."""

    __slots__ = (
        "called_at",
        "deadline",
        "future",
        "is_retry",
        "late_at",
        "priority",
        "queue",
        "sent",
        "since",
        "state",
        "timer",
    )

    called_at: float
    late_at: float
    """When it no longer keeps others back, if its holder has not asked for the permit. Both are set
    when it is called.
    """

    def __init__(
        self, queue: "Queue", priority: Priority, is_retry: bool, since: float, deadline: float
    ) -> None:
        self.queue = queue
        self.priority: Priority = priority
        self.is_retry = is_retry
        self.since = since
        self.deadline = deadline
        self.state = State.QUEUED
        self.future: asyncio.Future[None] | None = None
        """What its holder sleeps on; done, once it is woken; None, once it has run."""
        self.timer: asyncio.TimerHandle | None = None
        """Rings at its deadline."""
        self.sent: Sent | None = None

    def call(self, now: float, due: float) -> None:
        """Let its holder ask for the permit, which is *due* then; wake it if it sleeps."""
        self.state, self.called_at, self.late_at = State.CALLED, now, due + GRACE
        if self.future is not None and not self.future.done():
            self.future.set_result(None)

    @property
    def route(self) -> str:
        """The route's name."""
        return self.queue.name

    async def permit(self, *, max_wait: float | None = None) -> bool:
        """Wait for the permit and take it; True once the request may go, now.

        See `Reservation.permit`.
        """
        if self.state is not State.CALLED and self.state is not State.PARKED:
            raise RuntimeError(
                "this reservation has had its permit, or was given up: every request needs one of "
                "its own"
            )
        queue, route = self.queue, self.queue.route
        try:
            now = queue.now()
            # Who needs to prepare is called early; who never does, when the permit is due.
            if now > self.called_at + PROMPT:
                queue.lead = LEAD
            elif now < self.late_at - GRACE:
                queue.lead = max(0.0, queue.lead - LEAD / 8)
            while True:
                due = queue.due(self, now)
                paced = due <= now and route.paced(now)
                if paced:
                    changes = route.changes
                    await route.pace.acquire()
                    now = queue.now()
                    if route.changes != changes:
                        # The bucket made it wait after all, and another went meanwhile.
                        continue
                if due <= now:
                    queue.grant(self, now, paced=paced)
                    return True
                # `wait_until_near` ends `LEAD` early: with less the two would take turns.
                if max_wait is not None and due - now > max(max_wait, LEAD):
                    queue.require(self, due)
                    self.state = State.PARKED
                    queue.pump()
                    return False
                await queue.sleep(self, State.WAITING, due)
                now = queue.now()
        except BaseException:
            self.abandon()
            raise

    async def wait_until_near(self) -> None:
        """Wait until the permit is due within `LEAD` seconds again.

        See `Reservation.wait_until_near`.
        """
        try:
            while self.state is State.CALLED or self.state is State.PARKED:
                due = self.queue.due(self, now := self.queue.now())
                if due <= now + LEAD:
                    self.call(now, due)
                    return
                await self.queue.sleep(self, State.PARKED, due)
        except BaseException:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Leave the queue; after a grant, or a second time, do nothing."""
        if self.sent is None and self.state is not State.LEFT:
            was, self.state = self.state, State.LEFT
            self.queue.leave(self, was)
