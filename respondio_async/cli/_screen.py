"""Where a command writes: results to standard output, progress and remarks to standard error."""

import sys
from typing import Any, TextIO

import msgspec
from rich.console import Console, RenderableType
from rich.text import Text

_PLAIN_WIDTH = 110
"""Columns of a table that goes to a file or a pipe, which have no width of their own."""


def _console(stream: TextIO) -> Console:
    return Console(file=stream, width=None if stream.isatty() else _PLAIN_WIDTH, highlight=False)


class Screen:
    """The two streams of one command.

    With *json*, standard output carries one JSON document and nothing else.
    """

    def __init__(self, *, json: bool = False) -> None:
        self.json = json
        self.out: Console = _console(sys.stdout)
        self.err: Console = _console(sys.stderr)

    @property
    def people(self) -> Console:
        """Where people read: beside the JSON, if that was asked for."""
        return self.err if self.json else self.out

    def show(self, renderable: RenderableType) -> None:
        """Print for people."""
        self.people.print(renderable)

    def line(self, text: str) -> None:
        """Print one line for people, as it is."""
        self.people.print(Text(text), soft_wrap=True)

    def note(self, text: str) -> None:
        """Print a remark to standard error."""
        self.err.print(Text(text), soft_wrap=True)

    def error(self, text: str) -> None:
        """Print why the command stops."""
        self.err.print(Text.assemble(("error: ", "bold red"), text), soft_wrap=True)

    def document(self, value: Any) -> None:
        """Print the JSON document."""
        self.out.file.write(
            msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"
        )
        self.out.file.flush()
