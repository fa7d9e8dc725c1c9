"""How a command ends: exit codes, and one place that turns an error into words and a code."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from enum import IntEnum
from typing import Any

import typer

from ..errors import (
    ConfigurationError,
    ForbiddenError,
    InvalidArgumentError,
    OutcomeUnknownError,
    RespondError,
    UnauthorizedError,
)
from ._screen import Screen, flush


class Exit(IntEnum):
    """The exit codes of every command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNKNOWN = 3
    REFUSED = 4
    LEFT_OUT = 5
    """All that was tried is done; rows that could not be read were left out, as asked for."""
    INTERRUPTED = 130
    CLOSED_PIPE = 141
    """The reader of the output has closed the pipe: what a shell reports of a program that a signal
    ended so.
    """


class UsageError(RespondError):
    """The command cannot do what was asked, and has written nothing."""

    def __init__(self, message: str, *details: str) -> None:
        """*details* are printed below, a line each."""
        super().__init__(message)
        self.details = details


def run(
    work: Callable[[], Coroutine[Any, Any, int]],
    screen: Screen,
    *,
    interrupted: str | Callable[[], Sequence[str]],
) -> None:
    """Run a command's work to its exit code.

    *interrupted* is what it says when it is stopped by Ctrl-C; a function of it (how to resume)
    also when a signal or an error stops it.
    """
    code: int
    last_words = (lambda: [interrupted]) if isinstance(interrupted, str) else interrupted
    try:
        if screen.json and not screen.has_output:
            raise UsageError("standard output is closed, and the result would go there")
        code = asyncio.run(work())
        if (failure := flush(sys.stdout)) is not None:
            raise failure
    except KeyboardInterrupt:
        screen.note(*last_words())
        code = Exit.INTERRUPTED
    except SystemExit as end:  # SIGTERM, which a bulk run turns into this
        screen.note(*last_words())
        code = end.code if isinstance(end.code, int) else Exit.FAILED
    except BrokenPipeError:  # of standard output: the client's own are TransportErrors
        code = Exit.CLOSED_PIPE
    except (RespondError, OSError) as error:
        screen.error(*describe(error))
        code = code_of(error)
        if code != Exit.USAGE and not isinstance(interrupted, str):
            screen.note(*last_words())
    flush(sys.stdout)
    raise typer.Exit(int(code))


def code_of(error: BaseException) -> Exit:
    """The exit code that an error ends a command with."""
    match error:
        case UsageError() | ConfigurationError() | InvalidArgumentError():
            return Exit.USAGE
        case UnauthorizedError() | ForbiddenError():
            return Exit.REFUSED
        case OutcomeUnknownError():
            return Exit.UNKNOWN
        case _:
            return Exit.FAILED


def describe(error: BaseException) -> list[str]:
    """Say what went wrong, in a line and perhaps some details; the errors of this package hold
    neither tokens nor contacts' data.
    """
    if isinstance(error, OSError):
        where = f": {error.filename}" if error.filename else ""
        return [f"{error.strerror or error}{where}"]
    return [str(error), *(error.details if isinstance(error, UsageError) else ())]
