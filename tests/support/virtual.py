"""An event loop whose clock jumps to the next timer: hours pass in milliseconds, and nothing
depends on the machine's speed.

Sockets are real. Time stands still while anything arrives on one, so a test whose server runs in
the same loop has timeouts that only a silent server reaches, on a slow machine too.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

LATE = 1e-7
"""Seconds past a timer at which the clock lands: a real clock never wakes exactly on time, and code
may not count on it.
"""

GRACE = 0.002
"""Real seconds that the kernel is given to carry bytes from one of our sockets to another before
time jumps.
"""


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop on a clock that begins at *start* and stands still while anything runs.

    A thread of `run_in_executor` stops the clock too; any other thread takes no time.
    """

    def __init__(self, start: float = 1000.0, late: float = LATE) -> None:
        self.now = start
        self.late = late
        self._in_threads = 0
        super().__init__(_Jump(self))

    def time(self) -> float:
        return self.now

    def stall(self, seconds: float) -> None:
        """Let time pass while nothing runs, as a blocking call does."""
        self.now += seconds

    def timers(self) -> int:
        """How many are set."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        return sum(not each.cancelled() for each in scheduled)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:
        future = super().run_in_executor(executor, func, *args)
        self._in_threads += 1
        future.add_done_callback(self._left_thread)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait for the threads, however long; asyncio's bound would be reached at once."""
        self._in_threads += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._in_threads -= 1

    def _left_thread(self, _: object) -> None:
        self._in_threads -= 1

    @property
    def waits_for_a_thread(self) -> bool:
        return self._in_threads > 0


class _Jump(selectors.DefaultSelector):
    """Instead of waiting for a timer, move the clock to it."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:  # no timer: only a socket, a thread or a signal can go on
            return super().select(None)
        if timeout <= 0:
            return super().select(0)
        ready = super().select(GRACE if len(self.get_map()) > 1 else 0)
        if ready:
            return ready
        if self._loop.waits_for_a_thread:
            return super().select(0.05)
        self._loop.now += timeout + self._loop.late
        return []


VIRTUAL = ("asyncio", {"loop_factory": VirtualLoop, "debug": True})
"""A module's `anyio_backend` fixture returns this to run its tests in virtual time."""


VIRTUAL_NO_DEBUG = ("asyncio", {"loop_factory": VirtualLoop})
"""The same without asyncio's debug mode, which doubles a test's time: for families of hundreds of
cases whose code runs in debug mode elsewhere.
"""

REAL = ("asyncio", {"debug": True})
"""For the tests of a virtual module whose server runs in a thread or a process of its own."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` in virtual time, which begins at 0."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(0.0)) as runner:
        return runner.run(main)
