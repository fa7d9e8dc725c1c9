"""CPU of one call of the whole client (limiter, retry, hooks, decoding) against a bare
`httpx.AsyncClient` with msgspec.

    python -m benchmarks.calls [--calls 400] [--rounds 9] [--backends httpx httpx2 aiohttp]

Both sides in one process, in turns; the server is another process; the figure is the median ratio
of process CPU time.
"""

import argparse
import asyncio
from contextlib import AsyncExitStack

import httpx
import msgspec

from benchmarks.common import Figures, contact_server, cpu_per_call, in_turns
from respondio_async import DEFAULT_LIMITS, AsyncRespond, Contact, LocalRateLimiter

BOUNDS = {
    "httpx": {1: 0.98, 10: 0.75, 20: 0.55},
    "httpx2": {1: 0.95, 10: 0.75, 20: 0.60},
    "aiohttp": {1: 0.60, 10: 0.50, 20: 0.40},
}
LAUNCHED = 1.3


def bare(client: httpx.AsyncClient, base_url: str):
    decoder = msgspec.json.Decoder(Contact)
    headers = {"Authorization": "Bearer x", "Accept": "application/json", "User-Agent": "bench"}

    async def call() -> object:
        response = await client.request("GET", f"{base_url}/contact/id:437264483", headers=headers)
        return decoder.decode(response.content)

    return call


async def main(calls: int, rounds: int, backends: list[str]) -> None:
    figures = Figures()
    with contact_server() as base_url:
        async with AsyncExitStack() as stack:
            plain = await stack.enter_async_context(
                httpx.AsyncClient(
                    limits=httpx.Limits(max_connections=20, max_keepalive_connections=20),
                    trust_env=False,
                )
            )
            sides = {"bare": bare(plain, base_url)}
            clients = {}
            for backend in backends:
                limiter = LocalRateLimiter(dict.fromkeys(DEFAULT_LIMITS, 1e6))
                client = AsyncRespond(
                    "x", base_url=base_url, backend=backend, max_connections=20, limiter=limiter
                )
                clients[backend] = await stack.enter_async_context(client)
                sides[backend] = lambda c=client: c.contacts.get(437264483)
            for concurrency in (1, 10, 20):
                medians = await in_turns(sides, calls=calls, concurrency=concurrency, rounds=rounds)
                note = f"bare {medians['bare'] * 1e6:.0f} µs"
                for backend in backends:
                    ratio = medians[backend] / medians["bare"]
                    figures.at_most(
                        f"{backend}, concurrency {concurrency}",
                        ratio,
                        BOUNDS[backend][concurrency],
                        note,
                    )
            for backend in backends:
                call = sides[backend]
                ratios = []
                for _ in range(rounds):
                    few = await cpu_per_call(call, 1000, 20)
                    ratios.append(await cpu_per_call(call, 1000, 1000) / few)
                figures.at_most(
                    f"{backend}, 1,000 launched at once against 20",
                    sorted(ratios)[rounds // 2],
                    LAUNCHED,
                )
    figures.exit()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--backends", nargs="+", default=list(BOUNDS))
    args = parser.parse_args()
    asyncio.run(main(args.calls, args.rounds, args.backends))
