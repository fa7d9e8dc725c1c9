"""OpenTelemetry through the hooks: a span a call, its metrics, and nothing personal in either."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler

from respondio_async import (
    APIError,
    AsyncRespond,
    ClientStatistics,
    DeadlineExceededError,
    HookEvent,
    LocalRateLimiter,
    NotFoundError,
    OutcomeUnknownError,
    RetryPolicy,
)
from respondio_async.sandbox import Quirks, Sandbox
from respondio_async.telemetry import OpenTelemetryHook
from tests.support.scripted import OpenLimiter, OpenReservation, answer, scripted
from tests.support.virtual import VIRTUAL

PHONE = "+60123450099"
CANARIES = (PHONE, PHONE[1:], "canary@mail.example", "canary-words", "Canaria")


class Watched:
    """A hook with exporters that keep everything in memory."""

    def __init__(self, sampler: Sampler = ALWAYS_ON) -> None:
        self.exporter = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        self.traces = TracerProvider(sampler)
        self.traces.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.hook = OpenTelemetryHook(
            tracer_provider=self.traces, meter_provider=MeterProvider([self.reader])
        )

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """Every span that has ended."""
        return self.exporter.get_finished_spans()

    def points(self) -> dict[str, list[Any]]:
        """The data points of each metric."""
        data = self.reader.get_metrics_data()
        return {
            metric.name: list(metric.data.data_points)
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def watched() -> Watched:
    """Make a hook whose spans and metrics stay here."""
    return Watched()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Run a quick server."""
    with Sandbox(contacts=3, quirks=Quirks.calm()) as running:
        yield running


async def test_a_call_is_one_span_named_by_its_template(watched: Watched, sandbox: Sandbox) -> None:
    """Method, template, status and address are there; one good attempt needs no event."""
    async with AsyncRespond(sandbox.token, base_url=sandbox.url, hooks=[watched.hook]) as client:
        contact = await client.contacts.list().first()
        assert contact is not None
        await client.contacts.get(contact.id)
    span = watched.spans[-1]
    assert span.name == "GET /contact/{identifier}"
    assert span.attributes is not None
    assert span.attributes["http.request.method"] == "GET"
    assert span.attributes["url.template"] == "/contact/{identifier}"
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["server.address"] == "api.respond.io"
    assert "http.request.resend_count" not in span.attributes
    assert not span.events
    assert span.start_time is not None
    assert span.end_time is not None
    assert span.start_time < span.end_time


async def test_repeats_waits_and_refusals_are_told(watched: Watched, sandbox: Sandbox) -> None:
    """A 429 and a 503 before the answer: two waits, a resend count of 2, one refusal counted."""
    policy = RetryPolicy(backoff=0.001)
    sandbox.fault(status=429, retry_after="0.01", times=1)
    sandbox.fault(status=503, times=1)
    async with AsyncRespond(
        sandbox.token, base_url=sandbox.url, hooks=[watched.hook], retry=policy
    ) as client:
        await client.contacts.get(sandbox.contacts[0].id)
    (span,) = watched.spans
    assert span.attributes is not None
    assert span.attributes["http.request.resend_count"] == 2
    assert [event.name for event in span.events] == ["attempt", "wait"] * 2 + ["attempt"]
    points = watched.points()
    assert sum(point.value for point in points["respondio.client.refusals"]) == 1
    assert sum(point.value for point in points["respondio.client.retries"]) == 2
    assert sum(point.count for point in points["http.client.request.duration"]) == 3


async def test_a_failed_call_says_its_errors_class(watched: Watched, sandbox: Sandbox) -> None:
    """The span has the error status, and an unknown outcome is counted."""
    async with AsyncRespond(sandbox.token, base_url=sandbox.url, hooks=[watched.hook]) as client:
        with pytest.raises(NotFoundError):
            await client.contacts.get(1)
        sandbox.fault(status=502, times=1)
        with pytest.raises(OutcomeUnknownError):
            await client.comments.create(sandbox.contacts[0].id, "canary-words")
    missing, unknown = watched.spans
    assert not missing.status.is_ok
    assert missing.attributes is not None
    assert missing.attributes["error.type"] == "NotFoundError"
    assert unknown.attributes is not None
    assert unknown.attributes["error.type"] == "OutcomeUnknownError"
    assert [point.value for point in watched.points()["respondio.client.outcomes_unknown"]] == [1]


async def test_gauges_follow_the_clients_that_are_watched(
    watched: Watched, sandbox: Sandbox
) -> None:
    """The limit in force and the queue's length are there by route."""
    async with AsyncRespond(sandbox.token, base_url=sandbox.url, hooks=[watched.hook]) as client:
        watched.hook.watch(client)
        await client.space.list_users().first()
        points = watched.points()
    (limit,) = points["respondio.client.limit"]
    assert limit.attributes == {"respondio.route": "GET /space/user"}
    assert limit.value > 0
    assert [point.value for point in points["respondio.client.queue.length"]] == [0]


class _SlowLimiter(OpenLimiter):
    """Lets each call wait for a given time, in turn."""

    def __init__(self, *waits: float) -> None:
        super().__init__()
        self.waits = list(waits)

    async def reserve(self, route: str, **options: Any) -> OpenReservation:
        await asyncio.sleep(self.waits.pop(0))
        return await super().reserve(route, **options)


@pytest.mark.parametrize("anyio_backend", [VIRTUAL])
async def test_the_time_in_the_queue_is_told(watched: Watched) -> None:
    """Of every call on its span, of calls that waited as a measurement: also if the wait ended
    them.
    """
    client, _, _ = scripted(
        answer(200, b'{"id": 7}'),
        limiter=_SlowLimiter(0.0, 3.0, 100.0),
        hooks=[watched.hook],
        queue_timeout=10.0,
    )
    await client.contacts.get(7)
    await client.contacts.get(7)
    with pytest.raises(DeadlineExceededError):
        await client.contacts.get(7)
    told = [span.attributes["respondio.queue.duration"] for span in watched.spans]
    assert told == pytest.approx([0.0, 3.0, 10.0])
    (point,) = watched.points()["respondio.client.queue.duration"]
    assert (point.count, point.sum) == (2, pytest.approx(13.0))


async def test_a_call_that_is_not_sampled_is_measured_and_not_described(sandbox: Sandbox) -> None:
    """Its context goes down all the same, or what is below it would begin a trace of its own."""
    watched = Watched(ALWAYS_OFF)
    seen: list[trace.SpanContext] = []

    def look(_: HookEvent) -> None:
        seen.append(trace.get_current_span().get_span_context())

    async with AsyncRespond(
        sandbox.token, base_url=sandbox.url, hooks=[watched.hook, look]
    ) as client:
        await client.space.list_users().first()
    assert not watched.spans
    assert [context.is_valid for context in seen] == [True, True, False]
    assert not seen[0].trace_flags.sampled
    assert watched.points()["http.client.request.duration"][0].count == 1


async def test_calls_side_by_side_have_spans_of_their_own(
    watched: Watched, sandbox: Sandbox
) -> None:
    """Each below the span in which it was made; none is left current."""
    tracer = watched.traces.get_tracer("test")

    async def one(client: AsyncRespond, name: str) -> None:
        with tracer.start_as_current_span(name):
            await client.contacts.get(sandbox.contacts[0].id)
            await client.space.list_users().first()

    async with AsyncRespond(sandbox.token, base_url=sandbox.url, hooks=[watched.hook]) as client:
        await asyncio.gather(one(client, "a"), one(client, "b"))
    assert not trace.get_current_span().get_span_context().is_valid
    names = {span.context.span_id: span.name for span in watched.spans if span.parent is None}
    below = [(names[span.parent.span_id], span.name) for span in watched.spans if span.parent]
    assert sorted(below) == sorted(
        (name, call) for name in "ab" for call in ("GET /contact/{identifier}", "GET /space/user")
    )


async def test_gauges_are_read_while_the_loop_changes_what_they_read(watched: Watched) -> None:
    """Exporters ask in a thread of their own; what cannot be read now is left to the next time."""

    class Busy(AsyncRespond):
        changes = 0

        def statistics(self) -> ClientStatistics:
            if self.changes:
                self.changes -= 1
                raise RuntimeError("dictionary changed size during iteration")
            return super().statistics()

    limiter = LocalRateLimiter({"GET /space/user": 3})
    (await limiter.reserve("GET /space/user", priority="interactive")).abandon()
    async with Busy("t", limiter=limiter) as client:
        watched.hook.watch(client)
        client.changes = 1
        assert [each.value for each in watched.points()["respondio.client.limit"]] == [3]
        client.changes = 100
        assert not watched.points()


async def test_nothing_personal_reaches_an_attribute(watched: Watched, sandbox: Sandbox) -> None:
    """Whatever the calls carry and the server echoes, spans and metrics hold none of it."""
    async with AsyncRespond(sandbox.token, base_url=sandbox.url, hooks=[watched.hook]) as client:
        await client.contacts.create_or_update(
            f"phone:{PHONE}", first_name="Canaria", email="canary@mail.example"
        )
        for identifier in (f"phone:{PHONE}", "email:canary@mail.example"):
            try:
                await client.messages.send(identifier, "canary-words")
            except APIError:
                pass
    told = "".join(span.to_json() for span in watched.spans)
    data = watched.reader.get_metrics_data()
    told += data.to_json() if data else ""
    assert "/contact/{identifier}/message" in told
    assert not [canary for canary in (*CANARIES, sandbox.token) if canary in told]


def test_nothing_of_it_is_imported_unasked() -> None:
    """The package does not import OpenTelemetry; without it the module says what to install."""
    code = """
import sys
import respondio_async
respondio_async.AsyncRespond("t")
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
sys.modules["opentelemetry"] = None
try:
    import respondio_async.telemetry
except respondio_async.ConfigurationError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert "respondio-async[otel]" in done.stdout
