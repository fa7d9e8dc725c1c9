"""An event loop whose clock jumps to the next timer: hours pass in milliseconds, and nothing
depends on the machine's speed.
"""

import asyncio
from typing import Any

LANDING = 1e-7
"""Seconds past a timer at which the clock lands: a real clock never wakes exactly on time, and code
may not count on it.
"""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Give it to anyio's plugin: ``("asyncio", {"loop_factory": VirtualLoop})``."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        loop: Any = self
        if not loop._ready and loop._scheduled:
            self.now = max(self.now, loop._scheduled[0]._when) + LANDING
        loop._process_events(self._selector.select(0))  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


VIRTUAL = ("asyncio", {"loop_factory": VirtualLoop, "debug": True})
"""A module's `anyio_backend` fixture returns this to run its tests in virtual time."""
