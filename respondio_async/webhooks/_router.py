"""The router: takes events in at once, and has them handled after.

`receive` does what must be done before the answer (verify, parse, recognise, store) and leaves the rest to the lanes. respond.io gives an
answer five seconds, and disables a webhook after about thirty errors in thirty minutes: so neither the time that a
handler takes nor what it raises ever reaches the answer. Source: the vendor's "Webhooks" page.
"""

import asyncio
import inspect
import logging
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import msgspec

from respondio_async.errors import ConfigurationError, DecodeError, WebhookSignatureError

from ._answers import ACCEPTED, BUSY, DUPLICATE, FORGED, NOT_AN_EVENT, TOO_LARGE, Answer, RequestHeaders, signature_in
from ._bot import BotClient
from ._bounds import MAX_BODY, MAX_DEPTH
from ._catch_up import CAUGHT_UP, missed
from ._context import Context, contact_id, received_id
from ._dedup import Deduplicator, MemoryDeduplicator
from ._handlers import Handler, Handlers
from ._inbox import Inbox, Unfinished
from ._lanes import Lanes
from ._locks import KeyedLocks
from ._memory import Memory
from ._parse import parse
from ._progress import Step
from ._signature import authentic, encode_keys
from .events import AnyEvent, ConversationClosed, EventMessage, MessageReceived, MessageSent

if TYPE_CHECKING:
    from ._asgi import ASGIApp

_NOWHERE: Final = 0
"""The row of an event while there is no inbox."""
_PATIENCE: Final = 0.05
"""Seconds after which catching up looks for room again."""
_logger: Final = logging.getLogger("respondio_async.webhooks")

OnError = Callable[[Exception, Context[Any] | None], object]
OnInterrupted = Callable[[Context[Any]], object]


class RouterStatistics(msgspec.Struct, frozen=True):
    """A snapshot of a router, counted since it was made."""

    accepted: int
    """Events taken in for the first time."""
    duplicates: int
    """Events that had been here before."""
    refused: int
    """Bodies that were forged, no events, or too large."""
    turned_away: int
    """Events answered with 503, because too many were waiting or the router was closing."""
    errors: int
    """What went to `on_error`."""
    waiting: int
    """Events taken in and not finished, now."""
    running: int
    """Events being handled, now."""


class _Job(NamedTuple):
    event: AnyEvent
    size: int
    row: int = _NOWHERE
    """In the inbox, if there is one."""
    redelivered: bool = False
    handled: frozenset[int] = frozenset()


class WebhookRouter(Handlers):
    """Verifies webhooks, acknowledges them, and runs the handlers of their events.

    Use it as `async with router:`, or let an adapter's lifespan do so; left alone, it starts with the first event. Events of
    one contact are handled one after the other in the order of their arrival, those of different contacts side by side.
    """

    def __init__(
        self,
        keys: str | Iterable[str],
        *,
        client: BotClient | None = None,
        inbox: str | Path | None = None,
        deduplicator: Deduplicator | None = None,
        concurrency: int = 256,
        queue_size: int = 10_000,
        queue_bytes: int = 64 * 1024 * 1024,
        handler_timeout: float | None = 300.0,
        drain_timeout: float | None = 10.0,
        on_error: OnError | None = None,
        on_interrupted: OnInterrupted | None = None,
        max_body: int = MAX_BODY,
        max_depth: int = MAX_DEPTH,
    ) -> None:
        """Make a router.

        *keys*: the signing key of each webhook that points here. *client*: the `AsyncRespond` that `context.reply` uses.
        *inbox*: a SQLite file, for one process only, from which acknowledged events are handled even after a kill -9; it also remembers
        what was handled, handed over and read. *deduplicator*: recognises repeated events when there is no inbox, or between several
        processes; by default the last 100,000 are remembered in memory.
        Beyond *queue_size* events or *queue_bytes* of bodies waiting or running, events are answered with 503.
        *on_error* is given `(error, context)`, with None as context when no handler was running; without it errors are logged.
        *on_interrupted* is given the context of an event whose handlers were running as an earlier process died; without it they run
        again, those that had ended excepted, with `context.redelivered` set.
        """
        super().__init__()
        if min(concurrency, queue_size, queue_bytes, max_body, max_depth) < 1:
            raise ConfigurationError("concurrency, queue_size, queue_bytes, max_body and max_depth must be at least 1")
        self.client = client
        self.max_body = max_body
        self._keys = encode_keys(keys)
        self._max_depth = max_depth
        self._inbox_path = Path(inbox) if inbox is not None else None
        self._inbox: Inbox | None = None
        self._deduplicator = deduplicator or (MemoryDeduplicator() if inbox is None else None)
        self._concurrency = concurrency
        self._queue_size = queue_size
        self._queue_bytes = queue_bytes
        self._handler_timeout = handler_timeout
        self._drain_timeout = drain_timeout
        self._on_error = on_error
        self._on_interrupted = on_interrupted
        self._memory = Memory()
        self._locks = KeyedLocks()
        self._arrivals = KeyedLocks()
        self._lanes: Lanes[_Job] = Lanes(self._handle, concurrency=concurrency)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting: asyncio.Task[None] | None = None
        self._closing = False
        self._intake: set[asyncio.Task[Answer]] = set()
        self._waiting = self._waiting_bytes = 0
        self._accepted = self._duplicates = self._refused = self._turned_away = self._errors = 0

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def start(self) -> None:
        """Open the inbox, and begin with what an earlier process left in it. Repeating it does nothing."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None and not self._loop.is_closed() and self._starting is not None:
                raise ConfigurationError("this router is in use on another event loop: make one for each")
            self._loop, self._starting = loop, None
            self._lanes = Lanes(self._handle, concurrency=self._concurrency)
        if self._starting is None:
            self._closing = False
            self._starting = asyncio.create_task(self._start())
        starting = self._starting
        if not starting.done():
            await asyncio.wait([starting])
        if (error := starting.exception()) is not None:
            self._starting = None  # the next try begins afresh
            raise error

    async def aclose(self, timeout: float | None = None) -> int:
        """Take in no more events, wait until those taken in are handled, and stop. Returns how many were not.

        Beyond *timeout* seconds (None: the router's `drain_timeout`, which may be None for ever) running handlers are cancelled. What was
        not handled is done by the next process if there is an inbox, and lost otherwise.
        """
        if self._starting is None or self._closing:
            return 0
        self._closing = True
        await asyncio.wait([self._starting, *self._intake])
        await self._lanes.join(self._drain_timeout if timeout is None else timeout)
        await self._lanes.cancel()
        left, self._waiting, self._waiting_bytes = self._waiting, 0, 0
        if self._inbox is not None:
            self._memory.forget_database()
            await self._inbox.aclose()
            self._inbox = None
        elif left:
            _logger.warning("%d webhook events were not handled before closing, and are lost", left)
        if self._deduplicator is not None:
            await self._deduplicator.aclose()
        self._starting = None
        return left

    def statistics(self) -> RouterStatistics:
        """Count."""
        return RouterStatistics(
            self._accepted,
            self._duplicates,
            self._refused,
            self._turned_away,
            self._errors,
            self._waiting,
            self._lanes.running,
        )

    async def _start(self) -> None:
        if self._inbox_path is None:
            return
        inbox = Inbox(self._inbox_path)
        left = await inbox.open()
        await self._memory.load(inbox.database)
        self._inbox = inbox
        for unfinished in left:
            await self._resume(unfinished)

    async def _resume(self, unfinished: Unfinished) -> None:
        try:
            event = parse(unfinished.body, max_body=len(unfinished.body), max_depth=self._max_depth)
        except DecodeError as error:  # accepted under other bounds
            await self._tell(error, None)
            self._note(unfinished.row, Step.FINISHED)
            return
        size = len(unfinished.body)
        self._waiting += 1
        self._waiting_bytes += size
        self._put(_Job(event, size, unfinished.row, unfinished.started, unfinished.handled))

    # ── taking in ────────────────────────────────────────────────────────────────────────────────────

    async def receive(self, body: bytes, headers: RequestHeaders) -> Answer:
        """Take in one request, whatever server it came through; `status, body = await router.receive(body, headers)`.

        200: the event is taken in, or was before · 400: no event · 401: not signed with one of the keys · 413: too large ·
        503: too many events are waiting, or the router is closing. `Answer.headers` are to be sent along.
        """
        if len(body) > self.max_body:
            return self._refuse(TOO_LARGE)
        try:
            signed = authentic(body, signature_in(headers), self._keys, self.max_body, self._max_depth)
            event = parse(signed, max_body=self.max_body, max_depth=self._max_depth)
        except WebhookSignatureError:
            return self._refuse(FORGED)
        except DecodeError:
            return self._refuse(NOT_AN_EVENT)
        return await self._take_in(event, signed)

    async def _take_in(self, event: AnyEvent, body: bytes) -> Answer:
        if not self._closing:
            try:
                await self.start()
            except Exception as error:  # noqa: BLE001 - a file that can't be opened: on_error's business, not the sender's
                await self._tell(error, None)
                return self._turn_away()
        if self._closing or self._waiting >= self._queue_size or self._waiting_bytes + len(body) > self._queue_bytes:
            return self._turn_away()
        self._waiting += 1  # taken before anything is awaited, so that a rush cannot pass the bound together
        self._waiting_bytes += len(body)
        storing = self._store(event, body)
        if self._inbox is None and isinstance(self._deduplicator, MemoryDeduplicator):
            return await storing  # never waits
        # In a task of its own: what is stored must also be handled, even if the sender hangs up now.
        task = asyncio.create_task(storing)
        self._intake.add(task)
        task.add_done_callback(self._intake.discard)
        return await asyncio.shield(task)

    async def _store(self, event: AnyEvent, body: bytes) -> Answer:
        """Store a new event and hand it to its lane; recognise a repeated one."""
        # The body itself stands for an event that has no id.
        event_id = event.event_id or f"sha256:{sha256(body).hexdigest()}"
        row: int | None = _NOWHERE
        try:
            if self._inbox is not None:
                row = await self._inbox.accept(event_id, body, received_id(event))
        except Exception as error:  # noqa: BLE001 - a full disk, …: what cannot be kept must not be acknowledged
            self._release(len(body))
            await self._tell(error, None)
            return self._turn_away()
        if row is None or not await self._claim(event, event_id) or self._was_caught_up(event):
            if row is not None:
                self._note(row, Step.FINISHED)
            self._release(len(body))
            self._duplicates += 1
            return DUPLICATE
        self._accepted += 1
        self._put(_Job(event, len(body), row))
        return ACCEPTED

    async def _claim(self, event: AnyEvent, event_id: str) -> bool:
        if self._deduplicator is None:
            return True
        try:
            # In the order of arrival: a slow answer for one event must not let the contact's next one pass it.
            async with self._arrivals.hold(contact_id(event) or event_id):
                return await self._deduplicator.claim(event_id)
        except Exception as error:  # noqa: BLE001 - its store is out of reach; handling an event twice is better than never
            await self._tell(error, None)
            return True

    def _was_caught_up(self, event: AnyEvent) -> bool:
        """Whether an event comes late, after `catch_up` brought its message."""
        return received_id(event) in self._memory.caught_up and not event.event_id.startswith(CAUGHT_UP)

    def _put(self, job: _Job) -> None:
        known = contact_id(job.event)
        received = received_id(job.event)
        if received is not None:
            self._memory.note_received(received)
        self._lanes.put(object() if known is None else known, job)

    def _release(self, size: int) -> None:
        self._waiting -= 1
        self._waiting_bytes -= size

    def _refuse(self, answer: Answer) -> Answer:
        self._refused += 1
        return answer

    def _turn_away(self) -> Answer:
        self._turned_away += 1
        return BUSY

    # ── handling ─────────────────────────────────────────────────────────────────────────────────────

    async def _handle(self, job: _Job) -> None:
        known = contact_id(job.event)
        context = self.context(job.event, redelivered=job.redelivered)
        if known is None:
            await self._run_handlers(job, context)
        else:
            async with self._locks.hold(known):
                await self._remember(job.event, known)
                await self._run_handlers(job, context)
        self._note(job.row, Step.FINISHED)
        self._release(job.size)

    async def _run_handlers(self, job: _Job, context: Context[Any]) -> None:
        if job.redelivered and self._on_interrupted is not None:
            await self._attempt(_call, self._on_interrupted, context)
            return
        started = False
        for handler in self.handlers:
            if context.stopped:
                return
            if handler.key in job.handled or not await self._wants(handler, context):
                continue
            if not started:
                self._note(job.row, Step.STARTED)
                started = True
            context.handler = handler.name
            await self._attempt(_call, self.wrapped(handler), context)
            self._note(job.row, Step.HANDLED, handler.key)

    async def _wants(self, handler: Handler, context: Context[Any]) -> bool:
        if context.is_handed_over and not handler.always and isinstance(context.event, MessageReceived):
            return False
        try:
            return await handler.conditions.hold(context)
        except Exception as error:  # noqa: BLE001 - a user's `when`
            await self._tell(error, context)
            return False

    async def _attempt(self, function: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        """Run a user's function; whatever it raises goes to `on_error`."""
        context = arguments[-1]
        task = asyncio.current_task()
        try:
            async with asyncio.timeout(self._handler_timeout):
                await function(*arguments)
        except asyncio.CancelledError as error:
            if task is None or task.cancelling():
                raise  # the router is closing: the event stays unfinished
            await self._tell(
                RuntimeError("a handler let a cancellation of its own escape").with_traceback(error.__traceback__),
                context,
            )
        except Exception as error:  # noqa: BLE001 - a user's function
            await self._tell(error, context)

    async def _remember(self, event: AnyEvent, known: int) -> None:
        """Learn from an event what the bot's helpers must know, before its handlers run."""
        try:
            match event:
                case MessageReceived(message=EventMessage(message_id=int(message_id))):
                    await self._memory.note(known, watermark=message_id)
                case MessageSent(message=EventMessage(message_id=int(message_id), sender=sender)):
                    by_user = (
                        event.user is not None if sender is None or sender.source is None else sender.source == "user"
                    )
                    await self._memory.note(known, watermark=message_id, human_sent=by_user)
                case ConversationClosed():
                    await self._memory.note(known, handed_over=False, human_sent=False)
                case _:
                    pass
        except Exception as error:  # noqa: BLE001 - the disk is full, …: it is remembered in memory
            await self._tell(error, None)

    def _note(self, row: int, step: Step, handler: int = 0) -> None:
        if self._inbox is not None:
            self._inbox.note(row, step, handler)

    async def _tell(self, error: Exception, context: Context[Any] | None) -> None:
        self._errors += 1
        try:
            if self._on_error is None:
                name = context.handler if context is not None else "the router"
                _logger.error("webhook: %s failed", name, exc_info=error)
            else:
                result = self._on_error(error, context)
                if inspect.isawaitable(result):
                    await result
        except Exception:
            _logger.exception("webhook: on_error failed")

    # ── beside the events ────────────────────────────────────────────────────────────────────────────

    def context(self, event: AnyEvent, *, redelivered: bool = False) -> Context[Any]:
        """Make a context for an event, as handlers get it."""
        return Context(event, client=self.client, memory=self._memory, locks=self._locks, redelivered=redelivered)

    def lock(self, contact: int) -> AbstractAsyncContextManager[None]:
        """Hold a contact's lock: none of its handlers runs meanwhile."""
        return self._locks.hold(contact)

    async def catch_up(
        self, contacts: Iterable[int] | None = None, *, after: int | datetime | None = None, concurrency: int = 4
    ) -> int:
        """Fetch what contacts wrote while nobody listened, and have it handled like events; returns how many messages that were.

        respond.io does not send missed events again. *contacts*: their ids; None: all that this router remembers, which with an inbox
        is all that ever wrote. *after*: a message id or an aware datetime to begin after; None: where an earlier process stopped
        reading. Nothing comes twice: neither a message whose event came, nor later the event of a message caught up with.
        """
        if self.client is None:
            raise ConfigurationError("give the router a client to catch up: WebhookRouter(…, client=client)")
        await self.start()
        came = 0

        async def take(body: bytes) -> None:
            nonlocal came
            while (answer := await self._take_in(parse(body, max_body=len(body)), body)) is BUSY:
                if self._closing:
                    raise ConfigurationError("the router was closed while it caught up")
                await asyncio.sleep(_PATIENCE)
            came += answer is ACCEPTED

        await missed(self.client, self._memory, contacts, after, take, concurrency=concurrency)
        return came

    # ── adapters ─────────────────────────────────────────────────────────────────────────────────────

    def asgi(self) -> "ASGIApp":
        """Return an ASGI application that receives; mount it in FastAPI or Starlette, or serve it alone.

        A mounted application hears nothing of the lifespan: enter the router in that of the application around it.
        """
        from ._asgi import ASGIApp

        return ASGIApp(self)

    def aiohttp_handler(self) -> Any:
        """Return a handler for aiohttp: `app.router.add_post("/webhook", router.aiohttp_handler())`."""
        from .aiohttp import handler

        return handler(self)


async def _call(function: Callable[[Context[Any]], object], context: Context[Any]) -> None:
    result = function(context)
    if inspect.isawaitable(result):
        await result
