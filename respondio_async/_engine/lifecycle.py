"""From the first call to `aclose()`: which calls are running, which event loop they run on, and how
they end.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final, Protocol, TypeVar

from ..errors import ConfigurationError

T = TypeVar("T")

CLOSE_GRACE: Final = 5.0
"""Seconds that `aclose()` gives the calls that are running."""


def running_loop() -> asyncio.AbstractEventLoop:
    """Return asyncio's running loop, or say that there is none."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "AsyncRespond runs on asyncio, and no asyncio event loop is running here: under trio, "
            "use anyio's asyncio backend or run it in a thread with asyncio.run()"
        ) from None


class NotCopied:
    """Refuses to be pickled and copied, and says why."""

    def __reduce_ex__(self, protocol: object) -> Any:
        raise TypeError(
            "an AsyncRespond holds connections and a token, so it can neither be pickled nor "
            "copied: make one in each process; with_options() gives a view with other settings"
        )


class Running(Protocol):
    """A call, as its client's lifecycle sees it."""

    sending: bool
    """Its request is on the wire: cancelling it would leave its outcome unknown."""


class ClientLifecycle:
    """The running calls and tasks of one client, on one event loop."""

    def __init__(self) -> None:
        self.over: bool = False
        """Nothing is repeated any more."""
        self.closing: bool = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._calls: dict[asyncio.Task[Any], Running] = {}
        self._dropped: set[asyncio.Task[Any]] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._idle = asyncio.Event()

    @property
    def began(self) -> bool:
        """Whether a call has been made."""
        return self._loop is not None

    def enter(self, running: Running) -> asyncio.Task[Any]:
        """Note that a call begins; refused after `aclose()` and on another event loop."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs every coroutine in a task
        if self.closing:
            raise ConfigurationError(
                "this AsyncRespond is closed: make a new one, or keep it open for as long as calls "
                "are made"
            )
        if self._loop is None:
            self._loop = task.get_loop()
        elif self._loop is not task.get_loop():
            raise ConfigurationError(
                "this AsyncRespond was first used on another event loop, and its connections "
                "belong to that one: "
                "make one client per event loop (per asyncio.run)"
            )
        self._calls[task] = running
        return task

    def leave(self, task: asyncio.Task[Any]) -> None:
        """Note that the call has ended."""
        del self._calls[task]
        if self.closing and not self._calls:
            self._idle.set()

    def was_dropped(self, task: asyncio.Task[Any]) -> bool:
        """Whether it was `close` that cancelled the task; if so, the task goes on as if it had not
        been cancelled.
        """
        if task not in self._dropped:
            return False
        self._dropped.discard(task)
        return task.uncancel() == 0

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run *work* in a task of the client: `aclose()` ends it, and its error is nobody's if
        nobody asks.
        """
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as seen

    async def close(self) -> None:
        """Let nothing begin, give the running calls `CLOSE_GRACE` seconds, then drop those that are
        not on the wire.
        """
        self.closing = True
        loop = running_loop()
        same_loop = self._loop is loop
        try:
            if same_loop:
                for task in self._tasks:
                    task.cancel()
                await self._drained()
        finally:
            self.over = True
            if same_loop:
                for task, running in self._calls.items():
                    if not running.sending:
                        self._dropped.add(task)
                        task.cancel()

    async def _drained(self) -> None:
        if self._calls:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), CLOSE_GRACE)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_GRACE)
