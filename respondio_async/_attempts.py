"""The attempts of one call, in order: line → connection → permit → send → learn → (wait, again) →
decode.
"""

import asyncio
import time
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from . import _wire
from ._call import Call, Response, Settings
from ._context import after_unsent, before_unsafe_send, current_priority
from ._retry import Again, Failure, Stop, Tally, decide
from ._transport import Answer, Connection, Request, SendError
from ._wire import Headers
from .errors import (
    ConnectionFailedError,
    DeadlineExceededError,
    DecodeError,
    OutcomeUnknownError,
    RequestTimeoutError,
    RespondError,
    TransportError,
)
from .hooks import AttemptEnded, DriftDetected, WaitStarted
from .limits import Feedback, Reservation

if TYPE_CHECKING:
    from ._pipeline import Pipeline

T = TypeVar("T")

_NO_FACTS: Final = _wire.facts((), 0.0)

_PATIENCE: Final = 0.25
"""A permit that has moved further away than this, in seconds, is waited for without a
connection.
"""


class Attempts(Generic[T]):
    """The attempts of one call."""

    __slots__ = (
        "announced",
        "call",
        "counters",
        "deadline",
        "facts",
        "pipeline",
        "sending",
        "settings",
        "tally",
    )

    def __init__(self, pipeline: "Pipeline", call: Call[T], settings: Settings) -> None:
        self.pipeline = pipeline
        self.call = call
        self.settings = settings
        self.tally = Tally()
        self.deadline: float | None = None
        """On the loop's clock; starts with the first permit."""
        self.counters = pipeline.count(call.endpoint.bucket)
        self.facts = _NO_FACTS
        self.announced = False
        self.sending = False

    async def run(self, started: float) -> Response[T]:
        """Attempt until there is a value or an error."""
        while True:
            outcome = await self._attempt()
            failure = self._judge(outcome)
            if failure is None:
                assert isinstance(outcome, Answer)  # noqa: S101 - for the type checker: no answer is a failure
                return self._decode(outcome, started)
            if not failure.may_have_landed:
                self._withdraw()
            decision = self._decide(failure, outcome)
            if isinstance(decision, Stop):
                raise self._error(outcome, decision)
            await self._wait(decision)

    # ── one attempt
    # ──────────────────────────────────────────────────────────────────────────────────

    async def _attempt(self) -> Answer | SendError:
        endpoint, settings = self.call.endpoint, self.settings
        first = self.tally.attempts == 0
        loop = asyncio.get_running_loop()
        began = loop.time()
        reservation, connection = await self._admit(first)
        permitted = loop.time()
        self.counters.waited += permitted - began
        if first and settings.deadline is not None:
            self.deadline = permitted + settings.deadline
        self.tally.attempts += 1
        self.counters.sent += 1
        result: Answer | SendError | None = None
        self.sending = True
        try:
            # No local of this frame is the token or the path: tracebacks may show them.
            request = Request(
                endpoint.method,
                self.call.target,
                settings.headers if self.call.content is None else settings.json_headers,
                self.call.content,
                endpoint.path,
            )
            result = await connection.send(
                request, timeout=self._attempt_timeout(permitted), phases=settings.phases
            )
            return result  # noqa: TRY300 - what `finally` learns from is what is returned
        except SendError as error:
            result = error
            return error
        finally:
            self.sending = False
            left = connection.left_at or permitted
            connection.release()
            self._learn(reservation, result, delay=left - permitted, elapsed=loop.time() - left)

    async def _admit(self, first: bool) -> tuple[Reservation, Connection]:
        """Wait in line, take a connection, then the permit: nothing comes between the permit and
        the wire.
        """
        settings, endpoint = self.settings, self.call.endpoint
        timeout = settings.queue_timeout if first else self._left()
        reservation: Reservation | None = None
        connection: Connection | None = None
        try:
            async with asyncio.timeout(timeout):
                priority = settings.priority or current_priority.get()
                reservation = await settings.limiter.reserve(
                    endpoint.bucket, priority=priority, timeout=timeout, is_retry=not first
                )
                if (
                    endpoint.replay == "unsent"
                    and (announce := before_unsafe_send.get()) is not None
                ):
                    await announce()
                    self.announced = True
                while True:
                    connection = await self.pipeline.transport.acquire()
                    if await reservation.permit(max_wait=_PATIENCE):
                        return reservation, connection
                    connection.release()
                    connection = None
                    await reservation.wait_until_near()
        except BaseException as error:
            if connection is not None:
                connection.release()
            if reservation is not None:
                reservation.abandon()
            self._withdraw()
            if isinstance(error, DeadlineExceededError):
                raise self._no_permit(first, error.needed) from None
            if isinstance(error, TimeoutError):
                raise self._no_permit(first, None) from None
            if isinstance(error, SendError):  # the client was closed meanwhile
                raise self._transport_error(error) from None
            raise

    def _withdraw(self) -> None:
        """Take back an announced send that provably had no effect."""
        if self.announced:
            self.announced = False
            if (withdraw := after_unsent.get()) is not None:
                withdraw()

    def _learn(
        self,
        reservation: Reservation,
        result: Answer | SendError | None,
        *,
        delay: float,
        elapsed: float,
    ) -> None:
        """Tell the limiter, the counters and the hooks what became of a permit.

        None: the caller was cancelled.
        """
        if isinstance(result, Answer):
            self.facts = facts = _wire.facts(result.headers, time.time())
            feedback = Feedback(result.status, facts.rate_limit, facts.retry_after, elapsed, delay)
            self.counters.answered(result.status, elapsed)
        else:
            self.facts = _NO_FACTS
            feedback = Feedback(None, delay=delay, sent=result is None or result.sent)
        self.settings.limiter.update(reservation, feedback)
        if self.pipeline.hooks:
            status = feedback.status
            failure = (
                "cancelled"
                if result is None
                else result.failure
                if isinstance(result, SendError)
                else None
            )
            self.pipeline.tell(
                AttemptEnded(
                    self.call.endpoint.template, self.tally.attempts, status, elapsed, failure
                )
            )

    # ── what it means
    # ────────────────────────────────────────────────────────────────────────────────

    def _judge(self, outcome: Answer | SendError) -> Failure | None:
        """Why the attempt failed; None: it did not."""
        if isinstance(outcome, SendError):
            return Failure("unknown" if outcome.sent else "unsent")
        if 200 <= outcome.status < 300:
            return None
        endpoint = self.call.endpoint
        # What is gone was deleted by an earlier attempt, whose answer was lost; or the caller does
        # not mind.
        done_if_missing = endpoint.missing_ok or self.tally.may_have_landed
        if (
            endpoint.method == "DELETE"
            and done_if_missing
            and _wire.is_missing(outcome.status, outcome.content)
        ):
            return None
        return Failure("answered", outcome.status, self.facts.retry_after)

    def _decide(self, failure: Failure, outcome: Answer | SendError) -> Again | Stop:
        decision = decide(
            failure,
            self.tally,
            replay=self.call.endpoint.replay,
            policy=self.settings.retry,
            budget=self.pipeline.budget,
            left=self._left(),
        )
        if isinstance(decision, Again) and (
            self.pipeline.life.over
            or (isinstance(outcome, SendError) and outcome.failure == "too_large")
        ):
            return (
                Stop()
            )  # a closed client repeats nothing, and an answer that is too large would be so again
        return decision

    async def _wait(self, decision: Again) -> None:
        self.counters.retried += 1
        if self.pipeline.hooks:
            template = self.call.endpoint.template
            self.pipeline.tell(
                WaitStarted(template, self.tally.attempts, decision.seconds, decision.reason)
            )
        await asyncio.sleep(decision.seconds)

    def _decode(self, answer: Answer, started: float) -> Response[T]:
        endpoint = self.call.endpoint
        # An error here means that what was to be deleted is gone (see _judge); an empty answer says
        # no more than its status.
        content = answer.content
        if answer.status >= 400 or not content or content.isspace():
            content = b"{}"
        try:
            decoded = _wire.decode(content, endpoint.type, envelopes=endpoint.envelopes)
        except DecodeError as error:
            error.endpoint = endpoint.template
            if endpoint.replay == "always":
                raise
            raise OutcomeUnknownError(
                f"{endpoint.template}: the server answered {answer.status}, but its answer cannot "
                "be read; "
                "most likely the write has happened. Look before you repeat it.",
                endpoint=endpoint.template,
                reason="unreadable answer",
                attempts=self.tally.attempts,
            ) from error
        self.pipeline.budget.earn()
        for detail in decoded.drift:
            name = getattr(endpoint.type, "__name__", "value")
            self.pipeline.drift.note(endpoint.template, name, detail)
            self.pipeline.tell(DriftDetected(endpoint.template, name, detail))
        return Response(
            decoded.value,
            answer.status,
            Headers(answer.headers),
            self.facts.rate_limit,
            self.tally.attempts,
            asyncio.get_running_loop().time() - started,
            answer.content,
        )

    # ── time
    # ─────────────────────────────────────────────────────────────────────────────────────────

    def _left(self) -> float | None:
        """Seconds until the deadline; None: there is none (yet)."""
        return (
            None
            if self.deadline is None
            else max(0.0, self.deadline - asyncio.get_running_loop().time())
        )

    def _attempt_timeout(self, now: float) -> float | None:
        timeout = self.settings.timeout
        if self.deadline is None:
            return timeout
        left = max(0.0, self.deadline - now)
        return left if timeout is None else min(timeout, left)

    # ── errors
    # ───────────────────────────────────────────────────────────────────────────────────────

    def _error(self, outcome: Answer | SendError, decision: Stop) -> RespondError:
        """What the caller gets to see."""
        if isinstance(outcome, SendError):
            error: RespondError = self._transport_error(
                outcome, out_of_time=decision.why == "deadline"
            )
            reason = _REASONS[outcome.failure]
        else:
            error = _wire.api_error(
                status=outcome.status,
                headers=outcome.headers,
                content=outcome.content,
                endpoint=self.call.endpoint.template,
                attempts=self.tally.attempts,
                sent=(*self.call.sent, self.settings.token),
            )
            reason = f"status {outcome.status}"
        if not decision.unknown:
            return error
        template = self.call.endpoint.template
        unknown = OutcomeUnknownError(
            f"{template}: {reason} after the request was sent; the write may or may not have "
            "happened, "
            "so it was not sent again. Look (for a message: messages.list) before you repeat it.",
            endpoint=template,
            reason=reason,
            attempts=self.tally.attempts,
        )
        unknown.__cause__ = error
        return unknown

    def _transport_error(self, failure: SendError, *, out_of_time: bool = False) -> TransportError:
        template, attempts = self.call.endpoint.template, self.tally.attempts
        sent = failure.sent or self.tally.may_have_landed
        left = self._left()
        kind: type[TransportError] = ConnectionFailedError
        text = f"{template}: {failure}"
        if out_of_time or (left is not None and left <= 0):
            kind = DeadlineExceededError
            text = (
                f"{template}: the deadline of {self.settings.deadline:g} s ended it "
                f"after {attempts} attempts; last: {failure}"
            )
        elif failure.failure == "timeout":
            kind = RequestTimeoutError
        elif failure.failure == "too_large":
            kind = TransportError
        return kind(text, endpoint=template, attempts=attempts, sent=sent)

    def _no_permit(self, first: bool, needed: float | None) -> DeadlineExceededError:
        template, settings = self.call.endpoint.template, self.settings
        name, seconds = (
            ("queue_timeout", settings.queue_timeout) if first else ("deadline", settings.deadline)
        )
        # Without a bound of ours it was the limiter's own.
        bound = "limiter's time" if seconds is None else f"{name} of {seconds:g} s"
        wait = "" if needed is None else f": the wait would have taken {needed:.3g} s"
        return DeadlineExceededError(
            f"{template}: no permit within the {bound}{wait}",
            endpoint=template,
            attempts=self.tally.attempts,
            sent=self.tally.may_have_landed,
            needed=needed,
        )


_REASONS: Final = {
    "connect": "no connection",
    "timeout": "timeout",
    "reset": "connection lost",
    "torn": "answer torn",
    "too_large": "answer too large",
    "closed": "client closed",
}
