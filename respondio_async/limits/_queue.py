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
from ._protocol import LEAD
from ._route import Route
from ._turn import PROMPT, LocalTurn

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


def _insert(turns: list[LocalTurn], turn: LocalTurn) -> None:
    """Keep them in the order of their announcement; the last is nearly always the last."""
    if not turns or turns[-1].order < turn.order:
        turns.append(turn)
    else:
        insort(turns, turn, key=_by_order)


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
        self.lanes: Lanes[LocalTurn] = Lanes()
        self._announced: dict[LocalTurn, None] = {}
        self._asking: list[LocalTurn] = []
        """Those who sleep until their permit, in the order of their announcement."""
        self._batons: list[LocalTurn] = []
        """Those of them who were woken to take it and have not run yet."""
        self._deadlines: list[tuple[float, int, LocalTurn]] = []
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

    def admit(self, turn: LocalTurn, now: float) -> bool:
        """Announce the turn at once if nobody waits and its permit is due soon.

        Raises if it cannot be in time.
        """
        state, ahead, waiting = self.state, len(self._announced), self.lanes.size
        if turn.deadline < inf:
            state.refresh(now)
            needed = state.wait(now, ahead + self.lanes.ahead(turn.lane, turn.again))
            if now + needed > turn.deadline:
                raise self.too_late(turn, needed)
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
        self._announce(turn, now, due)
        return True

    def stand(self, turn: LocalTurn) -> None:
        """Let the turn stand in its lane."""
        self.lanes.join(turn)
        self._lay_down(turn)
        if self._timer is None or self.lanes.size == 1 or turn.deadline < self._timer_at:
            self.pump()

    def ask(self, turn: LocalTurn, woken: bool) -> None:
        """Let the turn wait until it is worth asking for the permit, or, once *woken* in vain,
        worth asking again.
        """
        asking = self._asking
        _insert(asking, turn)
        self._lay_down(turn)
        # Whoever was woken in vain may be the last who knows when to try again.
        if woken or self._timer is None or asking[0] is turn or turn.deadline < self._timer_at:
            self.pump()

    def park(self, turn: LocalTurn) -> None:
        """Let the turn wait until its permit comes near."""
        turn.parked = self._parked = True
        self._lay_down(turn)
        self.pump()

    def _lay_down(self, turn: LocalTurn) -> None:
        self._stood = True
        turn.future = self.loop.create_future()
        if turn.deadline < inf:
            self._order += 1
            heappush(self._deadlines, (turn.deadline, self._order, turn))

    def left(self, turn: LocalTurn) -> None:
        """Take out one who has gone."""
        if not turn.order:
            self.lanes.left(turn)
            if not len(self):
                self._rest()
            return
        self._announced.pop(turn, None)
        if turn.baton:
            self.take_back(turn)
        else:
            self._stop_asking(turn)
        # A turn that outlived its loop can still be abandoned.
        if not self.loop.is_closed():
            self.pump()

    def take_back(self, turn: LocalTurn) -> None:
        """Take the baton from one who has run, or has left."""
        turn.baton = False
        self._batons.remove(turn)

    def _stop_asking(self, turn: LocalTurn) -> None:
        place = bisect_left(self._asking, turn.order, key=_by_order)
        if place < len(self._asking) and self._asking[place] is turn:
            del self._asking[place]

    def require(self, turn: LocalTurn, due: float) -> None:
        """Raise if a permit that is *due* then does not come in time."""
        if due > turn.deadline:
            raise self.too_late(turn, due - turn.since)

    def too_late(self, turn: LocalTurn, needed: float) -> DeadlineExceededError:
        """The error of one who cannot be in time."""
        return DeadlineExceededError(
            f"{self.name}: the permit would take {needed:.1f} s, longer than this call may wait",
            endpoint=self.name,
            needed=max(needed, turn.deadline - turn.since),
        )

    # ── the permit
    # ───────────────────────────────────────────────────────────────────────────────────────

    def may_go(self, turn: LocalTurn, now: float) -> bool:
        """Whether this turn may take its permit now: nobody asks before it or is on the way to, and
        the route is ready.
        """
        asking, batons, state = self._asking, self._batons, self.state
        if asking and asking[0].order < turn.order:
            return False
        if batons and batons[0].order < turn.order:
            return False
        state.refresh(now)
        return turn.due_in == state.version or state.due(now, len(batons)) <= now

    def due(self, turn: LocalTurn, now: float) -> float:
        """When this turn's permit is due."""
        return self.state.due(
            now, len(self._batons) + bisect_left(self._asking, turn.order, key=_by_order)
        )

    def asked(self, turn: LocalTurn, now: float) -> None:
        """Learn how long its holder took to ask: the more it needs to prepare, the earlier turns
        are announced.
        """
        if now > turn.announced_at + PROMPT:
            self.lead, self._prompt = LEAD, 0
        else:
            self._prompt += 1
            if self._prompt == _ALL_PROMPT:
                self.lead = 0.0

    def grant(self, turn: LocalTurn, now: float, paced: bool) -> None:
        """Let the turn go."""
        turn.sent = self.state.take(now, paced)
        del self._announced[turn]
        self.waits.append(now - turn.since)
        if not self._announced and not self.lanes.size:
            if self._stood:
                self._rest()
        elif self._timer is None or not turn.foreseen:
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
            turn = asking.pop(0)
            turn.baton = turn.foreseen = True
            _insert(self._batons, turn)
            turn.wake()
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
        lanes, soon = self.lanes, now + lead
        while lanes.size:
            if announced >= _MOST_ANNOUNCED:
                # Those who are announced go first, and the last of them looks again.
                return min(when, now + _GRACE)
            due = state.due(now, ahead)
            if due > soon:
                # While a permit is due shortly before, its holder's wake-up is early enough for
                # this too.
                return when if when <= due - lead / 2 else due - lead
            turn = lanes.pop()
            self._announce(turn, now, due)
            turn.wake()
            ahead += 1
            announced += 1
            if announced == _MOST_ANNOUNCED:
                turn.foreseen = False
        return when

    def paused(self) -> None:
        """The route was paused or slowed: those who lack the patience are asked to give back what
        they hold.
        """
        for turn in [each for each in self._asking if each.patience is not None]:
            self._stop_asking(turn)
            turn.wake()
        self.pump()

    def changed(self, free_at: float) -> None:
        """A slot comes free at this time, maybe sooner than was thought."""
        if free_at - self.lead < self._timer_at and len(self):
            self.pump()

    def _announce(self, turn: LocalTurn, now: float, due: float) -> None:
        self._order += 1
        turn.order = self._order
        # Whoever goes at once goes as foreseen; and so do those behind who are told the same.
        turn.foreseen = due <= now
        turn.due_in = self.state.version if due <= now else -1
        turn.announced_at = now
        turn.late_at = due + _GRACE
        self._announced[turn] = None

    def expect(self, turn: LocalTurn, now: float, due: float) -> None:
        """Expect the holder of a turn that was parked to ask by the time its permit is *due*."""
        turn.announced_at = now
        turn.late_at = due + _GRACE

    def _late(self, now: float) -> tuple[int, float]:
        """How many announced turns are passed over because their holders, short of a connection
        maybe, do not ask; when one more is.
        """
        late, look = 0, inf
        for turn in self._announced:
            if turn.asleep or turn.baton:
                continue
            if turn.late_at <= now:
                late += 1
            elif turn.late_at < look:
                look = turn.late_at
        return late, look

    def _wake_parked(self, now: float) -> float:
        """Wake the parked whose permits are due soon; when the next one is to be."""
        self._parked = False
        before, look = 0, inf
        for turn in self._announced:
            if turn.parked:
                self._parked = True
                # It looks for itself when it wakes: woken before that look is content, it would lie
                # down and be woken for ever.
                due = max(self.state.due(now, before), self.due(turn, now))
                if due > now + LEAD:
                    return min(look, due - LEAD)
                turn.wake()
            elif not turn.asleep:
                if turn.late_at <= now:
                    continue
                look = min(look, turn.late_at)
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
            turn = heappop(deadlines)[2]
            if turn.gone or turn.sent is not None or not turn.asleep:
                continue
            turn.needed = now - turn.since + self.state.wait(now, 0)
            turn.gone = True
            if turn.order:
                self._announced.pop(turn, None)
                self._stop_asking(turn)
            else:
                self.lanes.left(turn)
            turn.wake()
        if len(deadlines) > 2 * len(self) + 64:
            self._deadlines = deadlines = [
                each for each in deadlines if not each[2].gone and each[2].sent is None
            ]
            heapify(deadlines)
        return deadlines[0][0] if deadlines else inf
