"""Questions to the user, who may also answer with Ctrl-C."""

import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from io import TextIOBase

import typer

from ._exit import UsageError
from ._screen import counted, printable


def can_ask() -> bool:
    """Whether standard input is a terminal, at which a person can answer."""
    return isinstance(sys.stdin, TextIOBase) and sys.stdin.isatty()


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
