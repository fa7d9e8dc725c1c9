"""The durable inbox: an event that was acknowledged is handled, even if the process is killed
before.

`accept` commits an event before it is acknowledged; the steps of its handling are noted as they
happen (`_progress`) and brought into SQLite in batches. After a kill, what had not finished is
given back, with the handlers that had, so that none of those runs again.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from respondio_async._storage import Writer, explained

from ._progress import HandlingStep, Note, ProgressLog

_SCHEMA: Final = """
PRAGMA locking_mode = EXCLUSIVE; -- this process's alone, until it closes the file or dies
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS event (
    -- A row number is never used twice: a stale note must not meet another event.
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL UNIQUE,          -- kept when the event has finished, to know it again
    message_id INTEGER,                     -- of the message that was received, if it was about one
    body BLOB,                              -- NULL once finished
    started INTEGER NOT NULL DEFAULT 0
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


class Unfinished(NamedTuple):
    """An event that an earlier process accepted and did not finish."""

    row: int
    event_id: str
    body: bytes
    started: bool
    handled: frozenset[int]
    """Keys of its handlers that have ended."""

    def __repr__(self) -> str:
        return "Unfinished()"  # the body holds a contact's data


class EventInbox:
    """One SQLite file, owned by one process."""

    def __init__(self, path: Path, *, remember: int = 1_000_000) -> None:
        self._path = path
        self.database = Writer(path, _prepare)
        self._progress = ProgressLog(path.with_name(path.name + "-progress"))
        self._remember = remember
        self._notes: list[Note] = []
        self._flushing: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def open(self) -> list[Unfinished]:
        """Open the file, and return what an earlier process left, in the order of its arrival."""
        await self.database.open()
        try:
            left = await self.database.submit(self._recover)
            self._progress.open()  # the notes of the earlier process are committed now
        except BaseException as error:
            await self.database.aclose()  # or no later try could open it
            if isinstance(error, OSError):
                raise explained(self._path, error) from error
            raise
        return left

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

    def accept(
        self, event_id: str, body: bytes, message_id: int | None = None
    ) -> "asyncio.Future[int | None]":
        """Store an event; the future ends once it is on the disk, with its row, or with None if it
        was here before.
        """
        return self.database.submit(partial(self._accept, values=(event_id, body, message_id)))

    def note(self, row: int, step: HandlingStep, handler: int = 0) -> None:
        """Note a step, so that it survives a kill from this very moment."""
        note = Note(row, step, handler)
        try:
            self._progress.write(note)
        except OSError:
            pass  # the disk is full: the note lives in memory until SQLite takes it
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
            self._progress.open(self._notes)
        if self._notes:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_AFTER, self._flush)

    def _accept(
        self, connection: sqlite3.Connection, values: tuple[str, bytes, int | None]
    ) -> int | None:
        found = connection.execute(
            "INSERT OR IGNORE INTO event (event_id, body, message_id) VALUES (?, ?, ?) RETURNING "
            "row",
            values,
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
            Unfinished(row, event_id, body, bool(started), frozenset(handled.get(row, ())))
            for row, event_id, body, started in connection.execute(
                "SELECT row, event_id, body, started FROM event WHERE body IS NOT NULL ORDER BY row"
            )
        ]


def _prepare(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.executescript(_SCHEMA)
    return connection


def _store(notes: Sequence[Note], connection: sqlite3.Connection) -> None:
    """Bring notes into SQLite. Repeating it changes nothing, so notes may be stored twice."""
    finished = [(note.row,) for note in notes if note.step is HandlingStep.FINISHED]
    gone = {row for (row,) in finished}
    rest = [note for note in notes if note.row not in gone]
    connection.executemany("UPDATE event SET body = NULL WHERE row = ?", finished)
    connection.executemany("DELETE FROM handled WHERE row = ?", finished)
    connection.executemany(
        "UPDATE event SET started = 1 WHERE row = ?",
        [(note.row,) for note in rest if note.step is HandlingStep.STARTED],
    )
    connection.executemany(
        # A 64-bit key as text: SQLite's integers are signed.
        "INSERT OR IGNORE INTO handled SELECT row, ? FROM event WHERE row = ? AND body IS NOT NULL",
        [(str(note.handler), note.row) for note in rest if note.step is HandlingStep.HANDLED],
    )
