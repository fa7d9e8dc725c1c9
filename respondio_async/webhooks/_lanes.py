"""Work in order within a lane, side by side between lanes, so many at once and no more.

A contact is a lane. A lane exists while it has work; of the lanes that have some, the one that has
waited longest is served next, one piece of work at a time, so a talkative contact delays nobody.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Job = TypeVar("Job")


class Lanes(Generic[Job]):
    """Runs jobs.

    Every `put` must be followed by no more than its own bookkeeping: it never waits.
    """

    def __init__(self, run: Callable[[Job], Awaitable[None]], *, concurrency: int) -> None:
        self._run = run
        self._concurrency = concurrency
        self._lanes: dict[Hashable, deque[Job]] = {}
        self._ready: deque[Hashable] = deque()
        """Lanes with work that nobody serves, longest waiting first."""
        self._workers: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def running(self) -> int:
        """Workers at work now."""
        return len(self._workers)

    def put(self, lane: Hashable, job: Job) -> None:
        """Append *job* to its lane."""
        waiting = self._lanes.get(lane)
        if waiting is not None:
            waiting.append(job)
            return
        self._lanes[lane] = deque((job,))
        self._ready.append(lane)
        if len(self._workers) < self._concurrency:
            self._idle.clear()
            worker = asyncio.create_task(self._work(), name="respondio-webhook-worker")
            self._workers.add(worker)
            worker.add_done_callback(self._left)

    async def join(self, timeout: float | None) -> bool:
        """Wait until no work is left; False when that took longer than *timeout* seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def cancel(self) -> list[Job]:
        """Stop all workers, and return the work that was not begun."""
        left = [job for waiting in self._lanes.values() for job in waiting]
        self._ready.clear()
        self._lanes.clear()
        while self._workers:  # a handler may swallow its cancellation once
            for worker in self._workers:
                worker.cancel()
            await asyncio.wait(self._workers, timeout=1)
        return left

    async def _work(self) -> None:
        while self._ready:
            lane = self._ready.popleft()
            waiting = self._lanes[lane]
            try:
                await self._run(waiting.popleft())
            finally:
                if self._lanes.get(lane) is not waiting:
                    pass  # cancel() took all work away meanwhile
                elif waiting:
                    self._ready.append(lane)
                else:
                    del self._lanes[lane]

    def _left(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        if not self._workers:
            self._idle.set()
