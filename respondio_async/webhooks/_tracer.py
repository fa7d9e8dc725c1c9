"""The seam between a router and what traces it: a span as an event is stored, and one as it is
handled, which may be in another process.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from .events import AnyEvent


class WebhookTracer(Protocol):
    """Makes the spans of a router; `respondio_async.telemetry.OpenTelemetryTracer` is one. What it
    inherits from here traces nothing.
    """

    def accepting(self, event: AnyEvent) -> AbstractContextManager[str | None]:  # noqa: ARG002
        """Enter the span in which an event is stored, below the request's if that has one; gives
        the trace context that is stored with the event. None: there is no trace to continue.
        """
        return nullcontext()

    def handling(
        self,
        event: AnyEvent,  # noqa: ARG002
        trace_context: str | None,  # noqa: ARG002
        *,
        redelivered: bool,  # noqa: ARG002
    ) -> AbstractContextManager[None]:
        """Enter the span in which the handlers of an event run, below the one that stored it."""
        return nullcontext()

    def failed(self, error: BaseException) -> None:
        """Note in the span that was entered last that an error is being reported."""
        ...


class NoTracer(WebhookTracer):
    """The tracer of a router that was given none."""

    def failed(self, error: BaseException) -> None:
        """Do nothing."""
