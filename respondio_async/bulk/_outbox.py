"""Outcomes between the workers and the consumer, and the capacity for more."""

import asyncio
from collections import deque
from typing import Generic, TypeVar

from ._outcome import Outcome

Item = TypeVar("Item")
T = TypeVar("T")


class Outbox(Generic[Item, T]):
    """Holds outcomes until they are read; in the order of their items if *ordered*.

    At most *window* items are anywhere between the source and the consumer.
    """

    def __init__(self, *, ordered: bool, window: int) -> None:
        self._window = window
        self.expected = 0
        """Items that a worker has, or whose outcome is being recorded."""
        self._ready: deque[Outcome[Item, T]] = deque()
        self._early: dict[int, Outcome[Item, T] | None] = {}
        self._next = 0
        self._ordered = ordered
        self._opened = False
        self._readers: deque[asyncio.Future[None]] = deque()
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def is_full(self) -> bool:
        """Whether a worker has to wait before it takes an item."""
        return (
            not self._opened and self.expected + len(self._ready) + len(self._early) >= self._window
        )

    def push(self, index: int, outcome: Outcome[Item, T] | None) -> None:
        """Add the outcome of the item at *index*; None: it has none."""
        if not self._ordered:
            if outcome is not None:
                self._ready.append(outcome)
        else:
            self._early[index] = outcome
            while self._next in self._early:
                outcome = self._early.pop(self._next)
                self._next += 1
                if outcome is not None:
                    self._ready.append(outcome)
        if self._readers:
            self.notify()
        if outcome is None:
            self.let_in()

    def pop(self) -> Outcome[Item, T] | None:
        """Take the next outcome, if it is there."""
        if not self._ready:
            return None
        outcome = self._ready.popleft()
        self.let_in()
        return outcome

    async def change(self) -> None:
        """Wait until there is something to read, or nothing to wait for."""
        await _wait_in(self._readers)

    def notify(self) -> None:
        """Let readers look again."""
        _wake_all(self._readers)

    async def capacity(self) -> None:
        """Wait until another item may be taken."""
        await _wait_in(self._waiting)

    def open(self) -> None:
        """Admit every worker from now on: the run is to end."""
        self._opened = True
        _wake_all(self._waiting)

    def let_in(self) -> None:
        """Wake one worker, which looks whether it may take an item; one that leaves without passes
        this on.
        """
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
                return


async def _wait_in(queue: deque[asyncio.Future[None]]) -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    queue.append(future)
    try:
        await future
    except asyncio.CancelledError:
        if future in queue:
            queue.remove(future)
        raise


def _wake_all(queue: deque[asyncio.Future[None]]) -> None:
    while queue:
        future = queue.popleft()
        if not future.done():
            future.set_result(None)
