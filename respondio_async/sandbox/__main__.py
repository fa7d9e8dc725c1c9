"""`python -m respondio_async.sandbox`: serve a sandbox from the command line."""

import argparse
from collections.abc import Sequence

from ._serve import serve
from .quirks import Quirks
from .windows import WINDOWS


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m respondio_async.sandbox", description="A stand-in for respond.io."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--contacts", type=int, default=500)
    parser.add_argument("--messages", type=int, default=0, help="old messages of each contact")
    parser.add_argument(
        "--window", choices=sorted(WINDOWS), default="sliding", help="how requests are counted"
    )
    parser.add_argument(
        "--limits-factor", type=float, default=1.0, help="multiplies the vendor's limits"
    )
    parser.add_argument("--no-limits", action="store_true")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds")
    parser.add_argument("--jitter", type=float, default=0.0, help="seconds")
    parser.add_argument(
        "--calm", action="store_true", help="new contacts are ready and listed at once"
    )
    parser.add_argument(
        "--keep", type=int, default=100_000, help="how many requests stay in the record"
    )
    parser.add_argument(
        "--webhook",
        action="append",
        default=[],
        dest="webhooks",
        help="a URL to which all events are sent",
    )
    parser.add_argument("--seed", type=int, default=0)
    options = vars(parser.parse_args(arguments))
    if options.pop("no_limits"):
        options["limits"] = None
    options["quirks"] = Quirks.calm() if options.pop("calm") else Quirks()
    serve(**options)


if __name__ == "__main__":  # pragma: no cover - a test runs it in a process of its own
    main()
