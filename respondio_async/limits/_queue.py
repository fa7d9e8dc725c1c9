"""The waiting of one route on one event loop: the only place in this package where a task sleeps.

One timer serves the whole line, however long it is. It wakes those whose time has come, and each of them asks the route again
before it goes: what is passed on is the right to ask, never a permit, so a waiter that is cancelled at any moment loses nothing.
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
from ._pace import Pacer
from ._protocol import LEAD, Lane
from ._route import Route
from ._window import Sent

_GATHER: Final = 0.001
"""Seconds for which the first of a line waits for others before it is decided whether all may go at once."""
_GRACE: Final = 0.005
"""Seconds past `LEAD` after which a turn whose holder has not asked for its permit no longer keeps the next one back."""
_MOST_ANNOUNCED: Final = 64
_SHORTEST_SLEEP: Final = 0.0005
"""A timer shorter than the clock's resolution may fire before its time, for ever."""
_KEPT_WAITS: Final = 256

_by_order = attrgetter("order")


class LocalTurn:
    """A place in the line of a `LocalRateLimiter`'s route."""

    __slots__ = (
        "again",
        "announced",
        "announced_at",
        "baton",
        "deadline",
        "future",
        "gone",
        "lane",
        "needed",
        "observed",
        "order",
        "parked",
        "patience",
        "queue",
        "sent",
        "since",
    )

    def __init__(self, queue: "Queue", lane: Lane, again: bool, since: float, deadline: float) -> None:
        self.queue = queue
        self.lane: Lane = lane
        self.again = again
        self.since = since
        self.deadline = deadline
        self.future: asyncio.Future[None] | None = None
        self.sent: Sent | None = None
        self.order = 0
        self.observed = False
        self.announced = False
        self.announced_at = 0.0
        self.baton = False
        self.parked = False
        self.gone = False
        self.patience: float | None = None
        self.needed: float | None = None

    @property
    def route(self) -> str:
        """The route's name."""
        return self.queue.name

    async def permit(self, *, patience: float | None = None) -> bool:
        """Wait for the permit and take it; True once the request may go, now. See `Turn.permit`."""
        if self.sent is not None or self.gone or not self.announced:
            raise RuntimeError("this turn has had its permit, or was given up: every request needs a turn of its own")
        queue = self.queue
        self.parked = woken = False
        while True:
            now = queue.loop.time()
            if queue.may_go(self, now) and await queue.pacer.take(queue.state.pace, now):
                queue.grant(self, now)
                return True
            if patience is not None or self.deadline < inf:
                due = queue.due(self, now)
                if due > self.deadline:
                    self.abandon()
                    raise queue.too_late(self, due - self.since)
                if patience is not None and due - now > patience:
                    self.parked = True
                    queue.pump()
                    return False
            self.patience = patience
            await queue.ask(self, woken)
            woken = True

    async def soon(self) -> None:
        """Wait until the permit is due within `LEAD` seconds again. See `Turn.soon`."""
        if self.sent is not None or self.gone or not self.announced:
            return
        queue = self.queue
        while True:
            now = queue.loop.time()
            due = queue.due(self, now)
            if due <= now + LEAD:
                break
            if due > self.deadline:
                self.abandon()
                raise queue.too_late(self, due - self.since)
            self.parked = True
            await queue.sleep(self)
        self.parked = False
        self.announced_at = now

    def abandon(self) -> None:
        """Leave the line; after a grant, or a second time, do nothing."""
        if self.sent is None and not self.gone:
            self.gone = True
            self.queue.left(self)


def _sleeps_parked(turn: LocalTurn) -> bool:
    return turn.parked and turn.future is not None and not turn.future.done()


class Queue:
    """The line of one route: those who wait, those whose turn is announced, and those of them who ask for the permit."""

    __slots__ = (
        "_announced",
        "_asking",
        "_batons",
        "_deadlines",
        "_gather_at",
        "_order",
        "_stood",
        "_timer",
        "_timer_at",
        "lanes",
        "loop",
        "name",
        "pacer",
        "state",
        "waits",
    )

    def __init__(self, name: str, state: Route, loop: asyncio.AbstractEventLoop) -> None:
        self.name = name
        self.state = state
        self.loop = loop
        self.pacer = Pacer()
        self.lanes: Lanes[LocalTurn] = Lanes()
        self._announced: dict[LocalTurn, None] = {}
        self._asking: list[LocalTurn] = []
        """Those who wait for their permit, in the order of their announcement."""
        self._batons = 0
        """How many of them were woken to take it and have not run yet."""
        self._deadlines: list[tuple[float, int, LocalTurn]] = []
        self._order = 0
        self._stood = False
        """Whether anybody has waited since the line was last empty."""
        self._gather_at = inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf
        self.waits: deque[float] = deque(maxlen=_KEPT_WAITS)

    def __len__(self) -> int:
        return self.lanes.size + len(self._announced)

    # ── joining and leaving ──────────────────────────────────────────────────────────────────────────────

    def admit(self, turn: LocalTurn, now: float) -> bool:
        """Announce the turn at once if nobody waits and its permit is due soon. Raises if it cannot be in time."""
        state, announced = self.state, len(self._announced)
        state.refresh(now)
        if turn.deadline < inf:
            ahead = announced + self.lanes.ahead(turn.lane, turn.again)
            needed = state.wait(now, ahead)
            if now + needed > turn.deadline:
                raise self.too_late(turn, needed)
        if not announced and not self.lanes.size:
            self._gather_at = now + _GATHER
        if self.lanes.size or announced >= _MOST_ANNOUNCED or state.due(now, announced) > now + LEAD:
            return False
        self._announce(turn, now)
        return True

    async def stand(self, turn: LocalTurn, now: float) -> None:
        """Wait in the lane until the turn is announced."""
        self.lanes.join(turn)
        self._keep_deadline(turn)
        if self._timer is None or self.lanes.size == 1 or turn.deadline < self._timer_at:
            self._arm(now)
        await self.sleep(turn)

    async def ask(self, turn: LocalTurn, woken: bool) -> None:
        """Wait until it is worth asking for the permit, or, once *woken* in vain, worth asking again."""
        insort(self._asking, turn, key=_by_order)
        self._keep_deadline(turn)
        # Whoever was woken in vain may be the last who knows when to try again.
        if woken or self._timer is None or self._asking[0] is turn or turn.deadline < self._timer_at:
            self._arm(self.loop.time())
        await self.sleep(turn)

    async def sleep(self, turn: LocalTurn) -> None:
        """Sleep until woken; whoever is cancelled meanwhile leaves the line in order."""
        self._stood = True
        future = turn.future = self.loop.create_future()
        if turn.parked:
            self._keep_deadline(turn)
            self._arm(self.loop.time())
        try:
            await future
        except BaseException:
            turn.abandon()
            raise
        turn.future = None
        if turn.baton:
            turn.baton = False
            self._batons -= 1
        if turn.needed is not None:
            raise self.too_late(turn, turn.needed)

    def left(self, turn: LocalTurn) -> None:
        """Take out one who has gone."""
        if not turn.announced:
            self.lanes.left(turn)
            if not len(self):
                self._rest()
            return
        self._announced.pop(turn, None)
        if turn.baton:
            turn.baton = False
            self._batons -= 1
        else:
            self._stop_asking(turn)
        self.pump()

    def _stop_asking(self, turn: LocalTurn) -> None:
        place = bisect_left(self._asking, turn.order, key=_by_order)
        if place < len(self._asking) and self._asking[place] is turn:
            del self._asking[place]

    def too_late(self, turn: LocalTurn, needed: float) -> DeadlineExceededError:
        """The error of one who cannot be in time."""
        return DeadlineExceededError(
            f"{self.name}: the permit would take {needed:.1f} s, longer than this call may wait",
            endpoint=self.name,
            needed=max(needed, turn.deadline - turn.since),
        )

    # ── the permit ───────────────────────────────────────────────────────────────────────────────────────

    def may_go(self, turn: LocalTurn, now: float) -> bool:
        """Whether this turn may take its permit now: nobody asks before it, and the route is ready."""
        if self._asking and self._asking[0].order < turn.order:
            return False
        self.state.refresh(now)
        return self.state.ready(now, self._batons)

    def due(self, turn: LocalTurn, now: float) -> float:
        """When this turn's permit is due."""
        return self.state.due(now, self._batons + bisect_left(self._asking, turn.order, key=_by_order))

    def grant(self, turn: LocalTurn, now: float) -> None:
        """Let the turn go."""
        turn.sent = self.state.take(now)
        del self._announced[turn]
        self.waits.append(now - turn.since)
        if self._announced or self.lanes.size:
            self.pump()
        elif self._stood:
            self._rest()

    # ── the timer ────────────────────────────────────────────────────────────────────────────────────────

    def pump(self) -> None:
        """Wake whoever may go on, and set the timer for the next."""
        if self.loop.is_closed():
            return
        now, state = self.loop.time(), self.state
        state.refresh(now)
        if self._deadlines:
            self._expire(now)
        if not (self._announced or self.lanes.size):
            self._rest()
            return
        if now >= self._gather_at and not state.burst_left:
            state.open_burst(now, len(self))
        asking = self._asking
        while asking and state.ready(now, self._batons):
            turn = asking.pop(0)
            turn.baton = True
            self._batons += 1
            self._wake(turn)
        if self._batons:
            # Each of them comes back here, whatever becomes of it.
            return
        self._wake_parked(now)
        while self.lanes.size:
            ahead = len(self._announced) - self._late(now)
            if ahead >= _MOST_ANNOUNCED or state.due(now, ahead) > now + LEAD:
                break
            turn = self.lanes.pop()
            self._announce(turn, now)
            self._wake(turn)
        self._arm(now)

    def paused(self) -> None:
        """The route was paused or slowed: those who lack the patience are asked to give back what they hold."""
        for turn in [each for each in self._asking if each.patience is not None]:
            self._stop_asking(turn)
            self._wake(turn)
        self.pump()

    def changed(self, free_at: float) -> None:
        """A slot comes free at this time, maybe sooner than was thought."""
        if free_at - LEAD < self._timer_at and len(self):
            self._arm(self.loop.time())

    def _wake_parked(self, now: float) -> None:
        for place, turn in enumerate(self._announced):
            if not turn.parked or self.state.due(now, place) > now + LEAD:
                break
            self._wake(turn)

    def _announce(self, turn: LocalTurn, now: float) -> None:
        self._order += 1
        turn.order = self._order
        turn.announced, turn.announced_at = True, now
        self._announced[turn] = None

    def _late(self, now: float) -> int:
        """How many announced turns are passed over because their holders, short of a connection maybe, do not ask."""
        if self._asking or not self._announced:
            return 0
        most = min(16, max(1, self.state.window.size // 4))
        late = 0
        for turn in self._announced:
            if turn.baton or _sleeps_parked(turn) or turn.announced_at + LEAD + _GRACE > now:
                break
            late += 1
            if late == most:
                break
        return late

    def _wake(self, turn: LocalTurn) -> None:
        if turn.future is not None and not turn.future.done():
            turn.future.set_result(None)

    def _arm(self, now: float) -> None:
        state, announced = self.state, len(self._announced)
        state.refresh(now)
        when = self._deadlines[0][0] if self._deadlines else inf
        if self._asking:
            when = min(when, state.due(now, self._batons))
        if self.lanes.size:
            late = self._late(now)
            if announced - late < _MOST_ANNOUNCED:
                when = min(when, state.due(now, announced - late) - LEAD)
            if announced and not self._asking:
                first = next(iter(self._announced))
                held_back = first.announced_at + LEAD + _GRACE
                if held_back > now:
                    when = min(when, held_back)
        if announced and _sleeps_parked(next(iter(self._announced))):
            when = min(when, state.due(now) - LEAD)
        line = announced + self.lanes.size
        if line <= state.window.size and not state.burst_left and when > self._gather_at and state.may_burst(now, line):
            when = self._gather_at
        if when == inf:
            return
        when = max(when, now + _SHORTEST_SLEEP)
        if self._timer is None or when < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = when
            self._timer = self.loop.call_at(when, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._timer_at = inf
        self.pump()

    def _rest(self) -> None:
        """Leave nothing behind once nobody is in line."""
        self._stood = False
        self.state.burst_left = 0
        self._deadlines.clear()
        self.lanes.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._timer_at = inf

    # ── deadlines ────────────────────────────────────────────────────────────────────────────────────────

    def _keep_deadline(self, turn: LocalTurn) -> None:
        if turn.deadline < inf:
            self._order += 1
            heappush(self._deadlines, (turn.deadline, self._order, turn))

    def _expire(self, now: float) -> None:
        """Send away those who can no longer be in time."""
        deadlines, horizon = self._deadlines, max(now, self.state.paused_until)
        while deadlines and (deadlines[0][0] <= now or deadlines[0][0] < horizon):
            turn = heappop(deadlines)[2]
            if turn.gone or turn.sent is not None or turn.future is None or turn.future.done():
                continue
            turn.needed = now - turn.since + self.state.wait(now, 0)
            turn.gone = True
            if turn.announced:
                self._announced.pop(turn, None)
                self._stop_asking(turn)
            else:
                self.lanes.left(turn)
            self._wake(turn)
        if len(deadlines) > 2 * len(self) + 64:
            self._deadlines = [each for each in deadlines if not each[2].gone and each[2].sent is None]
            heapify(self._deadlines)
