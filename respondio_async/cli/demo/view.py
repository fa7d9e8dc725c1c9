"""The migration as it goes: a line a route, live on a terminal, in plain words elsewhere."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import msgspec
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ... import AsyncRespond
from .._screen import Screen
from .migration import STEPS, Migration, Step

_FRAME: Final = 0.1
"""Seconds between two pictures on a terminal."""
_LINE: Final = 2.0
"""Seconds between two lines elsewhere."""
_SPAN: Final = 2.0
"""Seconds over which a rate is measured: at 5 requests a second, less would flicker."""


class RouteLine(msgspec.Struct, frozen=True):
    """One route at a moment."""

    step: Step
    done: int
    sent: int
    waiting: int
    refused: int
    rate: float
    limit: float | None


class Watcher:
    """Looks at a running migration."""

    def __init__(self, client: AsyncRespond, migration: Migration) -> None:
        self._client = client
        self._migration = migration
        self._sent: dict[Step, deque[tuple[float, int]]] = {step: deque([(0.0, 0)]) for step in STEPS}

    def look(self, now: float) -> list[RouteLine]:
        """Describe every route at *now*, in seconds since the start."""
        routes = self._client.statistics().routes
        lines: list[RouteLine] = []
        for step in STEPS:
            use = routes.get(step.route)
            sent = use.sent if use else 0
            lines.append(
                RouteLine(
                    step=step,
                    done=self._migration.done[step],
                    sent=sent,
                    waiting=use.waiting if use else 0,
                    refused=use.refused if use else 0,
                    rate=self._rate(step, now, sent),
                    limit=use.limit if use else None,
                )
            )
        return lines

    def _rate(self, step: Step, now: float, sent: int) -> float:
        looks = self._sent[step]
        looks.append((now, sent))
        while len(looks) > 2 and looks[1][0] <= now - _SPAN:
            looks.popleft()
        then, before = looks[0]
        return (sent - before) / (now - then) if now > then else 0.0


def picture(lines: list[RouteLine], total: int, elapsed: float) -> Table:
    """Draw the routes."""
    table = Table(box=None, padding=(0, 1), title=f"{elapsed:5.1f} s", title_justify="left", title_style="bold")
    table.add_column("route")
    table.add_column(width=24)
    for heading in ("done", "sent", "waiting", "rate / limit", "refused"):
        table.add_column(heading, justify="right")
    for line in lines:
        rate = f"{line.rate:4.1f} / " + ("?" if line.limit is None else f"{line.limit:g}")
        full = line.done >= total
        table.add_row(
            Text(line.step.label, style="dim" if full else ""),
            ProgressBar(total=total, completed=line.done, width=24),
            f"{line.done}/{total}",
            str(line.sent),
            Text(str(line.waiting), style="yellow" if line.waiting else "dim"),
            Text(rate, style="dim" if full else "cyan"),
            Text(str(line.refused), style="red" if line.refused else "dim"),
        )
    return table


def headings() -> str:
    """Name the columns of `row`."""
    return (
        "seconds "
        + "".join(f"{step.label:>18}" for step in STEPS)
        + "\n"
        + " " * 8
        + f"{'done':>5} {'rate':>7}{'wait':>5}" * len(STEPS)
    )


def row(lines: list[RouteLine], elapsed: float) -> str:
    """Say the same in one line: for each route what is done, requests a second against the limit, calls that wait."""
    return f"{elapsed:7.1f} " + "".join(
        f"{line.done:>5} {line.rate:4.1f}/{'?' if line.limit is None else f'{line.limit:g}':<2}{line.waiting:>5}"
        for line in lines
    )


@asynccontextmanager
async def shown(screen: Screen, watcher: Watcher, total: int) -> AsyncGenerator[None]:
    """Show the migration for as long as the block runs."""
    clock = asyncio.get_running_loop().time
    began = clock()
    console = screen.err if screen.json else screen.out
    if not console.is_terminal:
        task = asyncio.create_task(_tell(screen, watcher, began))
        try:
            yield
        finally:
            await _end(task)
            screen.line(row(watcher.look(clock() - began), clock() - began))
        return
    # Drawn by us and not by rich's own thread: the numbers belong to this event loop.
    with Live(console=console, auto_refresh=False) as live:
        task = asyncio.create_task(_draw(live, watcher, total, began))
        try:
            yield
        finally:
            await _end(task)
            live.update(picture(watcher.look(clock() - began), total, clock() - began), refresh=True)


async def _draw(live: Live, watcher: Watcher, total: int, began: float) -> None:
    clock = asyncio.get_running_loop().time
    while True:
        elapsed = clock() - began
        live.update(picture(watcher.look(elapsed), total, elapsed), refresh=True)
        await asyncio.sleep(_FRAME)


async def _tell(screen: Screen, watcher: Watcher, began: float) -> None:
    clock = asyncio.get_running_loop().time
    screen.line(headings())
    while True:
        await asyncio.sleep(_LINE)
        elapsed = clock() - began
        screen.line(row(watcher.look(elapsed), elapsed))


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})
