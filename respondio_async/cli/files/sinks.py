"""Rows out: a file that appears only when it is whole, and that an interrupted export can go on
with.

Rows go to `NAME.part`; every page ends with its rows on the disk and, in `NAME.resume`, where to go
on: a place in the listing and a size of the part. Resuming cuts the part to that size, so no row is
lost or doubled wherever the process died. At the end the part becomes the file, in one step. All of
them hold contacts' data and are readable by their owner only.
"""

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

import msgspec

from respondio_async.discreet import Discreet

from ...files import csv_row, is_private, replace_private
from .._exit import UsageError
from .._screen import Screen, ask, can_ask
from .cells import cell_of, text_of
from .parquet import require_pyarrow, to_parquet
from .workbook import require_openpyxl, to_xlsx

Format = Literal["jsonl", "csv", "parquet", "xlsx"]
FORMATS: Final[Mapping[str, Format]] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
}
# These have their columns apart or an index at the end: they cannot grow by the page, so they are
# made of JSON lines at the end.
_MADE_AT_THE_END: Final = {
    "parquet": (require_pyarrow, to_parquet),
    "xlsx": (require_openpyxl, to_xlsx),
}

_BUFFERED: Final = 1_000

Record = Mapping[str, Any]


class Target(Discreet, msgspec.Struct, frozen=True):
    """Where an export goes, as far as it can be said before the first request."""

    path: Path | None
    """None: standard output."""
    format: Format
    resume: bool = False
    replace: bool = False
    """Whether an older file of that name may go."""


class ExportState(Discreet, msgspec.Struct):
    """Where an export stopped."""

    _shown = ("complete", "count")

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
    """One export into one file, or onto standard output, which cannot be resumed."""

    def __init__(self, target: Target, state: ExportState, stream: Any) -> None:
        """*stream* is the part, or takes what goes to standard output."""
        self.target = target
        self.path: Path | None = target.path
        self.state = state
        self._stream = stream
        self._buffer: list[bytes] = []
        self._encode = _csv_line if target.format == "csv" else _json_line
        if target.format == "csv" and not state.size:
            header = csv_row(state.columns).encode()
            stream.write(header)
            state.size = len(header)

    @property
    def count(self) -> int:
        """Rows written so far, those of earlier runs included."""
        return self.state.count + len(self._buffer)

    @property
    def is_due(self) -> bool:
        """Whether enough rows wait in memory to bring them to the disk."""
        return len(self._buffer) >= _BUFFERED

    def write(self, record: Record) -> None:
        """Add a row; it counts from the next `checkpoint` on."""
        self._buffer.append(self._encode(record, self.state.columns))

    def checkpoint(self, place: int | str | None, *, complete: bool = False) -> None:
        """Bring the rows to the disk and note that the export goes on at *place*, or that it is
        *complete*.
        """
        lines = b"".join(self._buffer)
        with _named(None if self.path is None else _part_path(self.path)):
            self._stream.write(lines)
            if self.path is not None:
                _sync(self._stream)
        self.state.size += len(lines)
        self.state.count += len(self._buffer)
        self._buffer.clear()
        self.state.place, self.state.complete = place, complete
        if self.path is not None:
            _replace(_resume_path(self.path), msgspec.json.encode(self.state))

    def finish(self) -> None:
        """Make the file out of the part."""
        if self.path is None:
            return
        self._stream.close()
        part = whole = _part_path(self.path)
        if self.target.format in _MADE_AT_THE_END:
            whole = self.path.with_name(self.path.name + ".whole")
            with _named(whole), os.fdopen(replace_private(whole), "w+b") as file:
                _MADE_AT_THE_END[self.target.format][1](part, file, self.state.columns)
                _sync(file)
        if not self.target.replace and os.path.lexists(self.path):
            raise UsageError(
                f"{self.path.name} has appeared meanwhile: say --resume --force to replace it"
            )
        whole.replace(self.path)
        part.unlink(missing_ok=True)
        _resume_path(self.path).unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the part; what is on the disk stays for another try."""
        if self.path is not None:
            with suppress(OSError):  # a full disk says so again of what it could not take before
                self._stream.close()


def choose_target(
    output: Path | None, given: Format | None, *, resume: bool = False, force: bool = False
) -> Target:
    """Check all that can go wrong with an export's file before the first request.

    `UsageError` says what; a file that is there is replaced only with *force*, or after a question.
    """
    path = None if output == Path("-") else output
    format = format_of(path, given)  # noqa: A001
    if path is None:
        if format in _MADE_AT_THE_END:
            raise UsageError(f"{format} goes into a file: --output NAME.{format}")
        if resume:
            raise UsageError("--resume needs --output NAME: standard output has no past")
        return Target(None, format)
    if format in _MADE_AT_THE_END:
        _MADE_AT_THE_END[format][0]()
    return Target(path, format, resume, check_output(path, force=force))


def check_output(path: Path, *, force: bool) -> bool:
    """See to it that a file can be written, and say whether an older one may go for it.

    `UsageError` when there is one and it may not.
    """
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError(f"{path}: nothing can be written in {path.parent}")
    if not os.path.lexists(path):
        return force
    if path.is_symlink() or not path.is_file():
        raise UsageError(f"{path} is a folder, a link or a device: name a file")
    if force or (can_ask() and ask(f"{path} exists. Replace it?")):
        return True
    raise UsageError(f"{path} exists: say --force to replace it")


def open_sink(target: Target, query: str, columns: Sequence[str], screen: Screen) -> Sink:
    """Begin an export, or go on with one: then its columns are those that it was begun with.

    Without a file its lines go to *screen*'s standard output.
    """
    state, path = ExportState(query, list(columns)), target.path
    if path is None:
        return Sink(target, state, screen)
    found = _read_state(path) if target.resume else None
    if found is None:
        _resume_path(path).unlink(missing_ok=True)
        return Sink(target, state, os.fdopen(replace_private(_part_path(path)), "wb"))
    if found.query != query:
        raise UsageError(
            f"{path.name}: the export that was begun asked for something else; leave out "
            "--resume to start anew"
        )
    part = os.fdopen(_open_own(_part_path(path), os.O_RDWR), "wb")
    part.truncate(found.size)
    part.seek(found.size)
    return Sink(target, found, part)


def rows_kept(path: Path) -> int | None:
    """Count the rows that an interrupted export of *path* has kept; None: it kept nothing."""
    with suppress(OSError, msgspec.MsgspecError, UsageError):
        found = _read_state(path)
        return None if found is None else found.count
    return None


def format_of(path: Path | None, given: Format | None) -> Format:
    """Take the format as given, else from the file's name."""
    if given is not None:
        return given
    if path is None:
        return "jsonl"
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        raise UsageError(
            f"{path.name}: the format is taken from the name ({', '.join(FORMATS)}), or from "
            "--format"
        )
    return found


def write_table(path: Path, columns: Sequence[str], records: Sequence[Record]) -> None:
    """Write a small CSV file in one step."""
    lines = b"".join(_csv_line(record, columns) for record in records)
    _replace(path, csv_row(columns).encode() + lines)


def _json_line(record: Record, _columns: Sequence[str]) -> bytes:
    return msgspec.json.encode(record) + b"\n"


def _csv_line(record: Record, columns: Sequence[str]) -> bytes:
    return csv_row([text_of(cell_of(record, column)) for column in columns]).encode()


def _part_path(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _resume_path(path: Path) -> Path:
    return path.with_name(path.name + ".resume")


def _read_state(path: Path) -> ExportState | None:
    note, part = _resume_path(path), _part_path(path)
    try:
        with os.fdopen(_open_own(note, os.O_RDONLY), "rb") as file:
            state = msgspec.json.decode(file.read(), type=ExportState)
        size = part.lstat().st_size
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError:
        raise UsageError(
            f"{path.name}: {note.name} is damaged; leave out --resume to start anew"
        ) from None
    if size < state.size:
        raise UsageError(
            f"{path.name}: {part.name} is shorter than it was; leave out --resume to start anew"
        )
    return state


def _open_own(path: Path, flags: int) -> int:
    """Open a file of an interrupted export, unless others could have written to it."""
    not_ours = UsageError(
        f"{path.name} is a link, or others may write to it: leave out --resume to start anew"
    )
    if path.is_symlink():
        raise not_ours
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags)
    found = os.fstat(descriptor)
    if not is_private(found) or found.st_nlink != 1:
        os.close(descriptor)
        raise not_ours
    return descriptor


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that a crash leaves the old one or the new one, whole."""
    temporary = path.with_name(path.name + ".new")
    with _named(temporary), os.fdopen(replace_private(temporary), "wb") as file:
        file.write(content)
        _sync(file)
    temporary.replace(path)


@contextmanager
def _named(path: Path | None) -> Generator[None]:
    """Say in an error of writing which file could not be written."""
    try:
        yield
    except OSError as error:
        if error.filename is None and path is not None:
            error.filename = str(path)
        raise


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
