"""One call's place in the queue of a route whose permits Redis hands out."""

from asyncio import Future, get_running_loop
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

from ..errors import DeadlineExceededError
from ._protocol import Priority, Reservation
from ._tuning import LEAD

if TYPE_CHECKING:
    from ._redis_route import Estimate, RedisRoute

SHORTEST_SLEEP = 0.0005
"""Seconds; sleeping less only spins."""
LONGEST_SLEEP = 1.0
"""Seconds after which the head waiter asks again in any case: Redis may be back, or away."""
LOCAL_WAIT = 2 * LEAD
"""Seconds that the local limiter's permit may be away before we ask again whether Redis is back."""


class RedisReservation:
    """Made by `RedisRoute.reserve`."""

    __slots__ = (
        "_owner",
        "began",
        "called",
        "deadline",
        "ended",
        "is_retry",
        "local",
        "observed",
        "permit_id",
        "priority",
        "sent_at",
    )

    def __init__(
        self, owner: "RedisRoute", priority: Priority, is_retry: bool, timeout: float | None
    ) -> None:
        self._owner = owner
        self.priority: Priority = priority
        self.is_retry = is_retry
        self.began = get_running_loop().time()
        self.deadline = None if timeout is None else self.began + timeout
        self.called: Future[None] | None = None
        self.ended = False
        """Granted or given up: no longer in the queue."""
        self.local: Reservation | None = None
        """The local limiter's reservation, while Redis is away."""
        self.permit_id = ""
        """Under which Redis knows the permit; empty when it was the local limiter's."""
        self.sent_at: float | None = None
        self.observed = False

    @property
    def route(self) -> str:
        return self._owner.name

    def stands_in(self, owner: "RedisRoute") -> bool:
        """Whether it was given by this limiter's route, not by another one's of the same name."""
        return self._owner is owner

    async def wait_until_near(self) -> None:
        """Wait until the permit is due within `LEAD` seconds. See `Reservation.wait_until_near`."""
        with self._leaving():
            while not self.ended:
                estimate = await self._estimate()
                if self.local is not None:
                    await self.local.wait_until_near()
                    return
                if estimate.ask_again_at is None and estimate.due - self._now() <= LEAD:
                    return
                await self._sleep(
                    estimate.due - LEAD if estimate.ask_again_at is None else estimate.ask_again_at
                )

    async def permit(self, *, max_wait: float | None = None) -> bool:
        """Wait for the permit and take it; True once the request may go, now.

        See `Reservation.permit`.
        """
        self._require_place()
        with self._leaving():
            while True:
                estimate = await self._estimate()
                self._require_place()  # another task may have given it up meanwhile
                if self.local is not None:
                    if await self.local.permit(
                        max_wait=LOCAL_WAIT if max_wait is None else min(max_wait, LOCAL_WAIT)
                    ):
                        self._owner.granted_locally(self)
                        return True
                    if max_wait is not None:
                        return False
                    await self.local.wait_until_near()
                    continue
                now = self._now()
                if max_wait is not None and estimate.due - now > max(
                    max_wait, LEAD
                ):  # `wait_until_near` ends that early
                    return False
                if estimate.ask_again_at is None and estimate.due <= now:
                    self._owner.granted(self, now)
                    return True
                await self._sleep(
                    estimate.due if estimate.ask_again_at is None else estimate.ask_again_at
                )

    def _require_place(self) -> None:
        if self.ended:
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
        if not self.ended:
            self.ended = True
            if self.local is not None:
                self.local.abandon()
            self._owner.leave(self)

    def misses(self, due: float) -> bool:
        """Whether a permit due at *due* comes too late for this call."""
        return self.deadline is not None and due > self.deadline

    def refuse_after(self, due: float) -> None:
        """Raise if the permit, due not before *due*, comes too late for this call."""
        if self.misses(due):
            raise self.too_late(due)

    def too_late(self, due: float) -> DeadlineExceededError:
        """The error for a permit that would be due at *due*."""
        needed = due - self.began
        message = f"{self.route}: the permit would come after {needed:.1f} s, past the timeout"
        return DeadlineExceededError(message, endpoint=self.route, needed=needed)

    def remaining(self) -> float | None:
        """Seconds left of the timeout."""
        return None if self.deadline is None else max(0.0, self.deadline - self._now())

    async def _estimate(self) -> "Estimate":
        estimate = await self._owner.estimate(self)
        self.refuse_after(estimate.due)
        return estimate

    async def _sleep(self, until: float) -> None:
        await anyio.sleep(min(LONGEST_SLEEP, max(SHORTEST_SLEEP, until - self._now())))

    def _now(self) -> float:
        return self._owner.now()
