"""One SQLite file and the one thread that writes it: under journals, inboxes and de-duplication.

Whatever is asked for while a commit is under way shares the next one. A commit costs a flush to the
disk, some milliseconds; grouped, five hundred events a second need only a fraction of that many,
and a single act is committed at once. What was answered is in the file, also after a kill -9.

The rules of failure:

- An act that fails, fails alone: the group is taken back, and each of its acts is tried by itself.
- An error of SQLite or of the disk becomes a `ConfigurationError` that says what to do.
- Whatever ends the thread ends its user: all that was asked for and will be asked for fails at
  once, and *on_failure* is called with it. Nobody waits for a thread that has ended.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from ..errors import ConfigurationError
from ._files import make_private, tighten

S = TypeVar("S")
T = TypeVar("T")

LARGEST_GROUP: Final = 1_000
SIDECARS: Final = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a file; it gives them the file's mode."""
_REMEDIES: Final = {
    "full": "make room on the disk, then start again",
    "no space left": "make room on the disk, then start again",
    "readonly": "the process needs the right to write the file and its folder",
    "read-only": "the process needs the right to write the file and its folder",
    "permission": "the process needs the right to write the file and its folder",
    "locked": "it is in use by another process: wait for it to end, or use a file of its own",
    "unable to open": "its folder must be there, and the process needs the right to write in it",
    "no such file": "its folder must be there, and the process needs the right to write in it",
    "malformed": "it is damaged: take a copy from before, or name another file",
    "not a database": "it is another kind of file, or damaged: name another file",
    "no such table": "it is damaged, or another program's: name another file",
    "no such column": "it is damaged, or another program's: name another file",
}
"""By a part of the message, which is all that every version of SQLite and every system gives."""


def explained(path: Path, error: BaseException) -> Exception:
    """Make an error for the user of what ended an act or a thread; an ordinary error stays."""
    if isinstance(error, sqlite3.Error | OSError):
        reason = error.strerror if isinstance(error, OSError) else str(error)
        lowered = str(reason).lower()
        remedy = next((f": {text}" for part, text in _REMEDIES.items() if part in lowered), "")
        made = ConfigurationError(f"{path.name} cannot be used: {reason}{remedy}")
    elif isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    else:  # not for others to raise: it would end them as if it were their own
        made = ConfigurationError(f"the work on {path.name} was ended by {type(error).__name__}")
    made.__cause__ = error
    return made


def settle(
    future: "asyncio.Future[Any]", value: Any = None, error: Exception | None = None
) -> None:
    """End a future with a value, or an error; it may have ended, as its task or its loop has."""
    if future.done() or future.get_loop().is_closed():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)


class Writer(Generic[S]):
    """An open SQLite file, used on one event loop at a time; it outlasts them."""

    def __init__(
        self,
        path: Path,
        prepare: Callable[[sqlite3.Connection], S],
        *,
        busy_timeout: float = 10.0,
        lock: Callable[[], AbstractContextManager[object]] = nullcontext,
        on_failure: Callable[[Exception], object] = lambda _: None,
    ) -> None:
        """*prepare* checks or makes the tables, and returns what acts are given.

        *busy_timeout*: seconds to wait for another process to let go (a deployment overlaps).
        *lock* is held while the file is open.
        """
        self._path = path
        self._prepare = prepare
        self._busy_timeout = busy_timeout
        self._lock = lock
        self._on_failure = on_failure
        self._asked: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._group: list[_Request] = []
        self._ending: Exception | None = None
        """Why nothing can be asked for; None: it can."""
        self._loop: asyncio.AbstractEventLoop
        self._opened: asyncio.Future[None]
        self._thread: threading.Thread | None = None

    async def open(self) -> None:
        """Open or make the file; `ConfigurationError` when that cannot be."""
        self._loop = asyncio.get_running_loop()
        self._opened = self._loop.create_future()
        thread = threading.Thread(target=self._run, name="respondio-writer", daemon=True)
        thread.start()
        self._thread = thread
        try:
            await self._opened
        except BaseException:
            await self.aclose()
            raise

    def submit(self, act: Callable[[S], T]) -> "asyncio.Future[T]":
        """Run *act* in the next commit; the future ends once that is in the file.

        Acts are done, and their futures end, in the order of submission.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.post(act, partial(settle, future))
        return future

    def post(self, act: Callable[[S], Any], answer: "_Answer") -> None:
        """Run *act* as `submit` does; *answer* is called on the loop with its result or its error,
        and must not raise.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            if not self._loop.is_closed():
                raise ConfigurationError(f"{self._path.name} is in use on another event loop")
            self._loop = loop
        if self._ending is None:
            self._asked.put((act, answer))
        else:
            answer(None, self._ending)

    async def aclose(self) -> None:
        """Finish what was submitted, and close the file."""
        if self._thread is not None:
            self._loop = asyncio.get_running_loop()
            self._asked.put(None)
            await asyncio.to_thread(self._thread.join)

    # ── the thread ────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        failure: BaseException | None = None
        try:
            with self._lock(), closing(self._connect()) as connection:
                store = self._prepare(connection)
                self._post(settle, self._opened)
                is_last = False
                while not is_last:
                    is_last = self._gather()
                    self._post(self._answer, _commit(connection, store, self._group))
                    self._group = []
        except BaseException as error:  # noqa: BLE001 - whoever waits for the thread must be told
            failure = error
        closed = ConfigurationError(f"{self._path.name} is closed")
        self._ending = closed if failure is None else explained(self._path, failure)
        self._post(self._finish, self._ending, failure is not None)

    def _connect(self) -> sqlite3.Connection:
        make_private(self._path)
        for suffix in SIDECARS:
            tighten(self._path.with_name(self._path.name + suffix))
        connection = sqlite3.connect(
            self._path, timeout=self._busy_timeout, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA fullfsync = ON")  # macOS: past the drive's cache too
        return connection

    def _gather(self) -> bool:
        """Wait for something to do, and take all that is there; True when it is the last."""
        item = self._asked.get()
        while item is not None:
            self._group.append(item)
            if len(self._group) == LARGEST_GROUP or self._asked.empty():
                return False
            item = self._asked.get()
        return True

    def _post(self, callback: Callable[..., object], *arguments: Any) -> None:
        with suppress(RuntimeError):  # the loop was closed, and with it all who waited
            self._loop.call_soon_threadsafe(callback, *arguments)

    # ── what it tells the loop ────────────────────────────────────────────────────────────────────

    def _finish(self, ending: Exception, is_failure: bool) -> None:
        """Tell all who wait that the thread has ended."""
        was_open = self._opened.done()
        unanswered: list[_Request | None] = [*self._group]
        while not self._asked.empty():
            unanswered.append(self._asked.get())
        for request in unanswered:
            if request is not None:
                request[1](None, ending)
        settle(self._opened, None, ending)
        if is_failure and was_open:
            self._on_failure(ending)

    def _answer(self, results: "list[_Result]") -> None:
        for answer, value, error in results:
            answer(value, None if error is None else explained(self._path, error))


_Answer = Callable[[Any, Exception | None], object]
_Request = tuple[Callable[[Any], Any], _Answer]
_Result = tuple[_Answer, Any, Exception | None]


def _commit(
    connection: sqlite3.Connection,
    store: object,
    group: list[_Request],
) -> list[_Result]:
    """Do a group of acts in one transaction, or each in its own if that fails."""
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        return [(answer, None, error) for _, answer in group]
    try:
        values = [act(store) for act, _ in group]
        connection.execute("COMMIT")
    except Exception as error:  # noqa: BLE001 - its caller gets it
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if len(group) == 1:
            return [(group[0][1], None, error)]
        return [result for item in group for result in _commit(connection, store, [item])]
    return [(answer, value, None) for (_, answer), value in zip(group, values, strict=True)]
