"""What every resource is made of: a way to call a row of the endpoint table, and a way to walk its
pages.
"""

import asyncio
from collections.abc import Mapping
from itertools import chain, repeat
from typing import Any, Self, TypeVar

import msgspec

from .._engine.call import Engine
from .._engine.endpoints import Endpoint
from .._engine.exchange import Response, Settings
from .._engine.pagination import Advance, Cursor, Paginator, Spawn, follow_next
from .._wire import check_page_size
from ..errors import DeadlineExceededError, InvalidArgumentError
from ..models import Page

T = TypeVar("T")

Json = Any


class Caller:
    """A client, as its resources see it."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self.spawn: Spawn[Any] = engine.lifecycle.spawn
        """Runs something in a task of the client."""

    async def call(
        self,
        endpoint: Endpoint[T],
        params: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        json: Json = None,
    ) -> T:
        """Call and return the value."""
        return (
            await self._engine.call(endpoint, self._settings, params, query=query, json=json)
        ).value

    async def respond(
        self,
        endpoint: Endpoint[T],
        params: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        json: Json = None,
    ) -> Response[T]:
        """Call and return the value together with how it came."""
        return await self._engine.call(endpoint, self._settings, params, query=query, json=json)

    def within(self, seconds: float) -> Self:
        """Give the same with a deadline of *seconds*, counted from each call's first permit. A
        helper's own timeout may so be longer than the client's deadline.
        """
        settings = msgspec.structs.replace(self._settings, deadline=seconds)
        return type(self)(self._engine, settings)


class PollTimer:
    """The pauses of a helper that polls, and its end: *seconds* after the first look, so that
    waiting for the first permit does not count.
    """

    def __init__(self, seconds: float, pauses: tuple[float, ...]) -> None:
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
            raise InvalidArgumentError("timeout is a number of seconds above 0", argument="timeout")
        self.seconds = float(seconds)
        self._pauses = chain(pauses, repeat(pauses[-1]))
        self._end: float | None = None

    async def pause(self, endpoint: Endpoint[Any], missing: str) -> None:
        """Wait before the next look; `DeadlineExceededError` says what is *missing* when there is
        no time for one.
        """
        now = asyncio.get_running_loop().time()
        if self._end is None:
            self._end = now + self.seconds
        if now >= self._end:
            raise DeadlineExceededError(
                f"{missing} within {self.seconds:g} s", endpoint=endpoint.template, sent=True
            )
        await asyncio.sleep(min(next(self._pauses), self._end - now))


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
        """Walk a list.

        Limit and cursor go into the query, on POST too: in a body the server ignores them.
        """
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
