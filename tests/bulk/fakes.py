"""Stand-ins for what a client's calls do to the run around them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from respondio_async._engine import context
from respondio_async.bulk import Bulk, Outcome


async def unsafe_send(
    act: Callable[[], Any] = lambda: None, *, seconds: float = 0.0, unsent: bool = False
) -> Any:
    """Behave as the pipeline does around a request that must not be repeated."""
    announce = context.before_unsafe_send.get()
    if announce is not None:
        await announce()
    if unsent:
        withdraw()
        return None
    result = act()
    await asyncio.sleep(seconds)
    return result


def withdraw() -> None:
    """Take back a send that had no effect, as the pipeline does."""
    take_back = context.after_unsent.get()
    if take_back is not None:
        take_back()


async def outcomes(run: Bulk[Any, Any]) -> list[Outcome[Any, Any]]:
    async with run:
        return [outcome async for outcome in run]


async def each(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def echo(item: Any) -> Any:
    return item


def stray_tasks() -> list[str]:
    """Name the tasks that a run has left behind."""
    return [
        task.get_name()
        for task in asyncio.all_tasks()
        if task.get_name().startswith("respondio-bulk")
    ]
