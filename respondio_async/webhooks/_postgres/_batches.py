"""Events that come together are stored together: a commit costs as much for one as for many."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import psycopg

from respondio_async._storage import settle

from .._store import InboxFullError, InboxUnavailableError, NewEvent

_LARGEST: Final = 500
_Waiting = tuple[NewEvent, "asyncio.Future[int | None]"]


class Batches:
    """Stores events in the order of their coming, one batch at a time."""

    def __init__(
        self,
        store: Callable[[list[NewEvent]], Awaitable[dict[str, int]]],
        capacity: Callable[[int], Awaitable[int]],
    ) -> None:
        """*store* returns the rows of those that were new, by their event ids; *capacity* how
        many of so many may be stored now.
        """
        self._store = store
        self._capacity = capacity
        self._waiting: list[_Waiting] = []
        self._storing: asyncio.Task[None] | None = None

    def put(self, event: NewEvent) -> "asyncio.Future[int | None]":
        """Store an event; the future ends with its row, or None when it was here before."""
        future: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((event, future))
        if self._storing is None:
            self._storing = asyncio.create_task(self._run(), name="respondio-inbox-store")
        return future

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


def _fail(batch: list[_Waiting], error: Exception) -> None:
    for _, future in batch:
        settle(future, None, error)
