"""What became of the messages of a run after the server accepted them."""

import asyncio
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from respondio_async.discreet import Discreet

from .._storage import Writer
from .._wire import mask
from ..errors import ConfigurationError, InvalidArgumentError, NotFoundError
from ..identifiers import Identifier
from ._inspect import ItemResult, MessageDelivery, results
from ._lock import journal_lock
from ._runner import Bulk
from ._store import DELIVERIES, check

if TYPE_CHECKING:
    from .. import AsyncRespond

_FINAL: Final = frozenset({"read", "failed"})
_SETTLED: Final = _FINAL | {"delivered"}
_PAUSES: Final = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between two rounds of looks; the last one repeats."""


class DeliverySummary(Discreet, msgspec.Struct, frozen=True):
    """How far the messages of a run have come."""

    _shown = ("statuses", "open")

    statuses: Mapping[str, int]
    """How many messages have each status: "accepted" (nobody has looked yet), "pending", "sent",
    "delivered", "read", "failed".
    """
    reasons: Mapping[str, int]
    """How many failed for each reason, in the channel's words, masked."""
    unreadable: Mapping[str, int]
    """How many could not be looked at, by their error; they keep the status known before."""

    @property
    def total(self) -> int:
        """All messages."""
        return sum(self.statuses.values())

    @property
    def failed(self) -> int:
        """Messages that the channel could not deliver."""
        return self.statuses.get("failed", 0)

    @property
    def ok(self) -> bool:
        """Whether no message has failed and each could be looked at."""
        return not self.failed and not self.unreadable

    @property
    def open(self) -> int:
        """Messages that are neither delivered, read nor failed."""
        return sum(n for status, n in self.statuses.items() if status not in _SETTLED)


async def deliveries(
    client: "AsyncRespond",
    path: str | os.PathLike[str],
    *,
    identifier: Callable[[ItemResult], Identifier] | None = None,
    wait: float = 0.0,
    progress: Callable[[DeliverySummary], object] | None = None,
) -> DeliverySummary:
    """Look at every message that a run has sent, and note in its journal how far it has come.

    Messages are those of which the work, or a named step, returned the `SentMessage`. *identifier*
    names an item's contact; None takes the item's key. Reads only, at the bulk priority; the limit
    for reading messages is 15 a second.

    A message that was read or has failed is not looked at again, so a call that was stopped goes
    on where it was. *wait*: so many seconds it looks again at what is neither delivered, read nor
    failed; some channels never tell. *progress* is called with a snapshot about twice a second.

    `run.results()` and `bulk.results(path)` give each item's messages. `ConfigurationError` when
    it is no journal, or a run has it open.
    """
    if not wait >= 0:
        raise InvalidArgumentError("wait must be a number of seconds", argument="wait")
    clock = asyncio.get_running_loop().time
    end = clock() + wait
    tracker = _Tracker(client, Path(path))
    await tracker.open(identifier or (lambda result: result.key))
    try:
        await tracker.look(tracker.not_in(_FINAL), progress)
        for pause in chain(_PAUSES, repeat(_PAUSES[-1])):
            if not (left := tracker.not_in(_SETTLED)) or (now := clock()) >= end:
                break
            await asyncio.sleep(min(pause, end - now))
            await tracker.look(left, progress)
    finally:
        await tracker.aclose()
    return tracker.summary()


class _Tracker:
    def __init__(self, client: "AsyncRespond", path: Path) -> None:
        def prepare(connection: sqlite3.Connection) -> sqlite3.Connection:
            check(connection, path)
            connection.execute(DELIVERIES)
            return connection

        self._client = client
        self._path = path
        self._contacts: dict[int, Identifier] = {}
        self._known: dict[int, MessageDelivery] = {}
        self._errors: dict[int, Exception] = {}
        self._writer = Writer(path, prepare, busy_timeout=5, lock=lambda: journal_lock(path))
        self.aclose = self._writer.aclose

    async def open(self, identifier: Callable[[ItemResult], Identifier]) -> None:
        async for result in results(self._path):
            for message in result.messages:
                self._known[message.message_id] = message
                self._contacts[message.message_id] = identifier(result)
        await self._writer.open()

    def not_in(self, statuses: frozenset[str]) -> list[int]:
        """Name the messages that have none of *statuses* and may have got one: those that are gone,
        and those whose contact cannot be named, will not.
        """
        return [
            number
            for number, known in self._known.items()
            if known.status not in statuses
            and not isinstance(self._errors.get(number), NotFoundError | InvalidArgumentError)
        ]

    async def look(
        self, messages: list[int], progress: Callable[[DeliverySummary], object] | None
    ) -> None:
        """Look at each of *messages* once."""

        def tell(_: object) -> None:
            if progress is not None:
                progress(self.summary())

        bulk = Bulk(self._look_at, messages, progress=tell, stop_on=ConfigurationError)
        async with bulk as run:
            async for outcome in run:
                if outcome.error is None:
                    self._errors.pop(outcome.item, None)
                else:
                    self._errors[outcome.item] = outcome.error

    async def _look_at(self, number: int) -> None:
        message = await self._client.messages.get(self._contacts[number], number)
        status = message.current_status
        if status is None or status.value is None:
            return
        reason = mask(status.message) if status.message and status.value == "failed" else None
        found = MessageDelivery(number, status.value, reason, time.time())
        await self._writer.submit(
            lambda file: file.execute(
                "INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?, ?)",
                msgspec.structs.astuple(found),
            )
        )
        self._known[number] = found

    def summary(self) -> DeliverySummary:
        known = self._known.values()
        failed = (each.reason or "no reason given" for each in known if each.status == "failed")
        return DeliverySummary(
            _counted(each.status for each in known),
            _counted(failed),
            _counted(f"{type(error).__name__}: {error}" for error in self._errors.values()),
        )


def _counted(texts: Iterable[str]) -> dict[str, int]:
    counter: Counter[str] = Counter(texts)
    return dict(counter.most_common())
