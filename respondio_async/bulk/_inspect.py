"""Look at a run's journal from outside, also while the run goes on."""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from ..errors import ConfigurationError
from ..files import csv_row, replace_private
from ._store import DONE, FAILED, PENDING, SENT, UNKNOWN, check

_IN_DOUBT: Final = (
    f"state = {UNKNOWN} OR (state = {PENDING}"  # noqa: S608 - constants
    f" AND EXISTS (SELECT 1 FROM steps WHERE steps.item = items.id AND steps.state = {SENT}))"
)
_ABOUT: Final = ("_key", "_error", "_reason")
_KILLED: Final = "the run ended while it was being sent"


class RunSummary(msgspec.Struct, frozen=True):
    """What a journal holds."""

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


class FailedItem(msgspec.Struct, frozen=True):
    """An item that failed, or whose outcome is unknown."""

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


def inspect(path: str | os.PathLike[str]) -> RunSummary:
    """Count what a journal holds. `ConfigurationError` when it is none."""
    with closing(_open(Path(path))) as connection:
        facts = dict(connection.execute("SELECT name, value FROM run"))
        states = dict(connection.execute("SELECT state, count(*) FROM items GROUP BY state"))
        unknown = connection.execute(f"SELECT count(*) FROM items WHERE {_IN_DOUBT}").fetchone()[0]  # noqa: S608 - a constant
        reasons = connection.execute(
            f"""SELECT coalesce(error || ': ' || reason, 'OutcomeUnknownError: {_KILLED}') AS why,
            count(*) FROM items
            WHERE state = {FAILED} OR {_IN_DOUBT} GROUP BY why ORDER BY 2 DESC, 1 LIMIT 100"""  # noqa: S608 - constants
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
    chosen = f"state = {FAILED} OR {_IN_DOUBT}" if unknown else f"state = {FAILED}"
    with closing(_open(Path(path))) as connection:
        for number, key, item, state, error, reason in connection.execute(
            f"SELECT id, key, item, state, error, reason FROM items WHERE {chosen} ORDER BY id"  # noqa: S608 - constants
        ):
            steps = connection.execute(
                "SELECT name FROM steps WHERE item = ? AND state <> ? ORDER BY name", (number, SENT)
            )
            yield FailedItem(
                key=key,
                item=None if item is None else msgspec.json.decode(item),
                unknown=state != FAILED,
                error=error or "OutcomeUnknownError",
                reason=_KILLED if reason is None else reason,
                steps=tuple(name for (name,) in steps),
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


def _open(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise ConfigurationError(f"there is no journal {path.name}")
    try:
        connection = sqlite3.connect(path, timeout=5, isolation_level=None)
    except sqlite3.Error as error:
        raise ConfigurationError(f"the journal {path.name} cannot be opened: {error}") from error
    try:
        check(connection, path)
        connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection
