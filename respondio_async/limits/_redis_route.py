"""One route whose permits Redis hands out: the queue of this process, and who gives its permits."""

import asyncio
from collections import deque
from math import inf

from ._priorities import Priorities
from ._protocol import Feedback, Priority, RouteStatistics
from ._queue import State
from ._redis_link import Link
from ._redis_permits import PermitSource, SharedPermits
from ._redis_reservation import Awaits, Estimate, RedisReservation
from ._route import Route
from ._tuning import KEPT_WAITS


class RedisRoute:
    """Calls queue in this process; only the head waiter has permits reserved on Redis.

    *local* is the model of what this process may send while Redis is away: it counts all its sends,
    by whomever they were permitted.
    """

    def __init__(self, name: str, permits: SharedPermits, local: Route, link: Link) -> None:
        self.name = name
        self._permits = permits
        self._local = local
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._queue: Priorities[RedisReservation] = Priorities()
        self._head: RedisReservation | None = None
        self._last_local = -inf
        self._refused = 0
        self._waits: deque[float] = deque(maxlen=KEPT_WAITS)

    # ── the queue ────────────────────────────────────────────────────────────────────────────────

    def now(self) -> float:
        return self._loop.time()

    def __len__(self) -> int:
        return self._queue.size + (self._head is not None)

    async def reserve(
        self, priority: Priority, is_retry: bool, timeout: float | None
    ) -> RedisReservation:
        """Wait until a new reservation is at the head and near due."""
        reservation = RedisReservation(self, priority, is_retry, timeout)
        if self._head is None:
            self._head = reservation
            reservation.state = State.CALLED
        else:
            await self._wait_for_head(reservation)
        await reservation.wait_until_near()
        return reservation

    async def _wait_for_head(self, reservation: RedisReservation) -> None:
        permits = self._permits
        # At the least: the other processes are not counted, and permits may be a tenth closer than
        # they are on average.
        ahead = 1 + self._queue.ahead(reservation.priority, reservation.is_retry)
        gap = permits.window / permits.model.route.window.size
        reservation.require(max(reservation.began, permits.opens_at) + 0.9 * gap * ahead)
        reservation.called = self._loop.create_future()
        self._queue.join(reservation)
        try:
            async with asyncio.timeout_at(reservation.deadline):
                await reservation.called
        except BaseException as error:
            reservation.abandon()
            if isinstance(error, TimeoutError):
                raise reservation.too_late(self.now() + gap) from None
            raise

    def leave(self, reservation: RedisReservation) -> None:
        """Let the next one be the head."""
        if reservation is not self._head:
            self._queue.leave(reservation)
            return
        self._head = head = self._queue.pop() if self._queue.size else None
        if head is None:
            self._permits.give_back()
        else:
            head.call()

    # ── the head waiter ──────────────────────────────────────────────────────────────────────────

    async def estimate(self, reservation: RedisReservation) -> Estimate:
        """What the head waiter waits for, as far as can be known now."""
        permits = self._permits
        while reservation.state is State.CALLED:
            now = self.now()
            source = permits.source(now)
            if source is PermitSource.LOCAL:
                return self._estimate_locally(now)
            if source is PermitSource.REDIS:
                estimate = permits.estimate(now, self._last_local + permits.window)
                if estimate is not None:
                    return estimate
            await permits.ask(reservation.remaining())
            reservation.require(self.now())
        return Estimate(Awaits.QUESTION, now := self.now(), now)  # given up by another task

    def _estimate_locally(self, now: float) -> Estimate:
        if not self._link.up:
            self._link.watch(self)
        due = max(self._local.due(now), self._permits.paused_until)
        return Estimate(Awaits.PERMIT, max(due, self._local.opens_at), due)

    def granted(self, reservation: RedisReservation, now: float) -> None:
        """Note that the head waiter goes."""
        local, paced = self._local, False
        if self._permits.source(now) is PermitSource.REDIS:
            reservation.permit_id = self._permits.take(now)
        else:
            self._last_local = now
            paced = local.pace.take(now)
        local.window.expire(now)
        reservation.sent = local.take(now, paced=paced)
        reservation.state = State.GRANTED
        self._waits.append(now - reservation.began)
        self.leave(reservation)

    # ── what became of it ────────────────────────────────────────────────────────────────────────

    def update(self, reservation: RedisReservation, feedback: Feedback) -> None:
        """Take in one answer, and report it to the others."""
        if reservation.state is not State.GRANTED or reservation.sent is None:
            return
        reservation.state, now = State.DONE, self.now()
        if not reservation.permit_id:
            self._local.learn(reservation.sent, feedback, now)
        elif feedback.sent:
            self._permits.answered(reservation.permit_id, reservation.sent.at, feedback, now)
        else:
            self._permits.unsent(reservation.permit_id)
            return
        if feedback.status == 429:
            self._refused += 1
            self._permits.pause(now, feedback.retry_after)

    async def resync(self) -> bool:
        """Agree with the other processes on when Redis gives the permits again; False while it is
        away.
        """
        await self._permits.ask()
        return self._link.up and self._permits.source(self.now()) is not PermitSource.RESYNC

    def statistics(self) -> RouteStatistics:
        """A snapshot."""
        permits, now, waits = self._permits, self.now(), sorted(self._waits) or [0.0]
        shared = permits.source(now) is PermitSource.REDIS
        route = permits.model.route if shared else self._local
        return RouteStatistics(
            route=self.name,
            limit=route.window.size / route.window.span,
            waiting=len(self),
            granted=self._local.granted,
            refused=self._refused,
            margin=route.margin.value,
            paused=max(0.0, permits.paused_until - now),
            pauses=permits.pauses,
            wait_p50=waits[len(waits) // 2],
            wait_p99=waits[len(waits) * 99 // 100],
        )
