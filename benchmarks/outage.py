"""A total outage: how many requests does a client add to a server that is down?

    python -m benchmarks.outage [--calls 1000]

A thousand reads, launched at once with a deadline of a minute, against a server that answers 503 or
502, one that resets every connection, and a port where nobody listens. In virtual time, over real
sockets.
"""

import argparse
import asyncio

from benchmarks.common import Figures
from respondio_async import AttemptEnded, RetryPolicy
from tests.faults import server as faults
from tests.faults.server import FaultServer
from tests.faults.support import connected, outcome
from tests.support import virtual

BOUND = 1.2


async def attempts_per_call(url: str, calls: int) -> float:
    """Attempts, refused connections included, for each of *calls* launched at once."""
    attempts = 0

    def count(event: object) -> None:
        nonlocal attempts
        attempts += isinstance(event, AttemptEnded)

    async with connected(
        "httpx", url, retry=RetryPolicy(), hooks=[count], max_connections=64, deadline=60.0
    ) as client:
        outcomes = await asyncio.gather(*(outcome(client.contacts.get(7)) for _ in range(calls)))
    assert None not in outcomes
    return attempts / calls


async def outage(calls: int) -> dict[str, float]:
    """Attempts a call for each kind of outage."""
    figures: dict[str, float] = {}
    kinds = {"503": faults.refuse(503), "502": faults.answer(502, b"{}"), "reset": faults.reset()}
    for name, fault in kinds.items():
        async with FaultServer(default=fault) as server:
            figures[name] = await attempts_per_call(server.url, calls)
            assert len(server.requests) <= figures[name] * calls + 1e-6
    figures["refused"] = await attempts_per_call(server.url, calls)
    return figures


def main(calls: int) -> None:
    figures = Figures()
    for name, value in virtual.run(outage(calls)).items():
        figures.at_most(f"requests a call, {calls} calls, {name}", value, BOUND)
    figures.exit()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1000)
    main(parser.parse_args().calls)
