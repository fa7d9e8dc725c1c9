"""What Windows does otherwise, as far as it can be played on Linux.

What it has not is taken away: owners and modes of files, `O_NOFOLLOW`, signal handlers of the event
loop. What it does is done: a file that is open can be neither replaced nor removed, and a file that
is opened without `O_BINARY` gets a carriage return before each line feed.

    pytest -p tests.support.windows tests/storage

runs any tests so (`nox -s windows`). Tests of what is not there are skipped
(`tests.support.platforms`).
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from respondio_async._storage import _files
from respondio_async.webhooks import _progress

_MISSING = ("fchmod", "geteuid", "mkfifo", "O_NOFOLLOW", "O_NONBLOCK")
_BINARY = os.O_CLOEXEC
"""Stands for `O_BINARY`: Python sets this bit in any case, so that it changes nothing here."""


class SharingViolation(PermissionError):
    """WinError 32: the file is being used."""


def _is_open(path: Any) -> bool:
    """Whether this process has the file open, through the interpreter or not."""
    try:
        found = Path(path).stat()
    except OSError:
        return False
    for each in Path("/proc/self/fd").iterdir():
        try:
            other = os.fstat(int(each.name))
        except OSError:
            continue
        if (other.st_dev, other.st_ino) == (found.st_dev, found.st_ino):
            return True
    return False


def _unless_open(act: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(*paths: Any, **options: Any) -> Any:
        for path in paths:
            if isinstance(path, str | os.PathLike) and _is_open(path):
                raise SharingViolation(13, "The process cannot access the file", os.fspath(path))
        return act(*paths, **options)

    return guarded


def play(monkeypatch: pytest.MonkeyPatch) -> None:
    """Play it until *monkeypatch* is undone."""
    text_mode: set[int] = set()
    real_open, real_write = os.open, os.write

    def open_file(path: Any, flags: int, mode: int = 0o777, **options: Any) -> int:
        descriptor = real_open(path, flags, mode, **options)
        (text_mode.discard if flags & _BINARY else text_mode.add)(descriptor)
        return descriptor

    def write(descriptor: int, data: bytes) -> int:
        if descriptor not in text_mode:
            return real_write(descriptor, data)
        real_write(descriptor, bytes(data).replace(b"\n", b"\r\n"))
        return len(data)

    def no_signals(*_: object) -> None:
        raise NotImplementedError

    for name in _MISSING:
        monkeypatch.delattr(os, name)
    monkeypatch.setattr(os, "open", open_file)
    monkeypatch.setattr(os, "write", write)
    for name in ("replace", "rename", "unlink", "remove"):
        monkeypatch.setattr(os, name, _unless_open(getattr(os, name)))
    monkeypatch.setattr(asyncio.SelectorEventLoop, "add_signal_handler", no_signals)
    monkeypatch.setattr(_files, "IS_POSIX", False)
    for module in (_files, _progress):
        monkeypatch.setattr(module, "AS_IT_IS", _BINARY)


def pytest_configure(config: pytest.Config) -> None:
    """Play it for all tests, where this module is a plugin."""
    patches = pytest.MonkeyPatch()
    play(patches)
    config.add_cleanup(patches.undo)
