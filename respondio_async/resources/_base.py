"""What every resource is made of: a way to call a row of the endpoint table, and a way to walk its pages."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from .._call import Response
from .._endpoints import Endpoint
from .._pagination import Advance, Cursor, Paginator, Spawn, follow_next
from .._wire import check_page_size
from ..models import Page

T = TypeVar("T")

Json = Any


class Caller(Protocol):
    """A client, as its resources see it."""

    async def call(
        self,
        endpoint: Endpoint[T],
        params: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        json: Json = None,
    ) -> T:
        """Call and return the value."""
        ...

    async def respond(
        self,
        endpoint: Endpoint[T],
        params: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        json: Json = None,
    ) -> Response[T]:
        """Call and return the value together with how it came."""
        ...

    @property
    def spawn(self) -> Spawn[Any]:
        """Run something in a task of the client."""
        ...


class Resource:
    """A group of operations."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._call = caller.call

    def _list(
        self,
        endpoint: Endpoint[Page[T]],
        params: Mapping[str, Any] | None = None,
        *,
        page_size: int,
        cursor: Cursor,
        prefetch: int,
        json: Json = None,
        advance: Advance[T] = follow_next,
    ) -> Paginator[T]:
        """Walk a list. Limit and cursor go into the query, on POST too: in a body the server ignores them."""
        assert endpoint.max_limit is not None  # noqa: S101 - a row of a list has one
        check_page_size(page_size, most=endpoint.max_limit)

        async def fetch(cursor: Cursor) -> Response[Page[T]]:
            query = {"limit": page_size, "cursorId": cursor}
            return await self._caller.respond(endpoint, params, query=query, json=json)

        return Paginator(
            fetch,
            self._caller.spawn,
            cursor=cursor,
            prefetch=prefetch,
            advance=advance,
            endpoint=endpoint.template,
        )
