"""What is left behind: memory, tasks and sockets over many calls, and over a long walk.

    python -m benchmarks.leaks [--calls 100000] [--contacts 1000000] [--backends httpx httpx2
    aiohttp]

RSS is read after a warm-up and again at the end; the server is another process. The walk's contacts
are not kept.
"""

import argparse
import asyncio
import gc

import psutil

from benchmarks.common import Figures, contact_server
from respondio_async import DEFAULT_LIMITS, AsyncRespond, LocalRateLimiter

MIB = 1024 * 1024


def rss() -> float:
    gc.collect()
    return psutil.Process().memory_info().rss / MIB


async def call_many(client: AsyncRespond, calls: int) -> None:
    left = calls

    async def work() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await client.contacts.get(437264483)

    await asyncio.gather(*(work() for _ in range(20)))


async def main(calls: int, contacts: int, backends: list[str]) -> None:
    figures = Figures()
    with contact_server() as base_url:
        for backend in backends:
            limiter = LocalRateLimiter(dict.fromkeys(DEFAULT_LIMITS, 1e6))
            async with AsyncRespond(
                "x", base_url=base_url, backend=backend, limiter=limiter
            ) as client:
                await call_many(client, max(1000, calls // 5))
                before = rss()
                await call_many(client, calls)
                figures.at_most(
                    f"{backend}: RSS growth over {calls:,} calls, MiB", rss() - before, 1.0
                )
                if contacts:
                    seen = 0
                    async for _ in client.contacts.list():
                        seen += 1
                        if seen == contacts // 10:
                            before = rss()
                        if seen == contacts:
                            break
                    figures.at_most(
                        f"{backend}: RSS growth over {seen:,} contacts walked, MiB",
                        rss() - before,
                        4.0,
                    )
            await asyncio.sleep(0.1)
            left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            figures.at_most(f"{backend}: tasks left", len(left), 0)
            figures.at_most(
                f"{backend}: sockets left", len(psutil.Process().net_connections(kind="tcp")), 0
            )
    figures.exit()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--backends", nargs="+", default=["httpx", "httpx2", "aiohttp"])
    args = parser.parse_args()
    asyncio.run(main(args.calls, args.contacts, args.backends))
