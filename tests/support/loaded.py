"""Run the suite on a machine that is busy with something else: no test may depend on its speed.

    python tests/support/loaded.py [--times 3] [--loops 2] [--one-core] [-- pytest's arguments]

The busy loops are favoured by the scheduler where that is allowed. `--one-core` puts the suite and
the loops on one core, so that each gets a fraction of it.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

SPIN = "import os\ntry:\n    os.nice(-5)\nexcept OSError:\n    pass\nwhile True:\n    pass"


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """Keep the machine busy with so many loops."""
    running = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(loops)]
    try:
        yield
    finally:
        for each in running:
            each.kill()
            each.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--loops", type=int, default=2)
    parser.add_argument("--one-core", action="store_true")
    parser.add_argument("arguments", nargs="*", default=["-q", "-n", "auto"])
    options = parser.parse_args()
    if options.one_core:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    failed = 0
    with busy(options.loops):
        for turn in range(1, options.times + 1):
            began = time.monotonic()
            code = subprocess.call([sys.executable, "-m", "pytest", *options.arguments])
            failed += code != 0
            verdict = "passed" if code == 0 else f"failed ({code})"
            print(f"run {turn} of {options.times}: {verdict}, {time.monotonic() - began:.0f} s")
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
