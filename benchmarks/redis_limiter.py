"""Four processes share one limit through Redis, against a judge that counts as strictly as a server
can.

    python -m benchmarks.redis_limiter [--seconds 15] [--processes 4] [--scenarios share kill]

Needs `redis-server` (or `valkey-server`) on the PATH. Prints, for each scenario, what was used of
what others left, the most that arrived in any second, what the judge refused, and the script calls
that a permit cost. `crowded` has eight times as many processes and takes four times as long.
The first five seconds are not counted.
"""

import argparse
import asyncio
import random

from benchmarks.common import Figures
from tests.limits.redis_fleet import Verdict, fleet
from tests.limits.redis_proxy import far_away
from tests.limits.redis_server import RedisServer, redis_server
from tests.simulation.neighbours import NEIGHBOURS


async def share(server: RedisServer, limit: int, processes: int, seconds: float) -> Verdict:
    """All is well: every process wants more than its part all the time."""
    with fleet(server.url, limit) as workers:
        workers.launch(processes, seconds, tasks=max(10, limit // processes))
        return await workers.wait()


async def kill(server: RedisServer, limit: int, processes: int, seconds: float) -> Verdict:
    """kill -9 of Redis after a third of the time, and a new one, which knows nothing, two seconds
    later.
    """
    with fleet(server.url, limit) as workers:
        workers.launch(processes, seconds, tasks=max(10, limit // processes))
        await asyncio.sleep(seconds / 3)
        server.kill()
        await asyncio.sleep(2.0)
        server.start()
        return await workers.wait()


async def far(server: RedisServer, limit: int, processes: int, seconds: float) -> Verdict:
    """The same, a round trip to Redis taking as long as `--round-trip` says."""
    with far_away(server.port, ROUND_TRIP[0]) as url, fleet(url, limit) as workers:
        workers.launch(processes, seconds, tasks=max(10, limit // processes))
        return await workers.wait()


async def cut_off(server: RedisServer, limit: int, processes: int, seconds: float) -> Verdict:
    """One of the processes cannot reach Redis: a neighbour, to the others."""
    with fleet(server.url, limit) as workers:
        workers.launch(processes, seconds, tasks=max(10, limit // processes), cut_off=1)
        return await workers.wait()


async def cut_off_blind(server: RedisServer, limit: int, processes: int, seconds: float) -> Verdict:
    """The same, on a server without headers."""
    with fleet(server.url, limit) as workers:
        workers.launch(
            processes, seconds, tasks=max(10, limit // processes), cut_off=1, headers=False
        )
        return await workers.wait()


async def crowded(server: RedisServer, limit: int, processes: int, seconds: float) -> Verdict:
    """Eight times as many processes, four times as long."""
    with fleet(server.url, limit) as workers:
        workers.launch(8 * processes, 4 * seconds, tasks=2)
        return await workers.wait()


async def beside(server: RedisServer, limit: int, processes: int, seconds: float) -> Verdict:
    """Somebody else takes half of the limit, steadily."""
    times = NEIGHBOURS["steady"](limit / 2, seconds, random.Random(1))  # noqa: S311
    with fleet(server.url, limit) as workers:
        workers.launch(processes, seconds, tasks=max(10, limit // processes))
        await workers.neighbour(times)
        return await workers.wait()


SCENARIOS = {
    "share": share,
    "kill": kill,
    "far": far,
    "cut_off": cut_off,
    "cut_off_blind": cut_off_blind,
    "crowded": crowded,
    "beside": beside,
}
BOUNDS = {
    "share": (0.95, 0.005),
    "far": (0.93, 0.005),
    "cut_off": (0.9, 0.02),
    "cut_off_blind": (0.9, 0.02),
    "crowded": (0.93, 0.005),
    "beside": (0.82, 0.02),
}
"""The least use, and the most that may be refused of what was sent."""
WARM_UP = 5.0
"""Seconds before anything is counted."""
ROUND_TRIP = [0.02]
"""Seconds, of the scenario `far`."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--limits", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--round-trip", type=float, default=0.02, help="seconds, of far")
    given = parser.parse_args()
    ROUND_TRIP[0] = given.round_trip
    print(
        "| Scenario | L | requests | use | most in a second | refused | failed | script calls a "
        "permit | fewest of a process against its fair part | longest without one, s |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    figures = Figures()
    for name in given.scenarios:
        for limit in given.limits:
            with redis_server() as server:
                run = SCENARIOS[name](server, limit, given.processes, WARM_UP + given.seconds)
                verdict = asyncio.run(run)
                calls = f"{server.calls() / len(verdict.arrivals):.2f}" if name == "share" else "–"
                verdict = verdict.after(WARM_UP)
                sent = len(verdict.arrivals)
                fewest = min(verdict.granted) * len(verdict.granted) / sum(verdict.granted)
                print(
                    f"| {name} | {limit} | {sent} | {verdict.use:.1%} | {verdict.most_in_a_second} "
                    f"| {verdict.refused} | {len(verdict.failures)} | {calls} "
                    f"| {fewest:.2f} | {verdict.longest:.1f} |",
                    flush=True,
                )
            if name in BOUNDS:
                use, refused = BOUNDS[name]
                figures.at_least(f"{name}, {limit}: use", verdict.use, use)
                figures.at_most(f"{name}, {limit}: refused", verdict.refused / sent, refused)
            if name == "crowded":
                figures.at_least(f"{name}, {limit}: fewest against the fair part", fewest, 0.5)
                figures.at_most(f"{name}, {limit}: longest without a permit, s", verdict.longest, 8)
    figures.exit()


if __name__ == "__main__":
    main()
