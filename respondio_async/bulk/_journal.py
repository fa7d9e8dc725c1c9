"""The journal as the event loop sees it: requests go to one thread, which commits them in batches.

A batch is whatever has gathered while the last one was committed, so a busy run pays one commit for
many items and a quiet one waits for none. Requests are carried out in the order of their making,
and answered after the commit: what was answered, a killed process finds again.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

import msgspec

from ..errors import ConfigurationError
from ._lock import JournalLock
from ._store import Claim, Ending, Leftover, Store, connect

_BATCH: Final = 1_000


class _Request(msgspec.Struct, frozen=True):
    act: Callable[..., Any]
    """A method of `Store`."""
    arguments: tuple[Any, ...]
    answer: Callable[[Any, ConfigurationError | None], None] | None
    """Called on the event loop with the result or the failure."""


def _act_all(
    store: Store, act: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]
) -> list[Any]:
    return [act(store, *each) for each in arguments]


class Journal:
    """One run's journal; await `open()` before anything else and `aclose()` after."""

    def __init__(
        self, path: Path, work: str, *, on_failure: Callable[[ConfigurationError], None]
    ) -> None:
        """*work* names what the run does.

        *on_failure* hears, once, that the file cannot be written any more.
        """
        self.path = path
        self.earlier_work: str | None = None
        """The name of the work that the file was begun with; None: it is new."""
        self._work = work
        self._on_failure = on_failure
        self._failure: ConfigurationError | None = None
        self._loop = asyncio.get_running_loop()
        self._requests: SimpleQueue[_Request | None] = SimpleQueue()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._serve, name="respondio-journal", daemon=True)

    async def open(self) -> None:
        """Open or make the file, for this run alone; `ConfigurationError` when another run has it
        or it is no journal.
        """
        self._thread.start()
        try:
            await self._opened
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Commit what was asked for and let the file go."""
        self._requests.put(None)
        await self._closed
        self._thread.join()  # it has nothing left to do

    # ── what can be asked
    # ────────────────────────────────────────────────────────────────────────────

    async def claim(
        self, items: Sequence[tuple[str, bytes | None]], *, retry_failed: bool = True
    ) -> list[Claim]:
        """Note that these items (key and JSON) were taken, and tell what is known of each."""
        arguments = [(key, item, retry_failed) for key, item in items]
        claims: list[Claim] = await self._ask(_act_all, Store.claim, arguments)
        return claims

    async def leftovers(self, after: int, count: int) -> list[Leftover]:
        """Find items that failed or are in doubt, and that the source has not given, in order of
        their ids.
        """
        found: list[Leftover] = await self._ask(Store.leftovers, after, count)
        return found

    async def intend(self, number: int, step: str) -> None:
        """Note that a step is about to send; returns once that is on record."""
        await self._ask(Store.intend, number, step)

    def retract(self, number: int, step: str) -> None:
        """Take the intent back: nothing was sent."""
        self._tell(Store.retract, (number, step))

    def step_returned(self, number: int, step: str, value: bytes | None, model: str | None) -> None:
        """Note a step's result."""
        self._tell(Store.step_returned, (number, step, value, model))

    def end(self, ending: Ending, then: Callable[[], None]) -> None:
        """Note an item's outcome; *then* is called when it is on record, or cannot be."""
        self._tell(Store.end, (ending,), lambda _, __: then())

    # ── between the loop and the thread
    # ──────────────────────────────────────────────────────────────

    async def _ask(self, act: Callable[..., Any], *arguments: Any) -> Any:
        future: asyncio.Future[Any] = self._loop.create_future()

        def answer(result: Any, failure: ConfigurationError | None) -> None:
            if future.done():  # whoever asked was cancelled
                return
            if failure is None:
                future.set_result(result)
            else:
                future.set_exception(failure)

        self._tell(act, arguments, answer)
        return await future

    def _tell(
        self,
        act: Callable[..., Any],
        arguments: tuple[Any, ...],
        answer: Callable[[Any, ConfigurationError | None], None] | None = None,
    ) -> None:
        if self._failure is None:
            self._requests.put(_Request(act, arguments, answer))
        elif answer is not None:
            answer(None, self._failure)

    def _serve(self) -> None:
        """Be the thread: the only one that touches the database."""
        try:
            lock = JournalLock(self.path)
            try:
                store = Store(connect(self.path), self._work)
            except BaseException:
                lock.release()
                raise
        except Exception as error:  # noqa: BLE001 - it is raised again, by open()
            self._post(self._finish, _as_configuration_error(self.path, error))
            return
        self.earlier_work = store.earlier_work
        self._post(self._finish, None)
        try:
            while self._serve_batch(store):
                pass
        finally:
            store.close()
            lock.release()
            self._post(self._closed.set_result, None)

    def _serve_batch(self, store: Store) -> bool:
        """Carry out what has gathered; False when that was the last."""
        batch, last = self._gather()
        results: list[Any] = []
        failure: ConfigurationError | None = None
        try:
            with store.transaction():
                results = [request.act(store, *request.arguments) for request in batch]
        except sqlite3.Error as error:
            failure = _as_configuration_error(self.path, error)
        return self._post(self._answer, batch, results, failure) and not last

    def _gather(self) -> tuple[list[_Request], bool]:
        batch: list[_Request] = []
        request = self._requests.get()
        while request is not None:
            batch.append(request)
            if len(batch) == _BATCH:
                return batch, False
            try:
                request = self._requests.get_nowait()
            except Empty:
                return batch, False
        return batch, True

    def _post(self, callback: Callable[..., Any], *arguments: Any) -> bool:
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:  # the loop was closed over a run that nobody left
            return False
        return True

    def _finish(self, failure: ConfigurationError | None) -> None:
        """End the opening; on the loop."""
        if failure is not None:
            self._closed.set_result(None)
        if self._opened.done():  # cancelled meanwhile
            return
        if failure is None:
            self._opened.set_result(None)
        else:
            self._opened.set_exception(failure)

    def _answer(
        self, batch: Sequence[_Request], results: Sequence[Any], failure: ConfigurationError | None
    ) -> None:
        """Hand a batch's results to those who asked; on the loop."""
        if failure is not None and self._failure is None:
            self._failure = failure
            self._on_failure(failure)
        for place, request in enumerate(batch):
            if request.answer is not None:
                request.answer(None if failure else results[place], failure)


def _as_configuration_error(path: Path, error: Exception) -> ConfigurationError:
    if isinstance(error, ConfigurationError):
        return error
    made = ConfigurationError(f"the journal {path.name} cannot be written: {error}")
    made.__cause__ = error
    return made
