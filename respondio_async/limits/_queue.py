"""The line of one route on one event loop: who is woken, and when.

One timer serves the whole line, however long it is. It wakes those whose time has come, and each of
them asks the route again before it goes: what is passed on is the right to ask, a baton, never a
permit, so a waiter that is cancelled at any moment loses nothing.

What holds at all times: as long as anybody is in line, the timer is set, or a baton is on its way,
or whoever is next is awake. `pump` brings it about, and is called whenever something happens that
it has not foreseen. It foresees that those who have a baton take their permits. So a grant to one
who was woken needs nothing done, and a long line costs one timer a permit.
"""

import asyncio
from bisect import bisect_left, insort
from collections import deque
from heapq import heapify, heappop, heappush
from math import inf
from operator import attrgetter
from typing import Final

from ..errors import DeadlineExceededError
from ._line import Lanes
from ._route import Route
from ._tuning import LEAD
from ._turn import PROMPT, LocalReservation

_GATHER: Final = 0.001
"""Seconds for which the first of a line waits for others before it is decided whether all may go at
once.
"""
_GRACE: Final = 0.005
"""Seconds past its permit's time after which a turn whose holder has not asked no longer keeps the
next one back.
"""
_ALL_PROMPT: Final = 8
"""After so many such holders in a row a turn is announced when its permit is due, not before."""
_MOST_ANNOUNCED: Final = 128
_SHORTEST_SLEEP: Final = 0.0005
"""A timer shorter than the clock's resolution may fire before its time, for ever."""
_KEPT_WAITS: Final = 256

_by_order = attrgetter("order")


def _insert(reservations: list[LocalReservation], reservation: LocalReservation) -> None:
    """Keep them in the order of their announcement; the last is nearly always the last."""
    if not reservations or reservations[-1].order < reservation.order:
        reservations.append(reservation)
    else:
        insort(reservations, reservation, key=_by_order)


class Queue:
    """The line of one route: those who wait, those whose turn is announced, and those of them who
    ask for the permit.
    """

    __slots__ = (
        "_announced",
        "_asking",
        "_batons",
        "_deadlines",
        "_gather_at",
        "_order",
        "_parked",
        "_prompt",
        "_stood",
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
        self._announced: dict[LocalReservation, None] = {}
        self._asking: list[LocalReservation] = []
        """Those who sleep until their permit, in the order of their announcement."""
        self._batons: list[LocalReservation] = []
        """Those of them who were woken to take it and have not run yet."""
        self._deadlines: list[tuple[float, int, LocalReservation]] = []
        self._order = 0
        self._parked = False
        """Whether any of the announced may be parked."""
        self._stood = False
        """Whether anybody has waited since the line was last empty."""
        self._gather_at = inf
        self.lead = LEAD
        """Seconds before its permit at which a turn is announced."""
        self._prompt = 0
        """How many holders in a row asked for the permit as soon as their turn was announced."""
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf
        self.waits: deque[float] = deque(maxlen=_KEPT_WAITS)

    def __len__(self) -> int:
        return self.lanes.size + len(self._announced)

    # ── joining and leaving
    # ──────────────────────────────────────────────────────────────────────────────

    def admit(self, reservation: LocalReservation, now: float) -> bool:
        """Announce the turn at once if nobody waits and its permit is due soon.

        Raises if it cannot be in time.
        """
        state, ahead, waiting = self.state, len(self._announced), self.lanes.size
        if reservation.deadline < inf:
            state.refresh(now)
            needed = state.wait(
                now, ahead + self.lanes.ahead(reservation.priority, reservation.is_retry)
            )
            if now + needed > reservation.deadline:
                raise self.too_late(reservation, needed)
        if waiting or ahead >= _MOST_ANNOUNCED:
            return False
        if not ahead:
            self._gather_at = now + _GATHER
        elif next(reversed(self._announced)).roused:
            # It came first, and has been woken, but has not run yet: whoever lies down runs after
            # it.
            return False
        state.refresh(now)
        due = state.due(now, ahead)
        if due > now + self.lead:
            return False
        self._announce(reservation, now, due)
        return True

    def stand(self, reservation: LocalReservation) -> None:
        """Let the turn stand in its priority."""
        self.lanes.join(reservation)
        self._lay_down(reservation)
        if self._timer is None or self.lanes.size == 1 or reservation.deadline < self._timer_at:
            self.pump()

    def ask(self, reservation: LocalReservation, woken: bool) -> None:
        """Let the turn wait until it is worth asking for the permit, or, once *woken* in vain,
        worth asking again.
        """
        asking = self._asking
        _insert(asking, reservation)
        self._lay_down(reservation)
        # Whoever was woken in vain may be the last who knows when to try again.
        if (
            woken
            or self._timer is None
            or asking[0] is reservation
            or reservation.deadline < self._timer_at
        ):
            self.pump()

    def park(self, reservation: LocalReservation) -> None:
        """Let the turn wait until its permit comes near."""
        reservation.parked = self._parked = True
        self._lay_down(reservation)
        self.pump()

    def _lay_down(self, reservation: LocalReservation) -> None:
        self._stood = True
        reservation.future = self.loop.create_future()
        if reservation.deadline < inf:
            self._order += 1
            heappush(self._deadlines, (reservation.deadline, self._order, reservation))

    def left(self, reservation: LocalReservation) -> None:
        """Take out one who has gone."""
        if not reservation.order:
            self.lanes.left(reservation)
            if not len(self):
                self._rest()
            return
        self._announced.pop(reservation, None)
        if reservation.baton:
            self.take_back(reservation)
        else:
            self._stop_asking(reservation)
        # A turn that outlived its loop can still be abandoned.
        if not self.loop.is_closed():
            self.pump()

    def take_back(self, reservation: LocalReservation) -> None:
        """Take the baton from one who has run, or has left."""
        reservation.baton = False
        self._batons.remove(reservation)

    def _stop_asking(self, reservation: LocalReservation) -> None:
        place = bisect_left(self._asking, reservation.order, key=_by_order)
        if place < len(self._asking) and self._asking[place] is reservation:
            del self._asking[place]

    def require(self, reservation: LocalReservation, due: float) -> None:
        """Raise if a permit that is *due* then does not come in time."""
        if due > reservation.deadline:
            raise self.too_late(reservation, due - reservation.since)

    def too_late(self, reservation: LocalReservation, needed: float) -> DeadlineExceededError:
        """The error of one who cannot be in time."""
        return DeadlineExceededError(
            f"{self.name}: the permit would take {needed:.1f} s, longer than this call may wait",
            endpoint=self.name,
            needed=max(needed, reservation.deadline - reservation.since),
        )

    # ── the permit
    # ───────────────────────────────────────────────────────────────────────────────────────

    def may_go(self, reservation: LocalReservation, now: float) -> bool:
        """Whether this turn may take its permit now: nobody asks before it or is on the way to, and
        the route is ready.
        """
        asking, batons, state = self._asking, self._batons, self.state
        if asking and asking[0].order < reservation.order:
            return False
        if batons and batons[0].order < reservation.order:
            return False
        state.refresh(now)
        return reservation.due_in == state.version or state.due(now, len(batons)) <= now

    def due(self, reservation: LocalReservation, now: float) -> float:
        """When this turn's permit is due."""
        return self.state.due(
            now, len(self._batons) + bisect_left(self._asking, reservation.order, key=_by_order)
        )

    def asked(self, reservation: LocalReservation, now: float) -> None:
        """Learn how long its holder took to ask: the more it needs to prepare, the earlier turns
        are announced.
        """
        if now > reservation.announced_at + PROMPT:
            self.lead, self._prompt = LEAD, 0
        else:
            self._prompt += 1
            if self._prompt == _ALL_PROMPT:
                self.lead = 0.0

    def grant(self, reservation: LocalReservation, now: float, paced: bool) -> None:
        """Let the turn go."""
        reservation.sent = self.state.take(now, paced)
        del self._announced[reservation]
        self.waits.append(now - reservation.since)
        if not self._announced and not self.lanes.size:
            if self._stood:
                self._rest()
        elif self._timer is None or not reservation.foreseen:
            self.pump()

    # ── the timer
    # ────────────────────────────────────────────────────────────────────────────────────────

    def pump(self) -> None:
        """Wake whoever may go on, and set the timer for the next."""
        now, state, asking = self.loop.time(), self.state, self._asking
        state.refresh(now)
        when = self._expire(now) if self._deadlines else inf
        waiting = self.lanes.size
        line = len(self._announced) + waiting
        if not line:
            self._rest()
            return
        if line <= state.window.size and not state.burst_left and state.may_burst(now, line):
            if now >= self._gather_at:
                state.burst_left = line
            else:
                when = min(when, self._gather_at)
        while asking:
            due = state.due(now, len(self._batons))
            if due > now:
                when = min(when, due)
                break
            reservation = asking.pop(0)
            reservation.baton = reservation.foreseen = True
            _insert(self._batons, reservation)
            reservation.wake()
        if self._parked:
            when = min(when, self._wake_parked(now))
        if waiting:
            when = self._announce_next(now, when)
        if when < inf:
            self._set_timer(when, now + _SHORTEST_SLEEP)

    def _announce_next(self, now: float, when: float) -> float:
        """Announce those at the head of the lanes whose permits are due soon; the time to look
        again, *when* at the latest.
        """
        state, lead = self.state, self.lead
        ahead = announced = len(self._announced)
        if ahead and ahead > len(self._asking) + len(self._batons):
            late, look = self._late(now)
            ahead -= late
            when = min(when, look)
        lanes, wait_until_near = self.lanes, now + lead
        while lanes.size:
            if announced >= _MOST_ANNOUNCED:
                # Those who are announced go first, and the last of them looks again.
                return min(when, now + _GRACE)
            due = state.due(now, ahead)
            if due > wait_until_near:
                # While a permit is due shortly before, its holder's wake-up is early enough for
                # this too.
                return when if when <= due - lead / 2 else due - lead
            reservation = lanes.pop()
            self._announce(reservation, now, due)
            reservation.wake()
            ahead += 1
            announced += 1
            if announced == _MOST_ANNOUNCED:
                reservation.foreseen = False
        return when

    def paused(self) -> None:
        """The route was paused or slowed: those who lack the patience are asked to give back what
        they hold.
        """
        for reservation in [each for each in self._asking if each.max_wait is not None]:
            self._stop_asking(reservation)
            reservation.wake()
        self.pump()

    def changed(self, free_at: float) -> None:
        """A slot comes free at this time, maybe sooner than was thought."""
        if free_at - self.lead < self._timer_at and len(self):
            self.pump()

    def _announce(self, reservation: LocalReservation, now: float, due: float) -> None:
        self._order += 1
        reservation.order = self._order
        # Whoever goes at once goes as foreseen; and so do those behind who are told the same.
        reservation.foreseen = due <= now
        reservation.due_in = self.state.version if due <= now else -1
        reservation.announced_at = now
        reservation.late_at = due + _GRACE
        self._announced[reservation] = None

    def expect(self, reservation: LocalReservation, now: float, due: float) -> None:
        """Expect the holder of a turn that was parked to ask by the time its permit is *due*."""
        reservation.announced_at = now
        reservation.late_at = due + _GRACE

    def _late(self, now: float) -> tuple[int, float]:
        """How many announced turns are passed over because their holders, short of a connection
        maybe, do not ask; when one more is.
        """
        late, look = 0, inf
        for reservation in self._announced:
            if reservation.asleep or reservation.baton:
                continue
            if reservation.late_at <= now:
                late += 1
            elif reservation.late_at < look:
                look = reservation.late_at
        return late, look

    def _wake_parked(self, now: float) -> float:
        """Wake the parked whose permits are due soon; when the next one is to be."""
        self._parked = False
        before, look = 0, inf
        for reservation in self._announced:
            if reservation.parked:
                self._parked = True
                # It looks for itself when it wakes: woken before that look is content, it would lie
                # down and be woken for ever.
                due = max(self.state.due(now, before), self.due(reservation, now))
                if due > now + LEAD:
                    return min(look, due - LEAD)
                reservation.wake()
            elif not reservation.asleep:
                if reservation.late_at <= now:
                    continue
                look = min(look, reservation.late_at)
            before += 1
        return inf

    def _set_timer(self, when: float, earliest: float) -> None:
        when = max(when, earliest)
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
        """Leave nothing behind once nobody is in line."""
        self._stood = self._parked = False
        self.state.burst_left = 0
        self._deadlines.clear()
        self.lanes.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._timer_at = inf

    # ── deadlines
    # ────────────────────────────────────────────────────────────────────────────────────────

    def _expire(self, now: float) -> float:
        """Send away those who can no longer be in time; when the next deadline is."""
        deadlines, horizon = self._deadlines, max(now, self.state.paused_until)
        while deadlines and (deadlines[0][0] <= now or deadlines[0][0] < horizon):
            reservation = heappop(deadlines)[2]
            if reservation.gone or reservation.sent is not None or not reservation.asleep:
                continue
            reservation.needed = now - reservation.since + self.state.wait(now, 0)
            reservation.gone = True
            if reservation.order:
                self._announced.pop(reservation, None)
                self._stop_asking(reservation)
            else:
                self.lanes.left(reservation)
            reservation.wake()
        if len(deadlines) > 2 * len(self) + 64:
            self._deadlines = deadlines = [
                each for each in deadlines if not each[2].gone and each[2].sent is None
            ]
            heapify(deadlines)
        return deadlines[0][0] if deadlines else inf
