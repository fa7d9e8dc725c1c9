"""Items on their way to the workers, each with its key and with what the journal knows of it."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Any, Final

import msgspec

from respondio_async.discreet import Discreet

from ..errors import InvalidArgumentError, RespondError
from ._journal import Journal
from ._outcome import unknown_outcome
from ._source import ItemSource
from ._store import (
    DONE,
    FAILED,
    PENDING,
    UNKNOWN,
    KnownItem,
    Store,
    StoredResult,
    check_name,
    encode_result,
)

_CHUNK: Final = 64
"""Items that the journal is asked about at once."""

Key = Callable[[Any], str]


class Entry(Discreet, msgspec.Struct):
    """An item for a worker."""

    key: str
    item: Any
    error: Exception | None = None
    """Set when there is nothing to do but to report: a bad or a doubled key, or a write in
    doubt.
    """
    index: int = 0
    """Its place among those that were handed out."""
    number: int = 0
    """Its row in the journal; 0: none."""
    state: int = PENDING
    """What that row says of it."""
    sent: tuple[str, ...] = ()
    """Steps that an earlier run may have sent."""
    returned: dict[str, StoredResult] = {}
    """Steps that returned in an earlier run."""

    def learn(self, known: KnownItem, *, repeat_unknown: bool) -> None:
        """Note what the journal knows of it."""
        self.number, self.state = known.id, known.state
        self.sent, self.returned = known.sent, known.returned
        if self.state == FAILED:
            self.error = RespondError(f"failed in an earlier run: {known.error}: {known.reason}")
        elif (known.sent or self.state == UNKNOWN) and not repeat_unknown:
            self.error = unknown_outcome(known.sent, "an earlier run ended")

    @property
    def is_recorded(self) -> bool:
        """Whether the journal says already that the item failed or is unknown, and why."""
        return self.error is not None and self.state != PENDING


class Entries:
    """Where workers get their next item."""

    def __init__(
        self, source: ItemSource, key: Key | None, *, repeat_unknown: bool, retry_failed: bool
    ) -> None:
        """*repeat_unknown*, *retry_failed*: hand out writes in doubt, and items that failed in an
        earlier run, as work to be done, instead of as errors.
        """
        self.skipped = 0
        """Items that the journal knew as done."""
        self.journal: Journal | None = None
        self._source = source
        self._key = key
        self._repeat_unknown = repeat_unknown
        self._retry_failed = retry_failed
        self._taken = 0
        self._handed_out = 0
        self._ready: deque[Entry] = deque()
        self._chunks = self._read()
        self._lock = asyncio.Lock()

    async def next(self) -> Entry | None:
        """Give the next item; None: there is none left. Raises what the source raises."""
        if not self._ready:
            async with self._lock:
                while not self._ready:
                    chunk = await anext(self._chunks, None)
                    if chunk is None:
                        return None
                    self._ready.extend(chunk)
        entry = self._ready.popleft()
        entry.index = self._handed_out
        self._handed_out += 1
        return entry

    async def _read(self) -> AsyncGenerator[list[Entry]]:
        """Read the source, and then what a journal holds beside it. Ends with the first error."""
        journal = self.journal
        while items := await self._source.take(1 if journal is None else _CHUNK):
            entries = [self._entry(item) for item in items]
            yield entries if journal is None else await self._known(entries, journal)
        after: int | None = 0
        while journal is not None and after is not None:
            found = await journal.submit(partial(Store.leftovers, after=after, count=_CHUNK))
            yield [_leftover(known) for known in found]
            after = found[-1].id if found else None

    def _entry(self, item: Any) -> Entry:
        place = f"#{self._taken}"
        self._taken += 1
        if self._key is None:
            return Entry(place, item)
        try:
            key: Any = self._key(item)
            if isinstance(key, int):
                key = str(key)
            return Entry(check_name(key, "the key of an item", "key"), item)
        except Exception as error:  # noqa: BLE001 - the item's own error
            return Entry(place, item, error)

    async def _known(self, entries: list[Entry], journal: Journal) -> list[Entry]:
        """Ask the journal about those that have a key, and drop what is done."""
        asked = [entry for entry in entries if entry.error is None]
        rows = [(entry.key, encode_result(entry.item).value) for entry in asked]
        claims = await journal.submit(
            lambda store: [store.claim(*row, self._retry_failed) for row in rows]
        )
        for entry, known in zip(asked, claims, strict=True):
            if known is None:
                entry.error = InvalidArgumentError(
                    "an earlier item of this run has the same key", argument="key"
                )
            else:
                entry.learn(known, repeat_unknown=self._repeat_unknown)
        unfinished = [entry for entry in entries if entry.state != DONE]
        self.skipped += len(entries) - len(unfinished)
        return unfinished


def _leftover(known: KnownItem) -> Entry:
    """Report what failed or is in doubt and is no longer given by the source, the item being read
    from the journal.
    """
    entry = Entry(known.key, None if known.item is None else msgspec.json.decode(known.item))
    entry.learn(known, repeat_unknown=False)
    return entry
