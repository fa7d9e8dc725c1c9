"""Time to import the client against importing its four dependencies, time to make a second client,
and time until the command has printed its help against importing what it is built with.

    python -m benchmarks.imports [--rounds 15]

Each import is timed inside a fresh interpreter; the sides take turns and the medians of user CPU
time are compared.
"""

import argparse
import statistics
import subprocess
import sys

from benchmarks.common import Figures

DEPENDENCIES = "import httpx, anyio, msgspec, aiolimiter"
OURS = "from respondio_async import AsyncRespond, Contact, F, LocalRateLimiter, Text"
TIMED = "import time; began = time.process_time()\n{}\nprint(time.process_time() - began)"
SECOND = (
    "import statistics, time; from respondio_async import AsyncRespond; AsyncRespond('x')\n"
    "times = []\n"
    "for n in range(50):\n"
    "    began = time.perf_counter(); AsyncRespond(f'token-{n}'); times.append(time.perf_counter() "
    "- began)\n"
    "print(statistics.median(times))"
)


COMMAND_BASE = "import typer, rich"
HELP, VERSION = (
    f"import sys, io; sys.argv[1:] = ['{option}']; shown, sys.stdout = sys.stdout, io.StringIO()\n"
    "from respondio_async.cli import main\n"
    "try: main()\n"
    "except SystemExit: pass\n"
    "sys.stdout = shown"
    for option in ("--help", "--version")
)
COMPLETION = (
    "import os; os.environ.update(_RESPONDIO_COMPLETE='complete_bash', "
    "COMP_WORDS='respondio contacts ', COMP_CWORD='2')\n" + VERSION
)


def run(code: str) -> float:
    return float(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
    )


def main(rounds: int) -> None:
    figures = Figures()
    run(TIMED.format(OURS))  # compiles what was not yet
    theirs, ours = [], []
    for _ in range(rounds):
        theirs.append(run(TIMED.format(DEPENDENCIES)))
        ours.append(run(TIMED.format(OURS)))
    base, whole = statistics.median(theirs), statistics.median(ours)
    figures.at_most(
        "import against the four dependencies",
        whole / base,
        1.10,
        f"{whole * 1e3:.0f} / {base * 1e3:.0f} ms",
    )
    sides = {"--help": HELP, "--version": VERSION, "completion": COMPLETION}
    times: dict[str, list[float]] = {name: [] for name in ("base", *sides)}
    for _ in range(rounds):
        times["base"].append(run(TIMED.format(COMMAND_BASE)))
        for name, code in sides.items():
            times[name].append(run(TIMED.format(code)))
    base = statistics.median(times["base"])
    for name in sides:
        whole = statistics.median(times[name])
        figures.at_most(
            f"respondio {name} against importing typer and rich",
            whole / base,
            1.6,
            f"{whole * 1e3:.0f} / {base * 1e3:.0f} ms",
        )
    figures.at_most(
        "a second client, ms", statistics.median(run(SECOND) for _ in range(5)) * 1e3, 1.0
    )
    figures.exit()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    main(parser.parse_args().rounds)
