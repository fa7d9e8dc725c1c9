"""Exit codes, and one place that turns an error into words and a code."""

from enum import IntEnum
from importlib import import_module
from typing import Any

from ..errors import (
    ConfigurationError,
    ForbiddenError,
    InvalidArgumentError,
    OutcomeUnknownError,
    RespondError,
    UnauthorizedError,
)


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


def needed(module: str, by: str, extra: str = "cli") -> Any:
    """Import what an extra brings. `UsageError` says how to get it; *by* is who needs it."""
    try:
        return import_module(module)
    except ImportError:
        package = module.partition(".")[0]
        raise UsageError(f"{by} {package}: pip install 'respondio-async[{extra}]'") from None
