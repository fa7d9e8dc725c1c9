"""A terminal for the command when it runs in this process: a real one, with a reader."""

import os
import pty
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from respondio_async.cli._app import app

_FORMATTING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r\n|\x1b\[\?25[lh]")


class Shown:
    """What a command has put onto the terminal."""

    def __init__(self) -> None:
        self.raw = b""
        self.code: int | None = None

    @property
    def text(self) -> str:
        """The text, without the formatting that the command itself may use."""
        return _FORMATTING.sub(lambda found: "\n" if found[0] == "\r\n" else "", self.raw.decode())


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shown]:
    """Make standard output and standard error a terminal for as long as the block runs."""
    ours, theirs = pty.openpty()
    shown = Shown()

    def read() -> None:
        while True:
            try:
                found = os.read(ours, 65_536)
            except OSError:  # the other end is closed
                return
            if not found:
                return
            shown.raw += found

    reader = threading.Thread(target=read)
    reader.start()
    with monkeypatch.context() as patch:
        stream = os.fdopen(theirs, "w", encoding="utf-8", errors="replace")
        patch.setattr(sys, "stdout", stream)
        patch.setattr(sys, "stderr", stream)
        patch.setenv("TERM", "xterm")
        try:
            yield shown
        finally:
            stream.close()
            reader.join()
            os.close(ours)


def run_on_terminal(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Shown:
    """Run a command of `respondio` to its end."""
    with terminal(monkeypatch) as shown:
        try:
            app(list(arguments), prog_name="respondio")
        except SystemExit as end:
            shown.code = end.code if isinstance(end.code, int) else 0
    return shown
