"""The durable inbox: an event that was acknowledged is handled, even if the process is killed
before.

`accept` commits an event before it is acknowledged; the steps of its handling are noted as they
happen (`_progress`) and brought into SQLite in batches. After a kill, what had not finished is
given back, with the handlers that had, so that none of those runs again.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from respondio_async._storage import Writer, explained

from ._progress import Note, ProgressLog
from ._store import (
    MOST_REMEMBERED,
    ContactState,
    Deliver,
    HandlingStep,
    InboxStore,
    NewEvent,
    StoredState,
    Unfinished,
)

_SCHEMA: Final = """
PRAGMA locking_mode = EXCLUSIVE; -- this process's alone, until it closes the file or ends
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS event (
    -- A row number is never used twice: a stale note must not meet another event.
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL UNIQUE,          -- kept when the event has finished, to know it again
    message_id INTEGER,                     -- of the message that was received, if it was about one
    body BLOB,                              -- NULL once finished
    started INTEGER NOT NULL DEFAULT 0,     -- key of the handler that was started last
    trace_context TEXT                      -- W3C's, of the span that stored it
);
CREATE INDEX IF NOT EXISTS unfinished ON event (row) WHERE body IS NOT NULL;
CREATE TABLE IF NOT EXISTS handled (
    row INTEGER, handler TEXT, PRIMARY KEY (row, handler)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS contact (
    contact_id INTEGER PRIMARY KEY,
    handed_over_since INTEGER NOT NULL DEFAULT 0,
    human_since INTEGER NOT NULL DEFAULT 0,
    watermark INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
COMMIT;
"""
_FLUSH_AFTER: Final = 0.05
"""Seconds for which notes gather."""
_PRUNE_EVERY: Final = 1024


class EventInbox(InboxStore):
    """One SQLite file, owned by one process."""

    def __init__(self, path: Path, *, remember: int = 1_000_000) -> None:
        self._path = path
        self.database = Writer(path, _prepare)
        self._progress = ProgressLog(path.with_name(path.name + "-progress"))
        self._remember = remember
        self._left: list[Unfinished] = []
        self._notes: list[Note] = []
        self._flushing: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def open(self) -> StoredState:
        """Open the file; `deliver` then gives what an earlier process left."""
        await self.database.open()
        try:
            self._left = await self.database.submit(self._recover)
            self._progress.open()  # the notes of the earlier process are committed now
            return await self.database.submit(_stored_state)
        except BaseException as error:
            await self.database.aclose()  # or no later try could open it
            if isinstance(error, OSError):
                raise explained(self._path, error) from error
            raise

    async def deliver(self, take: Deliver) -> None:
        """Give *take* what an earlier process left, in the order of its arrival."""
        left, self._left = self._left, []
        for unfinished in left:
            await take(unfinished, None)

    async def aclose(self) -> None:
        """Bring all notes into SQLite, and close it.

        Notes that it does not take stay in their own file, for the next process.
        """
        is_refused = False
        while (self._flushing is not None or self._notes) and not is_refused:
            self._flush()
            flushing = self._flushing
            assert flushing is not None  # noqa: S101 - there are notes, or it was under way
            await asyncio.wait([flushing])  # _flushed() runs before this goes on
            is_refused = flushing.exception() is not None
        if self._timer is not None:
            self._timer.cancel()
        self._progress.close()
        await self.database.aclose()

    async def abandon(self) -> None:
        """Close the file, though the loop that flushed notes has ended."""
        self._flushing = self._timer = None
        await self.aclose()

    async def accept(self, arrival: NewEvent) -> int | None:
        """Store an event; returns once it is on the disk, with its row, or with None if it was here
        before.
        """
        return await self.database.submit(partial(self._accept, arrival=arrival))

    def save_contact(
        self,
        contact_id: int,
        handed_over_since: int | None,
        human_since: int | None,
        watermark: int,
    ) -> "asyncio.Future[None]":
        """Store what has changed of a contact."""
        row = {
            "contact_id": contact_id,
            "handed_over_since": handed_over_since,
            "human_since": human_since,
            "watermark": watermark,
        }
        return self.database.submit(partial(_save_contact, row))

    async def note(self, row: int, step: HandlingStep, handler: int = 0) -> None:
        """Note a step, so that it survives a kill from this very moment: it never waits."""
        note = Note(row, step, handler)
        with suppress(OSError):  # the disk is full: the note lives in memory until SQLite takes it
            self._progress.write(note)
        self._notes.append(note)
        if self._timer is None and self._flushing is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_AFTER, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._flushing is None and self._notes:
            notes, self._notes = self._notes, []
            self._flushing = self.database.submit(partial(_store, notes))
            self._flushing.add_done_callback(partial(self._flushed, notes))

    def _flushed(self, notes: list[Note], done: "asyncio.Future[None]") -> None:
        self._flushing = None
        if done.exception() is not None:
            # The disk may have room again later; the file of notes has them meanwhile.
            self._notes = notes + self._notes
        elif self._progress.full:
            with suppress(OSError):  # the disk is full: the old file goes on
                self._progress.open(self._notes)
        if self._notes:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_AFTER, self._flush)

    def _accept(self, connection: sqlite3.Connection, arrival: NewEvent) -> int | None:
        found = connection.execute(
            "INSERT OR IGNORE INTO event (event_id, body, message_id, trace_context) "
            "VALUES (?, ?, ?, ?) RETURNING row",
            (arrival.event_id, arrival.body, arrival.message_id, arrival.trace_context),
        ).fetchone()
        if found is None:
            return None
        row: int = found[0]
        if row % _PRUNE_EVERY == 0:
            connection.execute(
                "DELETE FROM event WHERE row <= ? AND body IS NULL", (row - self._remember,)
            )
        return row

    def _recover(self, connection: sqlite3.Connection) -> list[Unfinished]:
        _store(list(self._progress.read()), connection)
        handled: dict[int, set[int]] = {}
        for row, handler in connection.execute("SELECT row, handler FROM handled"):
            handled.setdefault(row, set()).add(int(handler))
        return [
            Unfinished(row, body, started, frozenset(handled.get(row, ())), trace_context=trace)
            for row, body, started, trace in connection.execute(
                "SELECT row, body, started, trace_context FROM event "
                "WHERE body IS NOT NULL ORDER BY row"
            )
        ]


def _prepare(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.executescript(_SCHEMA)
    columns = [name for _, name, *_ in connection.execute("PRAGMA table_info(event)")]
    if "trace_context" not in columns:  # a file of an earlier release, which may use it again
        connection.execute("ALTER TABLE event ADD COLUMN trace_context TEXT")
    return connection


def _store(notes: Sequence[Note], connection: sqlite3.Connection) -> None:
    """Bring notes into SQLite. Repeating it changes nothing, so notes may be stored twice."""
    finished = [(note.row,) for note in notes if note.step is HandlingStep.FINISHED]
    ended = {row for (row,) in finished}
    rest = [note for note in notes if note.row not in ended]
    connection.executemany(
        "UPDATE event SET body = NULL, trace_context = NULL WHERE row = ?", finished
    )
    connection.executemany("DELETE FROM handled WHERE row = ?", finished)
    connection.executemany(
        "UPDATE event SET started = ? WHERE row = ?",
        [(note.handler, note.row) for note in rest if note.step is HandlingStep.STARTED],
    )
    connection.executemany(
        # A 64-bit key as text: SQLite's integers are signed.
        "INSERT OR IGNORE INTO handled SELECT row, ? FROM event WHERE row = ? AND body IS NOT NULL",
        [(str(note.handler), note.row) for note in rest if note.step is HandlingStep.HANDLED],
    )


def _stored_state(connection: sqlite3.Connection) -> StoredState:
    contacts = connection.execute(
        "SELECT contact_id, handed_over_since, human_since, watermark FROM contact"
    )
    newest = connection.execute(
        "SELECT message_id, event_id FROM event WHERE message_id IS NOT NULL ORDER BY row DESC "
        "LIMIT ?",
        (MOST_REMEMBERED,),
    )
    return StoredState(
        {contact_id: ContactState(*known) for contact_id, *known in contacts}, newest.fetchall()
    )


def _save_contact(row: dict[str, int | None], connection: sqlite3.Connection) -> None:
    # By name: Python 3.14 refuses numbers for what stands there twice.
    connection.execute(
        "INSERT INTO contact VALUES "
        "(:contact_id, coalesce(:handed_over_since, 0), coalesce(:human_since, 0), :watermark) "
        "ON CONFLICT (contact_id) DO UPDATE SET "
        "handed_over_since = coalesce(:handed_over_since, handed_over_since), "
        "human_since = coalesce(:human_since, human_since), "
        "watermark = max(watermark, :watermark)",
        row,
    )
