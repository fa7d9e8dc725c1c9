"""The journal as the event loop sees it: the writer of its file, for one run alone.

Requests are carried out in the order of their making, and answered when they are in the file. The
first that fails is the run's failure: what follows it fails likewise, unasked.
"""

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from .._storage import Writer
from ..errors import ConfigurationError, RespondError
from ._lock import journal_lock
from ._store import Store

_log: Final = logging.getLogger("respondio_async.bulk")


class Journal(Writer[Store]):
    """One run's journal. `open()` refuses a file that another run has, or that is no journal."""

    def __init__(self, path: Path, work: str, *, on_failure: Callable[[Exception], None]) -> None:
        """*work* names what the run does.

        *on_failure* is called once, when the file cannot be written any more.
        """

        def prepare(connection: sqlite3.Connection) -> Store:
            try:
                store = Store(connection, path, work)
            except (TypeError, ValueError) as error:
                raise ConfigurationError(f"the journal {path.name} is damaged") from error
            if store.work != work:
                _log.warning(
                    "the journal %s was begun by the work %s and is continued by %s: items that "
                    "are done in it are skipped",
                    path.name,
                    store.work,
                    work,
                )
            return store

        super().__init__(
            path,
            prepare,
            busy_timeout=5,
            lock=lambda: journal_lock(path),
            on_failure=self._fail,
        )
        self._name = path.name
        self._tell = on_failure
        self._failure: Exception | None = None

    def post(
        self,
        act: Callable[[Store], Any],
        answer: Callable[[Any, Exception | None], object] = lambda _, __: None,
    ) -> None:
        """Run *act* in the next commit; *answer* is called when it is in the file, or cannot be."""

        def check(value: Any, error: Exception | None) -> None:
            if error is not None:
                self._fail(error)
            answer(value, self._failure if error is not None else None)

        if self._failure is None:
            super().post(act, check)
        else:
            answer(None, self._failure)

    def _fail(self, error: Exception) -> None:
        if self._failure is None:
            if not isinstance(error, RespondError):  # what is in the file is not what was written
                error = ConfigurationError(f"the journal {self._name} is damaged: {error!r}")
            self._failure = error
            self._tell(error)
