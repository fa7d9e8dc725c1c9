"""Others on the same limit, on real sockets: `python -m benchmarks.limits_neighbours`.

A strict server (a sliding second, ten a second, 80 ms, jitter 20 ms) in a process of its own for
each row; one busy client of ours, or several that do not know of one another, and a program that
draws on the same organisation's limit. Used is what we got of what the others left; refused is a
part of what we sent. Rows run some at a time, five seconds of warm-up first.
"""

import argparse
import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from typing import NamedTuple

import httpx

from benchmarks.common import Figures
from benchmarks.sandbox_process import SandboxProcess
from respondio_async import AsyncRespond, LocalRateLimiter, RespondError
from tests.simulation.neighbours import NEIGHBOURS

GET = "GET /contact/{identifier}"
WARM_UP = 5.0


class Row(NamedTuple):
    """One row: who else is there, and what is asked of us."""

    name: str
    use: float
    refused: float
    neighbour: str = "none"
    part: float = 0.5
    clients: int = 1
    headers: bool = True
    limit: int = 10


ROWS = (
    Row("nobody", 0.97, 0.0),
    Row("steady 10 %", 0.93, 0.01, "steady", 0.1),
    Row("steady 50 %", 0.82, 0.02, "steady"),
    Row("bursts 50 %", 0.92, 0.01, "bursts"),
    Row("at random 10 %", 0.78, 0.03, "poisson", 0.1),
    Row("at random 50 %", 0.58, 0.07, "poisson"),
    Row("steady 50 %, no headers", 0.75, 0.05, "steady", headers=False),
    Row("2 siblings", 0.93, 0.01, clients=2),
    Row("4 siblings", 0.92, 0.015, clients=4),
    Row("4 siblings, no headers", 0.78, 0.05, clients=4, headers=False),
    Row("true limit 5, believed 10, no headers", 0.85, 0.05, headers=False, limit=5),
)


class Result(NamedTuple):
    """What came of a row."""

    use: float
    refused: float
    theirs_refused: float
    fairness: float
    after: float
    """Ours a second, from five seconds after the others have left."""
    refused_after: int


async def measure(row: Row, seconds: float, after: float) -> Result:
    """Run a row."""
    options = {"contacts": 50, "latency": 0.08, "jitter": 0.02, "keep": None}
    async with AsyncExitStack() as stack:
        server = await asyncio.to_thread(
            lambda: SandboxProcess(
                window="sliding", limits={GET: row.limit}, headers=row.headers, **options
            )
        )
        stack.callback(server.__exit__)
        clients = [
            await stack.enter_async_context(
                AsyncRespond(
                    server.token, base_url=server.url, limiter=LocalRateLimiter(), deadline=600
                )
            )
            for _ in range(row.clients)
        ]
        plain = await stack.enter_async_context(
            httpx.AsyncClient(headers={"Authorization": f"Bearer {server.token}"})
        )
        theirs = server.first + 49

        async def neighbour(at: float) -> None:
            await asyncio.sleep(at)
            with suppress(httpx.HTTPError):
                await plain.get(f"{server.url}/contact/id:{theirs}")

        async def ours(place: int, client: AsyncRespond) -> None:
            while True:
                with suppress(RespondError):
                    await client.contacts.get(server.first + place)

        began = time.monotonic()
        whole = WARM_UP + seconds
        dice = random.Random(row.name)  # noqa: S311 - the same traffic each time
        tasks = [
            asyncio.create_task(neighbour(at))
            for at in NEIGHBOURS[row.neighbour](10 * row.part, whole, dice)
        ]
        for place, client in enumerate(clients):
            tasks += [asyncio.create_task(ours(place, client)) for _ in range(20)]
        await asyncio.sleep(began + whole + after - time.monotonic())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        arrivals = await asyncio.to_thread(server.ask, "arrivals")
    counted = [
        (at - began, int(path.rpartition("id")[2].lstrip(":%3A")) - server.first, refused)
        for at, _, path, _, refused, _ in arrivals
    ]
    return judge(row, counted, seconds, after)


def judge(row: Row, counted: list[tuple[float, int, bool]], seconds: float, after: float) -> Result:
    """Count what arrived: when, whose, and whether it was refused."""
    end = WARM_UP + seconds
    mine = [(place, no) for at, place, no in counted if WARM_UP <= at < end and place != 49]
    others = [no for at, place, no in counted if WARM_UP <= at < end and place == 49]
    accepted = [place for place, no in mine if not no]
    parts = [accepted.count(place) for place in range(row.clients)]
    left = row.limit * seconds - others.count(False)
    late = [(at, no) for at, place, no in counted if end + 5 <= at < end + after and place != 49]
    return Result(
        len(accepted) / left,
        (len(mine) - len(accepted)) / max(1, len(mine)),
        others.count(True) / max(1, len(others)),
        max(parts) / max(1, min(parts)),
        sum(not no for _, no in late) / max(1.0, after - 5),
        sum(no for _, no in late),
    )


async def measure_neighbours(
    figures: Figures,
    seconds: float = 40.0,
    after: float = 15.0,
    together: int = 4,
    names: Sequence[str] = (),
) -> None:
    """Run the rows with these parts in their names, or all."""
    rows = [row for row in ROWS if not names or any(name in row.name for name in names)]
    for some in (rows[at : at + together] for at in range(0, len(rows), together)):
        results = await asyncio.gather(*(measure(row, seconds, after) for row in some))
        for row, got in zip(some, results, strict=True):
            note = f"theirs refused {got.theirs_refused:.1%}, most to least {got.fairness:.2f}"
            figures.at_least(f"{row.name}: used of what is left", got.use, row.use, note)
            figures.at_most(f"{row.name}: refused", got.refused, row.refused)
            if row.neighbour != "none" and row.headers:
                figures.at_least("… five seconds after they left, a second", got.after, 9.5)
                figures.at_most("… refused then", got.refused_after, 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--after", type=float, default=15.0, help="seconds after the others left")
    parser.add_argument("--together", type=int, default=4, help="rows at a time")
    parser.add_argument("--rows", nargs="*", default=[], help="parts of the names of rows")
    given = parser.parse_args()
    figures = Figures()
    asyncio.run(measure_neighbours(figures, given.seconds, given.after, given.together, given.rows))
    figures.exit()
