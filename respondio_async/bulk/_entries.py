"""Items on their way to the workers, each with its key and with what the journal knows of it."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import msgspec

from respondio_async.discreet import Discreet

from ..errors import InvalidArgumentError, RespondError
from ._journal import Journal
from ._outcome import unknown_outcome
from ._source import ItemSource
from ._store import DONE, FAILED, PENDING, UNKNOWN, KnownItem, StoredResult, is_storable

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
    returned: dict[str, StoredResult] = {}
    """Steps that returned in an earlier run."""

    def learn(self, known: KnownItem, *, repeat_unknown: bool) -> None:
        """Note what the journal knows of it."""
        self.number, self.state, self.returned = known.id, known.state, known.returned
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
        self._ended = False
        self.journal: Journal | None = None
        self._source = source
        self._key = key
        self._repeat_unknown = repeat_unknown
        self._retry_failed = retry_failed
        self._taken = 0
        self._handed_out = 0
        self._ready: deque[Entry] = deque()
        self._lock = asyncio.Lock()
        self._leftovers_after: int | None = 0

    async def next(self) -> Entry | None:
        """Give the next item; None: there is none left. Raises what the source raises."""
        if not self._ready:
            async with self._lock:
                while not self._ready and not self._ended:
                    await self._fill()
        if not self._ready:
            return None
        entry = self._ready.popleft()
        entry.index = self._handed_out
        self._handed_out += 1
        return entry

    async def _fill(self) -> None:
        try:
            items = await self._source.take(1 if self.journal is None else _CHUNK)
        except BaseException:
            self._ended = True
            raise
        if items:
            entries = [self._entry(item) for item in items]
            self._ready.extend(
                entries if self.journal is None else await self._known(entries, self.journal)
            )
        elif self.journal is not None and self._leftovers_after is not None:
            await self._fill_with_leftovers(self.journal, self._leftovers_after)
        else:
            self._ended = True

    def _entry(self, item: Any) -> Entry:
        place = f"#{self._taken}"
        self._taken += 1
        if self._key is None:
            return Entry(place, item)
        try:
            key: Any = self._key(item)
            if isinstance(key, int):
                key = str(key)
        except Exception as error:  # noqa: BLE001 - the item's own error
            return Entry(place, item, error)
        if not isinstance(key, str) or not key:
            wrong = "that is not empty"
        elif not is_storable(key):
            wrong = "that can be written as UTF-8, without half of a surrogate pair"
        else:
            return Entry(key, item)
        refusal = InvalidArgumentError(f"the key of an item must be a text {wrong}", argument="key")
        return Entry(place, item, refusal)

    async def _known(self, entries: list[Entry], journal: Journal) -> list[Entry]:
        """Ask the journal about those that have a key, and drop what is done."""
        asked = [entry for entry in entries if entry.error is None]
        rows = [(entry.key, _as_json(entry.item)) for entry in asked]
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

    async def _fill_with_leftovers(self, journal: Journal, after: int) -> None:
        """Report what failed or is in doubt and is no longer given by the source, the items being
        read from the journal.
        """
        found = await journal.submit(lambda store: store.leftovers(after, _CHUNK))
        self._leftovers_after = found[-1].id if found else None
        for known in found:
            item = None if known.item is None else msgspec.json.decode(known.item)
            entry = Entry(known.key, item)
            entry.learn(known, repeat_unknown=False)
            self._ready.append(entry)


def _as_json(item: Any) -> bytes | None:
    """Encode an item for readers of the journal; None when it cannot be encoded."""
    try:
        return msgspec.json.encode(item)
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError, RecursionError):
        return None
