"""What the models cost: a page of 100 contacts against a bare msgspec decoder, and 100,000 kept
contacts against dicts.

    python benchmarks/decode.py [--short]

Both sides of each ratio are measured in one run: the times in alternating rounds (median), the
memory in a fresh process each, as what the process grew by. The drifted page shows what leniency
costs; it has no bound.
"""

import argparse
import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec
import psutil

from respondio_async._wire._decode import decode
from respondio_async.models import Contact, Page

DECODE_BOUND = 1.02
MEMORY_BOUND = 0.64


def contact(number: int) -> dict[str, Any]:
    """A contact as the server sends it, every text its own."""
    return {
        "id": 400_000_000 + number,
        "firstName": f"First{number}",
        "lastName": f"Last{number}",
        "phone": f"+6012{number:07}",
        "email": f"person{number}@example.com",
        "language": "en",
        "profilePic": f"https://cdn.example.com/pictures/{number}.png",
        "countryCode": "MY",
        # The server sends every custom field of the workspace with every contact, set or not.
        "custom_fields": [
            {"name": "plan", "value": f"gold-{number % 7}"},
            {"name": "age", "value": str(number % 90)},
            {"name": "member_since", "value": f"2024-{number % 12 + 1:02}-01"},
            {"name": "newsletter", "value": "true"},
            {"name": "referred_by", "value": None},
        ],
        "status": "open",
        "isBlocked": False,
        "tags": ["vip", f"batch-{number % 50}"],
        "assignee": {
            "id": number % 20,
            "firstName": "Ann",
            "lastName": "Lee",
            "email": "ann@example.com",
        },
        "lifecycle": "Lead",
        "created_at": 1_700_000_000 + number,
    }


def page(first: int, **changed: object) -> bytes:
    """A page of 100 contacts."""
    items = [contact(first + number) | changed for number in range(100)]
    link = f"https://api.respond.io/contact/list?limit=100&cursorId={first + 100}"
    return json.dumps({"items": items, "pagination": {"next": link, "previous": None}}).encode()


def seconds(work: Callable[[], object], repeats: int) -> float:
    """CPU seconds of one run of the work."""
    started = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - started) / repeats


def compare_speed(rounds: int) -> float:
    """Print and return the time of `decode` over that of a bare decoder for the same type."""
    content = page(0)
    bare = msgspec.json.Decoder(Page[Contact])
    sides: dict[str, Callable[[], object]] = {
        "bare": lambda: bare.decode(content),
        "ours": lambda: decode(content, Page[Contact]).value,
    }
    ratios: list[float] = []
    times: dict[str, list[float]] = {name: [] for name in sides}
    for round_number in range(rounds):
        for name in sorted(sides, reverse=bool(round_number % 2)):
            times[name].append(seconds(sides[name], 200))
        ratios.append(times["ours"][-1] / times["bare"][-1])
    drifted = page(0, id="5", tags=None)
    lenient = seconds(lambda: decode(drifted, Page[Contact]), 5)
    plain = seconds(lambda: json.loads(content), 50)
    for name, values in times.items():
        print(f"page of 100 contacts, {name}: {statistics.median(values) * 1e6:.0f} µs")
    print(
        f"json.loads: {plain * 1e6:.0f} µs; every item drifted in two fields: {lenient * 1e6:.0f} "
        "µs"
    )
    return statistics.median(ratios)


def keep(side: str, count: int) -> None:
    """Keep that many contacts and print by how many bytes the process grew."""
    read: Callable[[bytes], list[Any]]
    if side == "models":
        read = lambda content: decode(content, Page[Contact]).value.items  # noqa: E731
    else:
        read = lambda content: json.loads(content)["items"]  # noqa: E731
    read(page(0))
    gc.collect()
    process = psutil.Process()
    before = process.memory_info().rss
    kept: list[Any] = []
    for first in range(0, count, 100):
        kept.extend(read(page(first)))
    gc.collect()
    print(process.memory_info().rss - before)


def compare_memory(count: int) -> float:
    """Print and return the memory of kept models over that of kept dicts."""
    grown: dict[str, int] = {}
    for side in ("dicts", "models"):
        command = [sys.executable, __file__, "--keep", side, "--count", str(count)]
        grown[side] = int(
            subprocess.run(command, check=True, capture_output=True, text=True).stdout
        )
        print(f"{count:,} contacts kept as {side}: {grown[side] / 2**20:.1f} MiB")
    return grown["models"] / grown["dicts"]


def main() -> int:
    """Measure, print, and fail where a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer rounds and contacts")
    parser.add_argument("--keep", choices=("dicts", "models"), help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, default=100_000, help="contacts to keep")
    options = parser.parse_args()
    if options.keep:
        keep(options.keep, options.count)
        return 0
    speed = compare_speed(11 if options.short else 41)
    memory = compare_memory(20_000 if options.short else options.count)
    print(f"decode, ours / bare: {speed:.3f} (at most {DECODE_BOUND})")
    print(f"memory, models / dicts: {memory:.3f} (at most {MEMORY_BOUND})")
    return int(speed > DECODE_BOUND or memory > MEMORY_BOUND)


if __name__ == "__main__":
    raise SystemExit(main())
