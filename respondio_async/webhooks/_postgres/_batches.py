"""Events that come together are stored together: a commit costs as much for one as for many."""

import asyncio
import math
import time
from hashlib import sha256
from typing import Final

import psycopg

from respondio_async._storage import settle

from .._store import CAUGHT_UP, InboxFullError, InboxUnavailableError, NewEvent
from . import _statements as sql
from ._connection import InboxDatabase

_LARGEST: Final = 500
_ACCEPT_WITHIN: Final = 1.2
"""Seconds for an event to be stored in, so that an answer goes out within two."""
_COUNT_EVERY: Final = 1.0
"""Seconds for which the number of events that wait is taken to be as it was, but for our own."""
_LONGEST_KEY: Final = 200
"""Characters of an event's id that are stored as they are."""
_Waiting = tuple[NewEvent, "asyncio.Future[int | None]"]


class Batches:
    """Stores events in the order of their coming, one batch at a time."""

    def __init__(self, database: InboxDatabase, *, most: int) -> None:
        """*most*: events that may wait in the inbox, whichever process took them in."""
        self.last_row = 0
        """Of the newest event that was stored here."""
        self._database = database
        self._most = most
        self._backlog = 0
        """Events that wait: as counted at `_counted_at`, and those stored here since."""
        self._counted_at = -math.inf
        self._waiting: list[_Waiting] = []
        self._storing: asyncio.Task[None] | None = None

    async def accept(self, arrival: NewEvent) -> int | None:
        """Store an event and its job together; returns its row, or None when it was here before.
        `InboxUnavailableError` after 1.2 seconds.
        """
        stored: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((arrival._replace(event_id=_key(arrival.event_id)), stored))
        if self._storing is None:
            self._storing = asyncio.create_task(self._run(), name="respondio-inbox-store")
        await asyncio.wait([stored], timeout=_ACCEPT_WITHIN)
        if not stored.done():
            stored.cancel()
            raise InboxUnavailableError("the inbox's PostgreSQL takes too long")
        return stored.result()

    async def aclose(self) -> None:
        """Store no more; events that still wait fail with `InboxUnavailableError`."""
        if self._storing is not None:
            self._storing.cancel()
            await asyncio.wait([self._storing])
        _fail(self._waiting, InboxUnavailableError("the inbox is closing"))
        self._waiting = []

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_LARGEST], self._waiting[_LARGEST:]
                # Whoever gave up was answered with 503.
                await self._store_batch([each for each in batch if not each[1].done()])
        finally:
            self._storing = None

    async def _store_batch(self, batch: list[_Waiting]) -> None:
        try:
            capacity = await self._capacity(len(batch)) if batch else 0
            rows = await self._store([event for event, _ in batch[:capacity]]) if capacity else {}
        except Exception as error:  # noqa: BLE001 - raised where the event is waited for
            if isinstance(error, psycopg.DataError) and len(batch) > 1:
                for each in batch:  # one that cannot be stored keeps no other out
                    await self._store_batch([each])
            else:
                _fail(batch, error)
            return
        for event, future in batch[:capacity]:
            # Of two alike in a batch, the first is the new one.
            row = rows.pop(event.event_id, None)
            settle(future, row)
        _fail(batch[capacity:], InboxFullError())

    async def _store(self, events: list[NewEvent]) -> dict[str, int]:
        rows = await self._database.rows(
            sql.ACCEPT,
            event_ids=[each.event_id for each in events],
            bodies=[each.body for each in events],
            message_ids=[each.message_id for each in events],
            contact_ids=[each.contact_id for each in events],
            trace_contexts=[each.trace_context for each in events],
            caught_up=CAUGHT_UP,
        )
        self._backlog += len(rows)
        self.last_row = max(self.last_row, *[row for _, row in rows], 0)
        return dict(rows)

    async def _capacity(self, wanted: int) -> int:
        """How many of so many events may be stored now."""
        now = time.monotonic()
        if self._backlog + wanted > self._most or now - self._counted_at > _COUNT_EVERY:
            [[self._backlog]] = await self._database.rows(sql.BACKLOG, most=self._most)
            self._counted_at = now
        return max(0, min(wanted, self._most - self._backlog))


def _fail(batch: list[_Waiting], error: Exception) -> None:
    for _, future in batch:
        settle(future, None, error)


def _key(event_id: str) -> str:
    """What stands for an event's id: PostgreSQL keeps no NUL in a text, and no long one in an
    index.
    """
    if len(event_id) <= _LONGEST_KEY and "\0" not in event_id:
        return event_id
    return f"sha256:{sha256(event_id.encode()).hexdigest()}"
