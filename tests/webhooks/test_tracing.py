"""The trace of a webhook: from its request over the inbox to its handlers, in whichever process."""

import asyncio
import functools
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from aiohttp import ClientSession, web
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from respondio_async.errors import ConfigurationError
from respondio_async.telemetry import OpenTelemetryTracer, webhook_span
from respondio_async.webhooks import Context, MessageReceived, WebhookRouter
from respondio_async.webhooks._postgres import _schema
from tests.support.postgres import PostgresServer
from tests.webhooks.payloads import KEY, message, signed
from tests.webhooks.test_adapters import served_by_aiohttp

TEXT = "canary-words"
CANARIES = (TEXT, "60123456789", "Ann", KEY, "ann@mail.example", "event-1")


class Traces:
    """A tracer's provider whose spans stay here."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.provider.get_tracer("test")

    def router(self, inbox: str | None = None, **options: Any) -> WebhookRouter:
        """Make a router that is traced here."""
        tracer = OpenTelemetryTracer(tracer_provider=self.provider)
        return WebhookRouter(KEY, inbox=inbox, tracer=tracer, **options)

    def chain(self, span: ReadableSpan | None) -> list[str]:
        """The names from a span up to its root, as far as they ended here."""
        names = []
        spans = {each.context.span_id: each for each in self.spans}
        while span is not None:
            names.append(span.name)
            span = spans.get(span.parent.span_id) if span.parent is not None else None
        return names

    def named(self, name: str) -> list[ReadableSpan]:
        """The spans of a name, in the order of their end."""
        return [span for span in self.spans if span.name == name]

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """Every span that has ended."""
        return self._exporter.get_finished_spans()


@pytest.fixture
def traces() -> Traces:
    return Traces()


async def arrive(traces: Traces, router: WebhookRouter, event: Any, name: str = "POST") -> None:
    """Deliver an event within a server's span."""
    with traces.tracer.start_as_current_span(name):
        status, _ = await router.receive(*signed(event))
    assert status == 200


async def test_handlers_are_below_the_request_that_brought_their_event(
    traces: Traces, inbox_or_none: str | None
) -> None:
    """Request, acceptance, handling, and what a handler does: one trace, whatever lies between."""
    router = traces.router(inbox_or_none)

    @router.on(MessageReceived)
    async def look_up(_: Context[MessageReceived]) -> None:
        with traces.tracer.start_as_current_span("look up"):
            await asyncio.sleep(0)

    async with router:
        await arrive(traces, router, message(text=TEXT, contact=7))
        while not traces.named("handle MessageReceived"):
            await asyncio.sleep(0.01)
    [deepest] = traces.named("look up")
    expected = ["look up", "handle MessageReceived", "accept MessageReceived", "POST"]
    assert traces.chain(deepest) == expected
    accepted, handled = (
        traces.named(f"{each} MessageReceived")[0] for each in ("accept", "handle")
    )
    assert (accepted.kind, handled.kind) == (trace.SpanKind.PRODUCER, trace.SpanKind.CONSUMER)
    assert dict(handled.attributes or {}) == {
        "messaging.system": "respondio",
        "messaging.operation.name": "handle",
        "messaging.operation.type": "process",
        "messaging.destination.name": "MessageReceived",
        "respondio.event.redelivered": False,
    }
    told = "".join(span.to_json() for span in traces.spans)
    assert not [canary for canary in CANARIES if canary in told]


async def test_events_of_one_contact_stay_in_the_traces_of_their_own_requests(
    traces: Traces, inbox_or_none: str | None
) -> None:
    """Their handlers share a task, which began with the first; baggage ends with the request."""
    router = traces.router(inbox_or_none)
    carried: list[Any] = []

    @router.on(MessageReceived)
    def look(_: Context[MessageReceived]) -> None:
        carried.append(baggage.get_all())

    async with router:
        token = context.attach(baggage.set_baggage("phone", "60123456789"))
        for number in range(3):
            await arrive(traces, router, message(number), f"POST {number}")
        context.detach(token)
        while len(traces.named("handle MessageReceived")) < 3:
            await asyncio.sleep(0.01)
    chains = [traces.chain(span) for span in traces.named("handle MessageReceived")]
    assert [chain[-1] for chain in chains] == [f"POST {number}" for number in range(3)]
    assert carried == [{}, {}, {}]


noted: list[bool] = []


async def note(found: Context[MessageReceived]) -> None:
    """Stay for ever in the process that is to be killed."""
    noted.append(found.redelivered)
    if "RESPONDIO_TEST_STAYS" in os.environ:
        await asyncio.Event().wait()


CHILD = """
import asyncio, sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from respondio_async.telemetry import OpenTelemetryTracer
from respondio_async.webhooks import MessageReceived, WebhookRouter
from tests.webhooks.payloads import KEY, message, signed
from tests.webhooks.test_tracing import note, noted

async def main(inbox):
    provider = TracerProvider()
    router = WebhookRouter(
        KEY, inbox=inbox, tracer=OpenTelemetryTracer(tracer_provider=provider),
        workers="://" not in inbox,
    )
    router.on(MessageReceived)(note)
    async with router:
        with provider.get_tracer("server").start_as_current_span("POST") as span:
            status, _ = await router.receive(*signed(message(text="canary-words")))
        while "://" not in inbox and not noted:
            await asyncio.sleep(0.01)
        print(status, span.get_span_context().trace_id, flush=True)
        await asyncio.Event().wait()

asyncio.run(main(sys.argv[1]))
"""


async def test_a_trace_goes_on_in_another_process_after_a_kill(traces: Traces, inbox: str) -> None:
    """In a file the handler was running, in a database nobody had the event yet; what was stored
    for it names the trace and nobody, and is gone with the body.
    """
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, inbox],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"RESPONDIO_TEST_STAYS": "1"},
    )
    assert child.stdout is not None
    with child, child.stdout:
        told = await asyncio.to_thread(child.stdout.readline)
        status, trace_id = (int(each) for each in told.split())
        os.kill(child.pid, signal.SIGKILL)
    assert status == 200
    stored = stored_context(inbox)
    assert stored is not None
    version, trace_hex, span_hex, flags = stored.split("-")
    assert (version, int(trace_hex, 16), flags[:2]) == ("00", trace_id, flags)
    assert not [canary for canary in CANARIES if canary in stored]

    noted.clear()
    router = traces.router(inbox)
    router.on(MessageReceived)(note)
    async with router:
        while not traces.spans:
            await asyncio.sleep(0.01)
    [handled] = traces.spans
    assert handled.context is not None
    assert handled.parent is not None
    assert (handled.context.trace_id, handled.parent.span_id) == (trace_id, int(span_hex, 16))
    assert handled.attributes is not None
    assert [handled.attributes["respondio.event.redelivered"]] == noted == ["://" not in inbox]
    assert stored_context(inbox) is None


def stored_context(inbox: str) -> Any:
    """What the store keeps beside the one event that it holds."""
    if "://" in inbox:
        with psycopg.connect(inbox) as database:
            row = database.execute(
                f"SELECT trace_context FROM {_schema.SCHEMA}.event"  # type: ignore[arg-type]
            ).fetchone()
    else:
        with sqlite3.connect(inbox) as file:
            row = file.execute("SELECT trace_context FROM event").fetchone()
        file.close()
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    "stored", ["", "nonsense", "00-0-0-00", "00-" + "g" * 32 + "-" + "0" * 16 + "-01", " x", "\n"]
)
async def test_what_is_no_trace_context_begins_a_trace(traces: Traces, stored: str) -> None:
    """Another release's, or a damaged one: the event is handled all the same."""
    tracer = OpenTelemetryTracer(tracer_provider=traces.provider)
    with tracer.handling(MessageReceived(), stored, redelivered=False):
        pass
    [span] = traces.spans
    assert span.parent is None


async def test_the_state_of_a_trace_is_carried(traces: Traces) -> None:
    """It is what samplers and vendors leave for one another."""
    state = trace.TraceState([("vendor", "a:1;b:2"), ("other", "t61rcWkgMzE")])
    flags = trace.TraceFlags(trace.TraceFlags.SAMPLED)
    remote = trace.SpanContext(1, 2, is_remote=True, trace_flags=flags, trace_state=state)
    tracer = OpenTelemetryTracer(tracer_provider=traces.provider)
    event = MessageReceived()
    with trace.use_span(trace.NonRecordingSpan(remote)), tracer.accepting(event) as kept:
        pass
    with tracer.handling(event, kept, redelivered=False):
        pass
    handled = traces.spans[-1]
    assert handled.context is not None
    assert handled.context.trace_state == state
    assert handled.context.trace_id == 1


async def test_a_trace_that_is_not_sampled_stays_so(traces: Traces) -> None:
    """Nothing is recorded in the process that handles, either."""
    unsampled = trace.NonRecordingSpan(trace.SpanContext(1, 2, is_remote=True))
    router = traces.router()
    ran = asyncio.Event()
    router.on(MessageReceived)(lambda _: ran.set())
    async with router:
        with trace.use_span(unsampled):
            await router.receive(*signed(message()))
        await ran.wait()
    assert not traces.spans


async def test_failures_are_told_by_their_class(traces: Traces) -> None:
    """Of a handler, and of the store; never by their text. The next handler runs below the same."""
    router = traces.router(on_error=lambda _error, _context: None)

    @router.on(MessageReceived)
    def fail(_: Context[MessageReceived]) -> None:
        raise ValueError(TEXT)

    async with router:
        await arrive(traces, router, message())
        while not traces.named("handle MessageReceived"):
            await asyncio.sleep(0.01)
    [handled] = traces.named("handle MessageReceived")
    assert handled.attributes is not None
    assert handled.attributes["error.type"] == "ValueError"
    assert handled.status.status_code is trace.StatusCode.ERROR
    assert not handled.events
    assert TEXT not in handled.to_json()


async def test_the_middleware_of_the_first_release(traces: Traces) -> None:
    """It still makes a span for each run of a handler, and says what to use now."""
    caught: list[Exception] = []
    router = WebhookRouter(KEY, on_error=lambda error, _context: caught.append(error))
    router.middleware(functools.partial(webhook_span, tracer_provider=traces.provider))

    @router.on(MessageReceived)
    def fail(_: Context[MessageReceived]) -> None:
        raise ValueError(TEXT)

    with pytest.warns(DeprecationWarning, match=r"tracer=OpenTelemetryTracer\(\)"):
        async with router:
            await arrive(traces, router, message())
    [span] = traces.named("webhook MessageReceived")
    assert dict(span.attributes or {}) == {
        "respondio.event.type": "MessageReceived",
        "respondio.event.redelivered": False,
        "error.type": "ValueError",
    }
    assert [type(error) for error in caught] == [ValueError]
    assert TEXT not in span.to_json()


async def test_a_store_that_refuses_shows_on_the_acceptance(
    traces: Traces, postgres: PostgresServer
) -> None:
    """The request's own span is the web server's affair."""
    async with traces.router(postgres.migrated(), workers=False, queue_size=1) as router:
        await arrive(traces, router, message(1))
        with traces.tracer.start_as_current_span("POST"):
            status, _ = await router.receive(*signed(message(2)))
    assert status == 503
    _, refused = traces.named("accept MessageReceived")
    assert refused.attributes is not None
    assert refused.attributes["error.type"] == "InboxFullError"
    assert traces.named("POST")[-1].status.status_code is trace.StatusCode.UNSET


@pytest.mark.parametrize("adapter", ["asgi", "aiohttp"])
async def test_an_adapter_is_below_the_span_of_its_server(traces: Traces, adapter: str) -> None:
    """As instrumentations of web servers make it, around the application."""
    router = traces.router()
    body, headers = signed(message())
    if adapter == "asgi":
        application = router.asgi()

        async def instrumented(scope: Any, receive: Any, send: Any) -> None:
            with traces.tracer.start_as_current_span("POST"):
                await application(scope, receive, send)

        transport = httpx.ASGITransport(instrumented)
        async with router, httpx.AsyncClient(transport=transport, base_url="http://bot") as client:
            answer = await client.post("/webhook", content=body, headers=headers)
            status = answer.status_code
    else:

        @web.middleware
        async def middleware(request: web.Request, handler: Any) -> Any:
            with traces.tracer.start_as_current_span("POST"):
                return await handler(request)

        app = web.Application(middlewares=[middleware])
        app.router.add_route("*", "/webhook", router.aiohttp_handler())
        async with router, served_by_aiohttp(app) as port, ClientSession() as session:
            url = f"http://127.0.0.1:{port}/webhook"
            async with session.post(url, data=body, headers=headers) as response:
                status = response.status
    assert status == 200
    [handled] = traces.named("handle MessageReceived")
    assert traces.chain(handled)[1:] == ["accept MessageReceived", "POST"]


async def test_forged_requests_make_no_spans(traces: Traces) -> None:
    """Whoever has no key cannot fill a trace store."""
    async with traces.router() as router:
        status, _ = await router.receive(b"{}", {"X-Webhook-Signature": "forged"})
    assert status == 401
    assert not traces.spans


def test_without_a_tracer_nothing_is_imported_and_nothing_stored(tmp_path: Path) -> None:
    """The column stays NULL."""
    code = """
import asyncio, sys
from respondio_async.webhooks import WebhookRouter
from tests.webhooks.payloads import KEY, message, signed

async def main():
    async with WebhookRouter(KEY, inbox=sys.argv[1]) as router:
        await router.receive(*signed(message()))
    assert not [name for name in sys.modules if name.startswith("opentelemetry")]

asyncio.run(main())
"""
    inbox = str(tmp_path / "inbox")
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code, inbox], check=True, cwd=root, timeout=300)
    assert stored_context(inbox) is None


async def test_the_api_alone_stores_what_the_server_brought(tmp_path: Path) -> None:
    """Without an SDK there are no spans of ours; a trace that came with the request goes on."""
    remote = trace.SpanContext(3, 4, is_remote=True, trace_flags=trace.TraceFlags(1))
    tracer = OpenTelemetryTracer(tracer_provider=trace.NoOpTracerProvider())
    event = MessageReceived()
    with tracer.accepting(event) as nothing:
        assert nothing is None
    with trace.use_span(trace.NonRecordingSpan(remote)), tracer.accepting(event) as kept:
        assert kept == f"00-{3:032x}-{4:016x}-01"


OLD = """
CREATE TABLE event (
    row INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL UNIQUE, message_id INTEGER,
    body BLOB, started INTEGER NOT NULL DEFAULT 0);
"""


async def test_a_file_of_an_earlier_release_gets_the_column(traces: Traces, tmp_path: Path) -> None:
    """What waits in it is handled, and new events are traced."""
    inbox = tmp_path / "inbox"
    with sqlite3.connect(inbox) as file:
        file.executescript(OLD)
        body = json.dumps(message()).encode()
        file.execute("INSERT INTO event (event_id, body) VALUES ('event-1', ?)", (body,))
    file.close()
    for _ in range(2):  # a second time there is nothing to add
        async with traces.router(str(inbox)) as router:
            await arrive(traces, router, message(2))
    assert [len(traces.chain(span)) for span in traces.named("handle MessageReceived")] == [1, 3]


async def test_a_database_of_an_earlier_release_gets_the_column(
    traces: Traces, postgres: PostgresServer
) -> None:
    """Its first start migrates it."""
    older = postgres.migrated()
    postgres.run(f"ALTER TABLE {_schema.SCHEMA}.event DROP COLUMN trace_context", older)
    postgres.run(f"UPDATE {_schema.SCHEMA}.version SET number = 1", older)
    with pytest.raises(ConfigurationError, match="respondio webhooks migrate"):
        await traces.router(older, migrate=False).start()
    async with traces.router(older) as router:
        await arrive(traces, router, message())
        while not traces.named("handle MessageReceived"):
            await asyncio.sleep(0.01)
    [handled] = traces.named("handle MessageReceived")
    assert len(traces.chain(handled)) == 3
