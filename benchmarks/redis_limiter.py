"""Four processes share one limit through Redis, against a judge that counts as strictly as a server
can.

    python -m benchmarks.redis_limiter [--seconds 15] [--processes 4] [--scenarios share kill]

Needs `redis-server` (or `valkey-server`) on the PATH. Prints, for each scenario, the share of the
limit that was used, the most that arrived in any second, what the judge refused, and the script
calls that a permit cost.
"""

import argparse
import asyncio

from tests.limits.redis_fleet import Verdict, fleet
from tests.limits.redis_server import RedisServer, redis_server


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


SCENARIOS = {"share": share, "kill": kill}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--limits", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    given = parser.parse_args()
    print(
        "| Scenario | L | requests | use | most in a second | refused | failed | script calls a "
        "permit |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in given.scenarios:
        for limit in given.limits:
            with redis_server() as server:
                verdict = asyncio.run(
                    SCENARIOS[name](server, limit, given.processes, given.seconds)
                )
                sent = len(verdict.arrivals)
                calls = f"{server.calls() / sent:.2f}" if name == "share" else "–"
                print(
                    f"| {name} | {limit} | {sent} | {verdict.use:.1%} | {verdict.most_in_a_second} "
                    f"| {verdict.refused} "
                    f"| {len(verdict.failures)} | {calls} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
