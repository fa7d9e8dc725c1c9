"""respondio_async and what people would use instead, beside a program that draws on the same limit.

    python -m benchmarks.peers_beside [--seconds 40] [--only NAME …] [--write]

One server for each contestant, each in a process of its own: a strict sliding second of ten, 80 ms
of work, up to 20 ms of jitter, Retry-After of a second. Twenty calls of the contestant's are open
at any time. All contestants do a row at the same time. *Used* is what it got of what the neighbour
left, after five seconds of warm-up.
"""

import argparse
import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import NamedTuple

import httpx

from benchmarks.common import Figures
from benchmarks.peers_clients import BESIDE, Operation, Where, is_ours, versions
from benchmarks.peers_worker import Worker
from benchmarks.sandbox_process import SandboxProcess, contact_of
from respondio_async.limits import DEFAULT_LIMITS
from tests.simulation.neighbours import NEIGHBOURS

RESULTS = Path(__file__).parent / "results" / "peers_beside.md"
WARM_UP = 5.0
CONTACTS = 50
LIMIT = DEFAULT_LIMITS["GET /contact/{identifier}"]
STYLES = {"steady": "steady", "bursts": "in bursts, once a second", "poisson": "at random"}
PARTS = (0.1, 0.5)
HEAD = "| Client | used | refused | refused of theirs | ours ÷ this |"


class Beside(NamedTuple):
    """What one contestant got."""

    name: str
    used: float
    refused: float
    theirs_refused: float

    def line(self, ours: float) -> str:
        ratio = "" if is_ours(self.name) else f"{ours / self.used:.2f}"
        return (
            f"| {self.name} | {self.used:.2f} | {self.refused:.1%} | {self.theirs_refused:.1%} "
            f"| {ratio} |"
        )


async def compete(name: str, style: str, part: float, seconds: float) -> Beside:
    """Let one contestant read as much as it can for so long."""
    async with AsyncExitStack() as stack:
        server = await asyncio.to_thread(
            lambda: SandboxProcess(
                window="sliding", contacts=CONTACTS, latency=0.08, jitter=0.02, keep=None
            )
        )
        stack.callback(server.__exit__)
        plain = await stack.enter_async_context(
            httpx.AsyncClient(headers={"Authorization": f"Bearer {server.token}"})
        )
        theirs = server.first + CONTACTS - 1
        whole = WARM_UP + seconds
        reads = [Operation("get", server.first + number) for number in range(CONTACTS - 1)]
        worker = Worker(name, Where(server.url, server.token), reads, whole)
        await asyncio.to_thread(worker.wait_until_ready)

        async def neighbour(at: float) -> None:
            await asyncio.sleep(at)
            with suppress(httpx.HTTPError):
                await plain.get(f"{server.url}/contact/id:{theirs}")

        dice = random.Random(f"{style} {part}")  # noqa: S311 - the same traffic for each
        began = time.monotonic()
        worker.go()
        tasks = [
            asyncio.create_task(neighbour(at))
            for at in NEIGHBOURS[style](LIMIT * part, whole, dice)
        ]
        await asyncio.gather(*tasks)
        await asyncio.to_thread(worker.results)
        arrivals = await asyncio.to_thread(server.ask, "arrivals")
    return count(
        name,
        [
            (contact_of(path) == theirs, refused)
            for at, _, path, _, refused, _ in arrivals
            if WARM_UP <= at - began < whole
        ],
        seconds,
    )


def count(name: str, arrived: Sequence[tuple[bool, bool]], seconds: float) -> Beside:
    """Whether each request was the neighbour's, and whether it was refused."""
    accepted, refused = (
        [sum(who == theirs and no == verdict for who, no in arrived) for theirs in (False, True)]
        for verdict in (False, True)
    )
    return Beside(
        name,
        accepted[0] / (LIMIT * seconds - accepted[1]),
        refused[0] / max(1, accepted[0] + refused[0]),
        refused[1] / max(1, accepted[1] + refused[1]),
    )


async def measure(names: Sequence[str], seconds: float) -> dict[str, list[Beside]]:
    """Everybody beside every neighbour; prints each row as it comes."""
    tables = {}
    for style, words in STYLES.items():
        for part in PARTS:
            title = f"{part:.0%}, {words}"
            rows = await asyncio.gather(*(compete(name, style, part, seconds) for name in names))
            tables[title] = rows
            print(f"\n{table(title, rows)}", flush=True)
    return tables


def table(title: str, rows: Sequence[Beside]) -> str:
    """One neighbour's table."""
    ours = max((row.used for row in rows if is_ours(row.name)), default=0.0)
    lines = [f"## A neighbour of {title}", "", HEAD, "| --- |" + " ---: |" * 4]
    return "\n".join([*lines, *(row.line(ours) for row in rows)])


def judge(tables: dict[str, list[Beside]]) -> Figures:
    """Our own rows against the best of the others: hardly less used, a fraction refused."""
    figures = Figures()
    for title, rows in tables.items():
        others = [row for row in rows if not is_ours(row.name)] or [Beside("", 1.0, 1.0, 1.0)]
        best = max(row.used for row in others)
        least = min(row.refused for row in others)
        for row in rows:
            if is_ours(row.name):
                figures.at_least(f"{title}: used, ours ÷ the best", row.used / best, 0.65)
                figures.at_most(f"{title}: refused, ours ÷ the least", row.refused / least, 0.25)
    return figures


def main(names: Sequence[str], seconds: float, *, write: bool) -> Figures:
    tables = asyncio.run(measure(names, seconds))
    if write:
        how = (
            f"{seconds:.0f} s each, all at once; a strict sliding second of {LIMIT:g}, 80 ms, 20 "
            "ms of jitter. *Used* is what the client got of what the neighbour left."
        )
        command = f"`python -m benchmarks.peers_beside --write` · {versions()}"
        told = ["# Beside a program that draws on the same limit", command, how]
        told += [table(title, rows) for title, rows in tables.items()]
        RESULTS.write_text("\n\n".join(told) + "\n", encoding="utf-8")
    return judge(tables)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--only", nargs="+", choices=BESIDE, default=list(BESIDE), metavar="NAME")
    parser.add_argument("--write", action="store_true", help="renew benchmarks/results")
    given = parser.parse_args()
    main(given.only, given.seconds, write=given.write).exit()
