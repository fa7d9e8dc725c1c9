"""What the caller is told: the errors of a call that ends without a value."""

from typing import Any, Final

from .. import _wire
from .._transport import Answer, SendError
from .._values import counted
from ..errors import (
    ConnectionFailedError,
    DeadlineExceededError,
    OutcomeUnknownError,
    RequestTimeoutError,
    RespondError,
    TransportError,
)
from .breaker import Breaker, clock_time
from .exchange import Call
from .retry import Stop

_REASONS: Final = {
    "connect": "no connection",
    "timeout": "timeout",
    "reset": "connection lost",
    "torn": "answer torn",
    "too_large": "answer too large",
    "closed": "client closed",
}


def reason_of(outcome: Answer | SendError) -> str:
    """Say in a word or two what an attempt ended with."""
    if isinstance(outcome, SendError):
        return _REASONS[outcome.failure]
    return f"status {outcome.status}"


def final_error(outcome: Answer | SendError, stop: Stop, call: Call[Any]) -> RespondError:
    """Make the error of a call whose last attempt ended with *outcome*."""
    if isinstance(outcome, SendError):
        error: RespondError = _send_error(outcome, call, out_of_time=stop.why == "deadline")
    else:
        error = _wire.api_error(
            status=outcome.status,
            headers=outcome.headers,
            content=outcome.content,
            endpoint=call.endpoint.template,
            attempts=call.tally.attempts,
            sent=(*call.sent, call.settings.token),
        )
    if not stop.unknown:
        return error
    template, reason = call.endpoint.template, reason_of(outcome)
    unknown = OutcomeUnknownError(
        f"{template}: {reason} after the request was sent; the write may or may not have "
        "happened, so it was not sent again. Look (for a message: messages.list) before you "
        "repeat it.",
        endpoint=template,
        reason=reason,
        attempts=call.tally.attempts,
    )
    unknown.__cause__ = error
    return unknown


def no_permit(call: Call[Any], *, needed: float | None) -> DeadlineExceededError:
    """Make the error of a call that waited for a permit in vain."""
    name, seconds = (
        ("deadline", call.settings.deadline)
        if call.tally.attempts
        else ("queue_timeout", call.settings.queue_timeout)
    )
    # Without a bound of ours it was the limiter's own.
    bound = "limiter's time" if seconds is None else f"{name} of {seconds:g} s"
    wait = "" if needed is None else f": the wait would have taken {needed:.3g} s"
    template = call.endpoint.template
    return DeadlineExceededError(
        f"{template}: no permit within the {bound}{wait}",
        endpoint=template,
        attempts=call.tally.attempts,
        sent=call.tally.may_have_landed,
        needed=needed,
    )


def not_answering(
    kind: type[TransportError],
    call: Call[Any],
    breaker: Breaker,
    last: Answer | SendError | None,
) -> TransportError:
    """Make the error of a call that is not sent (again), because the server does not answer.

    *last*: how its last attempt ended; None: it had none.
    """
    template = call.endpoint.template
    since = clock_time(breaker.since)
    asked = counted(breaker.probes, "probe")
    met = asked if last is None else f"{reason_of(last)}, {asked}"
    text = f"{template}: the server has not answered since {since} ({met})"
    if kind is DeadlineExceededError:
        text += f"; the deadline of {call.settings.deadline:g} s ended the wait"
    tried = f" after {counted(call.tally.attempts, 'attempt')}"
    text += tried if call.tally.attempts else "; nothing was sent"
    error = kind(
        text, endpoint=template, attempts=call.tally.attempts, sent=call.tally.may_have_landed
    )
    if last is not None:
        error.__cause__ = final_error(last, Stop(), call)
    return error


def closed_while_waiting(call: Call[Any]) -> ConnectionFailedError:
    """Make the error of a call that was not on the wire when its client was closed."""
    template = call.endpoint.template
    return ConnectionFailedError(
        f"{template}: the client was closed while this call was waiting",
        endpoint=template,
        attempts=call.tally.attempts,
        sent=call.tally.may_have_landed,
    )


def _send_error(
    failure: SendError,
    call: Call[Any],
    *,
    out_of_time: bool,
) -> TransportError:
    """Make the error of a request that got no answer."""
    template = call.endpoint.template
    kind: type[TransportError] = ConnectionFailedError
    text = f"{template}: {failure}"
    if out_of_time:
        kind = DeadlineExceededError
        text = (
            f"{template}: the deadline of {call.settings.deadline:g} s ended it "
            f"after {counted(call.tally.attempts, 'attempt')}; last: {failure}"
        )
    elif failure.failure == "timeout":
        kind = RequestTimeoutError
    elif failure.failure == "too_large":
        kind = TransportError
    sent = failure.sent or call.tally.may_have_landed
    return kind(text, endpoint=template, attempts=call.tally.attempts, sent=sent)
