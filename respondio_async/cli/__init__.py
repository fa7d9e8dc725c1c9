"""The `respondio` command. Needs the extra `cli`; without it, it says how to get it."""

import os
import sys
from io import TextIOWrapper

_MISSING = (
    "the respondio command needs more than the client does: pip install 'respondio-async[cli]'"
)


def main() -> None:
    """Run the command with the process's arguments."""
    # A stream that was closed before the start leaves its number free: the next file or socket
    # would get it, and with it what libraries write there.
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    # Python has no object for such a stream: nothing is read from it then, and remarks are lost.
    # That standard output is closed stays known: a command's result would go there.
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no "✓" shows a "?"
    try:
        from ._app import app

        app(prog_name="respondio")
    except ModuleNotFoundError as error:
        # Only what the extra brings: a module of our own that is missing is a bug, and must look
        # like one.
        if (error.name or "").partition(".")[0] not in {"typer", "rich", "click"}:
            raise
        sys.stderr.write(f"respondio: {error.name} is not installed; {_MISSING}\n")
        raise SystemExit(2) from None
