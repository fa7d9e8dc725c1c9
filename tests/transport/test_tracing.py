"""What tracing and error reports see of the client: one span a request, named by its template, and
nothing of whom it was about.

Each tool patches its process for good, so each runs in one of its own.
"""

import json
import subprocess
import sys
from typing import Any

import pytest

BACKENDS = ("httpx", "httpx2", "aiohttp")
CANARIES = ("60123456789", "ada@example.com", "canary-token", "a secret text", "%2B60")

_CALLS = """
import asyncio, json, os, sys
from respondio_async import AsyncRespond, RespondError, RetryPolicy
from tests.faults import server as faults
from tests.faults.server import FaultServer
from tests.faults.support import GOOD

hooks = []

async def call(backend, tell):
    os.environ.update(HTTPS_PROXY="", HTTP_PROXY="")
    async with FaultServer(default=faults.answer(200, GOOD)) as server:
        async with AsyncRespond(
            "canary-token", base_url=server.url, backend=backend, retry=RetryPolicy(budget=0),
            hooks=hooks,
        ) as client:
            await client.contacts.get("phone:+60123456789")
            await client.contacts.list_channels("email:ada@example.com").collect()
            await client.messages.send("email:ada@example.com", "a secret text")
            server.plan(faults.answer(404, b'{"code":404}'), faults.hang_up())
            for _ in range(2):
                try:
                    await client.contacts.get("phone:+60123456789")
                except RespondError as error:
                    tell(error)
        return server.url, [request.target for request in server.requests]

def tell_of_each_backend(watched):
    json.dump({backend: watched(backend) for backend in sys.argv[1:]}, sys.stdout)
"""

_SENTRY = (
    _CALLS
    + """
import sentry_sdk
from sentry_sdk.transport import Transport

class Kept(Transport):
    sent = []

    def capture_envelope(self, envelope):
        self.sent += [item.payload.json for item in envelope.items if item.payload.json]

sentry_sdk.init(
    dsn="https://key@sentry.example/1", transport=Kept, traces_sample_rate=1.0,
    send_default_pii=True, include_local_variables=False,
    include_source_context=False,  # the source is this test's, with all that it sends
)

async def main(backend):
    with sentry_sdk.start_transaction(name="bot"):
        return await call(backend, sentry_sdk.capture_exception)

def watched(backend):
    Kept.sent.clear()
    url, targets = asyncio.run(main(backend))
    sentry_sdk.flush()
    spans = [span for event in Kept.sent for span in event.get("spans", ())]
    return {
        "url": url,
        "targets": targets,
        "seen": [span["description"] for span in spans if span.get("op") == "http.client"],
        "all": json.dumps(Kept.sent),
        "reports": sum("exception" in event for event in Kept.sent),
    }

tell_of_each_backend(watched)
"""
)

_OPEN_TELEMETRY = (
    _CALLS
    + """
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor, HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
for instrumentor in (HTTPXClientInstrumentor, HTTPX2ClientInstrumentor, AioHttpClientInstrumentor):
    instrumentor().instrument(tracer_provider=provider)

def watched(backend):
    exporter.clear()
    url, targets = asyncio.run(call(backend, lambda error: None))
    spans = exporter.get_finished_spans()
    requests = [span for span in spans if "http.url" in span.attributes]
    calls = [span for span in spans if "url.template" in span.attributes]
    return {
        "url": url,
        "targets": targets,
        "seen": [
            f"{span.attributes['http.method']} {span.attributes['http.url']}" for span in requests
        ],
        "all": " ".join(span.to_json() for span in spans),
        "calls": {span.context.span_id: span.name for span in calls},
        "parents": [span.parent.span_id for span in requests if span.parent],
    }

tell_of_each_backend(watched)
"""
)

_BOTH = _OPEN_TELEMETRY.replace(
    "def watched",
    """
from respondio_async.telemetry import OpenTelemetryHook
hooks.append(OpenTelemetryHook(tracer_provider=provider))

def watched""",
)


def watched(script: str) -> dict[str, dict[str, Any]]:
    """Make the calls in a process of their own, and return what was seen of them by backend."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, *BACKENDS],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, dict[str, Any]] = json.loads(done.stdout)
    assert [*seen] == [*BACKENDS]
    return seen


@pytest.mark.parametrize("script", [_SENTRY, _OPEN_TELEMETRY], ids=["sentry", "opentelemetry"])
def test_spans_are_named_by_template(script: str) -> None:
    """One span a request, failed ones included; what came with it names nobody."""
    for backend, seen in watched(script).items():
        check_names(script, backend, seen)


def check_names(script: str, backend: str, seen: dict[str, Any]) -> None:
    assert any("60123456789" in target for target in seen["targets"])
    contact = f"{seen['url']}/contact/%7Bidentifier%7D"
    expected = [
        f"GET {contact}",
        f"GET {contact}/channels",
        f"POST {contact}/message",
        f"GET {contact}",
        f"GET {contact}",
    ]
    assert len(seen["targets"]) == len(expected)
    if (script, backend) == (_SENTRY, "aiohttp"):
        expected.pop()  # its integration for aiohttp never ends the span of a request that failed
    assert [unquoted(each) for each in seen["seen"]] == [unquoted(each) for each in expected]
    assert not [canary for canary in CANARIES if canary in seen["all"]]
    assert seen.get("reports", 2) == 2


def test_the_requests_of_the_http_library_are_below_the_span_of_their_call() -> None:
    """With our hook beside the library's own instrumentation; each call has one request here."""
    for backend, seen in watched(_BOTH).items():
        assert [seen["calls"][str(parent)] for parent in seen["parents"]] == [
            "GET /contact/{identifier}",
            "GET /contact/{identifier}/channels",
            "POST /contact/{identifier}/message",
            "GET /contact/{identifier}",
            "GET /contact/{identifier}",
        ], backend
        assert len(seen["calls"]) == len(set(seen["parents"])) == 5
        assert not [canary for canary in CANARIES if canary in seen["all"]]


def unquoted(text: str) -> str:
    """Whether a library escapes braces in what it shows is its own affair."""
    return text.replace("%7B", "{").replace("%7D", "}")
