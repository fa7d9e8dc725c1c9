"""The journal's file: one SQLite database a run, in the hands of one thread.

`items` has a row an item that was taken from the source; `steps` a row a step that was recorded:
*sent* before a request that must not be repeated leaves (the intent), *done* with its result after
the step returned. So a step that is *sent*, and that no run works on, may or may not have happened.
The step named "" is the work outside of named steps.

Write-ahead log with synchronous=NORMAL: what is committed is with the operating system, so killing
the process loses nothing. A power cut may take the last commits before it (the file stays sound):
then a step may be repeated.
"""

import sqlite3
from pathlib import Path
from typing import Any, Final

import msgspec

from respondio_async.discreet import Discreet

from .. import models
from .._wire import mask
from ..errors import ConfigurationError, InvalidArgumentError
from ._outcome import Outcome

APPLICATION_ID: Final = 0x72696F42  # "rioB": tells a journal from any other SQLite file
FORMAT: Final = 2
"""Format 1 had no results of items."""
_LONGEST_REASON: Final = 500
_MODELS: Final = models.__name__
_RESULTS: Final = ("value BLOB", "model TEXT")

PENDING, DONE, FAILED, UNKNOWN = range(4)
"""States of an item. Pending: taken, with no outcome yet."""
SENT, RETURNED = range(2)
"""States of a step."""
IN_DOUBT: Final = (
    f"state = {UNKNOWN} OR (state = {PENDING}"  # noqa: S608 - constants
    f" AND EXISTS (SELECT 1 FROM steps WHERE steps.item = items.id AND steps.state = {SENT}))"
)
"""Of an item: a write of it may or may not have happened."""

_SCHEMA = f"""
PRAGMA journal_mode = WAL;
BEGIN;
CREATE TABLE run (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE items (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, item BLOB, session INTEGER NOT NULL,
    state INTEGER NOT NULL DEFAULT {PENDING},
    error TEXT, reason TEXT, attempts INTEGER, started REAL, elapsed REAL, {", ".join(_RESULTS)}
);
CREATE TABLE steps (item INTEGER, name TEXT, state INTEGER NOT NULL, value BLOB, model TEXT,
    PRIMARY KEY (item, name)) WITHOUT ROWID;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT};
COMMIT;
"""

DELIVERIES: Final = (
    "CREATE TABLE IF NOT EXISTS deliveries"
    " (message INTEGER PRIMARY KEY, status TEXT NOT NULL, reason TEXT, at REAL)"
)
"""Made by the first look at what became of a run's messages."""


class StoredResult(Discreet, msgspec.Struct, frozen=True):
    """What a step or the work returned, as the journal holds it."""

    value: bytes | None
    """JSON; None: it could not be written as JSON."""
    model: str | None
    """The name of the class, if it is one of the client's models."""


class KnownItem(Discreet, msgspec.Struct, frozen=True):
    """What the journal knows of an item."""

    _shown = ("state", "error")

    id: int
    state: int
    key: str
    item: bytes | None
    """As JSON; None: it could not be written so."""
    sent: tuple[str, ...] = ()
    """Steps that may have been sent by a run that ended before it could say."""
    returned: dict[str, StoredResult] = {}
    """Steps that returned in an earlier run."""
    error: str | None = None
    """Why it failed in an earlier run: the error's class name, *reason* its text."""
    reason: str | None = None


def check_name(name: object, what: str, argument: str) -> str:
    """Return the name of an item or a step, if the journal can hold it."""
    if not isinstance(name, str) or not name:
        raise InvalidArgumentError(f"{what} must be a text that is not empty", argument=argument)
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InvalidArgumentError(
            f"{what} must be a text that can be written as UTF-8, without half of a surrogate pair",
            argument=argument,
        ) from None
    return name


def reason_of(error: Exception | None) -> tuple[str | None, str | None]:
    """Give the error's class name and its text, cut to a length, with what could be personal data
    masked, and what cannot be written escaped.
    """
    if error is None:
        return None, None
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an error class of the user's
        text = "(its text cannot be made)"
    storable = text[:_LONGEST_REASON].encode(errors="backslashreplace").decode()
    return type(error).__name__, mask(storable)


def encode_result(value: object) -> StoredResult:
    """Write what a step or the work returned: as JSON, with its class's name if it is one of the
    client's models.
    """
    try:
        encoded = msgspec.json.encode(value)
    except Exception:  # noqa: BLE001 - whatever the value's own class raises
        return StoredResult(None, None)
    kind = type(value)
    is_ours = kind.__module__.startswith(_MODELS) and getattr(models, kind.__name__, None) is kind
    return StoredResult(encoded, kind.__name__ if is_ours else None)


def decode_result(value: bytes | None, model: str | None, type: Any = None) -> Any:  # noqa: A002 - as the step's argument
    """Read a result back."""
    if value is None:
        return None
    kind = type if type is not None else getattr(models, model or "", Any)
    return msgspec.json.decode(value, type=kind, strict=False)


def _is_blank(connection: sqlite3.Connection) -> bool:
    """Whether nothing was ever committed to it: it is new, or its maker was killed at once."""
    try:
        return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None
    except sqlite3.DatabaseError:
        return False


def check(connection: sqlite3.Connection, path: Path) -> int:
    """Return the format of a journal; refuse another file, and a format of later versions."""
    try:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise ConfigurationError(
            f"{path.name} is not the journal of a bulk run, or is damaged: {error}"
        ) from error
    if application != APPLICATION_ID:
        raise ConfigurationError(f"{path.name} is not the journal of a bulk run")
    if version not in range(1, FORMAT + 1):
        raise ConfigurationError(
            f"the journal {path.name} has format {version}; this version reads formats 1 to "
            f"{FORMAT}: use the version that made it"
        )
    return int(version)


class Store:
    """The statements; each leaves the commit to its caller."""

    def __init__(self, connection: sqlite3.Connection, path: Path, work: str) -> None:
        if _is_blank(connection):
            connection.executescript(_SCHEMA)
        if check(connection, path) < FORMAT:
            added = "".join(f"ALTER TABLE items ADD COLUMN {column};" for column in _RESULTS)
            connection.executescript(f"BEGIN;{added}PRAGMA user_version = {FORMAT};COMMIT")
        connection.execute("PRAGMA synchronous = NORMAL")
        self.connection = connection
        facts: dict[str, str] = dict(connection.execute("SELECT name, value FROM run"))
        self.work = facts.get("work") or work
        """The name of the work that the journal was begun with."""
        self.session = int(facts.get("sessions") or 0) + 1
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT OR REPLACE INTO run VALUES (?, ?)",
            [("work", self.work), ("sessions", str(self.session))],
        )
        connection.execute("COMMIT")

    def claim(self, key: str, item: bytes | None, retry_failed: bool) -> KnownItem | None:
        """Note that the item was taken, and tell what is known of it; None: an item of this run had
        that key.

        With *retry_failed*, one that failed is to be done again, as the source gives it now.
        """
        cursor = self.connection.execute(
            "INSERT OR IGNORE INTO items (key, item, session) VALUES (?, ?, ?)",
            (key, item, self.session),
        )
        if cursor.rowcount == 1:
            assert cursor.lastrowid is not None  # noqa: S101 - an insert has one
            return KnownItem(cursor.lastrowid, PENDING, key, item)
        number, state, session, error, reason = self.connection.execute(
            "SELECT id, state, session, error, reason FROM items WHERE key = ?", (key,)
        ).fetchone()
        if session == self.session:
            return None
        self.connection.execute("UPDATE items SET session = ? WHERE id = ?", (self.session, number))
        if state == FAILED and retry_failed:
            self.connection.execute(
                "UPDATE items SET state = ?, item = ?, error = NULL, reason = NULL WHERE id = ?",
                (PENDING, item, number),
            )
            state = PENDING
        if state in {DONE, FAILED}:
            return KnownItem(number, state, key, item, error=error, reason=reason)
        rows = self.connection.execute(
            "SELECT name, value, model FROM steps WHERE item = ? AND state = ?", (number, RETURNED)
        )
        returned = {name: StoredResult(value, model) for name, value, model in rows}
        return KnownItem(number, state, key, item, self._sent(number), returned)

    def leftovers(self, after: int, count: int) -> list[KnownItem]:
        """Find items that failed or are in doubt, in order of their ids, that this run's source has
        not given.
        """
        rows = self.connection.execute(
            f"""SELECT id, state, key, item, error, reason FROM items
            WHERE id > ? AND session <> ? AND (state = {FAILED} OR {IN_DOUBT})
            ORDER BY id LIMIT ?""",  # noqa: S608 - constants
            (after, self.session, count),
        ).fetchall()
        return [
            KnownItem(number, state, key, item, self._sent(number), error=error, reason=reason)
            for number, state, key, item, error, reason in rows
        ]

    def _sent(self, number: int) -> tuple[str, ...]:
        rows = self.connection.execute(
            "SELECT name FROM steps WHERE item = ? AND state = ?", (number, SENT)
        )
        return tuple(name for (name,) in rows)

    def intend(self, number: int, step: str) -> None:
        """Note that the step is about to send."""
        self.connection.execute(
            "INSERT OR REPLACE INTO steps (item, name, state) VALUES (?, ?, ?)",
            (number, step, SENT),
        )

    def retract(self, number: int, step: str) -> None:
        """Take that back: nothing was sent."""
        self.connection.execute(
            "DELETE FROM steps WHERE item = ? AND name = ? AND state = ?", (number, step, SENT)
        )

    def step_returned(self, number: int, step: str, result: StoredResult) -> None:
        """Note what the step returned."""
        self.connection.execute(
            "INSERT OR REPLACE INTO steps VALUES (?, ?, ?, ?, ?)",
            (number, step, RETURNED, result.value, result.model),
        )

    def end(
        self,
        number: int,
        outcome: Outcome[Any, Any],
        reason: tuple[str | None, str | None],
        result: StoredResult,
    ) -> None:
        """Note how the item ended."""
        state = UNKNOWN if outcome.unknown else DONE if outcome.ok else FAILED
        numbers = (outcome.attempts, outcome.started, outcome.elapsed)
        self.connection.execute(
            "UPDATE items SET state = ?, error = ?, reason = ?, attempts = ?, started = ?, "
            "elapsed = ?, value = ?, model = ? WHERE id = ?",
            (state, *reason, *numbers, result.value, result.model, number),
        )
