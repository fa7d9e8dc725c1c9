"""OpenTelemetry: a span and metrics for every call, spans for every webhook event.

    from respondio_async.telemetry import OpenTelemetryHook, OpenTelemetryTracer

    hook = OpenTelemetryHook()
    async with AsyncRespond(hooks=[hook]) as client:
        hook.watch(client)  # the limit in force and the queue length, as gauges

    router = WebhookRouter(keys, tracer=OpenTelemetryTracer())

Needs the API alone (`pip install 'respondio-async[otel]'`); the program chooses SDK and exporter.
Names follow the semantic conventions for HTTP clients and for messaging. Attributes hold templates,
statuses and class names: never a path, a token, a person's data or a text.

The span of a call is the current one while the call runs, so that spans of the HTTP library are
below it. A call of one attempt that was answered well is told by its attributes alone; of others
each attempt and wait is an event.
"""

import time
import warnings
import weakref
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, Token
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from .errors import ConfigurationError
from .hooks import (
    AttemptEnded,
    DriftDetected,
    HookEvent,
    OperationEnded,
    OperationStarted,
    WaitStarted,
)

try:
    from opentelemetry import context as otel_context
    from opentelemetry import metrics, trace
    from opentelemetry.metrics import CallbackOptions, Observation
    from opentelemetry.trace import SpanKind, Status, StatusCode
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError as _missing:
    raise ConfigurationError(
        "OpenTelemetry is not installed: pip install 'respondio-async[otel]'"
    ) from _missing

if TYPE_CHECKING:
    from ._client import AsyncRespond
    from .limits import RouteStatistics
    from .webhooks.events import AnyEvent

__all__ = ["OpenTelemetryHook", "OpenTelemetryTracer", "webhook_span"]

_SCOPE: Final = "respondio_async"
_SHORTEST_WAIT: Final = 0.001
"""Seconds in the queue that count as a wait."""
_LOOKS: Final = 3
"""At statistics, while other threads change them."""
_W3C: Final = TraceContextTextMapPropagator()
_CARRIED: Final = ("traceparent", "tracestate")

_Attributes = dict[str, str | int | float]


class _RunningCall:
    """A call between its first event and its last."""

    __slots__ = ("attempt", "events", "outer", "span", "status")

    def __init__(self, span: "trace.Span", outer: "Token[Any]") -> None:
        self.span = span
        self.outer = outer
        """The trace context around the call."""
        self.attempt: AttemptEnded | None = None
        """The last one, until it is counted."""
        self.events: list[tuple[int, AttemptEnded | WaitStarted | DriftDetected]] = []
        self.status: int | None = None
        """Of the last attempt."""


class OpenTelemetryHook:
    """A hook that turns the events of a client into spans and metrics.

    *tracer_provider* and *meter_provider* None: the global ones. *server_address* is the attribute
    of that name. One hook may serve several clients.

    Its metrics:

    - `http.client.request.duration` (s): one attempt, from its permit to the end of its answer
    - `respondio.client.queue.duration` (s): what a call spent in the queue for permits, where
      that was a millisecond or more
    - `respondio.client.refusals`: answers of 429
    - `respondio.client.retries`: attempts after the first
    - `respondio.client.outcomes_unknown`: writes of unknown outcome
    - `respondio.client.limit` (1/s): gauge: the limit in force, by route
    - `respondio.client.queue.length`: gauge: calls in the queue, by route

    A call that did not wait costs the SDK one measurement. There is none of the whole call: that is
    the duration of its span.
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
        self._running: ContextVar[_RunningCall | None] = ContextVar("running_call", default=None)
        self._clients: weakref.WeakSet[AsyncRespond] = weakref.WeakSet()
        self._requests = meter.create_histogram("http.client.request.duration", "s")
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
        if isinstance(event, OperationStarted):
            self._start(event)
            return
        running = self._running.get()
        if running is None:  # the call began before this hook was added
            return
        if isinstance(event, OperationEnded):
            self._end(event, running)
            return
        if running.attempt is not None:
            self._count(running.attempt)
            running.attempt = None
        if isinstance(event, AttemptEnded):
            running.attempt = event
            running.status = event.status
        running.events.append((time.time_ns(), event))

    def _start(self, event: OperationStarted) -> None:
        span = self._tracer.start_span(
            event.endpoint,
            kind=SpanKind.CLIENT,
            attributes=_operation(event.endpoint, self._address),
        )
        outer = otel_context.attach(trace.set_span_in_context(span))
        self._running.set(_RunningCall(span, outer))

    def _count(self, attempt: AttemptEnded) -> None:
        outcome = _outcome(attempt.endpoint, self._address, attempt.status, attempt.failure)
        self._requests.record(attempt.elapsed, outcome)
        operation = _operation(attempt.endpoint, self._address)
        if attempt.status == 429:
            self._refusals.add(1, operation)
        if attempt.attempt > 1:
            self._retries.add(1, operation)

    def _end(self, event: OperationEnded, running: _RunningCall) -> None:
        self._running.set(None)
        otel_context.detach(running.outer)
        # After the call's span, or the SDK would look at it for an exemplar each time.
        if running.attempt is not None:
            self._count(running.attempt)
        operation = _operation(event.endpoint, self._address)
        if event.queued >= _SHORTEST_WAIT:
            self._queueing.record(event.queued, operation)
        if event.error == "OutcomeUnknownError":
            self._unknown.add(1, operation)
        span = running.span
        if not span.is_recording():
            return
        attributes: _Attributes = {"respondio.queue.duration": event.queued}
        if running.status is not None:
            attributes["http.response.status_code"] = running.status
        if event.attempts > 1:
            attributes["http.request.resend_count"] = event.attempts - 1
        if event.error is not None:
            attributes["error.type"] = event.error
            span.set_status(Status(StatusCode.ERROR, event.error))
        span.set_attributes(attributes)
        if event.error is not None or len(running.events) > 1:
            for at, each in running.events:
                span.add_event(*self._described(each), timestamp=at)
        span.end()

    @staticmethod
    def _described(event: AttemptEnded | WaitStarted | DriftDetected) -> tuple[str, _Attributes]:
        match event:
            case AttemptEnded():
                return "attempt", {
                    "duration": event.elapsed,
                    **_answer(event.status, event.failure),
                }
            case WaitStarted():
                return "wait", {"duration": event.seconds, "reason": event.reason}
            case DriftDetected():
                return "drift", {"type": event.type, "detail": event.detail}

    def _limits(self, _: "CallbackOptions") -> "Iterable[Observation]":
        for route, use in self._routes():
            if use.limit is not None:
                yield Observation(use.limit, {"respondio.route": route})

    def _lengths(self, _: "CallbackOptions") -> "Iterable[Observation]":
        for route, use in self._routes():
            yield Observation(use.waiting, {"respondio.route": route})

    def _routes(self) -> "list[tuple[str, RouteStatistics]]":
        for _ in range(_LOOKS):
            try:
                clients = list(self._clients)
                return [item for each in clients for item in each.statistics().routes.items()]
            except RuntimeError:
                # An exporter asks in a thread of its own: a new route or connection changed what
                # was being read.
                continue
        return []


# Attributes are made once for each template and outcome, and are never changed.


@lru_cache(maxsize=1024)
def _operation(endpoint: str, address: str) -> _Attributes:
    method, _, template = endpoint.partition(" ")
    return {"http.request.method": method, "url.template": template, "server.address": address}


@lru_cache(maxsize=1024)
def _outcome(endpoint: str, address: str, status: int | None, failure: str | None) -> _Attributes:
    return _operation(endpoint, address) | _answer(status, failure)


def _answer(status: int | None, failure: str | None) -> _Attributes:
    attributes: _Attributes = {}
    if status is not None:
        attributes["http.response.status_code"] = status
    if failure is not None:
        attributes["error.type"] = failure
    elif status is not None and status >= 400:
        attributes["error.type"] = str(status)
    return attributes


class OpenTelemetryTracer:
    """Traces a `WebhookRouter`: `WebhookRouter(keys, tracer=OpenTelemetryTracer())`.

    A span as an event is stored, below the one of the web server's instrumentation if there is one,
    and a span below it as its handlers run. In between the event may wait in the inbox, be given to
    another process, or outlive a kill -9: its trace context (W3C's `traceparent` and `tracestate`,
    and no baggage) is stored with it. An event that is redelivered has one more span of the second
    kind. What handlers do is below that one.

    Names and attributes follow the conventions for messaging. *tracer_provider* None: the global
    one.
    """

    def __init__(self, *, tracer_provider: "trace.TracerProvider | None" = None) -> None:
        self._tracer = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider)

    @contextmanager
    def accepting(self, event: "AnyEvent") -> Generator[str | None]:
        """Enter the span in which an event is stored, and give its trace context."""
        with self._span("accept", "send", SpanKind.PRODUCER, event):
            carrier: dict[str, str] = {}
            _W3C.inject(carrier)
            yield " ".join(carrier[name] for name in _CARRIED if name in carrier) or None

    @contextmanager
    def handling(
        self, event: "AnyEvent", trace_context: str | None, *, redelivered: bool
    ) -> Generator[None]:
        """Enter the span in which the handlers of an event run."""
        carrier = dict(zip(_CARRIED, (trace_context or "").split(" ", 1), strict=False))
        # On nothing else: the task may have begun with another event.
        outer = otel_context.attach(_W3C.extract(carrier, otel_context.Context()))
        try:
            with self._span("handle", "process", SpanKind.CONSUMER, event) as span:
                span.set_attribute("respondio.event.redelivered", redelivered)
                yield
        finally:
            otel_context.detach(outer)

    def failed(self, error: BaseException) -> None:
        """Note an error in the current span: its class alone, as a text may hold what a customer
        wrote.
        """
        _mark_failed(error)

    def _span(
        self, operation: str, kind: str, role: SpanKind, event: "AnyEvent"
    ) -> AbstractContextManager["trace.Span"]:
        # The event's class, not the type that its body names: that may be anything.
        destination = type(event).__name__
        attributes: dict[str, str | bool] = {
            "messaging.system": "respondio",
            "messaging.operation.name": operation,
            "messaging.operation.type": kind,
            "messaging.destination.name": destination,
        }
        return _event_span(self._tracer, f"{operation} {destination}", role, attributes)


@contextmanager
def _event_span(
    tracer: "trace.Tracer", name: str, role: SpanKind, attributes: dict[str, str | bool]
) -> "Generator[trace.Span]":
    with tracer.start_as_current_span(
        name,
        kind=role,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield span
        except BaseException as error:
            _mark_failed(error)
            raise


def _mark_failed(error: BaseException) -> None:
    span, name = trace.get_current_span(), type(error).__name__
    span.set_attribute("error.type", name)
    span.set_status(Status(StatusCode.ERROR, name))


async def webhook_span(
    context: Any,
    call_next: Callable[[Any], Awaitable[None]],
    *,
    tracer_provider: "trace.TracerProvider | None" = None,
) -> None:
    """Middleware of a `WebhookRouter`: a span for each run of a handler.

    Deprecated, goes with 0.4: `WebhookRouter(…, tracer=OpenTelemetryTracer())` makes a span an
    event, in the trace of the request that brought it.
    """
    warnings.warn(
        "webhook_span is deprecated: use WebhookRouter(…, tracer=OpenTelemetryTracer())",
        DeprecationWarning,
        stacklevel=2,
    )
    kind = type(context.event).__name__
    attributes = {
        "respondio.event.type": kind,
        "respondio.event.redelivered": context.redelivered,
    }
    tracer = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider)
    with _event_span(tracer, f"webhook {kind}", SpanKind.CONSUMER, attributes):
        await call_next(context)
