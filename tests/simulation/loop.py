"""An event loop whose time jumps to the next timer, so that an hour of waiting takes no time."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jump(selectors.SelectSelector):
    """Instead of waiting for files, which there are none of, move the clock on."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.late = 1e-7
        """How long after its timer the loop wakes: a clock that lands on it exactly would hide the
        bugs of floats.
        """

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everybody waits, and nothing will ever happen")
        if timeout > 0:
            self.now += timeout + self.late
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop on a clock of its own."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now

    def stall(self, seconds: float) -> None:
        """Let time pass while nothing runs, as a blocking call does."""
        self._jump.now += seconds


def run(main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
