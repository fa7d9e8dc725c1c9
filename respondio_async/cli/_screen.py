"""Where a command writes: results to standard output, progress and remarks, and questions, to
standard error.

Everything that reaches a terminal goes through `printable` here, once, behind all formatting: a
contact chooses its own name, a file its own columns, and either may hold escape sequences. What
goes to a file or a pipe stays as it is.
"""

import os
import re
import signal
import sys
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from io import TextIOBase
from typing import Any, Final, TextIO

import msgspec
import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from ._exit import UsageError

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


def full_name(person: Any) -> str:
    """Write the parts of a name that there are."""
    return " ".join(filter(None, (person.first_name, person.last_name)))


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


class _Forgiving:
    """Standard error, whose reader may go away."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(ValueError):
            flush(self._stream)


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


def can_ask() -> bool:
    """Whether standard input is a terminal, at which a person can answer."""
    return sys.stdin.isatty()


def ask_secret(question: str) -> str:
    """Ask for something that must not be seen."""
    with _interruptible():
        answer: str = typer.prompt(question, hide_input=True, err=True)
    return answer


def confirm(question: str | None, count: int, noun: str) -> None:
    """Ask before what cannot be undone, with *count* things in the question's braces; None: the
    user has said yes already.

    `UsageError` for a no, and when standard input is no terminal.
    """
    if question is None or count == 0:
        return
    if not can_ask():
        raise UsageError("this cannot be undone, and there is nobody to ask: say --yes")
    if not ask(question.format(counted(count, noun))):
        raise UsageError("nothing was written")


def ask(question: str) -> bool:
    """Ask for a yes or a no."""
    with _interruptible():
        return typer.confirm(printable(question).replace("\n", " "), err=True)


@contextmanager
def _interruptible() -> Generator[None]:
    """Let Ctrl-C end a question: asyncio's own handler waits for the task, and the task waits for
    the answer.
    """
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except typer.Abort:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, previous)
