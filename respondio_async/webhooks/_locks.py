"""A lock for each contact, made when wanted and dropped when free."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any


class _Held:
    __slots__ = ("lock", "owner", "users")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.owner: asyncio.Task[object] | None = None
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
        if self.beyond is None or (held is not None and held.owner is asyncio.current_task()):
            async with self.hold_here(key):
                yield
            return
        # In this order everywhere: who handles an event has its contact in all processes before it
        # takes the lock in its own.
        async with self.beyond(key), self.hold_here(key):
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
