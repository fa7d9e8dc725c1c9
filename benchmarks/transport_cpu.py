"""CPU time of one call through the transport, against a bare `httpx.AsyncClient` with 20
connections kept alive.

Both sides run in one process, in turns; the server is another process. The figure is the median
over the rounds of process CPU time a call, and the ratio to the bare client. The transport alone is
measured: no limiter, retry, hooks or models.

    python benchmarks/transport_cpu.py --calls 400 --rounds 7
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import httpx
import httpx2
import msgspec

from respondio_async._transport import Request, Transport, open_transport

BODY = msgspec.json.encode(
    {
        "id": 437264483,
        "firstName": "Jo",
        "lastName": "Doe",
        "tags": ["vip"] * 10,
        "custom_fields": [],
    }
)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(BODY),
    BODY,
)
HEADERS = (("Authorization", "Bearer x"), ("User-Agent", "bench"), ("Accept", "application/json"))
TARGET = "/contact/id:437264483"

Call = Callable[[], Awaitable[object]]


class Answerer(asyncio.Protocol):
    """Answers every request without reading it closely, so that the server takes little of the
    machine.
    """

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(ANSWER * data.count(b"\r\n\r\n"))


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Answerer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def through(transport: Transport) -> Call:
    async def call() -> object:
        connection = await transport.acquire()
        try:
            answer = await connection.send(Request("GET", TARGET, HEADERS), timeout=30.0)
        finally:
            connection.release()
        return msgspec.json.decode(answer.content)

    return call


def bare(client, url: str) -> Call:
    headers = dict(HEADERS)

    async def call() -> object:
        response = await client.request("GET", f"{url}{TARGET}", headers=headers)
        return msgspec.json.decode(response.content)

    return call


async def cpu_per_call(call: Call, calls: int, concurrency: int) -> float:
    left = calls

    async def work() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await call()

    began = time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(work())
    return (time.process_time() - began) / calls


async def measure(url: str, options: argparse.Namespace) -> None:
    async with AsyncExitStack() as stack:
        limits = httpx.Limits(max_connections=20, max_keepalive_connections=20)
        client = await stack.enter_async_context(httpx.AsyncClient(limits=limits))
        borrowed = await stack.enter_async_context(httpx.AsyncClient(limits=limits))
        borrowed2 = await stack.enter_async_context(httpx2.AsyncClient())
        sides = {"bare httpx": bare(client, url)}
        for name, settings in {
            "httpx": {"backend": "httpx"},
            "httpx2": {"backend": "httpx2"},
            "aiohttp": {"backend": "aiohttp"},
            "injected httpx": {"http_client": borrowed},
            "injected httpx2": {"http_client": borrowed2},
        }.items():
            if options.only and options.only != name:
                continue
            transport = open_transport(base_url=url, max_connections=20, **settings)
            stack.push_async_callback(transport.aclose)
            sides[name] = through(transport)
        for concurrency in (1, 10, 20):
            taken: dict[str, list[float]] = {name: [] for name in sides}
            for call in sides.values():
                await cpu_per_call(call, 5 * concurrency, concurrency)
            for _ in range(options.rounds):
                for name, call in sides.items():
                    taken[name].append(await cpu_per_call(call, options.calls, concurrency))
            medians = {name: statistics.median(values) for name, values in taken.items()}
            for name, median in medians.items():
                print(
                    f"concurrency {concurrency:3}  {name:16} {median * 1e6:6.0f} us  "
                    f"{median / medians['bare httpx']:.2f}"
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only")
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve())
        return
    with subprocess.Popen(
        [sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        try:
            asyncio.run(measure(f"http://127.0.0.1:{int(server.stdout.readline())}/v2", options))
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
