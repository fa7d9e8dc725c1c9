"""The `respondio` command. Needs the extra `cli`; without it, it says how to get it."""

import sys
from io import TextIOWrapper

_MISSING = (
    "the respondio command needs more than the client does: pip install 'respondio-async[cli]'"
)


def main() -> None:
    """Run the command with the process's arguments."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(
            stream, TextIOWrapper
        ):  # a terminal that knows no "✓" shall show a "?", not a traceback
            stream.reconfigure(errors="replace")
    try:
        from ._app import app
    except ModuleNotFoundError as error:
        # Only what the extra brings: a module of our own that is missing is a bug, and must look
        # like one.
        if (error.name or "").partition(".")[0] not in {"typer", "rich", "click"}:
            raise
        sys.stderr.write(f"respondio: {error.name} is not installed; {_MISSING}\n")
        raise SystemExit(2) from None
    app(prog_name="respondio")
