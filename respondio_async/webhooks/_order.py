"""The order within a contact: its events are handled one after another, and what runs beside them
keeps out by its lock.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

Job = TypeVar("Job")


class ContactQueues(Generic[Job]):
    """A queue for each contact: its jobs run in order, those of different contacts side by side, up
    to a number at a time. A queue exists while it has jobs.
    """

    def __init__(self, run: Callable[[Job], Awaitable[None]], *, concurrency: int) -> None:
        self._run = run
        # First come first served, and a queue comes again for each job: a contact with many does
        # not delay the others.
        self._turns = asyncio.Semaphore(concurrency)
        self._queues: dict[Hashable, deque[Job]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.running = 0
        """How many jobs run now."""

    def put(self, key: Hashable, job: Job) -> None:
        """Append *job* to the queue of *key*; never waits."""
        waiting = self._queues.get(key)
        if waiting is not None:
            waiting.append(job)
            return
        waiting = self._queues[key] = deque((job,))
        task = asyncio.create_task(self._work(key, waiting), name="respondio-webhook-worker")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def join(self, timeout: float | None) -> None:
        """Wait until no job is left, *timeout* seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self._tasks:
                    await asyncio.wait(self._tasks)

    async def cancel(self) -> list[Job]:
        """Stop all, and return the jobs that were not begun."""
        left = [job for waiting in self._queues.values() for job in waiting]
        for waiting in self._queues.values():
            waiting.clear()
        while self._tasks:  # a handler may swallow its cancellation once
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=1)
        return left

    async def _work(self, key: Hashable, waiting: deque[Job]) -> None:
        try:
            while waiting:
                async with self._turns:
                    self.running += 1
                    try:
                        await self._run(waiting.popleft())
                    finally:
                        self.running -= 1
        finally:
            del self._queues[key]
            for job in waiting:  # what ends one job keeps the next from nothing
                self.put(key, job)


class _Lock(asyncio.Lock):
    owner: asyncio.Task[Any] | None = None


class KeyedLocks:
    """Locks by key, first come first served. A task that holds one may take it again."""

    def __init__(self) -> None:
        self.beyond: Callable[[Any], AbstractAsyncContextManager[None]] | None = None
        """Takes a lock in all other processes too; None: there are none."""
        self._locks: WeakValueDictionary[Hashable, _Lock] = WeakValueDictionary()
        """Those that somebody holds or waits for."""

    def __len__(self) -> int:
        return len(self._locks)

    @asynccontextmanager
    async def hold(self, key: Hashable) -> AsyncGenerator[None]:
        """Hold the lock of *key*, in all processes."""
        known = self._locks.get(key)
        is_ours = known is not None and known.owner is asyncio.current_task()
        beyond = nullcontext() if self.beyond is None or is_ours else self.beyond(key)
        # In this order everywhere: who handles an event has its contact in all processes before it
        # takes the lock in its own.
        async with beyond, self.hold_here(key):
            yield

    @asynccontextmanager
    async def hold_here(self, key: Hashable) -> AsyncGenerator[None]:
        """Hold the lock of *key* in this process."""
        lock = self._locks.setdefault(key, _Lock())
        task = asyncio.current_task()
        if lock.owner is task:
            yield
            return
        async with lock:
            lock.owner = task
            try:
                yield
            finally:
                lock.owner = None
