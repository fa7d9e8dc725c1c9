"""One call, whole, from its arguments to its value.

`_wire` makes and reads bytes, the limiter says when, the transport says what became of a request,
`retry` says whether to try again. They never see one another; here is the order in which they are
asked:

1. encode: bad input fails before any wait;
2. while the route's breaker is open, wait;
3. queue at the limiter until the permit is near due;
4. take a connection, then the permit, and send at once;
5. report its outcome to the limiter, the breaker and the hooks;
6. judge and decide: decode, raise, or wait and begin again at 2.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any, Final, Generic, TypeVar

from .. import _wire
from .._transport import Answer, Connection, Request, SendError, Transport
from .._wire import Headers
from ..errors import (
    ConnectionFailedError,
    DeadlineExceededError,
    DecodeError,
    NotFoundError,
    OutcomeUnknownError,
    RespondError,
)
from ..hooks import (
    AttemptEnded,
    DriftDetected,
    Hook,
    HookEvent,
    OperationEnded,
    OperationStarted,
    WaitStarted,
)
from ..limits import Feedback, Priority, Reservation
from .breaker import Breaker
from .context import after_unsent, before_unsafe_send, current_priority, outage_watch
from .endpoints import Endpoint
from .exchange import Call, Response, Settings
from .lifecycle import ClientLifecycle, NotCopied, running_loop
from .outcome_errors import closed_while_waiting, final_error, no_permit, not_answering, reason_of
from .retry import (
    Failure,
    Retry,
    RetryBudget,
    RetryPolicy,
    Stop,
    WaitReason,
    decide,
    waits_out,
)
from .statistics import DriftLog, RouteCounters

T = TypeVar("T")

logger: Final = logging.getLogger("respondio_async")
"""What a person should know of: servers that are down, drift, hooks that fail."""

calls: Final = logging.getLogger("respondio_async.calls")
"""A line for each call."""

_NO_HEADERS: Final = _wire.facts((), 0.0)

_MAX_PERMIT_WAIT: Final = 0.25
"""A permit that has moved further away than this, in seconds, is waited for without a
connection.
"""


class Engine(NotCopied):
    """Everything that the views of one client share, and `call`, which uses it."""

    def __init__(self, transport: Transport, retry: RetryPolicy, hooks: Sequence[Hook]) -> None:
        self.transport = transport
        self.budget: RetryBudget = RetryBudget(retry.budget)
        self.hooks: tuple[Hook, ...] = tuple(hooks)
        self.lifecycle: ClientLifecycle = ClientLifecycle()
        self.counters: defaultdict[str, RouteCounters] = defaultdict(RouteCounters)
        """By route, as are the breakers."""
        self.breakers: defaultdict[str, Breaker] = defaultdict(Breaker)
        self.drift: DriftLog = DriftLog()
        self._moved: set[str] = set()
        """Collections that were found under their other path."""

    async def call(
        self,
        endpoint: Endpoint[T],
        settings: Settings,
        params: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        json: Any = None,
    ) -> Response[T]:
        """Make one call. Bad input fails here, before any wait."""
        path, other = endpoint.path, endpoint.alternative
        if other is not None and endpoint.collection in self._moved:
            path, other = other, path
        content = None if json is None else _wire.encode_json(json)

        def to(path: str) -> Call[T]:
            target = _wire.build_target(path, params, query)
            return Call(endpoint, target, content, (params, query, json), settings)

        try:
            return await self._run(to(path))
        except NotFoundError as error:
            if other is None or endpoint.max_limit is None:
                raise
            # The vendor's pages and its clients disagree about this path: a list tries the other
            # one, and the client keeps to what it has found.
            try:
                response = await self._run(to(other))
            except NotFoundError:
                raise error from None
            if other == endpoint.alternative:
                self._moved.add(endpoint.collection)
            else:
                self._moved.discard(endpoint.collection)
            return response

    async def _run(self, call: Call[T]) -> Response[T]:
        attempts = Attempts(self, call, running_loop().time())
        task = self.lifecycle.enter(attempts)
        error: BaseException | None = None
        if self.hooks:
            self.notify(OperationStarted(call.endpoint.template))
        try:
            return await attempts.run()
        except BaseException as failed:
            error = failed
            if isinstance(failed, asyncio.CancelledError) and self.lifecycle.was_dropped(task):
                error = closed_while_waiting(call)
                raise error from None
            raise
        finally:
            self.lifecycle.leave(task)
            attempts.report_end(error)

    def notify(self, event: HookEvent) -> None:
        """Call the hooks; an error of one is logged, and stops nothing."""
        for hook in self.hooks:
            try:
                hook(event)
            except Exception:
                logger.exception("a hook failed on %s", type(event).__name__)


class Attempts(Generic[T]):
    """The attempts of one call."""

    __slots__ = (
        "_announced",
        "_breaker",
        "_call",
        "_counters",
        "_deadline",
        "_engine",
        "_headers",
        "_is_probe",
        "_last",
        "_queued",
        "_settings",
        "_started",
        "_tally",
        "sending",
    )

    def __init__(self, engine: Engine, call: Call[T], started: float) -> None:
        self._engine = engine
        self._call = call
        self._settings = call.settings
        self._tally = call.tally
        self._started = started
        self._deadline: float | None = None
        """On the loop's clock. It starts with the first permit, or when the call finds the server
        down.
        """
        self._counters = engine.counters[call.endpoint.bucket]
        self._breaker = engine.breakers[call.endpoint.bucket]
        self._is_probe = False
        self._queued = 0.0
        """Seconds in the queue, the wait for a connection included."""
        self._last: Answer | SendError | None = None
        self._headers = _NO_HEADERS
        self._announced = False
        self.sending = False

    def report_end(self, error: BaseException | None) -> None:
        """Report the end of the call to the hooks and to the log."""
        template, attempts = self._call.endpoint.template, self._tally.attempts
        elapsed = asyncio.get_running_loop().time() - self._started
        name = None if error is None else type(error).__name__
        if self._engine.hooks:
            ended = OperationEnded(template, attempts, elapsed, name, self._queued)
            self._engine.notify(ended)
        if calls.isEnabledFor(logging.DEBUG):
            answer = self._last if isinstance(self._last, Answer) else None
            facts = {
                "status": answer and answer.status,
                "request_id": answer and _wire.request_id(answer.headers),
                "attempts": attempts,
                "queued": self._queued,
                "endpoint": template,
                "elapsed": elapsed,
                "error": name,
            }
            calls.debug(
                "%(endpoint)s: %(outcome)s, attempts %(attempts)d, queued %(queued).3f s, "
                "in all %(elapsed).3f s, request id %(request_id)s",
                facts | {"outcome": name or facts["status"]},
                extra=facts,
            )

    async def run(self) -> Response[T]:
        """Attempt until there is a value or an error."""
        try:
            while True:
                reservation, connection = await self._admit()
                self._last = outcome = await self._attempt(reservation, connection)
                failure = self._judge(outcome)
                self._update_breaker(outcome, failure)
                if failure is None:
                    assert isinstance(outcome, Answer)  # noqa: S101 - for the type checker: no answer is a failure
                    return self._decode(outcome)
                if not failure.may_have_landed:
                    self._withdraw()
                decision = self._decide(failure, outcome)
                if isinstance(decision, Stop):
                    raise self._error(outcome, decision)
                await self._wait(decision)
        finally:
            if self._is_probe:
                self._breaker.release_probe()

    # ── before the request ────────────────────────────────────────────────────────────────────────

    async def _admit(self) -> tuple[Reservation, Connection]:
        """Wait for the server, in the queue, and for a connection: all before the permit, so that
        nothing comes between the permit and the wire.
        """
        priority = self._settings.priority or current_priority.get()
        while True:
            await self._wait_for_server()
            began = asyncio.get_running_loop().time()
            bound = self._admission_time()
            try:
                async with nullcontext() if bound is None else asyncio.timeout(bound):
                    admitted = await self._queue(priority, bound)
            except DeadlineExceededError as error:
                raise no_permit(self._call, needed=error.needed) from None
            except TimeoutError:
                raise no_permit(self._call, needed=None) from None
            except SendError as error:  # the client was closed meanwhile
                raise self._error(error, Stop()) from None
            finally:
                waited = asyncio.get_running_loop().time() - began
                self._counters.waited += waited
                self._queued += waited
            if admitted is not None:
                return admitted

    async def _wait_for_server(self) -> None:
        """While the route's breaker is open, wait until it closes or this call is its probe.

        The deadline bounds the wait, unless the call is made in a bulk run, which does so itself.
        """
        if not self._must_wait():
            return
        breaker, watch = self._breaker, outage_watch.get()
        if not waits_out(self._settings.retry, in_run=watch is not None):
            self._is_probe = breaker.try_probe()
            if self._is_probe:
                return
            raise not_answering(ConnectionFailedError, self._call, breaker, self._last)
        if watch is None:
            self._start_deadline()
        else:
            self._deadline = None
        left = self._left()
        pause = breaker.next_probe - asyncio.get_running_loop().time()
        if left is not None and pause >= left:
            raise not_answering(DeadlineExceededError, self._call, breaker, self._last)
        self._notify_wait(max(0.0, pause), "outage")
        try:
            with nullcontext() if watch is None else watch(breaker):
                async with asyncio.timeout(left):
                    self._is_probe = await breaker.wait()
        except TimeoutError:
            raise not_answering(DeadlineExceededError, self._call, breaker, self._last) from None
        if not self._is_probe and not self._tally.attempts:
            self._deadline = None  # as for a call that begins now

    async def _queue(
        self, priority: Priority, timeout: float | None
    ) -> tuple[Reservation, Connection] | None:
        """Queue for the permit. None: the server went down meanwhile."""
        reservation = await self._settings.limiter.reserve(
            self._call.endpoint.bucket,
            priority=priority,
            timeout=timeout,
            is_retry=self._tally.attempts > 0,
        )
        connection: Connection | None = None
        is_granted = False
        try:
            while not self._must_wait():
                await self._announce()
                connection = await self._engine.transport.acquire()
                is_granted = await reservation.permit(max_wait=_MAX_PERMIT_WAIT)
                if is_granted:
                    return reservation, connection
                connection.release()
                connection = None
                await reservation.wait_until_near()
            return None
        finally:
            if not is_granted:
                if connection is not None:
                    connection.release()
                self._withdraw()
                reservation.abandon()

    def _must_wait(self) -> bool:
        return self._breaker.is_open and not self._is_probe

    def _admission_time(self) -> float | None:
        """Seconds that the next permit may take. In a bulk run it may take as long as it does."""
        if self._tally.attempts:
            return self._left()
        bound = self._settings.queue_timeout
        if bound is None or current_priority.get() == "bulk":
            return None
        return max(0.0, self._started + bound - asyncio.get_running_loop().time())

    async def _announce(self) -> None:
        """Announce, once an attempt, a send that must not be repeated."""
        if self._announced or self._call.endpoint.replay != "unsent":
            return
        announce = before_unsafe_send.get()
        if announce is not None:
            await announce()
            self._announced = True

    def _withdraw(self) -> None:
        """Take back an announced send that provably had no effect."""
        if self._announced:
            self._announced = False
            if (withdraw := after_unsent.get()) is not None:
                withdraw()

    # ── the request ───────────────────────────────────────────────────────────────────────────────

    async def _attempt(
        self, reservation: Reservation, connection: Connection
    ) -> Answer | SendError:
        settings = self._settings
        loop = asyncio.get_running_loop()
        permitted = loop.time()
        self._start_deadline()
        self._tally.attempts += 1
        self._counters.sent += 1
        result: Answer | SendError | None = None
        self.sending = True
        try:
            # No local of this frame is the token or the path: tracebacks may show them.
            request = Request(
                self._call.endpoint.method,
                self._call.target,
                settings.headers if self._call.content is None else settings.json_headers,
                self._call.content,
                self._call.endpoint.path,
            )
            result = await connection.send(
                request, timeout=self._attempt_timeout(permitted), phases=settings.phases
            )
            return result  # noqa: TRY300 - `finally` reports what is returned
        except SendError as error:
            result = error
            return error
        finally:
            self.sending = False
            left = connection.left_at or permitted
            connection.release()
            self._report_attempt(
                reservation, result, delay=left - permitted, elapsed=loop.time() - left
            )

    def _report_attempt(
        self,
        reservation: Reservation,
        result: Answer | SendError | None,
        *,
        delay: float,
        elapsed: float,
    ) -> None:
        """Report what became of a permit to the limiter, the counters and the hooks.

        *result* None: the caller was cancelled.
        """
        if isinstance(result, Answer):
            self._headers = parsed = _wire.facts(result.headers, time.time())
            feedback = Feedback(
                result.status, parsed.rate_limit, parsed.retry_after, elapsed, delay
            )
            self._counters.answered(result.status, elapsed)
        else:
            self._headers = _NO_HEADERS
            feedback = Feedback(None, delay=delay, sent=result is None or result.sent)
        self._settings.limiter.update(reservation, feedback)
        if self._engine.hooks:
            failure = "cancelled" if result is None else None
            if isinstance(result, SendError):
                failure = result.failure
            template, attempts = self._call.endpoint.template, self._tally.attempts
            self._engine.notify(AttemptEnded(template, attempts, feedback.status, elapsed, failure))

    # ── what it means ─────────────────────────────────────────────────────────────────────────────

    def _judge(self, outcome: Answer | SendError) -> Failure | None:
        """Why the attempt failed; None: it did not."""
        if isinstance(outcome, SendError):
            return Failure("unknown" if outcome.sent else "unsent")
        if 200 <= outcome.status < 300:
            return None
        endpoint = self._call.endpoint
        # What is gone was deleted by an earlier attempt, whose answer was lost; or the caller does
        # not mind.
        done_if_missing = endpoint.missing_ok or self._tally.may_have_landed
        if (
            endpoint.method == "DELETE"
            and done_if_missing
            and _wire.is_missing(outcome.status, outcome.content)
        ):
            return None
        return Failure("answered", outcome.status, self._headers.retry_after)

    def _update_breaker(self, outcome: Answer | SendError, failure: Failure | None) -> None:
        """Report an outcome to the route's breaker, and log when it opens and when it closes."""
        if isinstance(outcome, SendError) and outcome.failure in ("closed", "too_large"):
            return  # this says nothing about the server
        breaker, bucket = self._breaker, self._call.endpoint.bucket
        is_probe, self._is_probe = self._is_probe, False
        if failure is None or not failure.speaks_of_server:
            lasted = breaker.succeeded()
            if lasted is not None:
                logger.info("%s: the server answers again, after %.1f s", bucket, lasted)
        elif breaker.failed(is_probe=is_probe, retry_after=failure.retry_after):
            logger.warning(
                "%s: the server does not answer (%s); calls wait, and one at a time asks again",
                bucket,
                reason_of(outcome),
            )

    def _decide(self, failure: Failure, outcome: Answer | SendError) -> Retry | Stop:
        in_run = outage_watch.get() is not None
        if in_run and failure.is_outage:
            self._deadline = None  # the run bounds it
        decision = decide(
            failure,
            self._tally,
            replay=self._call.endpoint.replay,
            policy=self._settings.retry,
            budget=self._engine.budget,
            left=self._left(),
            is_paced=self._breaker.is_open,
            in_run=in_run,
        )
        if isinstance(decision, Retry) and (
            self._engine.lifecycle.over
            or (isinstance(outcome, SendError) and outcome.failure == "too_large")
        ):
            # A closed client repeats nothing, and an answer that is too large would be so again.
            return Stop()
        return decision

    async def _wait(self, decision: Retry) -> None:
        self._counters.retried += 1
        if not self._must_wait():  # else the breaker says when
            self._notify_wait(decision.seconds, decision.reason)
            await asyncio.sleep(decision.seconds)

    def _notify_wait(self, seconds: float, reason: WaitReason) -> None:
        if self._engine.hooks:
            template, attempts = self._call.endpoint.template, self._tally.attempts
            self._engine.notify(WaitStarted(template, attempts, seconds, reason))

    def _decode(self, answer: Answer) -> Response[T]:
        endpoint = self._call.endpoint
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
                "be read; most likely the write has happened. Look before you repeat it.",
                endpoint=endpoint.template,
                reason="unreadable answer",
                attempts=self._tally.attempts,
            ) from error
        self._engine.budget.earn()
        for detail in decoded.drift:
            name = getattr(endpoint.type, "__name__", "value")
            if self._engine.drift.note(endpoint.template, name, detail):
                logger.warning(
                    "%s: an answer differs from its documentation (%s: %s); see client.drift()",
                    endpoint.template,
                    name,
                    detail,
                )
            self._engine.notify(DriftDetected(endpoint.template, name, detail))
        return Response(
            decoded.value,
            answer.status,
            Headers(answer.headers),
            self._headers.rate_limit,
            self._tally.attempts,
            asyncio.get_running_loop().time() - self._started,
            answer.content,
        )

    # ── time ──────────────────────────────────────────────────────────────────────────────────────

    def _start_deadline(self) -> None:
        if self._deadline is None and self._settings.deadline is not None:
            self._deadline = asyncio.get_running_loop().time() + self._settings.deadline

    def _left(self) -> float | None:
        """Seconds until the deadline; None: there is none (yet)."""
        if self._deadline is None:
            return None
        return max(0.0, self._deadline - asyncio.get_running_loop().time())

    def _attempt_timeout(self, now: float) -> float | None:
        timeout = self._settings.timeout
        if self._deadline is None:
            return timeout
        left = max(0.0, self._deadline - now)
        return left if timeout is None else min(timeout, left)

    # ── errors ────────────────────────────────────────────────────────────────────────────────────

    def _error(self, outcome: Answer | SendError, stop: Stop) -> RespondError:
        if self._left() == 0.0:
            stop = Stop(unknown=stop.unknown, why="deadline")
        return final_error(outcome, stop, self._call)
