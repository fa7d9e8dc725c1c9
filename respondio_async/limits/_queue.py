"""The queue of one route on one event loop: who is woken, and when.

One timer serves the whole queue, however long it is. It wakes those whose time has come, and each
of them asks the route again before it goes: what is passed on is the right to ask, never a permit,
so a waiter that is cancelled at any moment loses nothing.

What holds at all times: as long as anybody is in the queue, the timer is set, or somebody is woken
and has not run, or the next one prepares. `pump` brings it about, and is called whenever something
happens that it has not foreseen. It foresees that those who are woken take their permits. So a
grant to one who was woken needs nothing done, and a long queue costs one timer a permit.
"""

import asyncio
from collections import deque
from math import inf

from ..errors import DeadlineExceededError
from ._priorities import Lanes
from ._reservation import LocalReservation, State
from ._route import Route
from ._tuning import (
    ALL_PROMPT,
    GATHER,
    GRACE,
    KEPT_WAITS,
    LEAD,
    MOST_CALLED,
    PROMPT,
    SHORTEST_SLEEP,
)


class Queue:
    """Those who wait for one route, and those of them who were called; see `State`."""

    __slots__ = (
        "_called",
        "_gather_at",
        "_order",
        "_prompt",
        "_timer",
        "_timer_at",
        "lanes",
        "lead",
        "loop",
        "name",
        "state",
        "waits",
    )

    def __init__(self, name: str, state: Route, loop: asyncio.AbstractEventLoop) -> None:
        self.name = name
        self.state = state
        self.loop = loop
        self.lanes: Lanes[LocalReservation] = Lanes()
        self._called: list[LocalReservation] = []
        """Those who were called and have no permit yet, in that order."""
        self._order = 0
        self._gather_at = inf
        self.lead = LEAD
        """Seconds before its permit at which a holder is called."""
        self._prompt = 0
        """How many holders in a row asked for the permit as soon as they were called."""
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf
        self.waits: deque[float] = deque(maxlen=KEPT_WAITS)

    def __len__(self) -> int:
        return self.lanes.size + len(self._called)

    # ── joining and leaving ──────────────────────────────────────────────────────────────────────

    def admit(self, reservation: LocalReservation, now: float) -> bool:
        """Call it at once if nobody waits and its permit is near due.

        Raises if it cannot be in time.
        """
        route, called = self.state, self._called
        ahead = len(called)
        if reservation.deadline < inf:
            route.refresh(now)
            before = self.lanes.ahead(reservation.priority, reservation.is_retry)
            needed = route.wait(now, ahead + before)
            if now + needed > reservation.deadline:
                raise self.too_late(reservation, needed)
        if self.lanes.size or ahead >= MOST_CALLED:
            return False
        if not called:
            self._gather_at = now + GATHER
        elif (future := called[-1].future) is not None and future.done():
            # It came first, was woken and has not run yet: whoever lies down now runs after it.
            return False
        route.refresh(now)
        due = route.due(now, ahead)
        if due > now + self.lead:
            return False
        self._call(reservation, now, due)
        return True

    def stand(self, reservation: LocalReservation) -> None:
        """Let it wait in its priority."""
        self.lanes.join(reservation)
        self._lay_down(reservation)
        if self._timer is None or self.lanes.size == 1:
            self.pump()

    def ask(self, reservation: LocalReservation, woken: bool) -> None:
        """Let it wait until its permit is due, or, once *woken* in vain, due again."""
        reservation.state = State.WAITING
        self._lay_down(reservation)
        # After a spurious wake-up no timer may be set: pump again.
        if woken or self._timer is None or self._first_asking() is reservation:
            self.pump()

    def park(self, reservation: LocalReservation) -> None:
        """Let it wait until its permit is near due."""
        reservation.state = State.PARKED
        self._lay_down(reservation)
        self.pump()

    def expect(self, reservation: LocalReservation, now: float, due: float) -> None:
        """Expect the holder of one that was parked to ask by the time its permit is *due*."""
        reservation.state = State.CALLED
        reservation.called_at = now
        reservation.late_at = due + GRACE

    def _lay_down(self, reservation: LocalReservation) -> None:
        reservation.future = self.loop.create_future()
        if reservation.deadline < inf and reservation.timer is None:
            ring = self.loop.call_at(reservation.deadline, self._expire, reservation)
            reservation.timer = ring

    def left(self, reservation: LocalReservation) -> None:
        """Take out one who has gone."""
        self._stop_timer(reservation)
        if not reservation.order:
            self.lanes.left(reservation)
            if not len(self):
                self._rest()
            return
        self._called.remove(reservation)
        # A reservation that outlived its loop can still be abandoned.
        if not self.loop.is_closed():
            self.pump()

    def _expire(self, reservation: LocalReservation) -> None:
        """Send one away who sleeps and can no longer be in time."""
        if reservation.asleep:
            now = self.loop.time()
            reservation.needed = now - reservation.since + self.state.wait(now, 0)
            reservation.abandon()
            reservation.wake()

    def _stop_timer(self, reservation: LocalReservation) -> None:
        if reservation.timer is not None:
            reservation.timer.cancel()

    def require(self, reservation: LocalReservation, due: float) -> None:
        """Raise if a permit that is *due* then, or not before the route opens, is too late."""
        due = max(due, self.state.opens_at)
        if due > reservation.deadline:
            raise self.too_late(reservation, due - reservation.since)

    def too_late(self, reservation: LocalReservation, needed: float) -> DeadlineExceededError:
        """The error of one who cannot be in time."""
        return DeadlineExceededError(
            f"{self.name}: the permit would take {needed:.1f} s, longer than this call may wait",
            endpoint=self.name,
            needed=max(needed, reservation.deadline - reservation.since),
        )

    # ── the permit ───────────────────────────────────────────────────────────────────────────────

    def may_go(self, reservation: LocalReservation, now: float) -> bool:
        """Whether it may take its permit now: nobody who asks goes before it, and it is due."""
        called, route = self._called, self.state
        if called[0] is not reservation:
            first = self._first_asking()
            if first is not None and first.order < reservation.order:
                return False
        route.refresh(now)
        if reservation.due_in == route.version:
            return True
        return route.due(now, self._woken() if len(called) > 1 else 0) <= now

    def due(self, reservation: LocalReservation, now: float) -> float:
        """When its permit is due."""
        asking = sum(
            each.state is State.WAITING and each.order < reservation.order for each in self._called
        )
        return self.state.due(now, self._woken() + asking)

    def _woken(self) -> int:
        return sum(each.state is State.WOKEN for each in self._called)

    def _first_asking(self) -> LocalReservation | None:
        for each in self._called:
            if each.state is State.WAITING or each.state is State.WOKEN:
                return each
        return None

    def asked(self, reservation: LocalReservation, now: float) -> None:
        """Learn how long its holder took to ask: who needs to prepare is called earlier."""
        if now > reservation.called_at + PROMPT:
            self.lead, self._prompt = LEAD, 0
        else:
            self._prompt += 1
            if self._prompt == ALL_PROMPT:
                self.lead = 0.0

    def grant(self, reservation: LocalReservation, now: float, paced: bool) -> None:
        """Let it go."""
        reservation.sent = self.state.take(now, paced)
        reservation.state = State.GRANTED
        self._stop_timer(reservation)
        self._called.remove(reservation)
        self.waits.append(now - reservation.since)
        if not self._called and not self.lanes.size:
            self._rest()
        elif self._timer is None or not reservation.foreseen:
            self.pump()

    # ── the timer ────────────────────────────────────────────────────────────────────────────────

    def pump(self) -> None:
        """Wake whoever may go on, and set the timer for the next."""
        now, route = self.loop.time(), self.state
        route.refresh(now)
        if not len(self):
            self._rest()
            return
        when = min(self._start_burst(now), self._step(now))
        if when < inf:
            self._set_timer(max(when, now + SHORTEST_SLEEP))

    def _start_burst(self, now: float) -> float:
        """Let the whole queue go at once if it may; when to decide."""
        line, route = len(self), self.state
        if line > route.window.size or route.burst_left or not route.may_burst(now, line):
            return inf
        if now < self._gather_at:
            return self._gather_at
        route.burst_left = line
        return inf

    def _step(self, now: float) -> float:
        """Move each of those who were called one state on, and call the next; when to look again.

        Every permit before its own counts for a holder, but those of whoever is late to ask.
        """
        route, when, ahead, waits = self.state, inf, 0, False
        woken = self._woken() if self._called else 0
        for each in self._called:
            if each.state is State.WAITING and not waits:
                due = route.due(now, woken)
                if due <= now:
                    each.state, each.foreseen = State.WOKEN, True
                    each.wake()
                    woken += 1
                else:
                    when, waits = min(when, due), True
            elif each.state is State.PARKED:
                # A woken waiter re-checks its own due time; waking it before that check can
                # succeed would loop for ever.
                due = max(route.due(now, ahead), self.due(each, now))
                if due <= now + LEAD:
                    each.wake()
                else:
                    when = min(when, due - LEAD)
            elif each.state is State.CALLED:
                if each.late_at <= now:
                    continue
                when = min(when, each.late_at)
            ahead += 1
        return self._call_next(now, when, ahead) if self.lanes.size else when

    def _call_next(self, now: float, when: float, ahead: int) -> float:
        """Call those in the queue whose permits are near due."""
        route, lead, lanes = self.state, self.lead, self.lanes
        while lanes.size:
            if len(self._called) >= MOST_CALLED:
                # Those who were called go first, and the last of them looks again.
                return min(when, now + GRACE)
            due = route.due(now, ahead)
            if due > now + lead:
                # While a permit is due shortly before, its holder's wake-up is early enough.
                return when if when <= due - lead / 2 else due - lead
            reservation = lanes.pop()
            self._call(reservation, now, due)
            reservation.wake()
            ahead += 1
            reservation.foreseen &= len(self._called) < MOST_CALLED
        return when

    def _call(self, reservation: LocalReservation, now: float, due: float) -> None:
        self._order += 1
        reservation.state, reservation.order = State.CALLED, self._order
        # If the permit is due now, the timer already accounts for this grant.
        reservation.foreseen = due <= now
        reservation.due_in = self.state.version if due <= now else -1
        reservation.called_at = now
        reservation.late_at = due + GRACE
        self._called.append(reservation)

    def paused(self) -> None:
        """The route was paused or slowed: tell those who cannot, or will not, wait so long."""
        opens_at = self.state.opens_at
        for each in [*self.lanes, *self._called]:
            if each.deadline < opens_at:
                self._expire(each)
            elif each.state is State.WAITING and each.max_wait is not None:
                each.state = State.CALLED
                each.wake()
        self.pump()

    def changed(self, free_at: float) -> None:
        """A slot comes free at this time, maybe sooner than was thought."""
        if free_at - self.lead < self._timer_at and len(self):
            self.pump()

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            if when >= self._timer_at:
                # It rings too early then, and `pump` sets it anew.
                return
            self._timer.cancel()
        self._timer_at = when
        self._timer = self.loop.call_at(when, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._timer_at = inf
        self.pump()

    def _rest(self) -> None:
        """Leave nothing behind once nobody is in the queue."""
        self.state.burst_left = 0
        self.lanes.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._timer_at = inf
