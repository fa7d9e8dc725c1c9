"""Dispatching: the handlers of an event run, after its acknowledgement and in their contact's
order; nothing they raise gets out.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, NamedTuple, cast

from respondio_async._storage import settle
from respondio_async.errors import ConfigurationError

from ._capacity import Capacity
from ._contact_states import ContactStates
from ._context import Context, contact_id
from ._handlers import ErrorReporter, Handler, Handlers, OnError, call_function
from ._order import ContactQueues, KeyedLocks
from ._store import (
    NONE_STARTED,
    EventLostError,
    HandlingStep,
    InboxStore,
    InboxUnavailableError,
    Unfinished,
)
from ._tracer import NoTracer, WebhookTracer
from .events import AnyEvent

_logger: Final = logging.getLogger("respondio_async.webhooks")

OnInterrupted = Callable[[Context[Any]], object]


class EventJob(NamedTuple):
    """An event that was taken in."""

    event: AnyEvent
    stored: Unfinished
    ended: asyncio.Future[bool] | None
    """True once the event was handled, False once it will not be in this process."""

    def resolve(self, *, handled: bool) -> None:
        """Complete the future of a caller that waits for the end."""
        if self.ended is not None:
            settle(self.ended, handled)


class Dispatcher:
    """Runs the handlers of one router, and keeps what they and its events have in common."""

    def __init__(
        self,
        handlers: Handlers,
        *,
        context: Callable[[EventJob], Context[Any]],
        concurrency: int,
        timeout: float | None,
        on_interrupted: OnInterrupted | None,
        capacity: Capacity,
        on_error: OnError | None,
        tracer: WebhookTracer | None,
    ) -> None:
        self.inbox: InboxStore | None = None
        self.capacity = capacity
        self.states = ContactStates()
        self.locks = KeyedLocks()
        self.errors = ErrorReporter(on_error)
        self.tracer = tracer or NoTracer()
        self._handlers = handlers
        self._context = context
        self._concurrency = concurrency
        self._timeout = timeout
        self._on_interrupted = on_interrupted
        self.queues: ContactQueues[EventJob] = ContactQueues(self._handle, concurrency=concurrency)

    def begin_anew(self) -> None:
        """Forget what an event loop that has ended left undone."""
        self.capacity.clear()
        self.queues = ContactQueues(self._handle, concurrency=self._concurrency)

    def put(self, job: EventJob) -> None:
        """Have an event handled after those of its contact that came before."""
        self.queues.put(contact_id(job.event) or object(), job)

    def use(self, inbox: InboxStore | None) -> None:
        """Note in *inbox* from now on how far events have come."""
        self.inbox = inbox
        self.locks.beyond = inbox.lock if inbox is not None and inbox.is_shared else None

    async def aclose(self, timeout: float | None) -> int:
        """Wait until all is handled, *timeout* seconds at most, and cancel what is not; returns how
        many events that were.
        """
        await self.queues.join(timeout)
        for job in self.queues.clear():
            job.resolve(handled=False)
        await self.queues.cancel()
        return self.capacity.clear()

    async def note(self, row: int, step: HandlingStep, handler: int = 0) -> None:
        """Note in the inbox, if there is one, how far an event has come."""
        if self.inbox is not None:
            await self.inbox.note(row, step, handler)

    async def _handle(self, job: EventJob) -> None:
        event, stored, _ = job
        known = contact_id(event)
        try:
            async with self.locks.hold_here(known or object()):
                if known is not None:
                    await self._update_state(event, known)
                with self.tracer.handling(
                    event, stored.trace_context, redelivered=stored.redelivered
                ):
                    await self._run_handlers(stored, self._context(job))
            await self.note(stored.row, HandlingStep.FINISHED)
            job.resolve(handled=True)
        except EventLostError:
            _logger.warning(
                "this process stood still, and counted as dead: another one handles an event "
                "that was being handled here"
            )
        except InboxUnavailableError:
            pass  # closing: the event stays unfinished
        except Exception as error:  # noqa: BLE001 - the inbox takes no note: it stays unfinished too
            await self.errors.report(error, None)
        finally:
            job.resolve(handled=False)  # unless it was handled
        self.capacity.give_back(len(stored.body))

    async def _update_state(self, event: AnyEvent, known: int) -> None:
        try:
            await self.states.update(event, known)
        except Exception as error:  # noqa: BLE001 - the disk is full, …: it is remembered in memory
            await self.errors.report(error, None)

    async def _run_handlers(self, stored: Unfinished, context: Context[Any]) -> None:
        if stored.redelivered and self._on_interrupted is not None:
            await self._attempt(self._on_interrupted, context)
            return
        known = {handler.key for handler in self._handlers.handlers}
        if not stored.handled | ({stored.started} - {NONE_STARTED}) <= known:
            # Nobody knows which of today's handlers is the one that ran then.
            missing = ConfigurationError(
                "a handler that ran for this event before is registered no more, or under another "
                "name: no handler was run again"
            )
            await self._report(missing, context)
            return
        for handler in self._handlers.handlers:
            if context.stopped:
                return
            if handler.key in stored.handled or not await self._wants(handler, context):
                continue
            await self.note(stored.row, HandlingStep.STARTED, handler.key)
            await self._attempt(self._handlers.wrapped(handler), context)
            await self.note(stored.row, HandlingStep.HANDLED, handler.key)

    async def _wants(self, handler: Handler, context: Context[Any]) -> bool:
        context.handler = handler.name
        conditions = handler.conditions
        try:
            if not conditions.hold(context):
                return False
            return conditions.when is None or bool(await self._attempt(conditions.when, context))
        except Exception as error:  # noqa: BLE001 - a pattern for bytes, a verdict that is no truth
            await self._report(error, context)
            return False

    async def _attempt(
        self, function: Callable[[Context[Any]], object], context: Context[Any]
    ) -> Any:
        """Call what a user wrote, and return its result; what it raises goes to `on_error`."""
        try:
            async with asyncio.timeout(self._timeout):
                return await call_function(function, context)
        except asyncio.CancelledError as error:
            if cast("asyncio.Task[Any]", asyncio.current_task()).cancelling():
                raise  # the router is closing: the event stays unfinished
            escaped = RuntimeError("a handler or its `when` let a cancellation of its own escape")
            await self._report(escaped.with_traceback(error.__traceback__), context)
        except Exception as error:  # noqa: BLE001 - a user's function
            await self._report(error, context)

    async def _report(self, error: Exception, context: Context[Any]) -> None:
        self.tracer.failed(error)
        await self.errors.report(error, context)
