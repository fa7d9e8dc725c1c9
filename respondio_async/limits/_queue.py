"""The queue of one route on one event loop: who is called, and when.

One timer serves the whole queue, however long it is. It calls those whose time has come, and each
of them asks the route before it goes: what is passed on is the right to ask, never a permit, so a
waiter that is cancelled at any moment loses nothing.

What holds at all times: as long as anybody is in the queue, the timer is set, or somebody who was
called is awake and sets it when asking or leaving.
"""

import asyncio
from collections import deque
from enum import Enum, auto
from math import inf

from ..errors import DeadlineExceededError
from ._priorities import Priorities
from ._protocol import Priority
from ._route import Route
from ._tuning import GRACE, KEPT_WAITS, LEAD, MOST_CALLED, PROMPT, SHORTEST_SLEEP
from ._window import Sent


class State(Enum):
    """Where a reservation stands.

    ========  ===========================================  ========================================
    State     Its holder                                   Goes on to
    ========  ===========================================  ========================================
    QUEUED    sleeps among those of its priority           CALLED, when its permit is near due
    CALLED    is awake: takes a connection, then asks      GRANTED, if its permit is due when it
                                                           asks; else WAITING
    WAITING   sleeps until its permit is due; until it is  CALLED then, or when the route is paused
              near due, if it gave its connection back
    GRANTED   has its permit, and sends                    DONE, when its answer is taken in
    LEFT      gave up, was cancelled, or would be too late (any but GRANTED and DONE may come here)
    ========  ===========================================  ========================================

    A permit is taken by its holder in the step in which `permit` returns: whoever is called may
    ask, and has nothing yet. So none is ever lost, whenever a holder is cancelled.
    """

    QUEUED = auto()
    CALLED = auto()
    WAITING = auto()
    GRANTED = auto()
    DONE = auto()
    LEFT = auto()


def _no_place() -> RuntimeError:
    return RuntimeError(
        "this reservation has had its permit, or was given up: every request needs one of its own"
    )


class LocalReservation:
    """A place in the queue of a `LocalRateLimiter`'s route."""

    __slots__ = (
        "deadline",
        "due",
        "future",
        "is_retry",
        "lead",
        "priority",
        "queue",
        "sent",
        "since",
        "state",
        "timer",
    )

    def __init__(
        self, queue: "Queue", priority: Priority, is_retry: bool, since: float, deadline: float
    ) -> None:
        self.queue = queue
        self.priority: Priority = priority
        self.is_retry = is_retry
        self.since = since
        self.deadline = deadline
        self.state = State.QUEUED
        self.due = inf
        """When its permit is due, as far as was known when it was called or asked last; inf for one
        that sleeps or only has to ask. One that prepares may be late, and holds nobody up then: it
        may wait for a connection that somebody behind it has.
        """
        self.lead = 0.0
        """While it waits: how long before its permit is due it is to be woken."""
        self.future: asyncio.Future[None] | None = None
        """What its holder sleeps on; done, once it is woken."""
        self.timer: asyncio.TimerHandle | None = None
        """Rings at its deadline."""
        self.sent: Sent | None = None

    @property
    def route(self) -> str:
        return self.queue.name

    def call(self, due: float) -> None:
        """Wake its holder, who prepares for a permit that is *due* then; inf: who only asks."""
        self.state, self.due = State.CALLED, due
        if self.future is not None and not self.future.done():
            self.future.set_result(None)

    async def permit(self, *, max_wait: float | None = None) -> bool:
        """Wait for the permit and take it; True once the request may go, now.

        See `Reservation.permit`.
        """
        if self.state is not State.CALLED:
            raise _no_place()
        queue = self.queue
        now = queue.now()
        # Who needs to prepare is called early; who never does, when the permit is due.
        if now > self.due + PROMPT:
            queue.lead = LEAD
        elif now < self.due:
            queue.lead = max(0.0, queue.lead - LEAD / 8)
        # `wait_until_near` ends `LEAD` early: with less the two would take turns.
        if not await self._wait(0.0, inf if max_wait is None else max(max_wait, LEAD)):
            return False
        queue.grant(self)
        return True

    async def wait_until_near(self) -> None:
        """Wait until the permit is due within `LEAD` seconds again.

        See `Reservation.wait_until_near`.
        """
        if self.state is State.CALLED:
            await self._wait(LEAD, inf)

    async def _wait(self, lead: float, max_wait: float) -> bool:
        """Wait until *lead* before the permit is due; False once that is over *max_wait* away."""
        try:
            while (seconds := self.queue.ask(self)) > lead:
                if seconds > max_wait:
                    return False
                await self.queue.sleep(self, seconds, lead)
        except BaseException:
            self.abandon()
            raise
        return True

    def abandon(self) -> None:
        """Leave the queue; after a grant, or a second time, do nothing."""
        if self.sent is None and self.state is not State.LEFT:
            self.queue.leave(self)


class Queue:
    """Those who wait for one route, and those of them who were called; see `State`."""

    def __init__(
        self, name: str, route: Route, loop: asyncio.AbstractEventLoop, ahead: float = 0.0
    ) -> None:
        self.name = name
        self.route = route
        self.loop = loop
        self._ahead = ahead
        """Seconds by which the limiter's time, which goes on when the loop changes, is ahead of the
        loop's.
        """
        self.queued: Priorities[LocalReservation] = Priorities()
        self._called: list[LocalReservation] = []
        """Those who were called and have no permit yet, in that order."""
        self.lead = LEAD
        """Seconds before its permit at which a holder is called."""
        self._timer: asyncio.TimerHandle | None = None
        self.rings_at = inf
        """When the timer rings; inf, when nobody waits for it."""
        self.waits: deque[float] = deque(maxlen=KEPT_WAITS)

    def now(self) -> float:
        """The limiter's time."""
        return self.loop.time() + self._ahead

    def __len__(self) -> int:
        return self.queued.size + len(self._called)

    # ── joining and leaving ──────────────────────────────────────────────────────────────────────

    def admit(self, reservation: LocalReservation, now: float) -> "asyncio.Future[None] | None":
        """Let it join; what its holder sleeps on until it is called, None if it is at once.

        Raises if it cannot be in time.
        """
        route = self.route
        if reservation.deadline < inf:
            ahead = len(self._called) + self.queued.ahead(
                reservation.priority, reservation.is_retry
            )
            due = route.due(now, ahead, len(self) + 1)
            # An answer that is still to come may show that a slot is free that much sooner.
            due = max(due - route.margin.longest, route.opens_at)
            if due > reservation.deadline:
                raise self._too_late(reservation, due)
        if not self._called and not self.queued.size and route.due(now) <= now:
            self._called.append(reservation)
            reservation.call(now)
            return None
        self.queued.join(reservation)
        if self.queued.size == 1:
            # After those who were woken and have not run yet.
            self.loop.call_soon(self.pump)
        return self._until_called(reservation)

    def sleep(
        self, reservation: LocalReservation, seconds: float, lead: float
    ) -> "asyncio.Future[None]":
        """What the holder of one who was called sleeps on until *lead* before its permit, which is
        due in so many *seconds*.
        """
        reservation.state, reservation.due, reservation.lead = State.WAITING, inf, lead
        now = self.now()
        self._ring_at(min(self.rings_at, now + seconds - lead), now)
        return self._until_called(reservation)

    def _until_called(self, reservation: LocalReservation) -> "asyncio.Future[None]":
        """What its holder sleeps on until it is called; its deadline ends that with an error."""
        if reservation.timer is None and reservation.deadline < inf:
            reservation.timer = self.loop.call_at(
                reservation.deadline - self._ahead, self._expire, reservation
            )
        reservation.future = self.loop.create_future()
        return reservation.future

    def leave(self, reservation: LocalReservation) -> None:
        """Take out one who gives up."""
        if reservation.state is State.QUEUED:
            self.queued.leave(reservation)
        else:
            self._called.remove(reservation)
        reservation.state = State.LEFT
        if reservation.timer is not None:
            reservation.timer.cancel()
        # A reservation that outlived its loop can still be abandoned.
        if not self.loop.is_closed():
            if reservation.future is not None and not reservation.future.done():
                # Another task gave it up.
                reservation.future.set_exception(_no_place())
            self.pump()

    def _too_late(self, reservation: LocalReservation, due: float) -> DeadlineExceededError:
        needed = max(due, self.route.opens_at, reservation.deadline) - reservation.since
        return DeadlineExceededError(
            f"{self.name}: the permit would take {needed:.1f} s, longer than this call may wait",
            endpoint=self.name,
            needed=needed,
        )

    def _expire(self, reservation: LocalReservation) -> None:
        """Send one away who sleeps and can no longer be in time."""
        if reservation.future is not None and not reservation.future.done():
            due = self.route.due(self.now())
            reservation.future.set_exception(self._too_late(reservation, due))

    # ── the permit ───────────────────────────────────────────────────────────────────────────────

    def ask(self, reservation: LocalReservation) -> float:
        """In how many seconds the permit of one who was called is due; 0: now. All before it who
        are not late go first.

        Raises if that is too late.
        """
        now, ahead, asleep = self.now(), 0, False
        for each in self._called:
            if each is reservation:
                break
            ahead += each.due > now - GRACE
            asleep |= each.due == inf
        due = reservation.due = self.route.due(now, ahead, self.queued.size + len(self._called))
        if due <= now:
            # One before it that sleeps, or has not run yet, may go too: it goes first.
            return SHORTEST_SLEEP if asleep else 0.0
        if max(due, self.route.opens_at) > reservation.deadline:
            raise self._too_late(reservation, due)
        return due - now

    def grant(self, reservation: LocalReservation) -> None:
        """Let it go."""
        now, route = self.now(), self.route
        reservation.sent = route.take(now, paced=route.pace.take(now))
        reservation.state = State.GRANTED
        self.waits.append(now - reservation.since)
        if reservation.timer is not None:
            reservation.timer.cancel()
        self._called.remove(reservation)
        # Else the timer already counts on it that whoever was called takes its permit.
        if len(self._called) == MOST_CALLED - 1:
            self.pump()

    def paused(self) -> None:
        """Tell those who cannot wait until the route opens, and let the others ask again."""
        for each in self.queued:
            if each.deadline < self.route.opens_at:
                self._expire(each)
        for each in self._called:
            if each.state is State.WAITING:
                each.call(inf)
        self.pump()

    def pump(self) -> None:
        """Call those whose permits are near due, and set the timer for the next."""
        now, route, called = self.now(), self.route, self._called
        waiting, ahead, rings_at = self.queued.size + len(called), 0, inf
        for each in called:
            if each.state is State.WAITING and rings_at == inf:
                due = route.due(now, ahead, waiting) - each.lead
                if due <= now:
                    each.call(inf)
                else:
                    rings_at = due
            ahead += each.due > now - GRACE
        while self.queued.size and len(called) < MOST_CALLED:
            due = route.due(now, ahead, waiting)
            if due > now + self.lead:
                rings_at = min(rings_at, due - self.lead)
                break
            called.append(reservation := self.queued.pop())
            reservation.call(due)
            ahead += 1
        self._ring_at(rings_at, now)

    def _ring_at(self, when: float, now: float) -> None:
        """Call `pump` at that time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.rings_at = when
        if when < inf:
            self._timer = self.loop.call_at(
                max(when, now + SHORTEST_SLEEP) - self._ahead, self.pump
            )
