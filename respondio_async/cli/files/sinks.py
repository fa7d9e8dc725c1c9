"""Rows out: a file that appears only when it is whole, and that an interrupted export can go on
with.

Rows go to `NAME.part`; every page ends with its rows on the disk and, in `NAME.resume`, where to go
on: a place in the listing and a size of the part. Resuming cuts the part to that size, so no row is
lost or doubled wherever the process died. At the end the part becomes the file, in one step. All of
them hold contacts' data and are readable by their owner only.
"""

import csv
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

import msgspec

from .._exit import UsageError
from .cells import cell_of, guard, text_of

Format = Literal["jsonl", "csv", "parquet"]
FORMATS: Final[Mapping[str, Format]] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
}

Record = Mapping[str, Any]


class State(msgspec.Struct):
    """Where an export stopped."""

    query: str
    """What was exported; another question cannot continue it."""
    columns: list[str]
    place: int | str | None = None
    """Where to go on in the listing; None: at its beginning."""
    complete: bool = False
    """The listing came to its end."""
    size: int = 0
    """The good bytes of the part."""
    count: int = 0


class Sink:
    """One export into one file, or onto standard output (*path* None), which cannot be resumed."""

    def __init__(self, path: Path | None, format: Format, state: State, stream: BinaryIO) -> None:  # noqa: A002
        self.path = path
        self.state = state
        self._format: Format = format
        self._stream = stream
        self._buffer: list[bytes] = []
        # Parquet has its columns apart and its index at the end: it cannot grow by the page, so it
        # is made of the lines at the end.
        self._encode = _csv_line if format == "csv" else _json_line

    def begin(self) -> None:
        """Write the header of a new table."""
        if self._format == "csv" and not self.state.size:
            self.state.size += self._stream.write(_csv_text(self.state.columns))

    @property
    def count(self) -> int:
        """Rows written so far, those of earlier runs included."""
        return self.state.count + len(self._buffer)

    def write(self, record: Record) -> None:
        """Add a row; it counts from the next `checkpoint` on."""
        self._buffer.append(self._encode(record, self.state.columns))

    def checkpoint(self, place: int | str | None, *, complete: bool = False) -> None:
        """Bring the rows to the disk and note that the export goes on at *place*, or that it is
        *complete*.
        """
        if self.path is None:
            self._stream.write(b"".join(self._buffer))
            self._stream.flush()
        else:
            self.state.size += self._stream.write(b"".join(self._buffer))
            _sync(self._stream)
        self.state.count += len(self._buffer)
        self._buffer.clear()
        self.state.place, self.state.complete = place, complete
        if self.path is not None:
            _replace(_resume_path(self.path), msgspec.json.encode(self.state))

    def finish(self, to_parquet: Callable[[Path, Path, list[str]], None]) -> None:
        """Make the file out of the part."""
        if self.path is None:
            return
        self._stream.close()
        part = _part_path(self.path)
        if self._format == "parquet":
            whole = self.path.with_name(self.path.name + ".whole")
            to_parquet(part, whole, self.state.columns)
            whole.replace(self.path)
            part.unlink()
        else:
            part.replace(self.path)
        _resume_path(self.path).unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the part; what is on the disk stays for another try."""
        if self.path is not None:
            self._stream.close()


def open_sink(
    path: Path | None,
    format: Format,  # noqa: A002
    query: str,
    columns: Sequence[str],
    *,
    resume: bool,
) -> Sink:
    """Begin an export, or go on with one: then its columns are those that it was begun with."""
    state = State(query, list(columns))
    if path is None:
        if format == "parquet":
            raise UsageError("Parquet goes into a file: --output NAME.parquet")
        sink = Sink(None, format, state, sys.stdout.buffer)
    else:
        found = _read_state(path) if resume else None
        if found is not None and found.query != query:
            raise UsageError(
                f"{path.name}: the export that was begun asked for something else; leave out "
                "--resume to start anew"
            )
        state = found or state
        if found is None:
            _resume_path(path).unlink(missing_ok=True)
        sink = Sink(path, format, state, _open_part(path, state.size))
    sink.begin()
    return sink


def format_of(path: Path | None, given: Format | None) -> Format:
    """Take the format as given, else from the file's name."""
    if given is not None:
        return given
    if path is None:
        return "jsonl"
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        raise UsageError(
            f"{path.name}: the format is taken from the name (.jsonl, .csv, .parquet), or from "
            "--format"
        )
    return found


def write_table(path: Path, columns: Sequence[str], records: Sequence[Record]) -> None:
    """Write a small CSV file in one step."""
    _replace(path, _csv_text(columns) + b"".join(_csv_line(record, columns) for record in records))


def _json_line(record: Record, _columns: Sequence[str]) -> bytes:
    return msgspec.json.encode(record) + b"\n"


def _csv_line(record: Record, columns: Sequence[str]) -> bytes:
    return _csv_text([guard(text_of(cell_of(record, column))) for column in columns])


def _csv_text(cells: Sequence[str]) -> bytes:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()


def _part_path(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _resume_path(path: Path) -> Path:
    return path.with_name(path.name + ".resume")


def _read_state(path: Path) -> State | None:
    try:
        state = msgspec.json.decode(_resume_path(path).read_bytes(), type=State)
        size = _part_path(path).stat().st_size
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError:
        raise UsageError(
            f"{path.name}: {_resume_path(path).name} is damaged; leave out --resume to start anew"
        ) from None
    if size < state.size:
        raise UsageError(
            f"{path.name}: {_part_path(path).name} is shorter than it was; leave out --resume to "
            "start anew"
        )
    return state


def _open_part(path: Path, size: int) -> BinaryIO:
    descriptor = os.open(_part_path(path), os.O_RDWR | os.O_CREAT, 0o600)
    os.ftruncate(descriptor, size)
    os.lseek(descriptor, size, os.SEEK_SET)
    return os.fdopen(descriptor, "wb")


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that a crash leaves the old one or the new one, whole."""
    temporary = path.with_name(path.name + ".new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        _sync(file)
    temporary.replace(path)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
