"""One call, whole: the one place that is handed the four parts, which never see one another.

`_wire` makes and reads bytes, the limiter says when, the transport says what became of it, `_retry`
says whether to try again; `_attempts` is the order in which they are asked.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from . import _wire
from ._attempts import Attempts
from ._call import Call, Response, Settings
from ._endpoints import Endpoint
from ._life import Life, running_loop
from ._retry import RetryBudget
from ._statistics import DriftLog, RouteCounters
from ._transport import Transport
from .errors import ConnectionFailedError, NotFoundError
from .hooks import Hook, HookEvent, OperationEnded

T = TypeVar("T")

logger: Final = logging.getLogger("respondio_async")


class Pipeline:
    """Everything that the views of one client share, and `call`, which uses it."""

    def __init__(self, transport: Transport, budget: RetryBudget, hooks: Sequence[Hook]) -> None:
        self.transport = transport
        self.budget = budget
        self.hooks = tuple(hooks)
        self.life = Life()
        self.counters: dict[str, RouteCounters] = {}
        self.drift = DriftLog()
        self._moved: set[str] = set()
        """Collections that were found under their other path."""

    async def call(
        self,
        endpoint: Endpoint[T],
        settings: Settings,
        params: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        json: Any = None,
    ) -> Response[T]:
        """Make one call. Bad input fails here, before any wait."""
        path, other = endpoint.path, endpoint.alternative
        if other is not None and endpoint.collection in self._moved:
            path, other = other, path
        content = None if json is None else _wire.encode_json(json)
        call = Call(
            endpoint, _wire.build_target(path, params or {}, query), content, (params, query, json)
        )
        try:
            return await self._run(call, settings)
        except NotFoundError as error:
            if other is None or endpoint.max_limit is None:
                raise
            # The vendor's pages and its clients disagree about this path: a list tries the other
            # one, and the client keeps to what it has found.
            target = _wire.build_target(other, params or {}, query)
            try:
                response = await self._run(Call(endpoint, target, content, call.sent), settings)
            except NotFoundError:
                raise error from None
            if other == endpoint.alternative:
                self._moved.add(endpoint.collection)
            else:
                self._moved.discard(endpoint.collection)
            return response

    async def _run(self, call: Call[T], settings: Settings) -> Response[T]:
        started = running_loop().time()
        attempts = Attempts(self, call, settings)
        task = self.life.enter(attempts)
        error: str | None = None
        try:
            return await attempts.run(started)
        except asyncio.CancelledError as cancelled:
            error = type(cancelled).__name__
            if not self.life.was_dropped(task):
                raise
            raise ConnectionFailedError(
                f"{call.endpoint.template}: the client was closed while this call was waiting",
                endpoint=call.endpoint.template,
                attempts=attempts.tally.attempts,
                sent=attempts.tally.may_have_landed,
            ) from None
        except Exception as failed:
            error = type(failed).__name__
            raise
        finally:
            self.life.leave(task)
            if self.hooks:
                elapsed = asyncio.get_running_loop().time() - started
                self.tell(
                    OperationEnded(call.endpoint.template, attempts.tally.attempts, elapsed, error)
                )

    def tell(self, event: HookEvent) -> None:
        """Tell the hooks; what they raise is theirs."""
        for hook in self.hooks:
            try:
                hook(event)
            except Exception:
                logger.exception("a hook failed on %s", type(event).__name__)

    def count(self, route: str) -> RouteCounters:
        """The counters of a route."""
        counters = self.counters.get(route)
        if counters is None:
            counters = self.counters[route] = RouteCounters()
        return counters
