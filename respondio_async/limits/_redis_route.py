"""One route whose permits Redis hands out: the queue of this process, its batches, and the updates
that it owes the others.
"""

import asyncio
import math
from collections import deque
from typing import Final, NamedTuple

from ._local import LocalRateLimiter
from ._margin import Margin
from ._priorities import Priorities
from ._protocol import Feedback, Priority, RouteStatistics
from ._redis_clock import ServerClock
from ._redis_link import Link, Unreachable, Unusable, logger
from ._redis_reservation import RedisReservation
from ._redis_updates import MICRO, PendingUpdates
from ._route import share_of
from ._tuning import DEFAULT_PAUSE, LEAD, LONGEST_PAUSE

HORIZON: Final = 0.5
"""Seconds ahead within which batches are handed out: a process that is killed with one costs the
others no more. Further ahead the slots that come free are those of requests whose answers, and so
their delays, are not known yet.
"""
UNUSABLE: Final = 5.0
"""Seconds for which a route whose keys hold something else is limited locally."""
SPAN: Final = 0.06
"""Seconds that the permits of one request may lie apart: at ten a second one, at a hundred six."""
RESYNC: Final = 1.5
"""Seconds that the first to find Redis back gives the others to find it too: the longest pause
between two probes, a probe that times out, and some.
"""
LATE: Final = 0.001
"""Seconds past its time from which a permit's true time is reported to the others."""
ANSWERS: Final = 0.1
"""Seconds from a request's leaving until its answer tells that it was late, usually."""
TOO_LATE: Final = 0.25
"""Seconds past its time at which a permit is no longer used: the others must know the true time
before they count on its slot.
"""


class PermitBatch(NamedTuple):
    """`unit` permits that go together, which above 200 a second are more than one."""

    due: float
    permit_id: str


class Estimate(NamedTuple):
    """When the head waiter's permit is due. `ask_again_at` is None once that is settled."""

    due: float
    ask_again_at: float | None = None


class RedisRoute:
    """Calls queue in this process; only the head waiter reserves on Redis, and a batch belongs to
    whoever is at the head when it is due.
    """

    def __init__(
        self,
        name: str,
        limit: float,
        *,
        keys: tuple[str, ...],
        nonce: str,
        link: Link,
        clock: ServerClock,
        local: LocalRateLimiter,
        bounds: tuple[float, float] | None,
        share: float,
    ) -> None:
        self.name = name
        self._configured = self._limit = limit
        self._keys = keys
        self._nonce = nonce
        self._link = link
        self._clock = clock
        self._local = local
        self._share = share
        self._bounds = bounds
        self._loop = asyncio.get_running_loop()
        self._queue: Priorities[RedisReservation] = Priorities()
        self._head: RedisReservation | None = None
        self._batches: deque[PermitBatch] = deque()
        self._left = 1
        """Permits left of the first batch."""
        self._unit = 1
        self._number = 0
        self._window = max(1.0, 1.0 / limit)
        self._margin = Margin()
        self._updates = PendingUpdates()
        self._asking: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._ask_at = 0.0
        self._warned_unusable = False
        self._paused_until = 0.0
        self._agreed = 0
        """The outage after which this route has last agreed with the other processes."""
        self._local_until = 0.0
        """Until then the local limiter gives the permits although Redis is back: the others may not
        know yet.
        """
        self._last_local = float("-inf")
        self._sends: deque[float] = deque()
        self._last_permit: tuple[float, str] | None = None
        """Our newest permit that Redis must know of."""
        self._granted = self._refused = self._pauses = 0
        self._waits: deque[float] = deque(maxlen=512)

    # The queue

    def now(self) -> float:
        return self._loop.time()

    async def reserve(
        self, priority: Priority, is_retry: bool, timeout: float | None
    ) -> RedisReservation:
        """Wait until a new reservation is at the head and near due."""
        reservation = RedisReservation(self, priority, is_retry, timeout)
        if self._head is None:
            self._head = reservation
        else:
            # At the least: the other processes are not counted, and permits may be a tenth closer
            # than they are on average.
            ahead = 0.9 * (1 + self._queue.ahead(priority, is_retry)) * self._window / self._size()
            due = max(reservation.began, self._paused_until) + ahead
            if reservation.misses(due):
                raise reservation.too_late(due)
            reservation.called = self._loop.create_future()
            self._queue.join(reservation)
            try:
                async with asyncio.timeout_at(reservation.deadline):
                    await reservation.called
            except BaseException as error:
                reservation.abandon()
                if isinstance(error, TimeoutError):
                    raise reservation.too_late(self.now() + self._window / self._size()) from None
                raise
        await reservation.wait_until_near()
        return reservation

    def leave(self, reservation: RedisReservation) -> None:
        """Let the next one be the head."""
        if reservation is not self._head:
            self._queue.leave(reservation)
            return
        self._head = head = self._queue.pop() if self._queue.size else None
        if head is None:
            self._give_back(self._batches)
        elif head.called is not None and not head.called.done():
            head.called.set_result(None)

    # The head waiter

    async def estimate(self, reservation: RedisReservation) -> Estimate:
        """When the head waiter's permit is due, as far as can be known now."""
        while True:
            now = self.now()
            if reservation.ended:  # given up by another task: nothing is asked for it any more
                return Estimate(now)
            if not self._shared(now):
                if not self._link.up or self._agreed == self._link.outages:
                    return await self._estimate_locally(reservation, now)
            else:
                if reservation.local is not None:
                    reservation.local.abandon()
                    reservation.local = None
                while self._batches and self._batches[0].due < now - TOO_LATE:
                    self._drop_first()
                if self._batches:
                    self._ask_ahead(now)
                    return Estimate(self._batches[0].due)
                ask_at = max(self._ask_at, self._last_local + self._window)
                if now < ask_at:
                    return Estimate(max(self._not_before, ask_at), ask_at)
            await self._answer(reservation.remaining())
            reservation.refuse_after(self.now())

    def _shared(self, now: float) -> bool:
        """Whether Redis gives the permits; otherwise the local limiter does."""
        return self._link.up and self._agreed == self._link.outages and now >= self._local_until

    async def _estimate_locally(self, reservation: RedisReservation, now: float) -> Estimate:
        if not self._link.up:
            self._link.watch(self)
        if reservation.local is None:
            # What this process has sent in the last window, by whomever it was permitted, counts
            # against its share.
            mine = share_of(self._configured, self._share)
            size, window = max(1, int(mine)), max(self._window, 1.0 / mine)
            opens = self._sends[-size] + window if len(self._sends) >= size else now
            opens = max(opens, self._paused_until)
            if opens > now:
                return Estimate(opens, opens)
            reservation.local = await self._local.reserve(
                self.name,
                priority=reservation.priority,
                timeout=reservation.remaining(),
                is_retry=reservation.is_retry,
            )
        return Estimate(self.now())

    def granted(self, reservation: RedisReservation, now: float) -> None:
        """Note that the head waiter goes, on the first batch."""
        batch = self._batches[0]
        self._left -= 1
        if self._left == 0:
            self._drop_first()
        reservation.permit_id = batch.permit_id
        self._last_permit = now, batch.permit_id
        self._record(reservation, now)
        if now - batch.due > LATE:
            self._move(batch.permit_id, now - batch.due)

    def granted_locally(self, reservation: RedisReservation) -> None:
        """Note that the head waiter goes, on the local limiter's permit."""
        self._last_local = now = self.now()
        self._record(reservation, now)

    def _record(self, reservation: RedisReservation, now: float) -> None:
        reservation.ended, reservation.sent_at = True, now
        self._granted += 1
        self._waits.append(now - reservation.began)
        self._sends.append(now)
        while self._sends[0] < now - 2 * self._window:
            self._sends.popleft()
        self.leave(reservation)

    def _drop_first(self) -> None:
        self._batches.popleft()
        self._left = self._unit

    def _give_back(self, batches: "deque[PermitBatch]") -> None:
        """Return what nobody will use. Of a batch that is partly used only the rest is lost."""
        if batches and self._left < self._unit:
            self._drop_first()
        for batch in batches:
            self._updates.unused(batch.permit_id)
            self._send_updates()
        batches.clear()

    # What the answers show

    def update(self, reservation: RedisReservation, feedback: Feedback) -> None:
        """Take in one answer, and report it to the others."""
        now = self.now()
        if reservation.sent_at is None or reservation.observed:
            return
        reservation.observed = True
        if reservation.local is not None:
            self._local.update(reservation.local, feedback)
        elif not feedback.sent:
            if self._unit == 1:  # otherwise others may have gone on the same batch
                self._updates.unused(reservation.permit_id)
                if self._last_permit is not None and self._last_permit[1] == reservation.permit_id:
                    self._last_permit = None
            return
        else:
            # Its second began when it left; it cannot have left later than now.
            delay = min(feedback.delay, now - reservation.sent_at)
            if delay > LATE:
                self._move(reservation.permit_id, delay)
            if feedback.status != 429:
                self._learn_lateness(reservation.permit_id, feedback.round_trip)
        if feedback.status == 429:
            self._refused += 1
            self._pause(now, feedback.retry_after)
        if feedback.rate_limit is not None and feedback.rate_limit.limit is not None:
            self._calibrate(feedback.rate_limit.limit)

    def _learn_lateness(self, permit_id: str, round_trip: float | None) -> None:
        """A request that took longer than the quickest may have arrived that much later: its slot
        is held as long.
        """
        if round_trip is None:
            late = self._margin.lateness(self._window)
        else:
            self._margin.learn(round_trip)
            late = self._margin.lateness(round_trip)
        if late > LATE:
            self._move(permit_id, late)

    def _move(self, permit_id: str, late: float) -> None:
        self._updates.move(permit_id, late)
        # The slot is given to the next one half a second before its window ends.
        next_question = self._batches[0].due if self._batches else self._ask_at
        if self._head is None or next_question > self.now() + self._window - HORIZON - ANSWERS:
            self._send_updates()

    def _pause(self, now: float, retry_after: float | None) -> None:
        seconds = retry_after if retry_after is not None and retry_after > 0 else DEFAULT_PAUSE
        self._updates.refused += 1
        self._updates.paused_until = max(
            self._updates.paused_until, now + min(seconds, LONGEST_PAUSE)
        )
        self._paused(self._updates.paused_until)
        self._send_updates()

    def _paused(self, until: float) -> None:
        """Nobody goes before *until*: batches that fall due before are given back."""
        if until <= max(self._paused_until, self.now()):
            return
        self._pauses += self._paused_until <= self.now()
        self._paused_until = until
        self._not_before = max(self._not_before, until)
        self._ask_at = max(self._ask_at, until - HORIZON)
        self._give_back(self._batches)

    def _calibrate(self, advertised: float) -> None:
        if (
            self._bounds
            and self._bounds[0] <= advertised <= self._bounds[1]
            and advertised != self._limit
        ):
            self._updates.advertised = advertised
            if advertised < self._limit:
                self._send_updates()

    # Redis

    @property
    def busy(self) -> bool:
        """Whether anybody waits here."""
        return self._head is not None

    async def resync(self) -> bool:
        """Agree with the other processes on when Redis gives the permits again; False while it is
        away.
        """
        await self._answer(None)
        return self._link.up and self._agreed == self._link.outages

    def _ask(self) -> "asyncio.Task[None]":
        """One question at a time, in a task of its own: when a caller is cancelled, the next one
        has the batch.
        """
        if self._asking is None or self._asking.done():
            self._asking = self._loop.create_task(self._question())
        return self._asking

    async def _answer(self, timeout: float | None) -> None:
        """Ask, and wait for the answer that long."""
        task = self._ask()
        await asyncio.wait((task,), timeout=timeout)
        if task.done():
            task.result()

    def _ask_ahead(self, now: float) -> None:
        """At high rates, ask for the next batch while the last permit of this one is still to
        come.
        """
        last = len(self._batches) == 1 and self._left <= self._queue.size
        far = self._link.round_trip
        if (
            last
            and (self._window / self._size() < SPAN or far > LEAD / 2)
            and self._batches[0].due - now < LEAD + far
            and now >= self._ask_at
        ):
            self._ask()

    def _send_updates(self) -> None:
        """Send the updates now, unless Redis is away."""
        if self._link.up:
            self._updates.urgent = True
            self._ask()

    async def _question(self) -> None:
        while True:
            updates, self._updates = self._updates, PendingUpdates()
            asked, outages = self.now(), self._link.outages
            resync = self._agreed != outages
            want = 0 if resync or asked < self._ask_at else self._lacking()
            last_permit = ""
            if self._last_permit is not None and asked - self._last_permit[0] < self._window:
                last_permit = self._last_permit[1]
            arguments: list[str | int | float] = [
                self._configured, want, int(HORIZON * MICRO),
                    int(max(SPAN, self._link.round_trip) * MICRO), self._nonce, self._number,
                    last_permit,
                int(RESYNC * MICRO) if resync else 0, int(self._margin.reserve * MICRO),
                    *updates.arguments(asked),
            ]  # fmt: skip
            first, self._number = self._number, self._number + want
            try:
                exchange = await self._link.ask(self._keys, arguments)
            except Unreachable as error:
                if isinstance(error, Unusable):
                    self._local_until = self.now() + UNUSABLE
                    if not self._warned_unusable:
                        self._warned_unusable = True
                        logger.warning(
                            "Something else is kept under the keys of %s on Redis: this route is "
                            "limited to %g of its limit by each process",
                            self.name,
                            self._share,
                        )
                self._updates.paused_until = max(self._updates.paused_until, updates.paused_until)
                return
            now, limit, window, unit, slot, come, pause, *reservations = exchange.reply
            self._clock.update(exchange.asked, exchange.answered, now / MICRO)
            self._limit, self._window = limit / MICRO, window / MICRO
            if unit != self._unit:
                self._unit = self._left = unit
            opens = self._clock.local(slot / MICRO)
            if resync:
                self._agreed, self._local_until, self._last_permit = (
                    outages,
                    opens - self._window,
                    None,
                )
                self._not_before, self._ask_at = opens, opens - HORIZON
            elif want and not reservations:
                self._not_before, self._ask_at = (
                    opens,
                    self._clock.local(come / MICRO) - HORIZON + LATE,
                )
            for number, reservation in enumerate(reservations, first):
                self._batches.append(
                    PermitBatch(self._clock.local(reservation / MICRO), f"{self._nonce}{number}")
                )
            if self._batches and (self._head is None or self._batches[0].due < self._paused_until):
                # Meanwhile whoever waited has left, or a refusal came.
                self._give_back(self._batches)
            self._paused(self._clock.local(pause / MICRO))
            if not self._updates.urgent:
                return

    def _lacking(self) -> int:
        """How many batches those who wait still need."""
        if self._head is None:
            return 0
        have = self._unit * (len(self._batches) - 1) + self._left if self._batches else 0
        return max(0, math.ceil((1 + self._queue.size - have) / self._unit))

    def statistics(self) -> RouteStatistics:
        """A snapshot."""
        now = self.now()
        waits = sorted(self._waits)
        shared = self._shared(now)
        return RouteStatistics(
            route=self.name,
            limit=self._limit if shared else share_of(self._configured, self._share),
            waiting=self._queue.size + (self._head is not None),
            granted=self._granted,
            refused=self._refused,
            margin=self._window - max(1.0, 1.0 / self._limit),
            paused=max(0.0, self._paused_until - now),
            pauses=self._pauses,
            wait_p50=waits[len(waits) // 2] if waits else 0.0,
            wait_p99=waits[min(len(waits) - 1, len(waits) * 99 // 100)] if waits else 0.0,
        )

    def _size(self) -> int:
        return max(1, int(self._limit))
