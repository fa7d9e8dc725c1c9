"""Questions to the user, who may also answer with Ctrl-C."""

import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager

import typer

from ._exit import UsageError


def ask_secret(question: str) -> str:
    """Ask for something that must not be seen."""
    with _interruptible():
        answer: str = typer.prompt(question, hide_input=True, err=True)
    return answer


def confirm(question: str | None, count: int) -> None:
    """Ask before what cannot be undone, with *count* in the question's braces; None: the user has
    said yes already.

    `UsageError` for a no, and when there is nobody to ask.
    """
    if question is None or count == 0:
        return
    if not sys.stdin.isatty():
        raise UsageError("this cannot be undone, and there is nobody to ask: say --yes")
    with _interruptible():
        if not typer.confirm(question.format(count), err=True):
            raise UsageError("nothing was written")


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
