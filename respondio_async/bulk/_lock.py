"""One process a journal.

The lock is SQLite's own, held on an empty database beside the journal: the operating system frees
it when the process ends, however it ends, it works wherever SQLite does, and the journal itself
stays readable while the run goes on.
"""

import sqlite3
from pathlib import Path

from .._storage import explained, make_private
from ..errors import ConfigurationError


class JournalLock:
    """Held from its making until `release()`."""

    def __init__(self, journal: Path) -> None:
        self._path = journal.with_name(journal.name + ".lock")
        while True:
            try:
                make_private(self._path)
                self._connection = sqlite3.connect(
                    self._path, timeout=0, isolation_level=None, check_same_thread=False
                )
                before = self._identity()
                self._lock()
            except (sqlite3.Error, OSError) as error:
                raise _refusal(journal, error) from error
            # The last owner removes the file: a lock on a removed file guards nothing.
            if before is not None and before == self._identity():
                return
            self._connection.close()

    def _lock(self) -> None:
        try:
            self._connection.execute("PRAGMA journal_mode = MEMORY")  # no third file
            self._connection.execute("BEGIN EXCLUSIVE")
        except BaseException:
            self._connection.close()
            raise

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    def __enter__(self) -> None:
        """Hold it for a block."""

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Let the next process in."""
        is_removed = self._remove()
        self._connection.close()
        if not is_removed:  # Windows removes no open file, which by now may be the next owner's
            self._remove()

    def _remove(self) -> bool:
        try:
            self._path.unlink(missing_ok=True)
        except OSError:
            return False
        return True


def _refusal(journal: Path, error: sqlite3.Error | OSError) -> Exception:
    if "locked" in str(error):
        return ConfigurationError(
            f"the journal {journal.name} is in use by another run: "
            "wait for it to end, or give this run a file of its own"
        )
    return explained(journal, error)
