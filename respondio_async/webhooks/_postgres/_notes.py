"""A connection that only notes how far handlers have come, each note sent before anything else can
happen in this process.

A note that waited its turn in a pool would be lost with the process, and a handler that had ended
would run again. So notes have a connection in libpq's pipeline mode: it takes one at any time, and
the system sends what it took even if the process is killed with the next instruction.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import pq

from respondio_async._storage import settle

from .._store import HandlingStep, InboxUnavailableError
from ._schema import CONNECT, PREPARE_SESSION
from ._statements import STEPS

_AGAIN_AFTER: Final = 0.5
_LASTING: Final = (b"22", b"23", b"42")
"""Classes of errors that a repeat cannot mend."""


class _Sent(NamedTuple):
    step: HandlingStep
    parameters: tuple[bytes, bytes, bytes]
    done: "asyncio.Future[bool]"


class NoteConnection:
    """Sends notes in their order, and again those whose answer an outage took."""

    def __init__(self, url: str, on_outage: Callable[[psycopg.Error | None], None]) -> None:
        """*on_outage* is called with errors that pass, and with None when one has."""
        self._url = url
        self._on_outage = on_outage
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._file = -1
        self._sent: deque[_Sent] = deque()
        """Whose answers are still to come, in the order of their coming."""
        self._reconnecting: asyncio.Task[None] | None = None
        self._is_closing = False

    async def open(self) -> None:
        """Connect; `psycopg.Error` when that cannot be."""
        connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True, **CONNECT)
        try:
            await connection.execute(PREPARE_SESSION)
            for statement in STEPS.values():
                await connection.execute(statement)
        except BaseException:
            await connection.close()
            raise
        self._connection, self._file = connection, connection.fileno()
        connection.pgconn.enter_pipeline_mode()
        asyncio.get_running_loop().add_reader(self._file, self._read)
        for sent in self._sent:
            self._send(sent)

    def put(
        self, step: HandlingStep, row: int, attempt: int, handler: int
    ) -> "asyncio.Future[bool]":
        """Send a note; the future says whether the event is still of this attempt."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        done.add_done_callback(lambda done: done.cancelled() or done.exception())  # not all wait
        if self._is_closing:
            done.set_exception(InboxUnavailableError("the inbox is closing"))
            return done
        parameters = (b"%d" % row, b"%d" % attempt, b"%d" % handler)
        sent = _Sent(step, parameters, done)
        self._sent.append(sent)
        self._send(sent)
        return done

    async def aclose(self, timeout: float) -> None:
        """Wait for the answers that are to come, *timeout* seconds at most, and close."""
        if self._sent:
            await asyncio.wait([sent.done for sent in self._sent], timeout=timeout)
        self._is_closing = True
        if self._reconnecting is not None:
            self._reconnecting.cancel()
            await asyncio.wait([self._reconnecting])
        while self._sent:
            error = InboxUnavailableError("the inbox's PostgreSQL is out of reach")
            settle(self._sent.popleft().done, None, error)
        await self._disconnect()

    def _send(self, sent: _Sent) -> None:
        if self._connection is None:
            return  # it is sent once there is one
        try:
            pgconn = self._connection.pgconn
            pgconn.send_query_prepared(sent.step.name.lower().encode(), sent.parameters)
            pgconn.pipeline_sync()  # a transaction of its own
            pgconn.flush()
        except psycopg.Error as error:
            self._fail(error)

    def _read(self) -> None:
        if self._connection is None:
            return
        pgconn = self._connection.pgconn
        try:
            pgconn.consume_input()
            pgconn.flush()
            while self._sent and not pgconn.is_busy():
                result = pgconn.get_result()
                if result is None:
                    continue  # the end of one note's answer
                if result.status == pq.ExecStatus.PIPELINE_SYNC:
                    self._sent.popleft()
                elif result.status == pq.ExecStatus.COMMAND_OK:
                    settle(self._sent[0].done, bool(result.command_tuples))
                else:
                    error = psycopg.errors.error_from_result(result)
                    if not (error.sqlstate or "").encode().startswith(_LASTING):
                        raise error
                    settle(self._sent[0].done, None, error)
        except psycopg.Error as error:
            self._fail(error)

    def _fail(self, error: psycopg.Error) -> None:
        # At once: libpq may have closed the file, and its number be given to another.
        asyncio.get_running_loop().remove_reader(self._file)
        if self._reconnecting is None and not self._is_closing:
            self._on_outage(error)
            self._reconnecting = asyncio.create_task(
                self._reconnect(), name="respondio-inbox-notes"
            )

    async def _reconnect(self) -> None:
        await self._disconnect()
        while True:
            await asyncio.sleep(_AGAIN_AFTER)
            try:
                await self.open()
            except psycopg.Error as error:
                self._on_outage(error)
            else:
                self._reconnecting = None
                self._on_outage(None)
                return

    async def _disconnect(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            if not connection.closed:
                asyncio.get_running_loop().remove_reader(self._file)
            await connection.close()
