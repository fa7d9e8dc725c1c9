"""Where a command writes: results to standard output, progress and remarks to standard error.

Everything that reaches a terminal goes through `printable` here, once, behind all formatting: a
contact chooses its own name, a file its own columns, and either may hold escape sequences. What
goes to a file or a pipe stays as it is.
"""

import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from io import TextIOBase
from typing import Any, Final, TextIO

import msgspec
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

_PLAIN_WIDTH: Final = 110
"""Columns of a table that goes to a file or a pipe, which have no width of their own."""

# Control characters but tab and newline; marks that turn the direction of writing, join or hide
# text; separators of lines; lone surrogates. The two joiners stay: emoji and several scripts need
# them.
_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e007f]"
)


def printable(text: str) -> str:
    r"""Write what a terminal would act on or hide as `\u001b`: JSON stays the same JSON."""
    return _HIDDEN.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def shorten(text: str, length: int) -> str:
    """Make one short line of a foreign text, for a summary."""
    line = "".join(each if each.isprintable() else " " for each in text)
    return line if len(line) <= length else line[: length - 1] + "…"


def counted(count: int, noun: str) -> str:
    """Write "1 contact", "2 contacts"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def table_of(
    headings: Iterable[str],
    rows: Iterable[Iterable[object]],
    *,
    numbers: Collection[str] = (),
    header: bool = True,
    title: str | None = None,
) -> Table:
    """Make a table; None is an empty cell. *numbers*: the columns that are aligned to the right."""
    table = Table(box=None, padding=(0, 1), show_header=header, title=title, title_justify="left")
    for heading in headings:
        table.add_column(
            heading, overflow="fold", justify="right" if heading in numbers else "left"
        )
    for row in rows:
        cells = ("" if cell is None else cell for cell in row)
        table.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in cells))
    return table


class Screen:
    """The two streams of one command.

    With *json*, standard output carries one JSON document, or data, and nothing else.
    """

    def __init__(self, *, json: bool = False) -> None:
        self.json = json
        self.last_words: Callable[[], Sequence[str]] | None = None
        """What a command says when it is stopped on its way: how to resume it."""
        self.has_output: bool = isinstance(sys.stdout, TextIOBase)
        """Whether standard output was open when the command started."""
        self.out: Console = _console(sys.stdout)
        # A remark that cannot be written must not stop the work.
        self.err: Console = _console(_Forgiving(sys.stderr))

    @property
    def people(self) -> Console:
        """Where people read: beside the JSON, if that was asked for."""
        return self.err if self.json else self.out

    def show(self, renderable: RenderableType) -> None:
        """Print for people."""
        self.people.print(renderable)

    def line(self, *texts: str) -> None:
        """Print lines for people, a text each."""
        _print_lines(self.people, texts)

    def note(self, *texts: str) -> None:
        """Print remarks to standard error, a line each."""
        _print_lines(self.err, texts)

    def error(self, first: str, *more: str) -> None:
        """Print why the command stops."""
        self.err.print(Text("error: ", style="bold red"), end="")
        _print_lines(self.err, (first, *more))

    def result(self, value: Any, shown: RenderableType) -> None:
        """Print what a command has found: as JSON if that was asked for, or for people."""
        if self.json:
            self.document(value)
        elif isinstance(shown, str):
            self.line(shown)
        else:
            self.show(shown)

    def document(self, value: Any) -> None:
        """Print the JSON document."""
        self.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")

    def write(self, data: bytes) -> None:
        """Write lines of data to standard output."""
        out: Any = self.out.file
        if out.isatty() or not hasattr(out, "buffer"):
            out.write(printable(data.decode()))
        else:
            out.flush()
            out.buffer.write(data)
        out.flush()


class _Terminal(Console):
    """A console whose text, however it is formatted, cannot give orders to the terminal."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control or not _HIDDEN.search(segment.text):
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)

    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704 - rich calls this where it has caught it; `run` ends the command


class _Forgiving(TextIOBase):
    """Standard error, whose reader may go away."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            if self._stream is not None:
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(ValueError):
            flush(self._stream)

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        if self._stream is None:
            raise OSError("standard error is closed")
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(self._stream, "encoding", None) or "utf-8"


def flush(stream: TextIO | None) -> OSError | None:
    """Write out what a standard stream still holds; when it cannot be written, drop it and return
    why, or the interpreter would fail on it once more at its end.
    """
    if stream is None:
        return None
    try:
        stream.flush()
    except OSError as error:
        with suppress(OSError, ValueError):
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, stream.fileno())
            os.close(nothing)
        return error
    return None


def _console(stream: Any) -> Console:
    is_terminal = stream is not None and stream.isatty()
    return _Terminal(
        file=stream,
        width=None if is_terminal else _PLAIN_WIDTH,
        highlight=False,
        markup=False,  # "[bold]" in a name is a name
        emoji=False,
    )


def _print_lines(console: Console, texts: Iterable[str]) -> None:
    for text in texts:
        if console.file.isatty():
            # A newline in foreign text must not start a line that looks like the command's own.
            console.print(Text(printable(text).replace("\n", "\\u000a")), soft_wrap=True)
        else:
            console.file.write(f"{text}\n")
            console.file.flush()
