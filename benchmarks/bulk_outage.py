"""A bulk run through an outage: what fails, what is sent twice, and how long it takes beyond it.

    python -m benchmarks.bulk_outage [--seconds 30 120]

150 messages at five a second, on a server in a process of its own that is killed (kill -9) in the
middle and started again some seconds later. Beside it the same run without an outage, at the same
time: the difference of the two, less the outage, is what the run has lost.
"""

import argparse
import asyncio
import tempfile
from pathlib import Path

from benchmarks.common import Figures
from respondio_async import AsyncRespond, LocalRateLimiter
from respondio_async.bulk import Progress
from tests.support.ledger import ledger_server

ITEMS = 150
RATE = 5.0
LOST = 10.0


async def through(seconds: float) -> tuple[Progress, int]:
    """Send all messages through an outage of so many seconds; how it went, and how many were sent
    twice.
    """
    limiter = LocalRateLimiter({"POST /contact/{identifier}/message": RATE})
    with tempfile.TemporaryDirectory() as folder, ledger_server(Path(folder, "ledger")) as server:
        server.start()
        async with AsyncRespond("token", base_url=server.url, limiter=limiter) as client:

            async def work(number: int) -> None:
                await client.messages.send(7, f"text-{number}-")

            async with client.bulk(work, range(ITEMS)) as run:
                draining = asyncio.ensure_future(run.drain())
                while seconds and len(server.bodies()) < ITEMS // 3:
                    await asyncio.sleep(0.05)
                if seconds:
                    server.kill()
                    await asyncio.sleep(seconds)
                    server.start()
                told = await draining
        bodies = b"\n".join(server.bodies())
    doubled = sum(bodies.count(b"text-%d-" % number) > 1 for number in range(ITEMS))
    return told, doubled


async def main(lengths: list[float]) -> None:
    figures = Figures()
    (calm, _), *runs = await asyncio.gather(*map(through, (0.0, *lengths)))
    for seconds, (told, doubled) in zip(lengths, runs, strict=True):
        lost = told.elapsed - calm.elapsed - seconds
        name = f"outage of {seconds:g} s, {ITEMS} messages"
        figures.at_most(f"{name}: failed", told.failed, 0, f"{told.unknown} unknown")
        figures.at_most(f"{name}: sent twice", doubled, 0)
        figures.at_most(f"{name}: seconds over the outage", lost, LOST)
    figures.exit()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, nargs="+", default=[30.0, 120.0])
    asyncio.run(main(parser.parse_args().seconds))
