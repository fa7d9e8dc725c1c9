"""Connections that outlast PostgreSQL: what cannot be done now is done once it is back. And the
sign of life of the process that has them.
"""

import asyncio
import logging
import os
import socket
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from typing import Any, Final, LiteralString, TypeVar

import psycopg
import psycopg_pool
from procrastinate import PsycopgConnector
from procrastinate.connector import Notify
from procrastinate.exceptions import ConnectorException, UniqueViolation

from .._store import InboxUnavailableError
from ._schema import CONNECT, PREPARE_SESSION, out_of_reach

T = TypeVar("T")

_RETRY_AFTER: Final = 0.5
"""Seconds until a statement that could not be done is tried again."""
_STABLE_AFTER: Final = 2.0
"""Seconds without a failure after which an outage is over."""
_CONNECTIONS: Final = 5
"""At most, for each process; besides, one listens, one notes and one beats."""
BEAT_EVERY: Final = 3.0
"""Seconds between two beats."""
_JOIN_WITHIN: Final = 2.0
_BEAT: Final = "UPDATE procrastinate_workers SET last_heartbeat = now() WHERE id = ANY(%s)"
_logger: Final = logging.getLogger("respondio_async.webhooks")


class InboxConnection(psycopg.AsyncConnection[Any]):
    """A connection of ours, so that the log can tell it from the application's."""


def _is_not_ours(record: logging.LogRecord) -> bool:
    arguments = record.args if isinstance(record.args, tuple) else ()
    return not any(each == _POOL or isinstance(each, InboxConnection) for each in arguments)


_POOL: Final = "respondio-webhooks"
# The pool reports each failed try; we report when an outage begins and when it ends.
logging.getLogger("psycopg.pool").addFilter(_is_not_ours)


def cancellations() -> int:
    """How often the running task was cancelled, heard or not."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def hear_cancellation(before: int = 0) -> None:
    """Raise `CancelledError` if the running task was cancelled oftener than *before*.

    Before Python 3.12 `asyncio.wait_for`, which psycopg waits with, loses a cancellation that comes
    together with an answer; or psycopg makes an error of it.
    """
    if cancellations() > before:
        raise asyncio.CancelledError


class InboxDatabase(PsycopgConnector):
    """The pool of a process, for our statements and as Procrastinate's connector."""

    def __init__(self, url: str) -> None:
        self.closing = False
        """True: what fails now, fails."""
        self.last_failure = time.monotonic()
        """When PostgreSQL was last out of reach, or not yet opened, by the monotonic clock."""
        self._is_unreachable = False
        self._logging: asyncio.Task[None] | None = None
        self._url = url
        self._connections: weakref.WeakSet[psycopg.AsyncConnection[Any]] = weakref.WeakSet()
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            conninfo=url,
            kwargs=dict(CONNECT),
            connection_class=InboxConnection,
            configure=self._configure,
            name=_POOL,
            min_size=2,
            max_size=_CONNECTIONS,
            timeout=1.0,
            reconnect_timeout=0.0,  # each statement tries by itself
        )

    async def _configure(self, connection: "psycopg.AsyncConnection[Any]") -> None:
        self._connections.add(connection)
        await connection.set_autocommit(True)
        await connection.execute(PREPARE_SESSION)

    def abort_connections(self) -> None:
        """Fail whatever waits for an answer: the process ends, and PostgreSQL hangs."""
        self.closing = True
        for connection in self._connections:
            if not connection.closed:
                with socket.socket(fileno=os.dup(connection.fileno())) as line:
                    line.shutdown(socket.SHUT_RDWR)

    async def _create_pool(self, pool_args: dict[str, Any]) -> psycopg_pool.AsyncConnectionPool:
        # Without the check that Procrastinate asks for, which is a round trip for each statement:
        # a connection that is gone is noticed by its statement, which is then repeated.
        return psycopg_pool.AsyncConnectionPool(**pool_args, open=False)

    async def rows(self, statement: LiteralString, **values: Any) -> list[tuple[Any, ...]]:
        """Run one statement, once PostgreSQL is there; it may run twice, so a repeat must change
        nothing.
        """

        async def run() -> list[tuple[Any, ...]]:
            async with self.pool.connection() as connection:
                cursor = await connection.execute(statement, values)
                return await cursor.fetchall() if cursor.description else []

        return await self._until_done(run)

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:
        """Run a statement of Procrastinate."""
        try:
            await self._until_done(
                lambda: super(InboxDatabase, self).execute_query_async(query, **arguments)
            )
        except ConnectorException as error:
            # "Job was not found": another process took it, or the statement was done before.
            if not isinstance(error.__cause__, psycopg.errors.RaiseException):
                raise
        except InboxUnavailableError:
            pass  # closing: a process that learns of no end takes up the event, as it should

    async def execute_query_one_async(
        self, query: LiteralString, **arguments: Any
    ) -> dict[str, Any]:
        """Run a statement of Procrastinate."""
        return await self._until_done(
            lambda: super(InboxDatabase, self).execute_query_one_async(query, **arguments)
        )

    async def execute_query_all_async(
        self, query: LiteralString, **arguments: Any
    ) -> list[dict[str, Any]]:
        """Run a statement of Procrastinate."""
        return await self._until_done(
            lambda: super(InboxDatabase, self).execute_query_all_async(query, **arguments)
        )

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        """Listen, for ever."""
        with suppress(InboxUnavailableError):  # closing
            await self._until_done(
                lambda: super(InboxDatabase, self).listen_notify(on_notification, channels)
            )

    async def _until_done(self, act: Callable[[], Awaitable[T]]) -> T:
        while True:
            if self._async_pool is None:
                raise InboxUnavailableError("the inbox is closed")
            before = cancellations()
            try:
                result = await act()
            except (psycopg.Error, ConnectorException) as error:
                hear_cancellation(before)
                cause = error if isinstance(error, psycopg.Error) else error.__cause__
                if isinstance(cause, psycopg.OperationalError | psycopg.InternalError):
                    self.note_outage(cause)
                elif not isinstance(error, UniqueViolation):
                    raise
                if self.closing:
                    raise out_of_reach(cause) from error
                # Two workers that reached for one contact collide: the loser looks again.
                await asyncio.sleep(_RETRY_AFTER if cause is not None else 0)
            else:
                self.note_outage(None)
                hear_cancellation(before)
                return result

    def note_outage(self, error: psycopg.Error | None) -> None:
        """Log once that PostgreSQL is out of reach, and once that it is back."""
        if error is None:
            # While some statements get through and others do not, it is not back.
            if self._is_unreachable and time.monotonic() - self.last_failure > _STABLE_AFTER:
                self._is_unreachable = False
                _logger.warning("the inbox's PostgreSQL is back")
            return
        self.last_failure = time.monotonic()
        if not self._is_unreachable and not self.closing:
            self._is_unreachable = True
            self._logging = asyncio.create_task(self._log_outage(error))

    async def _log_outage(self, error: psycopg.Error) -> None:
        if isinstance(error, psycopg_pool.PoolTimeout):  # the pool does not say why
            try:
                await (await psycopg.AsyncConnection.connect(self._url, **CONNECT)).close()
            except psycopg.Error as reason:
                error = reason
        _logger.error(
            "%s; new events are answered with 503, stored ones wait until it is back",
            out_of_reach(error),
        )


class Heartbeat:
    """The sign of life of a process: beats for some of Procrastinate's workers until it is closed.

    It beats in a thread with a connection of its own, so that a handler that blocks the event loop
    does not look like a dead process, nor does one that waits for its handlers to end.
    """

    def __init__(self, url: str, workers: Callable[[], Collection[int]]) -> None:
        self._url = url
        self._workers = workers
        self._loop = asyncio.get_running_loop()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="respondio-heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    async def aclose(self) -> None:
        """Beat no more."""
        self._closing.set()
        # It may wait for a PostgreSQL that never answers.
        await asyncio.to_thread(self._thread.join, _JOIN_WITHIN)

    def _run(self) -> None:
        while not self._ends_within(0):
            try:
                with psycopg.connect(self._url, autocommit=True, **CONNECT) as connection:
                    connection.execute(PREPARE_SESSION)
                    connection.execute(_BEAT, (list(self._workers()),))
                    while not self._ends_within(BEAT_EVERY):
                        connection.execute(_BEAT, (list(self._workers()),))
            except psycopg.Error:  # the other connections report an outage
                self._closing.wait(0.5)

    def _ends_within(self, seconds: float) -> bool:
        # An event loop that has ended handles nothing any more, closed or not.
        return self._closing.wait(seconds) or self._loop.is_closed()
