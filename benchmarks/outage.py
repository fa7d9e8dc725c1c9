"""A total outage: how many requests does a client add to a server that is down?

    python -m benchmarks.outage [--calls 1000]

A thousand reads, which may all be repeated up to five times, against a server that answers 503, one
that resets every connection, and a port where nobody listens. Beside it what the same calls would
have cost without the retry budget.
"""

import argparse
import asyncio

from benchmarks.common import Figures
from respondio_async import AttemptEnded, RetryPolicy
from tests.faults import server as faults
from tests.faults.server import FaultServer
from tests.faults.support import connected, outcome

BOUND = 1.2


async def attempts_per_call(url: str, calls: int, retry: RetryPolicy) -> float:
    """Attempts, refused connections included, for each of *calls* launched at once."""
    attempts = 0

    def count(event: object) -> None:
        nonlocal attempts
        attempts += isinstance(event, AttemptEnded)

    async with connected(
        "httpx", url, retry=retry, hooks=[count], max_connections=64, timeout=30.0
    ) as client:
        outcomes = await asyncio.gather(*(outcome(client.contacts.get(7)) for _ in range(calls)))
    assert None not in outcomes
    return attempts / calls


async def outage(calls: int, *, budget: int = 60) -> dict[str, float]:
    """Attempts a call for each kind of outage."""
    retry = RetryPolicy(backoff=0.01, max_backoff=0.05, budget=budget)
    figures: dict[str, float] = {}
    for name, fault in (("503", faults.refuse(503)), ("reset", faults.reset())):
        async with FaultServer(default=fault) as server:
            figures[name] = await attempts_per_call(server.url, calls, retry)
            assert len(server.requests) <= figures[name] * calls + 1e-6
    figures["refused"] = await attempts_per_call(server.url, calls, retry)
    return figures


async def main(calls: int) -> None:
    figures = Figures()
    free = await outage(calls // 10, budget=10**6)
    for name, value in (await outage(calls)).items():
        figures.at_most(
            f"requests a call, {calls} calls, {name}",
            value,
            BOUND,
            f"without a budget: {free[name]:.2f}",
        )
    figures.exit()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1000)
    asyncio.run(main(parser.parse_args().calls))
