"""Outcomes between the workers and the consumer, and the capacity for more."""

import asyncio
from collections import deque
from typing import Generic, TypeVar

import anyio

from ._outcome import Outcome

Item = TypeVar("Item")
T = TypeVar("T")


class Outbox(Generic[Item, T]):
    """Holds outcomes until they are read; in the order of their items if *ordered*."""

    def __init__(self, *, ordered: bool, window: int) -> None:
        self.capacity = anyio.Semaphore(window, fast_acquire=True)
        """Acquired before an item is taken from the source, and free again when its outcome was
        read: at most *window* items are anywhere between the two.
        """
        self._ready: deque[Outcome[Item, T]] = deque()
        self._early: dict[int, Outcome[Item, T] | None] = {}
        self._next = 0
        self._ordered = ordered
        self._changed = asyncio.Event()

    def push(self, index: int, outcome: Outcome[Item, T] | None) -> None:
        """Add the outcome of the item at *index*; None: it has none."""
        if self._ordered:
            self._early[index] = outcome
            while self._next in self._early:
                self._add(self._early.pop(self._next))
                self._next += 1
        else:
            self._add(outcome)
        self.notify()

    def _add(self, outcome: Outcome[Item, T] | None) -> None:
        if outcome is None:
            self.capacity.release()
        else:
            self._ready.append(outcome)

    def pop(self) -> Outcome[Item, T] | None:
        """Take the next outcome, if it is there."""
        if not self._ready:
            return None
        self.capacity.release()
        return self._ready.popleft()

    def notify(self) -> None:
        """Let readers look again."""
        self._changed.set()

    async def change(self) -> None:
        """Wait until there is something to read, or nothing to wait for."""
        self._changed.clear()
        await self._changed.wait()
