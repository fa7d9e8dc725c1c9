"""OpenTelemetry: a span and metrics for every call, a span for every webhook handler.

    from respondio_async.telemetry import OpenTelemetryHook

    hook = OpenTelemetryHook()
    async with AsyncRespond(hooks=[hook]) as client:
        hook.watch(client)  # the limit in force and the queue length, as gauges

Needs the API alone (`pip install 'respondio-async[otel]'`); the program chooses SDK and exporter.
Names follow the semantic conventions for HTTP clients. Attributes hold templates, statuses and
class names: never a path, a token, a person's data or a text.

A span is made when its call ends, with the true start time, so spans of the HTTP library beneath
stand beside it and not below it. Attempts are its events.
"""

import asyncio
import time
import weakref
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from .errors import ConfigurationError
from .hooks import AttemptEnded, HookEvent, OperationEnded, WaitStarted

try:
    from opentelemetry import metrics, trace
    from opentelemetry.metrics import CallbackOptions, Observation
    from opentelemetry.trace import SpanKind, Status, StatusCode
except ImportError as _missing:
    raise ConfigurationError(
        "OpenTelemetry is not installed: pip install 'respondio-async[otel]'"
    ) from _missing

if TYPE_CHECKING:
    from ._client import AsyncRespond

__all__ = ["OpenTelemetryHook", "webhook_span"]

_SCOPE: Final = "respondio_async"
_NANO: Final = 1_000_000_000

_Attributes = dict[str, str | int | float]


class OpenTelemetryHook:
    """A hook that turns the events of a client into spans and metrics.

    *tracer_provider* and *meter_provider* None: the global ones. *server_address* is the attribute
    of that name. One hook may serve several clients.

    Its metrics:

    - `http.client.request.duration` (s): one attempt
    - `respondio.client.operation.duration` (s): a whole call, waits included
    - `respondio.client.queue.duration` (s): the part of it in the queue for permits
    - `respondio.client.refusals`: answers of 429
    - `respondio.client.retries`: attempts after the first
    - `respondio.client.outcomes_unknown`: writes of unknown outcome
    - `respondio.client.limit` (1/s): gauge: the limit in force, by route
    - `respondio.client.queue.length`: gauge: calls in the queue, by route
    """

    def __init__(
        self,
        *,
        tracer_provider: "trace.TracerProvider | None" = None,
        meter_provider: "metrics.MeterProvider | None" = None,
        server_address: str = "api.respond.io",
    ) -> None:
        self._tracer = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider)
        meter = metrics.get_meter(_SCOPE, meter_provider=meter_provider)
        self._address = server_address
        self._pending: weakref.WeakKeyDictionary[asyncio.Task[Any], list[tuple[int, Any]]] = (
            weakref.WeakKeyDictionary()
        )
        self._clients: weakref.WeakSet[AsyncRespond] = weakref.WeakSet()
        self._requests = meter.create_histogram("http.client.request.duration", "s")
        self._operations = meter.create_histogram("respondio.client.operation.duration", "s")
        self._queueing = meter.create_histogram("respondio.client.queue.duration", "s")
        self._refusals = meter.create_counter("respondio.client.refusals")
        self._retries = meter.create_counter("respondio.client.retries")
        self._unknown = meter.create_counter("respondio.client.outcomes_unknown")
        meter.create_observable_gauge("respondio.client.limit", [self._limits], "1/s")
        meter.create_observable_gauge("respondio.client.queue.length", [self._lengths])

    def watch(self, client: "AsyncRespond") -> None:
        """Report the limits and queues of this client; it is not kept alive."""
        self._clients.add(client)

    def __call__(self, event: HookEvent) -> None:
        """Take one event of a client."""
        task = asyncio.current_task()
        if task is None:
            return
        if isinstance(event, OperationEnded):
            self._end(event, self._pending.pop(task, []))
            return
        self._pending.setdefault(task, []).append((time.time_ns(), event))
        if isinstance(event, AttemptEnded):
            self._requests.record(event.elapsed, self._operation(event) | _outcome(event))

    def _operation(self, event: "AttemptEnded | OperationEnded") -> _Attributes:
        method, _, template = event.endpoint.partition(" ")
        return {
            "http.request.method": method,
            "url.template": template,
            "server.address": self._address,
        }

    def _end(self, event: OperationEnded, events: list[tuple[int, Any]]) -> None:
        attributes = self._operation(event)
        if event.error is not None:
            attributes["error.type"] = event.error
        attempts = [each for _, each in events if isinstance(each, AttemptEnded)]
        waits = [each for _, each in events if isinstance(each, WaitStarted)]
        busy = sum(each.elapsed for each in attempts) + sum(each.seconds for each in waits)
        queued = max(0.0, event.elapsed - busy)
        self._operations.record(event.elapsed, attributes)
        self._queueing.record(queued, attributes)
        if refused := sum(each.status == 429 for each in attempts):
            self._refusals.add(refused, attributes)
        if event.attempts > 1:
            self._retries.add(event.attempts - 1, attributes)
        if event.error == "OutcomeUnknownError":
            self._unknown.add(1, attributes)
        # The sampler sees what is given at once, which also costs less than one by one.
        attributes["respondio.queue.duration"] = queued
        if event.attempts > 1:
            attributes["http.request.resend_count"] = event.attempts - 1
        for each in attempts:
            if each.status is not None:
                attributes["http.response.status_code"] = each.status
        self._span(event, events, attributes)

    def _span(
        self,
        event: OperationEnded,
        events: list[tuple[int, Any]],
        attributes: _Attributes,
    ) -> None:
        end = time.time_ns()
        span = self._tracer.start_span(
            event.endpoint,
            kind=SpanKind.CLIENT,
            attributes=attributes,
            start_time=end - int(event.elapsed * _NANO),
        )
        if not span.is_recording():
            return
        for at, each in events:
            match each:
                case AttemptEnded():
                    outcome = {"duration": each.elapsed, **_outcome(each)}
                    span.add_event("attempt", outcome, timestamp=at)
                case WaitStarted():
                    facts: dict[str, str | float] = {
                        "reason": each.reason,
                        "duration": each.seconds,
                    }
                    span.add_event("wait", facts, timestamp=at)
                case _:
                    span.add_event(
                        "drift", {"type": each.type, "detail": each.detail}, timestamp=at
                    )
        if event.error is not None:
            span.set_status(Status(StatusCode.ERROR, event.error))
        span.end(end)

    def _limits(self, _: "CallbackOptions") -> "Iterable[Observation]":
        for client in list(self._clients):
            for route, use in client.statistics().routes.items():
                if use.limit is not None:
                    yield Observation(use.limit, {"respondio.route": route})

    def _lengths(self, _: "CallbackOptions") -> "Iterable[Observation]":
        for client in list(self._clients):
            for route, use in client.statistics().routes.items():
                yield Observation(use.waiting, {"respondio.route": route})


def _outcome(event: AttemptEnded) -> _Attributes:
    attributes: _Attributes = {}
    if event.status is not None:
        attributes["http.response.status_code"] = event.status
    if event.failure is not None:
        attributes["error.type"] = event.failure
    elif event.status is not None and event.status >= 400:
        attributes["error.type"] = str(event.status)
    return attributes


async def webhook_span(
    context: Any,
    call_next: Callable[[Any], Awaitable[None]],
    *,
    tracer_provider: "trace.TracerProvider | None" = None,
) -> None:
    """Middleware of a `WebhookRouter`: a span for each run of a handler.

    ``router.middleware(webhook_span)``. The span names the event's type; what the handler does is
    below it.
    """
    tracer = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider)
    # The class, not the name in the body: that may be anything.
    kind = type(context.event).__name__
    with tracer.start_as_current_span(
        f"webhook {kind}",
        kind=SpanKind.CONSUMER,
        attributes={
            "respondio.event.type": kind,
            "respondio.event.redelivered": context.redelivered,
        },
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            await call_next(context)
        except Exception as error:
            # The type alone: a text may hold what a customer wrote.
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            span.set_attribute("error.type", type(error).__name__)
            raise
