"""Progress while something runs: a live picture on a terminal, a line now and then elsewhere."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

_FRAME: Final = 0.1
"""Seconds between two pictures on a terminal."""
_LINE: Final = 2.0
"""Seconds between two lines elsewhere."""
_SPAN: Final = 2.0
"""Seconds over which a rate is measured: at 5 requests a second, less would flicker."""


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
async def shown(
    console: Console,
    sentence: Callable[[float], str],
    picture: Callable[[float], RenderableType] | None = None,
    *,
    headings: str = "",
) -> AsyncGenerator[None]:
    """Show on *console* how something is going for as long as the block runs.

    *picture* draws it for a terminal, *sentence* says it in a line elsewhere, now and then, below
    the *headings*; both are given the seconds since the beginning. Without a picture a terminal
    shows the sentence.
    """
    clock = asyncio.get_running_loop().time
    began = clock()

    def draw() -> RenderableType:
        elapsed = clock() - began
        return Text(sentence(elapsed)) if picture is None else picture(elapsed)

    def tell(text: str) -> None:
        console.print(Text(text), soft_wrap=True)

    if console.is_terminal:
        # Drawn by us and not by rich's own thread: the numbers belong to this event loop.
        with Live(console=console, auto_refresh=False, get_renderable=draw) as live:
            async with _repeated(live.refresh, _FRAME):
                yield
        return
    if headings:
        tell(headings)
    async with _repeated(lambda: tell(sentence(clock() - began)), _LINE):
        yield


@asynccontextmanager
async def _repeated(act: Callable[[], object], every: float) -> AsyncGenerator[None]:
    """Do it now and then for as long as the block runs, and at the end of a block that was longer
    than that: what is shorter shows its result only.
    """
    clock = asyncio.get_running_loop().time
    began = clock()

    async def repeat() -> None:
        while True:
            await asyncio.sleep(every)
            act()

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        if clock() - began >= every:
            act()
