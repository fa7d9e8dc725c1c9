"""Any iterable, read lazily by many tasks."""

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from operator import length_hint
from typing import Any, Final

from ..errors import InvalidArgumentError

_AHEAD: Final = 16
"""Items that are read ahead from an asynchronous iterable."""
_END: Final = object()
_log: Final = logging.getLogger("respondio_async.bulk")


class ItemSource:
    """Takes items from an iterable or an asynchronous iterable; one caller at a time.

    An asynchronous one is read by a task of its own, so that a worker that is cancelled cannot
    break the iterator.
    """

    def __init__(self, items: Iterable[Any] | AsyncIterable[Any], total: int | None = None) -> None:
        """*total*: how many items there are; None: as *items* says, if it does."""
        if isinstance(items, str | bytes | bytearray) or not isinstance(
            items, Iterable | AsyncIterable
        ):
            raise InvalidArgumentError(
                "items must be an iterable or an async iterable of items", argument="items"
            )
        hint = length_hint(items, -1) if total is None else total
        self.total = None if hint < 0 else hint
        """How many items there are, if that is known."""
        self._items = items
        self._iterator: Iterator[Any] | None = None
        self._read: asyncio.Queue[Any] = asyncio.Queue()
        self._ahead = asyncio.Semaphore(_AHEAD)
        self._reader: asyncio.Task[None] | None = None
        self._error: BaseException | None = None
        self._ended = False

    def start(self) -> None:
        """Begin to iterate."""
        if isinstance(self._items, AsyncIterable):
            self._reader = asyncio.create_task(
                self._read_on(aiter(self._items)), name="respondio-bulk-reader"
            )
            # However it ends: a worker must not wait for a reader that has ended.
            self._reader.add_done_callback(lambda _: self._read.put_nowait(_END))
        else:
            self._iterator = iter(self._items)

    async def _read_on(self, iterator: AsyncIterator[Any]) -> None:
        try:
            async for item in iterator:
                await self._ahead.acquire()
                self._read.put_nowait(item)
        except BaseException as error:
            reader = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and reader and reader.cancelling():
                raise
            self._error = error  # raised again where the items are taken
        finally:
            close = getattr(iterator, "aclose", None)
            if close is not None:  # a generator that is not read to its end
                await close()

    async def take(self, most: int) -> list[Any]:
        """Take the items that are there, at least one and at most *most*. None at all: the source
        has ended.

        Raises what the source raised, after the items before it were taken.
        """
        taken: list[Any] = []
        if self._iterator is not None:
            self._take_now(self._iterator, most, taken)
        else:
            await self._take_read(most, taken)
        if not taken and self._error is not None:
            raise self._error
        return taken

    async def _take_read(self, most: int, taken: list[Any]) -> None:
        while not self._ended and len(taken) < most and not (taken and self._read.empty()):
            item = await self._read.get()
            if item is _END:
                self._ended = True
            else:
                self._ahead.release()
                taken.append(item)

    def _take_now(self, iterator: Iterator[Any], most: int, taken: list[Any]) -> None:
        if self._error is not None:
            return
        try:
            for item in iterator:
                taken.append(item)
                if len(taken) == most:
                    return
        except BaseException as error:  # noqa: BLE001 - raised by `take`, after the items before it
            self._error = error

    async def aclose(self, timeout: float) -> None:
        """Stop reading; a generator is closed. One that goes on after *timeout* seconds is left."""
        if self._reader is None:
            return
        self._reader.cancel()
        await asyncio.wait([self._reader], timeout=timeout)
        if not self._reader.done():
            _log.warning("the source of a bulk run goes on after it was cancelled, and is left")
        elif not self._reader.cancelled() and (error := self._reader.exception()) is not None:
            raise error  # its closing failed
