"""`python -m respondio_async.sandbox`: serve a sandbox from the command line."""

import argparse
from collections.abc import Sequence
from typing import Any, Final

from ._serve import serve
from .quirks import Quirks
from .windows import WINDOWS

_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "--host": {"default": "127.0.0.1"},
    "--port": {"type": int, "default": 0, "help": "0 takes any free port"},
    "--contacts": {"type": int, "default": 500},
    "--messages": {"type": int, "default": 0, "help": "old messages of each contact"},
    "--window": {
        "choices": sorted(WINDOWS), "default": "sliding", "help": "how requests are counted",
    },
    "--limits-factor": {"type": float, "default": 1.0, "help": "multiplies the vendor's limits"},
    "--no-limits": {"action": "store_true"},
    "--latency": {"type": float, "default": 0.0, "help": "seconds"},
    "--jitter": {"type": float, "default": 0.0, "help": "seconds"},
    "--calm": {"action": "store_true", "help": "new contacts are ready and listed at once"},
    "--keep": {"type": int, "default": 100_000, "help": "how many requests stay in the record"},
    "--webhook": {
        "action": "append", "default": [], "dest": "webhooks",
        "help": "a URL to which all events are sent",
    },
    "--seed": {"type": int, "default": 0},
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m respondio_async.sandbox", description="A stand-in for respond.io."
    )
    for flag, options in _OPTIONS.items():
        parser.add_argument(flag, **options)
    given = vars(parser.parse_args(arguments))
    if given.pop("no_limits"):
        given["limits"] = None
    given["quirks"] = Quirks.calm() if given.pop("calm") else Quirks()
    serve(**given)


if __name__ == "__main__":  # pragma: no cover - a test runs it in a process of its own
    main()
