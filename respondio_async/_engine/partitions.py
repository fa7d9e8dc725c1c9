"""Walk one list as several, side by side.

A list is sequential by nature: a page's cursor comes with the page before it, so where a page takes
a second, one request of the five that the limit allows is used. The contact list can be cut by
`createdAt`. How the server reads such bounds is not documented (inclusive or not; in whole
minutes), so neighbours overlap and an item that has come is dropped when it comes again: exact
whatever the answer, for the price of remembering ids.

The first page of the whole list tells in which direction it runs. What lies beyond it is split into
spans of time; a span that turns out to be full is cut again whenever fewer walks run than may. The
former owner of what was cut off goes on until its page ends with an item that another walk has
brought: in a list with an order that other walk is ahead of it, and goes on.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from math import inf
from typing import Any, Final

import msgspec

from ..errors import InvalidArgumentError, PaginationError
from ..filters import F, render, zone_of
from ..models import Contact, Page
from .exchange import Response
from .pagination import Cursor, Paginator, Spawn, Trail

MOST: Final = 32
"""More walks than this would only queue for the list's limit."""

_MINUTE: Final = timedelta(minutes=1)
_FULL: Final = 1.5
"""Pages that must be expected in what is left of a span for cutting it to be worth a request."""
_SHORTEST: Final = timedelta(minutes=4)
"""The filter works in whole minutes and neighbours overlap by two: what is shorter is not cut."""

FetchSpan = Callable[
    [datetime | None, datetime | None, Cursor], Coroutine[Any, Any, Response[Page[Contact]]]
]


class Span(msgspec.Struct):
    """A stretch of creation times and how far its walk has come. None: open."""

    trail: Trail
    low: datetime | None
    high: datetime | None
    """What its walk asks for; it stays as it is, because a cursor belongs to one filter."""
    start: datetime | None
    end: datetime | None
    """What is still its own after cuts."""
    cursor: Cursor = None
    came: int = 0
    """Items that its walk has brought, also those dropped."""
    first: datetime | None = None
    """Creation time of the first item of its walk."""
    last: datetime | None = None
    rising: bool = True
    falling: bool = True
    """Whether the order that was seen so far may be older first, newer first."""
    was_cut: bool = False

    @property
    def direction(self) -> int:
        """1: older first, -1: newer first, 0: not known yet, or no order."""
        return self.rising - self.falling

    def note(self, page: Page[Contact]) -> None:
        """Note a page of its walk: how far that has come, and in which order."""
        self.cursor = page.next_cursor
        self.came += len(page.items)
        times = [contact.created for contact in page.items if contact.created is not None]
        if times:
            self.first = self.first or times[0]
            whole = [self.last or times[0], *times]
            self.rising = self.rising and all(a <= b for a, b in pairwise(whole))
            self.falling = self.falling and all(a >= b for a, b in pairwise(whole))
            self.last = times[-1]

    @property
    def ahead(self) -> tuple[datetime, datetime] | None:
        """Where the walk is, and where it would end; None when it runs in no known order or has not
        begun.
        """
        if self.last is None or not self.direction:
            return None
        if self.direction > 0:
            return self.last, self.end or datetime.now(UTC)
        # How old the oldest contact is, is not known: guess far back, and let the cuts find out.
        walked = (self.first or self.last) - self.last
        return self.last, self.start or self.last - max(timedelta(days=365), 10 * walked)

    @property
    def pages_left(self) -> float:
        """Pages to be expected in what is left, if it is as full as what has come."""
        if self.last is None or self.first is None:
            return inf  # not begun: look first
        bounds = self.ahead
        if bounds is None:
            return 0.0
        # A walk whose order is known has come from its first item to another instant.
        return abs(bounds[1] - bounds[0]) / abs(bounds[0] - self.first) * self.came / 100

    def cut(self, part: float, trail: Trail) -> "Span | None":
        """Cut off the far *part* of what is left, for a walk with a *trail* of its own; None: that
        is not worth one.
        """
        bounds = self.ahead
        if bounds is None:
            return None
        near, far = bounds
        if abs(far - near) * part < _SHORTEST:
            return None
        at = far - (far - near) * part
        self.was_cut = True
        if self.direction > 0:
            cut_off, self.end = Span(trail, at, self.end, at, self.end), at
        else:
            cut_off, self.start = Span(trail, self.start, at, self.start, at), at
        return cut_off


def span_conditions(
    low: datetime | None, high: datetime | None, timezone: str
) -> list[dict[str, Any]]:
    """The filter of a span, a minute wider on both sides than it is."""
    created = F.field("createdAt")
    zone = zone_of(timezone)
    conditions: list[dict[str, Any]] = []
    if low is not None:
        conditions += render(created.after(_widen(low, -1, zone)), timezone)["$and"]
    if high is not None:
        conditions += render(created.before(_widen(high, 2, zone)), timezone)["$and"]
    return conditions


def _widen(moment: datetime, minutes: int, zone: tzinfo) -> datetime:
    """Move a bound outwards; where the zone's clock is set back, an hour more, since it shows that
    hour twice.
    """
    local = moment.astimezone(zone)
    if local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset():
        minutes += 60 if minutes > 0 else -60
    return moment + minutes * _MINUTE


class PartitionedPaginator(Paginator[Contact]):
    """The contact list in up to *partitions* walks; the items come in no particular order."""

    def __init__(
        self,
        fetch_span: FetchSpan,
        spawn: Spawn[Contact],
        *,
        partitions: int,
        cursor: Cursor,
        endpoint: str,
    ) -> None:
        if (
            isinstance(partitions, bool)
            or not isinstance(partitions, int)
            or not 1 <= partitions <= MOST
        ):
            raise InvalidArgumentError(
                f"partitions is a number of walks: 1 to {MOST}", argument="partitions"
            )
        if cursor is not None:
            raise InvalidArgumentError(
                "a partitioned list has no cursor to start from", argument="cursor"
            )
        super().__init__(lambda cursor: fetch_span(None, None, cursor), spawn, endpoint=endpoint)
        self._fetch_span = fetch_span
        self._partitions = partitions

    def pages(self) -> AsyncIterator[Page[Contact]]:
        """Walk page by page; a page holds what is new of it, and no cursor."""
        return PartitionedPages(
            self._fetch_span, self._source.spawn, self._partitions, self.endpoint
        )


class PartitionedPages(AsyncIterator[Page[Contact]]):
    """One walk in many.

    Only single requests are ever on their way, so `break` leaves nothing to clean up.
    """

    def __init__(
        self, fetch: FetchSpan, spawn: Spawn[Contact], partitions: int, endpoint: str
    ) -> None:
        self._fetch = fetch
        self._spawn = spawn
        self._partitions = partitions
        self._endpoint = endpoint
        self._idle: list[Span] = [Span(Trail(endpoint), None, None, None, None)]
        """Spans whose next page has not been asked for."""
        self._running: dict[asyncio.Task[Response[Page[Contact]]], Span] = {}
        self._seen: set[int] = set()
        self._is_split = False
        self._lost: PaginationError | None = None
        """Said when the next page is asked for, so that no item is held back."""

    async def __anext__(self) -> Page[Contact]:
        while True:
            if self._lost is not None:
                raise self._lost
            self._ask()
            if not self._running:
                raise StopAsyncIteration
            done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            task = next(iter(done))
            span = self._running.pop(task)
            if task.cancelled() or task.exception() is not None:
                self._idle.append(span)  # whoever asks again starts at this page again
            page = task.result().value
            fresh = [contact for contact in page.items if contact.id not in self._seen]
            self._seen.update(contact.id for contact in fresh)
            if self._goes_on(span, page, fresh):
                self._idle.append(span)
            if fresh:
                self._ask()
                return Page(fresh)

    def _ask(self) -> None:
        """Ask for as many pages as there are places."""
        while len(self._running) < self._partitions:
            if not self._idle and not self._cut_fullest():
                return
            # The fullest first: it has the longest way to go.
            span = max(self._idle, key=lambda each: each.pages_left)
            self._idle.remove(span)
            self._running[self._spawn(self._fetch(span.low, span.high, span.cursor))] = span

    def _goes_on(self, span: Span, page: Page[Contact], fresh: list[Contact]) -> bool:
        span.note(page)
        met_another = bool(page.items) and (not fresh or page.items[-1] is not fresh[-1])
        if span.cursor is None or (span.was_cut and span.direction and met_another):
            return False
        self._lost = self._lost or span.trail.follow(page, span.cursor)
        if not self._is_split and span.direction:
            self._split(span)
        return True

    def _split(self, whole: Span) -> None:
        """Cut what lies beyond the first page into spans: by guess a little less than whole pages,
        since one that ends just past a page's edge costs a request for a few items.
        """
        self._is_split = True
        pages = whole.pages_left
        share = pages / self._partitions
        if share >= 2:
            share = 0.98 * int(share)
        for _ in range(self._partitions - 1):
            self._cut(whole, share / pages)
            pages -= share

    def _cut_fullest(self) -> bool:
        """Cut the fullest span in two; False when none is worth it."""
        ranked = sorted(self._running.values(), key=lambda each: each.pages_left, reverse=True)
        return any(span.pages_left >= _FULL and self._cut(span, 0.5) for span in ranked)

    def _cut(self, span: Span, part: float) -> bool:
        far = span.cut(part, Trail(self._endpoint))
        if far is not None:
            self._idle.append(far)
        return far is not None
