"""How a command ends: exit codes, and one place that turns an error into a word and a code."""

import asyncio
from collections.abc import Callable, Coroutine
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
from ._screen import Screen

EXIT_CODES = (
    "Exit codes: 0 all done · 1 something failed · 2 wrong usage or input, nothing was written · "
    "3 a write may or may not have happened: look before you repeat it · 4 the token was refused · "
    "130 stopped by Ctrl-C."
)
"""For help texts."""


class Exit(IntEnum):
    """The exit codes of every command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNKNOWN = 3
    REFUSED = 4
    INTERRUPTED = 130


class UsageError(RespondError):
    """The command cannot do what was asked, and has written nothing."""


def run(
    work: Callable[[], Coroutine[Any, Any, int]],
    screen: Screen,
    *,
    interrupted: str | Callable[[], str],
) -> None:
    """Run a command's work to its exit code.

    *interrupted* is what it says when it is stopped by Ctrl-C; a function of it (how to resume)
    also when a signal or an error stops it.
    """
    code: int
    try:
        code = asyncio.run(work())
    except KeyboardInterrupt:
        screen.note(interrupted if isinstance(interrupted, str) else interrupted())
        code = Exit.INTERRUPTED
    except SystemExit as end:  # SIGTERM, which a bulk run turns into this
        screen.note(interrupted if isinstance(interrupted, str) else interrupted())
        code = end.code if isinstance(end.code, int) else Exit.FAILED
    except (RespondError, OSError) as error:
        screen.error(describe(error))
        code = code_of(error)
        if code != Exit.USAGE and not isinstance(interrupted, str):
            screen.note(interrupted())
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


def describe(error: BaseException) -> str:
    """Say what went wrong in one line; the errors of this package hold neither tokens nor contacts'
    data.
    """
    if isinstance(error, OSError):
        return f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
    return str(error)
