"""What the limiter costs: `python benchmarks/limiter.py`.

Admission on an idle route; with up to 100,000 in line (CPU in virtual time); memory a waiter; a
storm of cancellations; how long an interactive call waits over a bulk job. A bare
`aiolimiter.AsyncLimiter` is measured in turns with it: how much it costs alone depends on the
machine and what else that does, so what is compared with a bound is the ratio.
"""

import asyncio
import functools
import gc
import pathlib
import statistics
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from aiolimiter import AsyncLimiter

from respondio_async.limits import Feedback, LocalRateLimiter, Priority
from tests.support.virtual import VirtualLoop, run

ROUTE = "GET /contact/{identifier}"
ANSWER = Feedback(200, round_trip=0.08)


async def one(limiter: LocalRateLimiter, priority: Priority = "interactive") -> None:
    """One call that takes no time."""
    reservation = await limiter.reserve(ROUTE, priority=priority)
    await reservation.permit()
    limiter.update(reservation, ANSWER)


async def idle(count: int = 20_000) -> float:
    """Microseconds for turn, permit and observe when nobody waits."""
    limiter = LocalRateLimiter({ROUTE: 1e6})
    began = time.process_time()
    for _ in range(count):
        await one(limiter)
    return (time.process_time() - began) / count * 1e6


async def idle_paced(count: int = 20_000) -> float:
    """The same at 100 a second, with an aiolimiter bucket; the loop jumps on in between, as it does
    for no cost in `idle`.
    """
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    limiter = LocalRateLimiter({ROUTE: 100})
    began = time.process_time()
    for _ in range(count):
        loop.stall(0.02)
        await one(limiter)
    return (time.process_time() - began) / count * 1e6


ALONE = 14.0
"""Microseconds of a waiter of aiolimiter alone, on the machine that the bounds in microseconds were
set on.
"""


def in_turns(*kinds: Callable[[], Coroutine[Any, Any, float]], rounds: int) -> list[float]:
    """The medians of what is measured, one after the other in each round: then a noisy machine is
    noisy for all.
    """
    return [
        statistics.median(times)
        for times in zip(*([run(kind()) for kind in kinds] for _ in range(rounds)), strict=True)
    ]


async def line(count: int, call: Callable[[], Awaitable[None]]) -> float:
    """Microseconds of CPU for each of so many who wait at once, task included."""
    gc.collect()
    gc.disable()
    began = time.process_time()
    await asyncio.gather(*(call() for _ in range(count)))
    gc.enable()
    return (time.process_time() - began) / count * 1e6


async def bare_tasks(count: int) -> float:
    """What the tasks themselves cost: each waits for one future."""
    gate = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        await asyncio.shield(gate)

    asyncio.get_running_loop().call_soon(gate.set_result, None)
    return await line(count, wait)


async def our_line(count: int) -> float:
    """Turn, permit and observe at 100 a second."""
    return await line(count, functools.partial(one, LocalRateLimiter({ROUTE: 100})))


async def their_line(count: int) -> float:
    """`acquire` alone, at the same rate."""
    return await line(count, AsyncLimiter(1, 0.01).acquire)


async def memory(count: int = 20_000) -> tuple[float, float]:
    """Bytes a waiter: all of it, and without its task."""

    async def nothing() -> None:
        await asyncio.get_running_loop().create_future()

    sizes: list[float] = []
    limiter = LocalRateLimiter({ROUTE: 10})
    calls: list[Callable[[], Coroutine[Any, Any, None]]] = [lambda: one(limiter), nothing]
    for call in calls:
        gc.collect()
        tracemalloc.start()
        tasks = [asyncio.ensure_future(call()) for _ in range(count)]
        await asyncio.sleep(0)
        sizes.append(tracemalloc.get_traced_memory()[0] / count)
        tracemalloc.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return sizes[0], sizes[0] - sizes[1]


async def storm(seconds: float = 300.0) -> float:
    """Permits given, as a part of the limit, while half of twice as many callers as the limit
    serves give up.
    """
    limiter = LocalRateLimiter({ROUTE: 10})
    loop = asyncio.get_running_loop()
    tasks: list[asyncio.Task[None]] = []
    for place in range(int(seconds * 20)):
        task = asyncio.ensure_future(one(limiter))
        loop.call_later(0.01 + (place * 0.618 % 1) * 3, task.cancel)
        tasks.append(task)
        await asyncio.sleep(0.05)
    granted = limiter.statistics()[ROUTE].granted
    await asyncio.gather(*tasks, return_exceptions=True)
    return granted / (seconds * 10)


async def over_bulk(calls: int = 400) -> float:
    """The 99th percentile of an interactive call's wait, one a second, over 5,000 bulk calls in
    line.
    """
    limiter = LocalRateLimiter({ROUTE: 10})
    loop = asyncio.get_running_loop()
    bulk = [asyncio.ensure_future(one(limiter, "bulk")) for _ in range(5000)]
    waits: list[float] = []
    for place in range(calls):
        await asyncio.sleep(1 + (place * 0.618 % 1) * 0.1)
        began = loop.time()
        await one(limiter)
        waits.append(loop.time() - began)
    for task in bulk:
        task.cancel()
    await asyncio.gather(*bulk, return_exceptions=True)
    return sorted(waits)[int(calls * 0.99)]


def main() -> None:
    alone = functools.partial(their_line, 10_000)
    free, paced, them = in_turns(idle, idle_paced, alone, rounds=7)
    print("µs of CPU                             ours   aiolimiter, waiting   ratio")
    for name, us in (
        ("idle, turn + permit + observe", free),
        ("idle at 100/s, with the pacer", paced),
    ):
        print(f"{name:32} {us:9.2f} {them:21.2f} {us / them:7.2f}   (≤ {5 / ALONE:.2f})")
    for count in (1_000, 10_000, 100_000):
        kinds = (functools.partial(kind, count) for kind in (bare_tasks, our_line, their_line))
        tasks, us, them = in_turns(*kinds, rounds=max(3, min(15, 100_000 // count)))
        print(
            f"{count:>7,} waiting, each           {us:9.2f} {them:21.2f} {us / them:7.2f}   (≤ "
            f"{15 / ALONE:.2f}; a bare task {tasks:.2f})"
        )
    whole, ours_only = run(memory())
    print(
        f"memory a waiter                      {whole:8.0f} B    (≤ 1,500 with its task; "
        f"{ours_only:.0f} without)"
    )
    print(f"cancel storm at 200 %, permits used  {run(storm()):8.2%}")
    print(f"interactive over 5,000 bulk, p99     {run(over_bulk()):8.3f} s    (≤ 0.4)")


if __name__ == "__main__":
    main()
