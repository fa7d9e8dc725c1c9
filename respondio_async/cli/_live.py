"""Progress while something runs: a live picture on a terminal, a line now and then elsewhere."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

_FRAME: Final = 0.1
"""Seconds between two pictures on a terminal."""
LINE: Final = 2.0
"""Seconds between two lines elsewhere."""
_SPAN: Final = 2.0
"""Seconds over which a rate is measured: at 5 requests a second, less would flicker."""


class View(ABC):
    """Something that can show how far it is, *elapsed* seconds after its start."""

    headings: str = ""
    """What is printed once above the lines."""

    @abstractmethod
    def sentence(self, elapsed: float) -> str:
        """Say it in one line."""

    def picture(self, elapsed: float) -> RenderableType:
        """Draw it for a terminal."""
        return Text(self.sentence(elapsed))


class Rates:
    """Rates of counts that only grow, over the last two seconds."""

    def __init__(self) -> None:
        self._looks: dict[str, deque[tuple[float, int]]] = {}

    def rate(self, name: str, now: float, count: int) -> float:
        """Note what *name* has come to, and return how much it grows in a second."""
        looks = self._looks.setdefault(name, deque([(0.0, 0)]))
        looks.append((now, count))
        while len(looks) > 2 and looks[1][0] <= now - _SPAN:
            looks.popleft()
        then, before = looks[0]
        return (count - before) / (now - then) if now > then else 0.0


@asynccontextmanager
async def shown(view: View, console: Console, *, every: float = LINE) -> AsyncGenerator[None]:
    """Show *view* on *console* for as long as the block runs; without a terminal, a line *every* so
    many seconds.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    if not console.is_terminal:
        task = asyncio.create_task(_tell(view, console, began, every))
        try:
            yield
        finally:
            await _end(task)
            if clock() - began >= every:  # shorter work shows its result only
                _print(console, view.sentence(clock() - began))
        return
    # Drawn by us and not by rich's own thread: the numbers belong to this event loop.
    with Live(console=console, auto_refresh=False) as live:
        task = asyncio.create_task(_draw(view, live, began))
        try:
            yield
        finally:
            await _end(task)
            live.update(view.picture(clock() - began), refresh=True)


async def _draw(view: View, live: Live, began: float) -> None:
    clock = asyncio.get_running_loop().time
    while True:
        live.update(view.picture(clock() - began), refresh=True)
        await asyncio.sleep(_FRAME)


async def _tell(view: View, console: Console, began: float, every: float) -> None:
    clock = asyncio.get_running_loop().time
    if view.headings:
        _print(console, view.headings)
    while True:
        await asyncio.sleep(every)
        _print(console, view.sentence(clock() - began))


def _print(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=True)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})
