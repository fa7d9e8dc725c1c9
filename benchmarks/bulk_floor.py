"""A migration against the floor that the limits set: 2,000 contacts, five writes each, at twenty
times the vendor's limits.

The floor is what the slowest route needs for its calls at its limit; the sandbox, in a process of
its own, enforces the limits as a strict sliding log. Run: python benchmarks/bulk_floor.py
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from respondio_async import AsyncRespond
from respondio_async.limits import DEFAULT_LIMITS, LocalRateLimiter
from respondio_async.sandbox import Sandbox
from respondio_async.sandbox.quirks import Quirks

ROUTES = (
    "POST /contact/create_or_update/{identifier}",
    "POST|DELETE /contact/{identifier}/tag",
    "POST /contact/{identifier}/lifecycle/update",
    "POST /contact/{identifier}/message",
    "POST /contact/{identifier}/conversation/assignee",
)


def serve(count: int, factor: float, latency: float) -> None:
    """Be the server, until standard input ends; then tell what arrived."""
    with Sandbox(
        contacts=count, limits_factor=factor, latency=latency, quirks=Quirks.calm(), keep=0
    ) as sandbox:
        first = min(contact.id for contact in sandbox.contacts)
        user = next(iter(sandbox.state.users))
        stage = sandbox.state.lifecycle_stages[0]
        print(json.dumps([sandbox.url, sandbox.token, first, user, stage]), flush=True)
        sys.stdin.read()
        counts = {route: sandbox.routes[route].processed for route in ROUTES}
        print(json.dumps([sandbox.refusals, counts, len(sandbox.duplicates())]), flush=True)


async def migrate(told: list[Any], count: int, factor: float) -> tuple[float, int, int]:
    """Give the seconds, the largest number of workers and the number of failed items."""
    url, token, first, user, stage = told
    limiter = LocalRateLimiter(limits={route: DEFAULT_LIMITS[route] * factor for route in ROUTES})
    async with AsyncRespond(token, base_url=url, limiter=limiter, max_connections=200) as client:

        async def work(number: int) -> None:
            contact = first + number
            await client.contacts.create_or_update(contact, first_name=f"N{number}")
            await client.contacts.add_tags(contact, "imported")
            await client.contacts.update_lifecycle(contact, stage)
            await client.messages.send(contact, f"hello {number}")
            await client.conversations.assign(contact, user)

        failed = workers = 0
        began = time.perf_counter()
        async with client.bulk(work, range(count), key=str) as run:
            async for outcome in run:
                failed += not outcome.ok
                if not outcome.ok and failed == 1:
                    print(repr(outcome.error))
                workers = max(workers, run.statistics.workers)
        return time.perf_counter() - began, workers, failed


async def main(count: int, factor: float, latency: float) -> int:
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve", str(count), str(factor), str(latency)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    with server:
        assert server.stdout is not None
        assert server.stdin is not None
        told = json.loads(server.stdout.readline())
        seconds, workers, failed = await migrate(told, count, factor)
        server.stdin.close()
        refused, counts, doubled = json.loads(server.stdout.readline())
    floor = count / (min(DEFAULT_LIMITS[route] for route in ROUTES) * factor)
    print(
        f"{count} contacts × {len(ROUTES)} calls, limits × {factor:g}: {seconds:.2f} s, the floor "
        f"is {floor:.2f} s"
    )
    print(
        f"ratio {seconds / floor:.3f} (at most 1.05); {workers} workers; refused {refused}, failed "
        f"{failed}, doubled {doubled}"
    )
    short = {route: processed for route, processed in counts.items() if processed != count}
    print(f"CPU of this process {time.process_time():.1f} s")
    print(f"each route did each contact once: {not short}")
    return int(seconds / floor > 1.05 or bool(failed or doubled or short))


if __name__ == "__main__":
    if "--serve" in sys.argv:
        serve(int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
        raise SystemExit
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=2_000)
    parser.add_argument("--factor", type=float, default=20.0)
    parser.add_argument(
        "--latency", type=float, default=0.05, help="seconds that the server takes for an answer"
    )
    options = parser.parse_args()
    raise SystemExit(asyncio.run(main(options.contacts, options.factor, options.latency)))
