"""One process a journal.

The lock is SQLite's own, held on an empty database beside the journal: the operating system frees
it when the process ends, however it ends, it works wherever SQLite does, and the journal itself
stays readable while the run goes on.
"""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from .._storage import explained, make_private
from ..errors import ConfigurationError


@contextmanager
def journal_lock(journal: Path) -> Generator[None]:
    """Hold a journal for a block; `ConfigurationError` when another run has it."""
    path = journal.with_name(journal.name + ".lock")
    try:
        connection = _lock(path)
    except (sqlite3.Error, OSError) as error:
        if "locked" in str(error):
            raise ConfigurationError(
                f"the journal {journal.name} is in use by another run: "
                "wait for it to end, or give this run a file of its own"
            ) from error
        raise explained(journal, error) from error
    try:
        yield
    finally:
        is_removed = _remove(path)
        connection.close()
        if not is_removed:  # Windows removes no open file, which by now may be the next owner's
            _remove(path)


def _lock(path: Path) -> sqlite3.Connection:
    while True:
        make_private(path)
        connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            before = _identity(path)
            connection.execute("PRAGMA journal_mode = MEMORY")  # no third file
            connection.execute("BEGIN EXCLUSIVE")
            # The last owner removes the file: a lock on a removed file guards nothing.
            if before is not None and before == _identity(path):
                return connection
        except BaseException:
            connection.close()
            raise
        connection.close()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _remove(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True
