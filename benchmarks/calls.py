"""CPU of one call of the whole client (limiter, retry, hooks, decoding) against the bare HTTP
library with msgspec: httpx and httpx2 against a bare `httpx.AsyncClient`, aiohttp against a bare
`aiohttp.ClientSession`.

    python -m benchmarks.calls [--calls 400] [--rounds 9] [--backends httpx aiohttp] [--steps]

Both sides in one process, in turns; the server is another process; the figure is the median ratio
of process CPU time. With --steps, also where the microseconds of a call go, on each backend.
"""

import argparse
import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import aiohttp
import httpx
import msgspec
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from benchmarks.common import BODY, Call, Figures, contact_server, cpu_per_call, in_turns
from respondio_async import DEFAULT_LIMITS, AsyncRespond, Contact, LocalRateLimiter, RateLimit
from respondio_async._transport import Request, open_transport
from respondio_async.hooks import Hook, HookEvent, OperationEnded
from respondio_async.limits import Feedback
from respondio_async.telemetry import OpenTelemetryHook

BOUNDS = {
    "httpx": {1: 0.98, 10: 0.75, 20: 0.55},
    "httpx2": {1: 0.95, 10: 0.75, 20: 0.60},
    "aiohttp": {1: 1.5, 10: 1.5, 20: 1.5},
}
BASES = {"httpx": "bare httpx", "httpx2": "bare httpx", "aiohttp": "bare aiohttp"}
LAUNCHED = 1.3
TELEMETRY = 1.15
OURS_OF_IT = 1.10
PATH = "/contact/id:437264483"
HEADERS = {"Authorization": "Bearer x", "Accept": "application/json", "User-Agent": "bench"}


def bare_httpx(client: httpx.AsyncClient, base_url: str) -> Call:
    decoder = msgspec.json.Decoder(Contact)

    async def call() -> object:
        response = await client.request("GET", f"{base_url}{PATH}", headers=HEADERS)
        return decoder.decode(response.content)

    return call


def bare_aiohttp(session: aiohttp.ClientSession, base_url: str) -> Call:
    decoder = msgspec.json.Decoder(Contact)

    async def call() -> object:
        async with session.get(f"{base_url}{PATH}", headers=HEADERS) as response:
            return decoder.decode(await response.read())

    return call


def transport_alone(backend: str, base_url: str, stack: AsyncExitStack) -> Call:
    """One exchange through the transport: no limiter, retry, hooks or models."""
    transport = open_transport(base_url=base_url, backend=backend, max_connections=20)
    stack.push_async_callback(transport.aclose)
    request = Request("GET", PATH, tuple(HEADERS.items()), None, "/contact/{identifier}")

    async def call() -> object:
        connection = await transport.acquire()
        try:
            return await connection.send(request, timeout=30.0)
        finally:
            connection.release()

    return call


class OpenTelemetrySDK(NamedTuple):
    """The real SDK: spans are handed on in batches, metrics are kept; what an exporter would then
    do to them is its own.
    """

    traces: TracerProvider
    metrics: MeterProvider

    @classmethod
    def make(cls) -> "OpenTelemetrySDK":
        traces = TracerProvider()
        traces.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
        return cls(traces, MeterProvider([InMemoryMetricReader()]))

    def hook(self) -> Hook:
        return OpenTelemetryHook(tracer_provider=self.traces, meter_provider=self.metrics)

    def bare(self) -> Hook:
        """The least of one span and one measurement a call: the floor, which is not ours."""
        tracer, meter = self.traces.get_tracer("bare"), self.metrics.get_meter("bare")
        durations = meter.create_histogram("http.client.request.duration", "s")
        answered = {
            "http.request.method": "GET",
            "url.template": "/contact/{identifier}",
            "server.address": "api.respond.io",
            "http.response.status_code": 200,
        }

        def hook(event: HookEvent) -> None:
            if isinstance(event, OperationEnded):
                tracer.start_span(event.endpoint, kind=SpanKind.CLIENT, attributes=answered).end()
                durations.record(event.elapsed, answered)

        return hook


class Sides:
    """What is measured: each client, and what stands beside it."""

    def __init__(self, base_url: str, stack: AsyncExitStack) -> None:
        self.base_url = base_url
        self.stack = stack

    async def bare(self) -> dict[str, Call]:
        """The HTTP libraries with msgspec, for connections kept alive."""
        limits = httpx.Limits(max_connections=20, max_keepalive_connections=20)
        client = await self.stack.enter_async_context(
            httpx.AsyncClient(limits=limits, trust_env=False)
        )
        session = await self.stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=20))
        )
        return {
            "bare httpx": bare_httpx(client, self.base_url),
            "bare aiohttp": bare_aiohttp(session, self.base_url),
        }

    async def client(self, backend: str, **options: Any) -> Call:
        """The whole client, with limits that nothing reaches."""
        limiter = LocalRateLimiter(dict.fromkeys(DEFAULT_LIMITS, 1e6))
        client = await self.stack.enter_async_context(
            AsyncRespond(
                "x",
                base_url=self.base_url,
                backend=backend,
                max_connections=20,
                limiter=limiter,
                **options,
            )
        )
        return lambda: client.contacts.get(437264483)


async def against_bare(
    figures: Figures, clients: Mapping[str, Call], bare: Mapping[str, Call], calls: int, rounds: int
) -> None:
    for concurrency in (1, 10, 20):
        for name, call in bare.items():
            sides = {name: call} | {
                backend: each for backend, each in clients.items() if BASES[backend] == name
            }
            if len(sides) == 1:
                continue
            medians = await in_turns(sides, calls=calls, concurrency=concurrency, rounds=rounds)
            for backend in list(sides)[1:]:
                figures.at_most(
                    f"{backend}, concurrency {concurrency}",
                    medians[backend] / medians[name],
                    BOUNDS[backend][concurrency],
                    f"{name} {medians[name] * 1e6:.0f} µs",
                )


async def launched_at_once(figures: Figures, clients: Mapping[str, Call], rounds: int) -> None:
    for backend, call in clients.items():
        ratios = []
        for _ in range(rounds):
            few = await cpu_per_call(call, 1000, 20)
            ratios.append(await cpu_per_call(call, 1000, 1000) / few)
        figures.at_most(
            f"{backend}, 1,000 launched at once against 20", sorted(ratios)[rounds // 2], LAUNCHED
        )


async def telemetry(
    figures: Figures, sides: Sides, backends: list[str], calls: int, rounds: int
) -> None:
    for backend in backends:
        three = {
            "off": await sides.client(backend),
            "on": await sides.client(backend, hooks=[OpenTelemetrySDK.make().hook()]),
            "floor": await sides.client(backend, hooks=[OpenTelemetrySDK.make().bare()]),
        }
        medians = await in_turns(three, calls=calls, concurrency=1, rounds=rounds)
        off, on, floor = (medians[side] for side in ("off", "on", "floor"))
        what = f"{backend}, telemetry on against off"
        note = (
            f"off {off * 1e6:.0f} µs, the SDK's own for a span and a measurement "
            f"{(floor - off) * 1e6:.0f} µs ({floor / off:.3f}), ours {(on - floor) * 1e6:.0f} µs"
        )
        if floor / off <= TELEMETRY:
            figures.at_most(what, on / off, TELEMETRY, note)
        else:
            print(f"     {what}: {on / off:.4g} (the SDK alone is above {TELEMETRY})  {note}")
        figures.at_most(f"{backend}, telemetry against the SDK alone", on / floor, OURS_OF_IT)


async def where_it_goes(
    sides: Sides,
    clients: Mapping[str, Call],
    bare: Mapping[str, Call],
    calls: int,
    rounds: int,
) -> None:
    """Print the microseconds of a call by step, each measured alone."""
    limiter = LocalRateLimiter(dict.fromkeys(DEFAULT_LIMITS, 1e6))
    feedback = Feedback(200, RateLimit(1e6, 999_999.0), None, 0.001)
    decoder = msgspec.json.Decoder(Contact)

    async def permit() -> None:
        reservation = await limiter.reserve("GET /contact/{identifier}", priority="interactive")
        await reservation.permit(max_wait=0.25)
        limiter.update(reservation, feedback)

    async def decode() -> None:
        decoder.decode(BODY)

    for backend, whole in clients.items():
        steps = {
            "whole call": whole,
            "bare library + msgspec": bare[BASES[backend]],
            "transport": transport_alone(backend, sides.base_url, sides.stack),
            "limiter: reserve, permit, update": permit,
            "decode": decode,
        }
        medians = await in_turns(steps, calls=calls, concurrency=1, rounds=rounds)
        rest = medians["whole call"] - sum(list(medians.values())[2:])
        medians["the rest: encode, order of the steps, deadline, headers, response"] = rest
        print(f"\n{backend}, µs a call at concurrency 1")
        for name, seconds in medians.items():
            print(f"{seconds * 1e6:8.1f}  {name}")


async def main(calls: int, rounds: int, backends: list[str], *, steps: bool) -> None:
    figures = Figures()
    with contact_server() as base_url:
        async with AsyncExitStack() as stack:
            sides = Sides(base_url, stack)
            bare = await sides.bare()
            clients = {backend: await sides.client(backend) for backend in backends}
            await against_bare(figures, clients, bare, calls, rounds)
            await launched_at_once(figures, clients, rounds)
            await telemetry(figures, sides, backends, calls, rounds)
            if steps:
                await where_it_goes(sides, clients, bare, calls, rounds)
    figures.exit()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--backends", nargs="+", default=list(BOUNDS))
    parser.add_argument("--steps", action="store_true")
    args = parser.parse_args()
    asyncio.run(main(args.calls, args.rounds, args.backends, steps=args.steps))
