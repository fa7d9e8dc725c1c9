"""The order within a contact: its events are handled one after another, and what runs beside them
keeps out by its lock.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from typing import Any, Generic, TypeVar

Job = TypeVar("Job")


class ContactQueues(Generic[Job]):
    """A queue for each contact: its jobs run in order, those of different contacts side by side, up
    to a number of workers.

    A queue exists while it has jobs. Workers take one job at a time from the queue that has waited
    longest, so a contact with many events does not delay the others.
    """

    def __init__(self, run: Callable[[Job], Awaitable[None]], *, concurrency: int) -> None:
        self._run = run
        self._concurrency = concurrency
        self._queues: dict[Hashable, deque[Job]] = {}
        self._ready: deque[Hashable] = deque()
        """Keys of queues with work that no worker serves, longest waiting first."""
        self._workers: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> int:
        """How many jobs run now."""
        return len(self._workers)

    def put(self, key: Hashable, job: Job) -> None:
        """Append *job* to the queue of *key*; never waits."""
        waiting = self._queues.get(key)
        if waiting is not None:
            waiting.append(job)
            return
        self._queues[key] = deque((job,))
        self._ready.append(key)
        if len(self._workers) < self._concurrency:
            self._start_worker()

    async def join(self, timeout: float | None) -> None:
        """Wait until no job is left, *timeout* seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self._workers:
                    await asyncio.wait(self._workers)

    def clear(self) -> list[Job]:
        """Drop the jobs that were not begun, and return them."""
        left = [job for waiting in self._queues.values() for job in waiting]
        for key in self._ready:
            del self._queues[key]
        self._ready.clear()
        for waiting in self._queues.values():
            waiting.clear()
        return left

    async def cancel(self) -> None:
        """Stop all workers."""
        while self._workers:  # a handler may swallow its cancellation once
            for worker in self._workers:
                worker.cancel()
            await asyncio.wait(self._workers, timeout=1)

    async def _work(self) -> None:
        while self._ready:
            key = self._ready.popleft()
            waiting = self._queues[key]
            try:
                await self._run(waiting.popleft())
            finally:
                if waiting:
                    self._ready.append(key)
                else:
                    del self._queues[key]

    def _start_worker(self) -> None:
        worker = asyncio.create_task(self._work(), name="respondio-webhook-worker")
        self._workers.add(worker)
        worker.add_done_callback(self._left)

    def _left(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        if self._ready and not worker.cancelled():  # or its event loop ends: begin nothing more
            self._start_worker()


class _Held:
    __slots__ = ("lock", "owner", "users")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.owner: asyncio.Task[Any] | None = None
        self.users = 0


class KeyedLocks:
    """Locks by key, first come first served. A task that holds one may take it again."""

    def __init__(self) -> None:
        self.beyond: Callable[[Any], AbstractAsyncContextManager[None]] | None = None
        """Takes a lock in all other processes too; None: there are none."""
        self._held: dict[Hashable, _Held] = {}

    def __len__(self) -> int:
        return len(self._held)

    @asynccontextmanager
    async def hold(self, key: Hashable) -> AsyncGenerator[None]:
        """Hold the lock of *key*, in all processes."""
        held = self._held.get(key)
        is_ours = held is not None and held.owner is asyncio.current_task()
        beyond = nullcontext() if self.beyond is None or is_ours else self.beyond(key)
        # In this order everywhere: who handles an event has its contact in all processes before it
        # takes the lock in its own.
        async with beyond, self.hold_here(key):
            yield

    @asynccontextmanager
    async def hold_here(self, key: Hashable) -> AsyncGenerator[None]:
        """Hold the lock of *key* in this process."""
        task = asyncio.current_task()
        held = self._held.setdefault(key, _Held())
        if held.owner is task:
            yield
            return
        held.users += 1
        try:
            async with held.lock:
                held.owner = task
                try:
                    yield
                finally:
                    held.owner = None
        finally:
            held.users -= 1
            if held.users == 0:
                del self._held[key]
