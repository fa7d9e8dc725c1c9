"""What a bulk run costs an item, above workers that somebody wrote by hand: at most 15 µs, and 60
µs with a journal.

Both sides are measured in turn in one process, with work that does nothing, and the least of the
rounds counts: what is above it is the machine's. Run: python benchmarks/bulk_overhead.py
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from respondio_async.bulk import Bulk

WORKERS = 64


async def work(item: int) -> int:
    return item


async def by_hand(count: int) -> float:
    """The workers of a migration script: an iterator, a try, a list of results that is read and
    dropped.
    """
    items: Iterator[int] = iter(range(count))
    done = 0

    async def serve() -> None:
        nonlocal done
        for item in items:
            try:
                await work(item)
                done += 1
            except Exception:
                done -= 1

    began = time.perf_counter()
    await asyncio.gather(*(serve() for _ in range(WORKERS)))
    assert done == count
    return time.perf_counter() - began


async def in_bulk(count: int, journal: Path | None) -> float:
    began = time.perf_counter()
    key = None if journal is None else str
    async with Bulk(work, range(count), key=key, journal=journal, concurrency=WORKERS) as run:
        done = 0
        async for outcome in run:
            done += outcome.ok
    assert done == count
    return time.perf_counter() - began


async def main(count: int, rounds: int) -> int:
    bare, plain, journalled = [], [], []
    for number in range(rounds):
        bare.append(await by_hand(count))
        plain.append(await in_bulk(count, None))
        with tempfile.TemporaryDirectory() as folder:
            journalled.append(await in_bulk(count, Path(folder) / f"{number}.sqlite"))
    floor = min(bare)
    without, with_journal = ((min(times) - floor) / count * 1e6 for times in (plain, journalled))
    print(f"{count} items, best of {rounds}: by hand {floor / count * 1e6:.2f} µs an item")
    print(f"bulk without a journal  + {without:5.1f} µs an item (at most 15)")
    print(f"bulk with a journal     + {with_journal:5.1f} µs an item (at most 60)")
    return int(without > 15 or with_journal > 60)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    raise SystemExit(asyncio.run(main(arguments.items, arguments.rounds)))
