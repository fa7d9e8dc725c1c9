"""OpenTelemetry through the hooks: a span a call, its metrics, and nothing personal in either."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from respondio_async import APIError, AsyncRespond, NotFoundError, OutcomeUnknownError, RetryPolicy
from respondio_async.sandbox import Quirks, Sandbox
from respondio_async.telemetry import OpenTelemetryHook, webhook_span

PHONE = "+60123450099"
CANARIES = (PHONE, PHONE[1:], "canary@mail.example", "canary-words", "Canaria")


class Watched:
    """A hook with exporters that keep everything in memory."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        traces = TracerProvider()
        traces.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.hook = OpenTelemetryHook(
            tracer_provider=traces, meter_provider=MeterProvider([self.reader])
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
    """Method, template, status and address are there; the attempt is an event of it."""
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
    assert [event.name for event in span.events] == ["attempt"]
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
    assert sum(point.count for point in points["respondio.client.operation.duration"]) == 1
    assert sum(point.count for point in points["respondio.client.queue.duration"]) == 1


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


async def test_a_webhooks_handler_runs_within_a_span() -> None:
    """An error's class is told, its text is not, and the error goes on."""
    exporter = InMemorySpanExporter()
    traces = TracerProvider()
    traces.add_span_processor(SimpleSpanProcessor(exporter))

    class Event:
        event_type = "canary-words"

    class Context:
        event = Event()
        redelivered = True

    async def fail(context: Any) -> None:
        raise ValueError("canary-words")

    with pytest.raises(ValueError, match="canary-words"):
        await webhook_span(Context(), fail, tracer_provider=traces)
    (span,) = exporter.get_finished_spans()
    assert span.name == "webhook Event"
    assert span.attributes is not None
    assert span.attributes["respondio.event.redelivered"] is True
    assert span.attributes["error.type"] == "ValueError"
    assert "canary-words" not in span.to_json()


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
