"""Look at a run's journal from outside, also while the run goes on."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, cast

import msgspec

from respondio_async.discreet import Discreet

from .._storage import explained
from ..errors import ConfigurationError
from ..files import csv_row, replace_private
from ..models import SentMessage
from ._store import DONE, FAILED, IN_DOUBT, PENDING, SENT, UNKNOWN, check, decode_result

_ABOUT: Final = ("_key", "_error", "_reason")
_STATUSES: Final[Mapping[int, Literal["done", "failed", "unknown", "unfinished"]]] = {
    PENDING: "unfinished",
    DONE: "done",
    FAILED: "failed",
    UNKNOWN: "unknown",
}
_CHUNK: Final = 500
"""Items that are read at once for `async for`."""
_KILLED: Final = "the run ended while it was being sent"


class RunSummary(Discreet, msgspec.Struct, frozen=True):
    """What a journal holds."""

    _shown = ("sessions", "done", "failed", "unknown", "unfinished")

    work: str
    """The name of the function that the journal was begun with."""
    sessions: int
    """How often a run was started on it."""
    done: int
    failed: int
    unknown: int
    """Items with a write that may or may not have happened; while a run goes on, also those that
    are being sent.
    """
    unfinished: int
    """Items that were taken and have no outcome: the next run does them."""
    reasons: Mapping[str, int]
    """How many failed or unknown items gave each reason (class name and masked text), most frequent
    first.
    """


class FailedItem(Discreet, msgspec.Struct, frozen=True):
    """An item that failed, or whose outcome is unknown."""

    _shown = ("unknown", "error")

    key: str
    item: Any
    """As plain JSON values; None when it could not be written as JSON."""
    unknown: bool
    error: str
    """The error's class name."""
    reason: str
    """Its text, masked."""
    steps: tuple[str, ...]
    """The named steps that returned before."""


class MessageDelivery(Discreet, msgspec.Struct, frozen=True):
    """How far a message has come, as it was last seen."""

    _shown = ("status",)

    message_id: int
    status: str
    """"accepted" until `bulk.deliveries` has looked; then "pending", "sent", "delivered", "read"
    or "failed".
    """
    reason: str | None = None
    """Why it failed, in the channel's words, masked."""
    at: float | None = None
    """When that was seen, as Unix time; None: never looked up."""


class ItemResult(Discreet, msgspec.Struct, frozen=True):
    """What became of an item in all runs on a journal together."""

    key: str
    item: Any
    """As plain JSON values; None when it could not be written as JSON."""
    status: Literal["done", "failed", "unknown", "unfinished"]
    value: Any
    """What the work returned: one of the client's models, or plain JSON values. None when it has
    not, and when it could not be written as JSON.
    """
    steps: Mapping[str, Any]
    """What each named step returned, likewise."""
    error: str | None
    """The error's class name; None for an item that is done or unfinished."""
    reason: str | None
    """Its text, masked."""
    attempts: int
    """How often the run that ended it started its work."""
    started: float | None
    """Unix time in seconds; None while it has no outcome."""
    elapsed: float | None
    """Seconds from the start of the work to its end."""
    messages: tuple[MessageDelivery, ...] = ()
    """The messages whose `SentMessage` the work or a step returned."""


class Results:
    """Every item of a journal, in the order of their taking; for `for` and for `async for`.

    Reads as it goes: memory stays flat. `async for` reads in a thread.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    def __iter__(self) -> Iterator[ItemResult]:
        return _read(self._path, "1")

    async def __aiter__(self) -> AsyncIterator[ItemResult]:
        rows = iter(self)
        while chunk := await asyncio.to_thread(lambda: list(islice(rows, _CHUNK))):
            for result in chunk:
                yield result


def _read(path: Path, chosen: str) -> Iterator[ItemResult]:
    """Read the items of which the SQL term *chosen* is true."""
    with _reading(path) as (connection, version):
        result = "value, model" if version > 1 else "NULL, NULL"
        seen = _deliveries(connection)
        rows = connection.execute(
            f"SELECT id, key, item, error, reason, attempts, started, elapsed, {result}, "  # noqa: S608 - constants
            f"CASE WHEN {IN_DOUBT} THEN {UNKNOWN} ELSE state END FROM items "
            f"WHERE {chosen} ORDER BY id"
        )
        for number, key, item, error, reason, attempts, started, elapsed, *rest in rows:
            value, model, state = rest
            if not all(isinstance(text, str) for text in (key, error or "", reason or "")):
                raise TypeError("a text is none")
            status = _STATUSES[state]
            found = connection.execute(
                "SELECT name, value, model FROM steps WHERE item = ? AND state <> ?",
                (number, SENT),
            )
            steps = {name: decode_result(*result) for name, *result in found}
            returned = decode_result(value, model)
            yield ItemResult(
                key=key,
                item=None if item is None else msgspec.json.decode(item),
                status=status,
                value=returned,
                steps=steps,
                error=error or ("OutcomeUnknownError" if status == "unknown" else None),
                reason=_KILLED if status == "unknown" and reason is None else reason,
                attempts=attempts or 0,
                started=started,
                elapsed=elapsed,
                messages=tuple(map(seen, _message_ids([*steps.values(), returned]))),
            )


def _message_ids(values: list[Any]) -> list[int]:
    """Find the messages among what an item's steps and its work returned, each once."""
    sent = (value.message_id for value in values if isinstance(value, SentMessage))
    return list(dict.fromkeys(sent))


def _deliveries(connection: sqlite3.Connection) -> Callable[[int], MessageDelivery]:
    """Make what looks a message up in the journal."""
    has_table = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'deliveries'"
    ).fetchone()

    def look_up(message: int) -> MessageDelivery:
        row = (
            has_table
            and connection.execute(
                "SELECT status, reason, at FROM deliveries WHERE message = ?", (message,)
            ).fetchone()
        )
        return MessageDelivery(message, *row) if row else MessageDelivery(message, "accepted")

    return look_up


def results(path: str | os.PathLike[str]) -> Results:
    """Give every item of a journal with its value or error, earlier runs included; also while a run
    goes on. `ConfigurationError` when it is no journal.
    """
    return Results(path)


def inspect(path: str | os.PathLike[str]) -> RunSummary:
    """Count what a journal holds. `ConfigurationError` when it is none."""
    with _reading(Path(path)) as (connection, _):
        facts = dict(connection.execute("SELECT name, value FROM run"))
        states = dict(connection.execute("SELECT state, count(*) FROM items GROUP BY state"))
        unknown = connection.execute(f"SELECT count(*) FROM items WHERE {IN_DOUBT}").fetchone()[0]  # noqa: S608 - a constant
        reasons = connection.execute(
            f"""SELECT coalesce(error || ': ' || reason, 'OutcomeUnknownError: {_KILLED}') AS why,
            count(*) FROM items
            WHERE state = {FAILED} OR {IN_DOUBT} GROUP BY why ORDER BY 2 DESC, 1 LIMIT 100"""  # noqa: S608 - constants
        )
        return RunSummary(
            work=facts["work"],
            sessions=int(facts["sessions"]),
            done=states.get(DONE, 0),
            failed=states.get(FAILED, 0),
            unknown=unknown,
            unfinished=states.get(PENDING, 0) + states.get(UNKNOWN, 0) - unknown,
            reasons=dict(reasons),
        )


def failures(path: str | os.PathLike[str], *, unknown: bool = True) -> Iterator[FailedItem]:
    """Give the items that failed, one after another in their order; with *unknown*, also those
    whose outcome is.
    """
    chosen = f"state = {FAILED} OR {IN_DOUBT}" if unknown else f"state = {FAILED}"
    for result in _read(Path(path), chosen):
        yield FailedItem(
            key=result.key,
            item=result.item,
            unknown=result.status == "unknown",
            error=result.error or "",
            reason=result.reason or "",
            steps=tuple(sorted(result.steps)),
        )


def export_failed(
    path: str | os.PathLike[str], csv_path: str | os.PathLike[str], *, unknown: bool = False
) -> int:
    """Write the failed items to a CSV file for another try, and return their number.

    The columns are the items' own fields (an item without fields gets the column "item"), then
    `_key`, `_error` and `_reason`. With
    *unknown*, those whose outcome is unknown are written too: look before you try them again.

    A file of that name is replaced. As private as the journal, since it holds the same items, and
    guarded against formulas as `respondio_async.files` says.
    """
    columns: dict[str, None] = {}
    for failed in failures(path, unknown=unknown):
        columns.update(dict.fromkeys(_fields(failed.item)))
    written = 0
    with os.fdopen(replace_private(csv_path), "w", newline="", encoding="utf-8") as file:
        file.write(csv_row([*columns, *_ABOUT]))
        for failed in failures(path, unknown=unknown):
            fields = _fields(failed.item)
            cells = [fields.get(column, "") for column in columns]
            file.write(csv_row([*cells, failed.key, failed.error, failed.reason]))
            written += 1
    return written


def _fields(item: Any) -> dict[str, str]:
    if not isinstance(item, dict):
        return {} if item is None else {"item": _cell(item)}
    fields = cast("dict[str, Any]", item)
    return {name: _cell(value) for name, value in fields.items() if name not in _ABOUT}


def _cell(value: Any) -> str:
    if isinstance(value, dict | list):
        return msgspec.json.encode(value).decode()
    return "" if value is None else str(value)


@contextmanager
def _reading(path: Path) -> Generator[tuple[sqlite3.Connection, int], None, None]:
    """Open a journal and give its format; whatever in it cannot be read is a
    `ConfigurationError`.
    """
    if not path.is_file():
        raise ConfigurationError(f"there is no journal {path.name}")
    try:
        connection = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
        with closing(connection):
            version = check(connection, path)
            connection.execute("PRAGMA query_only = ON")
            yield connection, version
    except (sqlite3.Error, OSError) as error:
        raise explained(path, error) from error
    except (LookupError, TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise ConfigurationError(
            f"the journal {path.name} is damaged: take a copy from before"
        ) from error
