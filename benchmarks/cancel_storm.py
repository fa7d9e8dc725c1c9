"""Does a pool survive cancellation? 2,400 cancelled calls on 10 connections, then 30 calls that
should succeed.

Each backend, borrowed clients, and a bare `httpx.AsyncClient` beside them.

    python benchmarks/cancel_storm.py
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import httpx
import httpx2

from respondio_async._transport import Request, Transport, open_transport
from tests.faults.server import FaultServer, answer

POOL = 10
LATER = 30
Call = Callable[[], Awaitable[object]]


def through(transport: Transport) -> Call:
    async def call() -> object:
        connection = await transport.acquire()
        try:
            return await connection.send(Request("GET", "/contact/id:1", ()), timeout=2.0)
        finally:
            connection.release()

    return call


def bare(client, url: str) -> Call:
    async def call() -> object:
        return await client.get(f"{url}/contact/id:1", timeout=2.0)

    return call


async def storm(call: Call, cancelled: int) -> int:
    """Cancel so many calls at all stages of their life, and return how many of the later ones
    succeed.
    """
    for wave in range(cancelled // 40):
        tasks = [asyncio.create_task(call()) for _ in range(40)]
        await asyncio.sleep(wave % 20 * 0.001)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    results = await asyncio.gather(*(call() for _ in range(LATER)), return_exceptions=True)
    return sum(not isinstance(result, BaseException) for result in results)


async def main(cancelled: int) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(FaultServer(default=answer(delay=0.01)))
        url = server.url
        clients = {
            library.__name__: await stack.enter_async_context(
                library.AsyncClient(
                    limits=library.Limits(max_connections=POOL, max_keepalive_connections=POOL)
                )
            )
            for library in (httpx, httpx2)
        }
        suspect = await stack.enter_async_context(
            httpx.AsyncClient(
                limits=httpx.Limits(max_connections=POOL, max_keepalive_connections=POOL)
            )
        )
        sides: dict[str, Call] = {}
        for name, settings in {
            'backend="httpx"': {"backend": "httpx"},
            'backend="aiohttp"': {"backend": "aiohttp"},
            'backend="httpx2"': {"backend": "httpx2"},
            "http_client=httpx": {"http_client": clients["httpx"]},
            "http_client=httpx2": {"http_client": clients["httpx2"]},
        }.items():
            transport = open_transport(base_url=url, max_connections=POOL, **settings)
            stack.push_async_callback(transport.aclose)
            sides[name] = through(transport)
        sides["bare httpx"] = bare(suspect, url)
        for name, call in sides.items():
            print(
                f"{name:20} {await storm(call, cancelled):2} of {LATER} later calls succeed",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cancelled", type=int, default=2400)
    asyncio.run(main(parser.parse_args().cancelled))
