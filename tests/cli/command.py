"""The command as a user runs it: a process of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping

COMMAND = [sys.executable, "-W", "error", "-m", "respondio_async.cli"]


def environment(**variables: str) -> dict[str, str]:
    """This process's environment, without what would point the command at a real account."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RESPONDIO_")}
    return kept | {"NO_COLOR": "1", "PYTHONUTF8": "1"} | variables


def respondio(
    *arguments: str, env: Mapping[str, str] | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(**(env or {})),
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


def start(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Start it and leave it running."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        env=environment(**(env or {})),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
