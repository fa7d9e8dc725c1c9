"""The router: the entry point for bot authors. It makes the parts, starts and stops them.

A request goes through `_ingest` to its answer; its event goes on to `_dispatch`, whose handlers run
after. Neither the time that a handler takes nor what it raises ever reaches the answer.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec

from respondio_async.errors import ConfigurationError

from ._answers import ACCEPTED, BUSY, DUPLICATE, RequestHeaders, WebhookAnswer
from ._capacity import Capacity
from ._catch_up import missed
from ._choose_inbox import choose_inbox, is_postgres
from ._context import BotClient, Context
from ._dedup import Deduplicator, MemoryDeduplicator
from ._dispatch import Dispatcher, OnInterrupted
from ._handlers import Handlers, OnError
from ._ingest import Ingest
from ._json import MAX_BODY, MAX_DEPTH
from ._order import KeyedLocks
from ._parse import parse
from ._store import InboxStatistics
from ._tracer import WebhookTracer
from .events import AnyEvent

if TYPE_CHECKING:
    from fastapi import APIRouter

    from ._asgi import ASGIApp

_RETRY_AFTER: Final = 0.05
"""Seconds after which `catch_up` tries again when the router is at capacity."""
_START_WITHIN: Final = 1.2
"""Seconds that an event waits for a database to be reached, before it is answered with 503."""
_logger: Final = logging.getLogger("respondio_async.webhooks")


class RouterStatistics(msgspec.Struct, frozen=True):
    """A snapshot of a router, counted since it was made."""

    accepted: int
    """Events taken in for the first time."""
    duplicates: int
    """Events that had been here before."""
    refused: int
    """Requests that were forged, no events, too large, too slow or no POST."""
    turned_away: int
    """Events answered with 503, because too many were waiting or the router was closing."""
    errors: int
    """What went to `on_error`."""
    waiting: int
    """Events taken in and not finished, now."""
    running: int
    """Events being handled, now."""


class WebhookRouter(Handlers):
    """Verifies webhooks, acknowledges them, and runs the handlers of their events.

    Use it as `async with router:`, or let an adapter's lifespan do so; left alone, it starts with
    the first event. Events of one contact are handled one after the other in the order of their
    arrival, those of different contacts side by side.
    """

    def __init__(
        self,
        keys: str | Iterable[str],
        *,
        client: BotClient | None = None,
        inbox: str | Path | None = None,
        workers: bool = True,
        migrate: bool = True,
        deduplicator: Deduplicator | None = None,
        remember: int | None = None,
        concurrency: int = 256,
        queue_size: int = 10_000,
        queue_bytes: int = 64 * 1024 * 1024,
        handler_timeout: float | None = 300.0,
        drain_timeout: float | None = 10.0,
        on_error: OnError | None = None,
        on_interrupted: OnInterrupted | None = None,
        max_body: int = MAX_BODY,
        max_depth: int = MAX_DEPTH,
        tracer: WebhookTracer | None = None,
    ) -> None:
        """Make a router.

        *keys*: the signing key of each webhook that points here. *client*: the `AsyncRespond` that
        `context.reply` uses.
        *inbox*: a SQLite file, for one process only, or the address of a PostgreSQL database, for
        any number of processes: "postgresql://user@host/database". Acknowledged events are handled
        from it even after a kill -9; it also remembers what was handled, handed over and read.
        *workers*: False: this process receives only, and others handle. *migrate*: False: `start`
        refuses a database whose tables are missing or older, and does not make them. Both are for
        PostgreSQL.
        *deduplicator*: recognises repeated events when there is no inbox, or between several
        processes. *remember*: after how many later events an event is still recognised; None:
        1,000,000 with an inbox, 100,000 in states. The vendor's signature tells no time, so beyond
        that an old body that somebody recorded is taken for a new event.
        Beyond *queue_size* events or *queue_bytes* of bodies waiting or running, events are
        answered with 503.
        *on_error* is given `(error, context)`, with None as context when no handler was running;
        without it errors are logged.
        *on_interrupted* is given the context of an event whose handlers were running as an earlier
        process died; without it they run again, those that had ended excepted, with
        `context.redelivered` set.
        *tracer*: `respondio_async.telemetry.OpenTelemetryTracer()`: a span as an event is stored,
        and one below it as it is handled, in whichever process.
        """
        super().__init__()
        bounds = (concurrency, queue_size, queue_bytes, max_body, max_depth, remember or 1)
        if min(bounds) < 1 or remember == 0:
            raise ConfigurationError(
                "concurrency, queue_size, queue_bytes, max_body, max_depth and remember must be at "
                "least 1"
            )
        if deduplicator is not None and inbox is None and remember is not None:
            raise ConfigurationError("give the deduplicator its own limit, in place of remember=")
        self.client = client
        self._workers = workers
        self._make_inbox = choose_inbox(
            inbox,
            remember=remember or 1_000_000,
            most=queue_size,
            concurrency=concurrency,
            workers=workers,
            migrate=migrate,
        )
        if deduplicator is not None and is_postgres(inbox):
            raise ConfigurationError("an inbox on PostgreSQL is shared: it needs no deduplicator")
        if deduplicator is None and inbox is None:
            deduplicator = MemoryDeduplicator(remember or 100_000)
        self._deduplicator = deduplicator
        self._drain_timeout = drain_timeout
        self._dispatcher = Dispatcher(
            self,
            context=lambda job: self.context(job.event, redelivered=job.stored.redelivered),
            concurrency=concurrency,
            timeout=handler_timeout,
            on_interrupted=on_interrupted,
            capacity=Capacity(events=queue_size, size=queue_bytes),
            on_error=on_error,
            tracer=tracer,
        )
        self._ingest = Ingest(
            keys,
            max_body=max_body,
            max_depth=max_depth,
            deduplicator=deduplicator,
            dispatcher=self._dispatcher,
            start=self.start,
            start_within=_START_WITHIN if is_postgres(inbox) else None,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting: asyncio.Task[None] | None = None
        self._closing = KeyedLocks()

    # Lifecycle

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def start(self) -> None:
        """Open the inbox, and begin with what an earlier process left in it.

        Repeating it does nothing.
        """
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None and not self._loop.is_closed() and self._starting is not None:
                raise ConfigurationError(
                    "this router is in use on another event loop: make one for each"
                )
            self._loop, self._starting = loop, None
            self._dispatcher.begin_anew()
        if self._starting is None:
            self._ingest.closing = False
            self._starting = asyncio.create_task(self._start())
        starting = self._starting
        if not starting.done():
            await asyncio.wait([starting])
        if (error := starting.exception()) is not None:
            if self._starting is starting:  # or somebody's next try has begun
                self._starting = None
            raise error

    async def aclose(self, timeout: float | None = None) -> int:
        """Take in no more events, wait until those taken in are handled, and stop. Returns how many
        were not.

        Beyond *timeout* seconds (None: the router's `drain_timeout`, which may be None for ever)
        running handlers are cancelled. What was not handled is done by the next process if there is
        an inbox, and lost otherwise. One that was cancelled is repeated; one that comes beside
        another waits for it.
        """
        async with self._closing.hold_here(self):
            if self._starting is None:
                return 0
            if self._loop is not asyncio.get_running_loop():
                await self.start()  # what was left as another loop ended is handled here
            return await self._close(
                self._starting, self._drain_timeout if timeout is None else timeout
            )

    async def _close(self, starting: "asyncio.Task[None]", timeout: float | None) -> int:
        """Close. Each step may be done twice: whoever waits for this may be cancelled meanwhile."""
        self._ingest.closing = True
        await asyncio.wait([starting])
        await self._ingest.wait_stored()
        inbox = self._dispatcher.inbox
        began = time.monotonic()
        left = await inbox.drain(timeout) if inbox is not None else 0
        if timeout is not None:
            timeout = max(0.0, timeout - (time.monotonic() - began))
        left = max(left, await self._dispatcher.aclose(timeout))
        if inbox is not None:
            self._dispatcher.states.forget_store()
            await inbox.aclose()
            self._dispatcher.use(None)
        elif left:
            _logger.warning("%d webhook events were not handled before closing, and are lost", left)
        self._starting = None
        if self._deduplicator is not None:
            await self._deduplicator.aclose()
        return left

    def statistics(self) -> RouterStatistics:
        """Count."""
        answers, dispatcher = self._ingest.answers, self._dispatcher
        return RouterStatistics(
            answers[ACCEPTED],
            answers[DUPLICATE],
            sum(count for answer, count in answers.items() if 400 <= answer.status < 500),
            answers[BUSY],
            dispatcher.errors.count,
            dispatcher.capacity.waiting,
            dispatcher.queues.running,
        )

    async def work(self) -> None:
        """Handle events until cancelled, and drain then: for processes that only work, and receive
        nothing. `respondio webhooks work module:router` runs it.

        `ConfigurationError` without an inbox on PostgreSQL: nobody else could hand events on.
        """
        await self.start()
        inbox = self._dispatcher.inbox
        if inbox is None or not inbox.is_shared or not self._workers:
            await self.aclose()
            raise ConfigurationError(
                "work() needs an inbox that processes share, and workers: "
                'WebhookRouter(…, inbox="postgresql://…")'
            )
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await self.aclose()

    async def inbox_statistics(self) -> InboxStatistics:
        """Count what waits in the inbox, whichever process took it in."""
        await self.start()
        inbox = self._dispatcher.inbox
        counted = await inbox.statistics() if inbox is not None else None
        count = self.statistics()
        return counted or InboxStatistics(count.waiting, count.running, 1)

    async def _start(self) -> None:
        if self._make_inbox is None:
            return
        abandoned = self._dispatcher.inbox
        if abandoned is not None:  # an event loop ended before the router was closed
            await abandoned.abandon()
            self._dispatcher.use(None)
        inbox = self._make_inbox()
        self._dispatcher.states.load(inbox, await inbox.open())
        self._dispatcher.use(inbox)
        await inbox.deliver(self._ingest.resume)

    # Requests

    async def receive(self, body: bytes, headers: RequestHeaders) -> WebhookAnswer:
        """Take in one request, whatever server it came through; `status, body = await
        router.receive(body, headers)`.

        200: the event is taken in, or was before · 400: no event · 401: not signed with one of the
        keys · 413: too large · 503: too many events are waiting, or the router is closing.
        `WebhookAnswer.headers` are to be sent along.
        """
        return await self._ingest.receive(body, headers)

    async def handle(self, body: bytes, headers: RequestHeaders) -> WebhookAnswer:
        """Take in one request as `receive` does, and return once its handlers have ended: for
        serverless functions, where nothing runs after the answer.

        Handlers have the time that the caller has: respond.io gives up after five seconds. What
        they raise goes to `on_error`, as ever, and the answer is 200 all the same. A repeated event
        is answered at once. 503 when the router was closed before the handlers had ended.
        Cancelling does not stop them.
        """
        ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        answer = await self._ingest.receive(body, headers, ended)
        if answer is ACCEPTED and not await ended:
            return BUSY
        return answer

    async def receive_stream(
        self,
        method: str,
        headers: Mapping[Any, Any] | Collection[tuple[Any, Any]],
        chunks: AsyncIterable[bytes],
    ) -> WebhookAnswer:
        """Take in one request whose body is still to be read, for adapters to a server; reads no
        more of it than is allowed.

        Answers as `receive` does, and 405: no POST · 408: the body took more than ten seconds ·
        415: the body is compressed, which respond.io's never is; it is not read. GET and HEAD are
        answered with 200, for uptime checks. What *chunks* raises is raised.
        """
        return await self._ingest.receive_stream(method, headers, chunks)

    def add_key(self, key: str) -> None:
        """Accept events that are signed with another key too: one that follows an old one, or a
        test's.
        """
        self._ingest.add_key(key)

    # Contexts, locks, catching up

    def context(self, event: AnyEvent, *, redelivered: bool = False) -> Context[Any]:
        """Make a context for an event, as handlers get it."""
        return Context(
            event,
            client=self.client,
            states=self._dispatcher.states,
            locks=self._dispatcher.locks,
            redelivered=redelivered,
        )

    def lock(self, contact: int) -> AbstractAsyncContextManager[None]:
        """Hold a contact's lock: none of its handlers runs meanwhile."""
        return self._dispatcher.locks.hold(contact)

    async def catch_up(
        self,
        contacts: Iterable[int] | None = None,
        *,
        after: int | datetime | None = None,
        concurrency: int = 4,
    ) -> int:
        """Fetch what contacts wrote while no process listened, and have it handled like events;
        returns how many messages that were.

        respond.io does not send missed events again. *contacts*: their ids; None: all that this
        router remembers, which with an inbox is all that ever wrote. *after*: a message id or an
        aware datetime to begin after; None: where an earlier process stopped reading. Nothing comes
        twice: neither a message whose event came, nor later the event of a message caught up with.
        """
        if self.client is None:
            raise ConfigurationError(
                "give the router a client to catch up: WebhookRouter(…, client=client)"
            )
        await self.start()
        came = 0

        async def take(body: bytes) -> None:
            nonlocal came
            while (
                answer := await self._ingest.take_in(parse(body, max_body=len(body)), body)
            ) is BUSY:
                if self._ingest.closing:
                    raise ConfigurationError("the router was closed while it caught up")
                await asyncio.sleep(_RETRY_AFTER)
            came += answer is ACCEPTED

        await missed(
            self.client, self._dispatcher.states, contacts, after, take, concurrency=concurrency
        )
        return came

    # Adapters

    def fastapi(self, path: str = "/webhook") -> "APIRouter":
        """Return a FastAPI router that receives on exactly *path*:
        `app.include_router(router.fastapi("/webhook"))`.

        It starts and closes with the application. Without FastAPI: `ConfigurationError`.
        """
        try:
            from .fastapi import receiver
        except ImportError as error:
            raise ConfigurationError(
                "router.fastapi() needs FastAPI: pip install 'respondio-async[fastapi]', or use "
                "router.asgi()"
            ) from error
        return receiver(self, path)

    def asgi(self) -> "ASGIApp":
        """Return an ASGI application that receives at whatever path it is asked for: serve it
        alone, or as the endpoint of a route: `Starlette(routes=[Route("/webhook",
        router.asgi())])`.

        `app.mount("/webhook", router.asgi())` answers at /webhook and at /webhook/. Starlette would
        redirect the first with a 307: `Mount.matches` is changed for mounts of ours.
        Neither a route nor a mounted application hears of the lifespan: enter the router in that of
        the application around it.
        """
        from ._asgi import ASGIApp

        return ASGIApp(self)

    def aiohttp_handler(self) -> Any:
        """Return a handler for aiohttp: `app.router.add_route("*", "/webhook",
        router.aiohttp_handler())`, which also answers uptime checks.
        """
        from .aiohttp import handler

        return handler(self)


ClientOrFactory = (
    AbstractAsyncContextManager[Any] | Callable[[], AbstractAsyncContextManager[Any]] | None
)
"""An `AsyncRespond`, or a function that makes one."""


@asynccontextmanager
async def lifespan_of(
    client: ClientOrFactory, routers: Iterable[WebhookRouter]
) -> AsyncGenerator[Any]:
    """Open *client*, and start *routers*, which drain before it closes; gives the client.

    Routers without a client have this one for as long.
    """
    async with AsyncExitStack() as stack:
        made = client() if callable(client) else client
        opened = await stack.enter_async_context(made) if made is not None else None
        for router in routers:
            if router.client is None:
                router.client = opened
                stack.callback(setattr, router, "client", None)  # the next lifespan has another
            await stack.enter_async_context(router)
        yield opened
