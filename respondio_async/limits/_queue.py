"""The queue of one route on one event loop: who is called, and when.

One timer serves the whole queue, however long it is. It calls those whose time has come, and each
of them asks the route before it goes: what is passed on is the right to ask, never a permit, so a
waiter that is cancelled at any moment loses nothing.

What holds at all times: as long as anybody is in the queue, the timer is set, or somebody who was
called is awake and sets it when asking or leaving.
"""

import asyncio
from collections import deque
from math import inf

from ..errors import DeadlineExceededError
from ._priorities import Priorities
from ._reservation import LocalReservation, State
from ._route import Route
from ._tuning import GATHER, KEPT_WAITS, LEAD, MOST_CALLED, SHORTEST_SLEEP


class Queue:
    """Those who wait for one route, and those of them who were called; see `State`."""

    __slots__ = (
        "_ahead",
        "_called",
        "_gather_at",
        "_timer",
        "lead",
        "loop",
        "name",
        "queued",
        "route",
        "waits",
    )

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
        self._gather_at = inf
        self.lead = LEAD
        """Seconds before its permit at which a holder is called."""
        self._timer: asyncio.TimerHandle | None = None
        self.waits: deque[float] = deque(maxlen=KEPT_WAITS)

    def now(self) -> float:
        """The limiter's time."""
        return self.loop.time() + self._ahead

    def __len__(self) -> int:
        return self.queued.size + len(self._called)

    # ── joining and leaving ──────────────────────────────────────────────────────────────────────

    def admit(self, reservation: LocalReservation, now: float) -> bool:
        """Call it at once if its permit is near due; False: it has joined, and has to sleep.

        Raises if it cannot be in time.
        """
        route, called = self.route, self._called
        route.refresh(now)
        if reservation.deadline < inf:
            ahead = len(called) + self.queued.ahead(reservation.priority, reservation.is_retry)
            due = route.due(now, ahead, burst=route.burst.most(route.window.size))
            # An answer that is still to come may show that a slot is free that much sooner.
            self.require(reservation, due - route.margin.unanswered(route.window.span))
        if not called:
            self._gather_at = now + GATHER
        # One who was woken and has not run yet came first.
        last = called[-1].future if called else None
        if not self.queued.size and (last is None or not last.done()):
            due = route.due(now, len(called))
            if due <= now + self.lead and len(called) < MOST_CALLED:
                called.append(reservation)
                reservation.call(now, due)
                return True
        self.queued.join(reservation)
        if self.queued.size == 1:
            self.set_timer(now + GATHER)
        return False

    async def sleep(self, reservation: LocalReservation, state: State, due: float) -> None:
        """Let it sleep in that state until it is called; its permit is *due* then.

        Raises if that is too late, or turns out to be.
        """
        self.require(reservation, due)
        reservation.state, reservation.late_at = state, inf
        self.set_timer(due - LEAD if state is State.PARKED else due)
        await self.lie_down(reservation)
        reservation.future = None

    def lie_down(self, reservation: LocalReservation) -> "asyncio.Future[None]":
        """What its holder sleeps on until it is called."""
        if reservation.deadline < inf and reservation.timer is None:
            reservation.timer = self.loop.call_at(
                reservation.deadline - self._ahead, self._expire, reservation
            )
        reservation.future = self.loop.create_future()
        return reservation.future

    def leave(self, reservation: LocalReservation, was: State) -> None:
        """Take out one who gives up, in the state in which it *was*."""
        if was is State.QUEUED:
            self.queued.leave(reservation)
        self._remove(reservation)
        # A reservation that outlived its loop can still be abandoned.
        if was is not State.QUEUED and self and not self.loop.is_closed():
            self.pump()

    def _remove(self, reservation: LocalReservation) -> None:
        if reservation.timer is not None:
            reservation.timer.cancel()
        if reservation in self._called:
            self._called.remove(reservation)
        if not self:
            # Nothing is left behind once nobody is in the queue.
            self.route.burst_left = 0
            self._stop_timer()

    def require(self, reservation: LocalReservation, due: float) -> None:
        """Raise if a permit that is *due* then, or not before the route opens, is too late."""
        due = max(due, self.route.opens_at)
        if due > reservation.deadline:
            raise self._too_late(reservation, due)

    def _too_late(self, reservation: LocalReservation, due: float) -> DeadlineExceededError:
        needed = max(due, reservation.deadline) - reservation.since
        return DeadlineExceededError(
            f"{self.name}: the permit would take {needed:.1f} s, longer than this call may wait",
            endpoint=self.name,
            needed=needed,
        )

    def _expire(self, reservation: LocalReservation) -> None:
        """Send one away who sleeps and can no longer be in time."""
        if reservation.future is not None and not reservation.future.done():
            due = max(self.route.due(self.now()), self.route.opens_at)
            reservation.future.set_exception(self._too_late(reservation, due))

    # ── the permit ───────────────────────────────────────────────────────────────────────────────

    def due(self, reservation: LocalReservation, now: float) -> float:
        """When the permit of one who was called is due; all before it who are not late go first."""
        self.route.refresh(now)
        ahead = 0
        for each in self._called:
            if each is reservation:
                break
            ahead += each.late_at > now
        return self.route.due(now, ahead)

    def grant(self, reservation: LocalReservation, now: float, *, paced: bool) -> None:
        """Let it go."""
        reservation.sent = self.route.take(now, paced=paced)
        reservation.state = State.GRANTED
        self.waits.append(now - reservation.since)
        self._remove(reservation)
        # The timer already counts on it that whoever was called takes its permit.
        if self and (self._timer is None or len(self._called) >= MOST_CALLED - 1):
            self.pump()

    def answered(self, free_at: float) -> None:
        """A slot comes free at this time, maybe sooner than was thought."""
        if self._timer is not None and free_at - self.lead - self._ahead < self._timer.when():
            self.pump()

    def replan(self) -> None:
        """The route was paused or has another pace: tell those who cannot, or will not, wait so
        long.
        """
        for each in [*self.queued, *self._called]:
            if each.deadline < self.route.opens_at:
                self._expire(each)
        now = self.now()
        for each in self._called:
            if each.state is State.WAITING:
                each.call(now, self.due(each, now))
        self.pump()

    # ── the timer ────────────────────────────────────────────────────────────────────────────────

    def pump(self) -> None:
        """Call those whose permits are near due, and set the timer for the next."""
        now, route, called = self.now(), self.route, self._called
        route.refresh(now)
        when, ahead = self._start_burst(now), 0
        for each in called:
            due = route.due(now, ahead)
            if each.state is not State.CALLED:
                near = due - LEAD if each.state is State.PARKED else due
                if near > now:
                    when = min(when, near)
                else:
                    each.call(now, due)
            if each.late_at > now:
                ahead += 1
                # Holders who never need time to prepare need no watching.
                when = min(when, each.late_at if self.lead else inf)
        while self.queued.size and len(called) < MOST_CALLED:
            due = route.due(now, ahead)
            if due > now + self.lead:
                when = min(when, due - self.lead)
                break
            called.append(reservation := self.queued.pop())
            reservation.call(now, due)
            ahead += 1
        if when < inf:
            self.set_timer(when)

    def _start_burst(self, now: float) -> float:
        """Let the whole queue go at once if it may; when to decide."""
        count, route = len(self), self.route
        if count > route.window.size or route.burst_left or not route.may_burst(now, count):
            return inf
        if now < self._gather_at:
            return self._gather_at
        route.burst_left = count
        return inf

    def set_timer(self, when: float) -> None:
        """Call `pump` at that time, or before."""
        when = max(when - self._ahead, self.loop.time() + SHORTEST_SLEEP)
        if self._timer is None or when < self._timer.when():
            self._stop_timer()
            self._timer = self.loop.call_at(when, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self.pump()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
