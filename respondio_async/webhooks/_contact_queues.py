"""A queue for each contact: jobs of one contact run in order, those of different contacts
concurrently, up to a number of workers.

A queue exists while it has jobs. Workers take one job at a time from the queue that has waited
longest, so a contact with many events does not delay the others.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Job = TypeVar("Job")


class ContactQueues(Generic[Job]):
    """Runs jobs. `put` never waits."""

    def __init__(self, run: Callable[[Job], Awaitable[None]], *, concurrency: int) -> None:
        self._run = run
        self._concurrency = concurrency
        self._queues: dict[Hashable, deque[Job]] = {}
        self._ready: deque[Hashable] = deque()
        """Keys of queues with work that no worker serves, longest waiting first."""
        self._workers: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def running(self) -> int:
        """How many jobs run now."""
        return len(self._workers)

    def put(self, key: Hashable, job: Job) -> None:
        """Append *job* to the queue of *key*."""
        waiting = self._queues.get(key)
        if waiting is not None:
            waiting.append(job)
            return
        self._queues[key] = deque((job,))
        self._ready.append(key)
        if len(self._workers) < self._concurrency:
            self._idle.clear()
            worker = asyncio.create_task(self._work(), name="respondio-webhook-worker")
            self._workers.add(worker)
            worker.add_done_callback(self._left)

    async def join(self, timeout: float | None) -> bool:
        """Wait until no job is left; False when that took longer than *timeout* seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def cancel(self) -> list[Job]:
        """Stop all workers, and return the jobs that were not begun."""
        left = [job for waiting in self._queues.values() for job in waiting]
        self._ready.clear()
        self._queues.clear()
        while self._workers:  # a handler may swallow its cancellation once
            for worker in self._workers:
                worker.cancel()
            await asyncio.wait(self._workers, timeout=1)
        return left

    async def _work(self) -> None:
        while self._ready:
            key = self._ready.popleft()
            waiting = self._queues[key]
            try:
                await self._run(waiting.popleft())
            finally:
                if self._queues.get(key) is not waiting:
                    pass  # cancel() has removed all jobs meanwhile
                elif waiting:
                    self._ready.append(key)
                else:
                    del self._queues[key]

    def _left(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        if not self._workers:
            self._idle.set()
