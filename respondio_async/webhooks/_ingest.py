"""Ingest: what must be done with an event before its request is answered, and no more.

Verify, parse, de-duplicate, store, pass on to the dispatcher. respond.io waits five seconds for an
answer, and disables a webhook after about thirty errors in thirty minutes. Source: the vendor's
"Webhooks" page.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterable, Awaitable, Callable, Collection, Iterable, Mapping
from hashlib import sha256
from typing import Any, Final

from respondio_async.errors import DecodeError, WebhookSignatureError

from ._answers import (
    ACCEPTED,
    BUSY,
    DUPLICATE,
    FORGED,
    NOT_AN_EVENT,
    TOO_LARGE,
    TOO_SLOW,
    RequestHeaders,
    WebhookAnswer,
    early_answer,
    signature_in,
)
from ._context import contact_id, received_id
from ._dedup import Deduplicator, MemoryDeduplicator
from ._dispatch import Dispatcher, EventJob
from ._order import KeyedLocks
from ._parse import parse
from ._signature import authentic, encode_keys
from ._store import (
    CAUGHT_UP,
    NOWHERE,
    HandlingStep,
    InboxFullError,
    InboxUnavailableError,
    NewEvent,
    Unfinished,
)
from .events import AnyEvent

BODY_TIMEOUT: Final = 10.0
"""Seconds for a body to arrive. respond.io gives up on the whole after five."""


class Ingest:
    """Verifies, parses, de-duplicates and stores the events of one router, and answers."""

    def __init__(
        self,
        keys: str | Iterable[str],
        *,
        max_body: int,
        max_depth: int,
        deduplicator: Deduplicator | None,
        dispatcher: Dispatcher,
        start: Callable[[], Awaitable[None]],
        start_within: float | None,
    ) -> None:
        self.answers: Counter[WebhookAnswer] = Counter()
        """How often each was given."""
        self.closing = False
        """True: events are turned away."""
        self._keys = encode_keys(keys)
        self._max_body = max_body
        self._max_depth = max_depth
        self._deduplicator = deduplicator
        self._claims_at_once = type(deduplicator) is MemoryDeduplicator
        """Nothing is waited for to tell an event that was here; a subclass may do anything."""
        self._dispatcher = dispatcher
        self._start = start
        self._start_within = start_within
        self._arrivals = KeyedLocks()
        self._storing: set[asyncio.Task[WebhookAnswer]] = set()

    async def receive_stream(
        self,
        method: str,
        headers: Mapping[Any, Any] | Collection[tuple[Any, Any]],
        chunks: AsyncIterable[bytes],
    ) -> WebhookAnswer:
        """Take in a request whose body has not been read yet."""
        early = early_answer(method, headers, self._max_body)
        if early is not None:
            return self._counted(early)
        try:
            async with asyncio.timeout(BODY_TIMEOUT):
                body = await self._dispatcher.capacity.collect(chunks, self._max_body)
        except TimeoutError:
            return self._counted(TOO_SLOW)
        return self._counted(BUSY) if body is None else await self.receive(body, headers)

    def add_key(self, key: str) -> None:
        """Accept one more key."""
        self._keys = tuple(dict.fromkeys([*self._keys, *encode_keys(key)]))

    async def receive(
        self, body: bytes, headers: RequestHeaders, ended: "asyncio.Future[bool] | None" = None
    ) -> WebhookAnswer:
        """Take in a request; *ended* gets a result once its event was handled, if it is new."""
        if len(body) > self._max_body:
            return self._counted(TOO_LARGE)
        try:
            signed = authentic(
                body, signature_in(headers), self._keys, self._max_body, self._max_depth
            )
            event = parse(signed, max_body=self._max_body, max_depth=self._max_depth)
        except WebhookSignatureError:
            return self._counted(FORGED)
        except DecodeError:
            return self._counted(NOT_AN_EVENT)
        return await self.take_in(event, signed, ended)

    async def take_in(
        self, event: AnyEvent, body: bytes, ended: "asyncio.Future[bool] | None" = None
    ) -> WebhookAnswer:
        """Take in an event that is known to be true."""
        if not self.closing:
            try:
                async with asyncio.timeout(self._start_within):
                    await self._start()  # goes on by itself if it takes longer
            except Exception as error:  # noqa: BLE001 - a file that can't be opened: on_error's business, not the sender's
                return await self._turn_away(error)
        # Capacity is taken before anything more is awaited, so that a rush cannot pass the bound
        # together.
        if self.closing or not self._dispatcher.capacity.take(len(body)):
            return self._counted(BUSY)
        storing = self._store(event, body, ended)
        if self._dispatcher.inbox is None and self._claims_at_once:
            return await storing  # never waits
        # In a task of its own: what is stored must also be handled, even if the sender hangs up
        # now.
        task = asyncio.create_task(storing)
        self._storing.add(task)
        task.add_done_callback(self._storing.discard)
        return await asyncio.shield(task)

    async def resume(
        self, unfinished: Unfinished, ended: "asyncio.Future[bool] | None" = None
    ) -> None:
        """Take in an event that was acknowledged before, by an earlier process or another one."""
        size = len(unfinished.body)
        try:
            event = parse(unfinished.body, max_body=size, max_depth=self._max_depth)
        except DecodeError as error:  # accepted under other bounds
            await self._dispatcher.errors.report(error, None)
            await self._dispatcher.note(unfinished.row, HandlingStep.FINISHED)
            if ended is not None:
                ended.set_result(True)
            return
        known = contact_id(event)
        if known is not None and unfinished.contact is not None:
            self._dispatcher.states.contacts[known] = unfinished.contact
        self._dispatcher.capacity.enter(size)
        self._put(EventJob(event, unfinished, ended))

    async def wait_stored(self) -> None:
        """Wait until what is being stored has been handed on."""
        while self._storing:
            await asyncio.wait(self._storing)

    async def _store(
        self, event: AnyEvent, body: bytes, ended: "asyncio.Future[bool] | None"
    ) -> WebhookAnswer:
        """Store a new event and hand it on; recognise a repeated one."""
        # The body itself stands for an event that has no id.
        event_id = event.event_id or f"sha256:{sha256(body).hexdigest()}"
        row: int | None = NOWHERE
        inbox = self._dispatcher.inbox
        with self._dispatcher.tracer.accepting(event) as trace_context:
            try:
                if inbox is not None:
                    message_id, contact = received_id(event), contact_id(event)
                    row = await inbox.accept(
                        NewEvent(event_id, body, message_id, contact, trace_context)
                    )
            except Exception as error:  # noqa: BLE001 - a full disk, …: what cannot be kept must not be acknowledged
                self._dispatcher.tracer.failed(error)
                self._dispatcher.capacity.give_back(len(body))
                return await self._turn_away(error)
            if row is not None and inbox is not None and inbox.is_shared:
                # The inbox gives it to whichever process is free.
                self._dispatcher.capacity.give_back(len(body))
                if ended is not None:
                    inbox.watch_end(row, ended)
                return self._counted(ACCEPTED)
            if row is None or not await self._claim(event, event_id) or self._was_caught_up(event):
                if row is not None:
                    await self._dispatcher.note(row, HandlingStep.FINISHED)
                self._dispatcher.capacity.give_back(len(body))
                return self._counted(DUPLICATE)
            self._put(EventJob(event, Unfinished(row, body, trace_context=trace_context), ended))
            return self._counted(ACCEPTED)

    async def _claim(self, event: AnyEvent, event_id: str) -> bool:
        if self._deduplicator is None:
            return True
        if self._claims_at_once:
            return await self._deduplicator.claim(event_id)  # never waits, so nothing can pass it
        try:
            # In the order of arrival: a slow answer for one event must not let the contact's next
            # one pass it.
            async with self._arrivals.hold(contact_id(event) or event_id):
                return await self._deduplicator.claim(event_id)
        except Exception as error:  # noqa: BLE001 - its store is out of reach; handling an event twice is better than never
            await self._dispatcher.errors.report(error, None)
            return True

    def _was_caught_up(self, event: AnyEvent) -> bool:
        """Whether an event comes late, after `catch_up` brought its message."""
        is_copy = event.event_id.startswith(CAUGHT_UP)
        return not is_copy and received_id(event) in self._dispatcher.states.caught_up

    def _put(self, job: EventJob) -> None:
        received = received_id(job.event)
        if received is not None:
            self._dispatcher.states.note_received(received)
        self._dispatcher.put(job)

    async def _turn_away(self, error: Exception) -> WebhookAnswer:
        """Answer that the inbox cannot be used; it has reported an outage, and is full by right."""
        if not isinstance(error, InboxUnavailableError | InboxFullError | TimeoutError):
            await self._dispatcher.errors.report(error, None)
        return self._counted(BUSY)

    def _counted(self, answer: WebhookAnswer) -> WebhookAnswer:
        self.answers[answer] += 1
        return answer
