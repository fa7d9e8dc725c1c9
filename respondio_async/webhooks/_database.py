"""One SQLite file, one thread, many writers: whatever is asked for while a commit is under way
shares the next one.

A commit costs a flush to the disk, some milliseconds; grouped, five hundred events a second need
only a fraction of that many. Write-ahead logging lets a kill -9 at any instant leave a file that is
whole up to the last commit.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from respondio_async.errors import ConfigurationError

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]

_LARGEST_GROUP: Final = 512


class Database:
    """An open SQLite file, bound to the event loop that opened it."""

    def __init__(self, path: Path, schema: str, *, exclusive: bool, patience: float = 10.0) -> None:
        self._path = path
        self._schema = schema
        self._exclusive = exclusive
        self._patience = patience
        self._work: queue.SimpleQueue[tuple[Work, asyncio.Future[Any]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> None:
        """Open or make the file. With *exclusive* it is this process's alone, until it closes it or
        dies.

        Waits *patience* seconds for another process to let go (a deployment overlaps), then
        `ConfigurationError`.
        """
        self._loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(
            target=self._run, args=(opened,), name="respondio-webhooks", daemon=True
        )
        self._thread.start()
        await opened

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> "asyncio.Future[T]":
        """Run *work* in the next commit; the future ends once it is on the disk.

        Work is done, and its futures end, in the order of submission.
        """
        assert self._loop is not None  # noqa: S101 - open() is awaited by whoever made this
        future: asyncio.Future[T] = self._loop.create_future()
        self._work.put((work, future))
        return future

    async def aclose(self) -> None:
        """Finish what was submitted, and close the file."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._work.put(None)
            await asyncio.to_thread(thread.join)

    def _run(self, opened: "asyncio.Future[None]") -> None:
        try:
            connection = self._connect()
        except (sqlite3.Error, ConfigurationError) as error:
            self._tell([(opened, None, error)])
            return
        self._tell([(opened, None, None)])
        try:
            more = True
            while more:
                group, more = self._next_group()
                if group:
                    self._tell(_commit(connection, group))
        finally:
            connection.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=self._patience)
        try:
            if self._exclusive:
                connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(f"BEGIN IMMEDIATE; {self._schema} COMMIT;")
        except sqlite3.Error as error:
            connection.close()
            if "locked" in str(error):
                raise ConfigurationError(
                    "the SQLite file is in use: give every process a file of its own"
                ) from error
            raise
        return connection

    def _next_group(self) -> tuple[list[tuple[Work, "asyncio.Future[Any]"]], bool]:
        """Wait for work, then take all that is there; False with it when it is the last."""
        group: list[tuple[Work, asyncio.Future[Any]]] = []
        item = self._work.get()
        while item is not None:
            group.append(item)
            if len(group) == _LARGEST_GROUP or self._work.empty():
                return group, True
            item = self._work.get()
        return group, False

    def _tell(self, results: list[tuple["asyncio.Future[Any]", Any, BaseException | None]]) -> None:
        assert self._loop is not None  # noqa: S101 - as in submit()
        try:
            self._loop.call_soon_threadsafe(_resolve, results)
        except RuntimeError:  # the loop was closed without aclose(): nobody is left to tell
            pass


def _commit(
    connection: sqlite3.Connection, group: list[tuple[Work, "asyncio.Future[Any]"]]
) -> list[tuple["asyncio.Future[Any]", Any, BaseException | None]]:
    try:
        connection.execute("BEGIN IMMEDIATE")
        values = [work(connection) for work, _ in group]
        connection.execute("COMMIT")
    except Exception as error:  # noqa: BLE001 - whoever submitted it hears of it; the thread must live on
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if len(group) > 1:  # one that cannot be done must not take the others with it
            return [result for item in group for result in _commit(connection, [item])]
        return [(group[0][1], None, error)]
    return [(future, value, None) for (_, future), value in zip(group, values, strict=True)]


def _resolve(results: list[tuple["asyncio.Future[Any]", Any, BaseException | None]]) -> None:
    for future, value, error in results:
        if future.done():
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
