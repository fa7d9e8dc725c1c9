"""A file of small notes on how far the handlers have come, each written before anything else can
happen.

A commit takes milliseconds, and a handler that ended within them would run again after a kill. An
append to a file takes some microseconds and survives a kill -9 of the process just as well: the
notes wait in it until SQLite has them too.
"""

import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from respondio_async._storage import AS_IT_IS, replace_private, tighten

from ._store import HandlingStep

_NOTE: Final = struct.Struct("<QBQ")
_ROTATE: Final = 1024 * 1024
"""Bytes at which the notes that SQLite has are dropped."""


_STEPS: Final = frozenset(HandlingStep)


class Note(NamedTuple):
    """One step of one event."""

    row: int
    step: HandlingStep
    handler: int = 0


class ProgressLog:
    """The open file.

    Its writes are synchronous on purpose: nothing may come between a handler's end and its note.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1
        self._size = 0

    def open(self, kept: Iterable[Note] = ()) -> None:
        """Replace the file by one that holds the *kept* notes, in one step that a kill cannot
        halve.
        """
        fresh = self._path.with_name(self._path.name + ".new")
        content = b"".join([_NOTE.pack(*note) for note in kept])
        with os.fdopen(replace_private(fresh), "wb") as file:
            file.write(content)
        self.close()  # Windows replaces no file that is open
        fresh.replace(self._path)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | AS_IT_IS)
        self._size = len(content)

    def write(self, note: Note) -> None:
        """Append a note."""
        self._size += os.write(self._file, _NOTE.pack(*note))

    @property
    def full(self) -> bool:
        """Whether it is time to drop the notes that are stored elsewhere, by `open`."""
        return self._size >= _ROTATE

    def read(self) -> Iterator[Note]:
        """Read what an earlier process left; a note that a power failure cut short ends the
        reading.
        """
        tighten(self._path)
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return
        for row, step, handler in _NOTE.iter_unpack(
            content[: len(content) - len(content) % _NOTE.size]
        ):
            if step not in _STEPS:
                return
            yield Note(row, HandlingStep(step), handler)

    def close(self) -> None:
        """Close the file, keeping its notes."""
        if self._file != -1:
            os.close(self._file)
            self._file = -1
