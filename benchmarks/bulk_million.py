"""A million items in virtual time at the vendor's limits: flat memory, no refusal, nothing lost,
nothing done twice.

The clock jumps from timer to timer; the limiter is the real one, and the server is a strict sliding
log that counts the items it sees. Run: python benchmarks/bulk_million.py
"""

import argparse
import asyncio
import tempfile
import time
from array import array
from collections import deque
from pathlib import Path
from typing import Any

import psutil

from respondio_async._engine import context
from respondio_async.bulk import Bulk
from respondio_async.limits import LocalRateLimiter
from respondio_async.limits._protocol import Feedback
from tests.support.virtual import VirtualLoop

ROUTE, LIMIT = "POST /contact/{identifier}/message", 10
LATENCY = 0.3
MIB = 2**20


class Server:
    """Refuses whatever would be the eleventh request within a second."""

    def __init__(self, count: int) -> None:
        self.seen = array("B", bytes(count))
        self.refused = 0
        self._log: deque[float] = deque(maxlen=LIMIT)

    def answer(self, item: int, now: float) -> int:
        if len(self._log) == LIMIT and now - self._log[0] < 1:
            self.refused += 1
            return 429
        self._log.append(now)
        self.seen[item] += 1
        return 200


async def run(count: int, journal: Path | None) -> int:
    limiter, server, loop = LocalRateLimiter(), Server(count), asyncio.get_running_loop()
    process = psutil.Process()

    async def send(item: int) -> None:
        status = 429
        while status == 429:
            reservation = await limiter.reserve(ROUTE, priority=context.current_priority.get())
            announce = context.before_unsafe_send.get()
            if announce is not None:
                await announce()
            await reservation.permit()
            status = server.answer(item, loop.time())
            await asyncio.sleep(LATENCY)
            limiter.update(
                reservation,
                Feedback(status, round_trip=LATENCY, retry_after=1.0 if status == 429 else None),
            )

    key: Any = None if journal is None else str
    began, begun = time.monotonic(), loop.time()
    start = peak = process.memory_info().rss
    ended = workers = 0
    async with Bulk(
        send, iter(range(count)), key=key, journal=journal, routes=limiter.statistics
    ) as bulk:
        async for outcome in bulk:
            assert outcome.ok, outcome.error
            ended += 1
            if ended % 1_000 == 0:
                peak = max(peak, process.memory_info().rss)
                workers = max(workers, bulk.statistics.workers)
    lost, doubled = server.seen.count(0), sum(times > 1 for times in server.seen)
    used = count / LIMIT / (loop.time() - begun)
    growth = (peak - start) / MIB
    print(
        f"{count} items{' with a journal' if journal else ''}: {time.monotonic() - began:.0f} s, "
        f"{workers} workers"
    )
    print(f"{loop.time() - begun:,.0f} virtual seconds, {used:.1%} of the limit")
    print(
        f"refused {server.refused}, lost {lost}, doubled {doubled}; peak RSS + {growth:.1f} MiB "
        "(at most 32)"
    )
    return int(bool(server.refused or lost or doubled or growth > 32 or ended != count))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--journal", action="store_true")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        asyncio.Runner(loop_factory=VirtualLoop) as runner,
    ):
        file = Path(folder) / "run.sqlite" if options.journal else None
        raise SystemExit(runner.run(run(options.items, file)))
