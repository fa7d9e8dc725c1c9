"""What the backends share: the queue in front of the connections, the end of an attempt, and the
closing.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Coroutine
from contextlib import suppress
from types import ModuleType
from typing import Any, Final, Generic, TypeVar

from ..errors import ConfigurationError
from . import _failures
from ._address import Address
from ._ports import Answer, PoolStatistics, Request, SendError
from ._requests import Requests

LeaseT = TypeVar("LeaseT", bound="ConnectionLease[Any]")
PoolT = TypeVar("PoolT", bound="Pool[Any]")

KEEPALIVE: Final = 4.5
"""Seconds that an idle connection is kept: less than the five after which common servers (uvicorn,
Node) drop one, so that a request does not meet a connection that is just being closed.
"""

GRACE: Final = 5.0
"""Seconds that `aclose` waits for calls in flight."""


class Gate:
    """Lets *size* callers in at a time, first come first served.

    A caller that is cancelled at the moment it is let in lets the next one in.
    """

    def __init__(self, size: int) -> None:
        self.free = size
        self.open = True
        # Ordered, with cheap removal from the middle: thousands may wait, and any of them may be
        # cancelled.
        self._queue: OrderedDict[asyncio.Future[bool], None] = OrderedDict()

    @property
    def waiting(self) -> int:
        return len(self._queue)

    async def enter(self) -> bool:
        """Wait to be let in; False when the gate was closed."""
        if not self.open:
            return False
        if self.free:  # the queue is empty then: `leave` serves it first
            self.free -= 1
            return True
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._queue[waiter] = None
        try:
            return await waiter
        except asyncio.CancelledError:
            if (
                self._queue.pop(waiter, waiter) is waiter
                and not waiter.cancelled()
                and waiter.result()
            ):
                self.leave()
            raise

    def leave(self) -> None:
        """Let in the first of the queue, if there is one."""
        while self._queue:
            waiter, _ = self._queue.popitem(last=False)
            if not waiter.done():
                waiter.set_result(True)
                return
        self.free += 1

    def close(self) -> None:
        """Admit no more; calls that wait get False."""
        self.open = False
        while self._queue:
            waiter, _ = self._queue.popitem(last=False)
            if not waiter.done():
                waiter.set_result(False)


class ConnectionLease(ABC, Generic[PoolT]):
    """The time for which one call holds a connection of *pool*."""

    __slots__ = ("_scope", "broken", "clean", "left_at", "pool", "status", "unsent")

    def __init__(self, pool: PoolT) -> None:
        self.pool = pool
        self._scope: asyncio.Timeout | None = None
        self.broken = False
        self.clean = True
        """Nothing came beyond the last answer."""
        self.unsent = False
        """The request provably has not left."""
        self.left_at: float | None = None
        self.status: int | None = None
        """Of the answer, once its head is there."""

    async def send(self, request: Request, *, timeout: float | None, phases: Any = None) -> Answer:
        if self.pool.closed:
            raise _failures.closed(sent=False)
        if timeout is not None and timeout <= 0:
            raise _failures.timed_out(unsent=True, status=None)
        self.unsent, self.left_at, self.status = False, None, None
        self.broken = True  # until the answer is here, whole
        failure: Exception
        try:
            async with asyncio.timeout(timeout) as self._scope:
                answer = await self._exchange(request, timeout, phases)
        except SendError as error:
            failure = error
        except Exception as error:
            reading = self._explain(error)
            if reading is None:
                raise
            failure = reading
        else:
            self.broken = not self.clean
            return answer
        finally:
            self._scope = None
        # Raised out here, so that it drags no foreign exception along: those hold the request, with
        # token and path.
        try:
            raise failure
        finally:
            del failure

    def mark_sent(self) -> None:
        """Note that the request goes out now."""
        self.unsent = False
        self.left_at = self.pool.now()

    def _explain(self, error: Exception) -> Exception | None:
        if self._scope is not None and self._scope.expired():
            if self.pool.closed:
                return _failures.closed(sent=not self.unsent, status=self.status)
            return _failures.timed_out(unsent=self.unsent, status=self.status)
        library = self.pool.library
        return _failures.read_failure(library, error, unsent=self.unsent, status=self.status)

    @abstractmethod
    async def _exchange(self, request: Request, timeout: float | None, phases: Any) -> Answer:
        """Send and read, without a bound on the whole."""

    def release(self) -> None:
        self.pool.discarded += self.broken
        self.pool.end(self)

    def give_up(self) -> bool:
        """End a send that is under way, as if its time were over; False when there is none."""
        if self._scope is None or self._scope.expired():
            return False
        self._scope.reschedule(0)
        return True


class Pool(ABC, Generic[LeaseT]):
    """Leases connections, at most so many at once, to one event loop."""

    def __init__(self, library: ModuleType, address: Address, size: int) -> None:
        self.library = library
        self.address = address
        self.requests = Requests(library, address)
        self.closed = False
        self.opened = 0
        self.discarded = 0
        self._gate = Gate(size)
        self._busy: set[LeaseT] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._all_returned: asyncio.Event | None = None
        self._background: set[asyncio.Task[None]] = set()

    async def acquire(self) -> LeaseT:
        self._bind()
        if not await self._gate.enter():
            raise _failures.closed(sent=False)
        try:
            lease = await self._lease()
        except BaseException:
            self._gate.leave()
            raise
        self._busy.add(lease)
        return lease

    def end(self, lease: LeaseT) -> None:
        """End *lease*, and let in the first of the queue."""
        self._busy.discard(lease)
        self._gate.leave()
        if self._all_returned is not None and not self._busy:
            self._all_returned.set()

    def statistics(self) -> PoolStatistics:
        return PoolStatistics(
            open=self._count_open(),
            busy=len(self._busy),
            waiting=self._gate.waiting,
            opened=self.opened,
            discarded=self.discarded,
        )

    async def aclose(self) -> None:
        """Refuse those who wait, give calls in flight five seconds, then end those that are left.

        A repeat does nothing.
        """
        if self._loop is not None:
            self._bind()
        if not self._gate.open:
            return
        self._gate.close()
        try:
            await self._wait_for_busy(GRACE)
        finally:  # also when the closing itself is cancelled: what follows takes a moment
            self.closed = True
            ended = [lease.give_up() for lease in list(self._busy)]
            if any(ended):
                await self._wait_for_busy(1.0)
            await self._close()
            while self._background:
                await asyncio.wait(self._background)

    async def _wait_for_busy(self, seconds: float) -> None:
        if self._busy:
            self._all_returned = asyncio.Event()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._all_returned.wait()

    def run_in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Do *work* in the background; `aclose` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that the connections live on: the first that they were used on."""
        return self._loop or asyncio.get_running_loop()

    def now(self) -> float:
        return self.loop.time()

    def _bind(self) -> None:
        running = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = running
        if self._loop is not running:
            raise ConfigurationError(
                "this client belongs to another event loop, where its connections are: make one "
                "client per loop"
                " (each asyncio.run() is a new loop), and close it where it was used"
            )

    @abstractmethod
    async def _lease(self) -> LeaseT: ...

    @abstractmethod
    def _count_open(self) -> int: ...

    @abstractmethod
    async def _close(self) -> None:
        """Close what is left once nothing is busy."""
