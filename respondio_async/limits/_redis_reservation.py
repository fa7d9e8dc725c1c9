"""One call's place in the queue of a route whose permits Redis hands out."""

from asyncio import Future, get_running_loop
from collections.abc import Generator
from contextlib import contextmanager
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

import anyio

from ..errors import DeadlineExceededError
from ._protocol import Priority
from ._queue import State
from ._tuning import LEAD, SHORTEST_SLEEP
from ._window import Sent

if TYPE_CHECKING:
    from ._redis_route import RedisRoute

LONGEST_SLEEP = 1.0
"""Seconds after which the head waiter asks again in any case: Redis may be back, or away."""


class Awaits(Enum):
    """What the head waiter waits for."""

    PERMIT = auto()
    """The instant at which a permit is due: one that Redis keeps, or the local model's."""
    QUESTION = auto()
    """The instant at which Redis is to be asked for one."""


class Estimate(NamedTuple):
    """What the head waiter waits for."""

    awaits: Awaits
    due: float
    """The soonest that a permit can be used."""
    until: float
    """When what is waited for comes."""


class RedisReservation:
    """Made by `RedisRoute.reserve`. Its states are those of `State`; it is CALLED once it is at
    the head of the queue.
    """

    __slots__ = (
        "began",
        "called",
        "deadline",
        "is_retry",
        "owner",
        "permit_id",
        "priority",
        "sent",
        "state",
    )

    def __init__(
        self, owner: "RedisRoute", priority: Priority, is_retry: bool, timeout: float | None
    ) -> None:
        self.owner = owner
        self.priority: Priority = priority
        self.is_retry = is_retry
        self.began = get_running_loop().time()
        self.deadline = None if timeout is None else self.began + timeout
        self.state = State.QUEUED
        self.called: Future[None] | None = None
        """What its holder sleeps on until it is at the head."""
        self.permit_id = ""
        """Under which Redis knows the permit; empty when it was the local model's."""
        self.sent: Sent | None = None

    @property
    def route(self) -> str:
        return self.owner.name

    def call(self) -> None:
        """Let its holder, who is at the head now, go on."""
        self.state = State.CALLED
        if self.called is not None and not self.called.done():
            self.called.set_result(None)

    async def wait_until_near(self) -> None:
        """Wait until the permit is due within `LEAD` seconds. See `Reservation.wait_until_near`."""
        with self._leaving():
            while self.state is State.CALLED:
                awaits, _, until = await self._estimate()
                if awaits is Awaits.PERMIT:
                    until -= LEAD
                    if until <= self._now():
                        return
                await self._sleep(until)

    async def permit(self, *, max_wait: float | None = None) -> bool:
        """Wait for the permit and take it; True once the request may go, now.

        See `Reservation.permit`.
        """
        self._require_place()
        with self._leaving():
            while True:
                awaits, due, until = await self._estimate()
                self._require_place()  # another task may have given it up meanwhile
                now = self._now()
                if awaits is Awaits.PERMIT and until <= now:
                    self.owner.granted(self, now)
                    return True
                # `wait_until_near` ends that early
                if max_wait is not None and due - now > max(max_wait, LEAD):
                    return False
                await self._sleep(until)

    def _require_place(self) -> None:
        if self.state is not State.CALLED:
            raise RuntimeError(
                "this reservation has had its permit, or was given up: every request needs one of "
                "its own"
            )

    @contextmanager
    def _leaving(self) -> Generator[None, None, None]:
        """Leave the queue when the call is cancelled, or its permit would come too late."""
        try:
            yield
        except BaseException:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Leave the queue; after a grant, or a second time, do nothing."""
        if self.state in {State.QUEUED, State.CALLED}:
            self.state = State.LEFT
            self.owner.leave(self)

    def require(self, due: float) -> None:
        """Raise if the permit, due not before *due*, comes too late for this call."""
        if self.deadline is not None and due > self.deadline:
            raise self.too_late(due)

    def too_late(self, due: float) -> DeadlineExceededError:
        """The error for a permit that would be due at *due*."""
        needed = due - self.began
        message = f"{self.route}: the permit would come after {needed:.1f} s, past the timeout"
        return DeadlineExceededError(message, endpoint=self.route, needed=needed)

    def remaining(self) -> float | None:
        """Seconds left of the timeout."""
        return None if self.deadline is None else max(0.0, self.deadline - self._now())

    async def _estimate(self) -> Estimate:
        estimate = await self.owner.estimate(self)
        self.require(estimate.due)
        return estimate

    async def _sleep(self, until: float) -> None:
        await anyio.sleep(min(LONGEST_SLEEP, max(SHORTEST_SLEEP, until - self._now())))

    def _now(self) -> float:
        return self.owner.now()
