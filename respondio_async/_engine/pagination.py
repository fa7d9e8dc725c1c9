"""Cursor pagination as ``async for``.

Nothing is open between two items, so `break` leaves nothing to clean up; the page that is fetched
ahead belongs to the client. Source of the shapes: the vendor's "Pagination" page and what its
servers were seen to answer (see `models.Page`).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from ..errors import InvalidArgumentError, PaginationError
from ..models import Page
from .exchange import Response

T = TypeVar("T")
Cursor = int | str | None

EMPTY_PAGES: Final = 20
"""Empty pages in a row, each with a new cursor, after which the server is taken to be going round
in circles.
"""

Fetch = Callable[[Cursor], Coroutine[Any, Any, Response[Page[T]]]]
Spawn = Callable[[Coroutine[Any, Any, Response[Page[T]]]], asyncio.Task[Response[Page[T]]]]
Advance = Callable[[Page[T], Cursor], tuple[Page[T], Cursor]]


def follow_next(page: Page[T], _cursor: Cursor) -> tuple[Page[T], Cursor]:
    """Go where the server's `next` points."""
    return page, page.next_cursor


class Paginator(Generic[T]):
    """A list of the API, fetched page by page as it is consumed.

    ``async for item in paginator`` walks the items, `pages()` the pages; each walk starts at the
    cursor that the list method was given.
    """

    def __init__(
        self,
        fetch: Fetch[T],
        spawn: Spawn[T],
        *,
        cursor: Cursor = None,
        prefetch: int = 1,
        advance: Advance[T] = follow_next,
        endpoint: str = "",
    ) -> None:
        if isinstance(cursor, bool) or not isinstance(cursor, int | str | None):
            raise InvalidArgumentError(
                "cursor is what paginator.cursor gave: an int, a str or None", argument="cursor"
            )
        if isinstance(prefetch, bool) or prefetch not in (0, 1):
            raise InvalidArgumentError(
                "prefetch is the number of pages fetched ahead: 0 or 1", argument="prefetch"
            )
        self._source = Source(fetch, spawn, advance, endpoint)
        self._start: Cursor = cursor if cursor != "" else None
        self._prefetch = prefetch
        self.endpoint = endpoint
        """The route's template."""
        self.cursor: Cursor = self._start
        """Store it and pass it back as `cursor=` to resume: the cursor that fetched the current
        page until the consumer asks past its last item, then the next one. Resuming may repeat
        items of one page and never loses any. None: the beginning.
        """

    def __aiter__(self) -> AsyncIterator[T]:
        return _Items(self.pages())

    def pages(self) -> AsyncIterator[Page[T]]:
        """Walk page by page: ``async for page in paginator.pages()``; a page has `.items`,
        `.next_cursor`, `.previous_cursor`.
        """
        return self._walk(self._prefetch)

    def _walk(self, prefetch: int) -> "Pages[T]":
        def moved(cursor: Cursor) -> None:
            self.cursor = cursor

        return Pages(self._source, self._start, prefetch=prefetch, moved=moved)

    async def first(self) -> T | None:
        """Return the first item, or None when the list is empty. Fetches nothing ahead."""
        async for page in self._walk(prefetch=0):
            return page.items[0]
        return None

    async def collect(self, *, max_items: int | None = None) -> list[T]:
        """Return all items as a list, or the first *max_items* of them."""
        if max_items is not None and (isinstance(max_items, bool) or max_items < 0):
            raise InvalidArgumentError(
                "max_items is a count: 0 or more, or None for all", argument="max_items"
            )
        items: list[T] = []
        if max_items == 0:
            return items
        async for page in self.pages():
            items += page.items
            if max_items is not None and len(items) >= max_items:
                return items[:max_items]
        return items

    def fetch(self) -> Awaitable[Response[Page[T]]]:
        """Fetch the one page at the starting cursor, with its headers."""
        return self._source.fetch(self._start)


@dataclass(frozen=True, slots=True)
class Source(Generic[T]):
    """Where pages come from."""

    fetch: Fetch[T]
    spawn: Spawn[T]
    advance: Advance[T]
    endpoint: str


class Trail:
    """Where a walk has been, so that it notices when the server leads it nowhere."""

    def __init__(self, endpoint: str, start: Cursor = None) -> None:
        self._endpoint = endpoint
        self._visited: set[Cursor] = {start}
        self._empty = 0

    def follow(self, page: Page[Any], cursor: Cursor) -> PaginationError | None:
        """Note a page and the cursor that it points to; the error is for whoever goes there."""
        self._empty = 0 if page.items else self._empty + 1
        if cursor in self._visited:
            return PaginationError(
                f"{self._endpoint}: the server repeated a cursor, so the list would never end"
            )
        if self._empty >= EMPTY_PAGES:
            return PaginationError(
                f"{self._endpoint}: {EMPTY_PAGES} empty pages in a row, each pointing on"
            )
        self._visited.add(cursor)
        return None


class Pages(AsyncIterator[Page[T]]):
    """One walk over the pages; *moved* is called with each cursor whose page is fetched."""

    def __init__(
        self, source: Source[T], start: Cursor, *, prefetch: int, moved: Callable[[Cursor], None]
    ) -> None:
        self._source = source
        self._prefetch = prefetch
        self._moved = moved
        self._next: Cursor = start
        self._trail = Trail(source.endpoint, start)
        self._done = False
        self._ahead: asyncio.Task[Response[Page[T]]] | None = None
        self._lost: PaginationError | None = None
        """The cursor after the page last given leads nowhere: said when the next one is asked for,
        so that no item is held back.
        """

    async def __anext__(self) -> Page[T]:
        source = self._source
        while not self._done:
            if self._lost is not None:
                raise self._lost
            cursor = self._next
            self._moved(cursor)
            response = await self._get(cursor)
            page, self._next = source.advance(response.value, cursor)
            self._done = self._next is None
            if not self._done:
                self._lost = self._trail.follow(page, self._next)
            if page.items:
                if self._prefetch and not self._done and self._lost is None:
                    self._ahead = source.spawn(source.fetch(self._next))
                return page
        raise StopAsyncIteration

    async def _get(self, cursor: Cursor) -> Response[Page[T]]:
        if self._ahead is None:
            return await self._source.fetch(cursor)
        # Waiting apart from the task: a cancelled consumer leaves it running, and the next one who
        # asks gets its page.
        await asyncio.wait({self._ahead})
        ahead, self._ahead = self._ahead, None
        if ahead.cancelled():  # by aclose(), which this says in its own words
            return await self._source.fetch(cursor)
        return ahead.result()


class _Items(AsyncIterator[T]):
    """One walk over the items."""

    def __init__(self, pages: AsyncIterator[Page[T]]) -> None:
        self._pages = pages
        self._items: list[T] = []
        self._at = 0

    async def __anext__(self) -> T:
        while self._at >= len(self._items):
            page = await self._pages.__anext__()
            self._items, self._at = page.items, 0
        item = self._items[self._at]
        self._at += 1
        return item
