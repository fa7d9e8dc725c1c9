"""The journal as the event loop sees it: what a run asks of its file, one method each.

Requests are carried out in the order of their making, and answered when they are in the file. The
first that fails is the run's failure: what follows it fails likewise, unasked.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from .._storage import Writer, settle
from ..errors import ConfigurationError, RespondError
from ._lock import JournalLock
from ._store import KnownItem, Record, Store

T = TypeVar("T")


class Journal:
    """One run's journal; await `open()` before anything else and `aclose()` after."""

    def __init__(self, path: Path, work: str, *, on_failure: Callable[[Exception], None]) -> None:
        """*work* names what the run does.

        *on_failure* is called once, when the file cannot be written any more.
        """
        self.earlier_work: str | None = None
        """The name of the work that the file was begun with; None: it is new."""
        self._name = path.name
        self._on_failure = on_failure
        self._failure: Exception | None = None

        def prepare(connection: sqlite3.Connection) -> Store:
            try:
                store = Store(connection, path, work)
            except (TypeError, ValueError) as error:
                raise ConfigurationError(f"the journal {path.name} is damaged") from error
            self.earlier_work = store.earlier_work
            return store

        self._writer = Writer(
            path,
            prepare,
            busy_timeout=5,
            lock=lambda: JournalLock(path),
            on_failure=self._fail,
        )

    async def open(self) -> None:
        """Open or make the file, for this run alone; `ConfigurationError` when another run has it
        or it is no journal.
        """
        await self._writer.open()

    async def aclose(self) -> None:
        """Commit what was asked for and let the file go."""
        await self._writer.aclose()

    async def claim(
        self, items: Sequence[tuple[str, bytes | None]], *, retry_failed: bool = True
    ) -> list[KnownItem | None]:
        """Note that these items (key and JSON) were taken, and tell what is known of each."""
        return await self._ask(
            lambda store: [store.claim(key, item, retry_failed) for key, item in items]
        )

    async def leftovers(self, after: int, count: int) -> list[KnownItem]:
        """Find items that failed or are in doubt, and that the source has not given, in order of
        their ids.
        """
        return await self._ask(lambda store: store.leftovers(after, count))

    async def intend(self, number: int, step: str) -> None:
        """Note that a step is about to send; returns once that is on record."""
        await self._ask(lambda store: store.intend(number, step))

    def retract(self, number: int, step: str) -> None:
        """Take the intent back: nothing was sent."""
        self._write(lambda store: store.retract(number, step))

    def step_returned(self, number: int, step: str, value: bytes | None, model: str | None) -> None:
        """Note a step's result."""
        self._write(lambda store: store.step_returned(number, step, value, model))

    def end(self, record: Record, then: Callable[[], None]) -> None:
        """Note an item's outcome; *then* is called when it is on record, or cannot be."""
        self._write(lambda store: store.end(record), lambda _, __: then())

    async def _ask(self, act: Callable[[Store], T]) -> T:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._write(act, partial(settle, future))
        return await future

    def _write(
        self,
        act: Callable[[Store], Any],
        then: Callable[[Any, Exception | None], None] = lambda _, __: None,
    ) -> None:
        def answer(value: Any, error: Exception | None) -> None:
            if error is not None:
                self._fail(error)
            then(value, self._failure if error is not None else None)

        if self._failure is None:
            self._writer.post(act, answer)
        else:
            then(None, self._failure)

    def _fail(self, error: Exception) -> None:
        if self._failure is None:
            if not isinstance(error, RespondError):  # what is in the file is not what was written
                error = ConfigurationError(f"the journal {self._name} is damaged: {error!r}")
            self._failure = error
            self._on_failure(error)
