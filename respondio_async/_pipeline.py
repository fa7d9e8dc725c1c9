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
from ._life import Life
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
        self._moved = False

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
        moved = self._moved
        path = endpoint.alternative if moved and endpoint.alternative else endpoint.path
        content = None if json is None else _wire.encode_json(json)
        call = Call(
            endpoint, _wire.build_target(path, params or {}, query), content, (params, query, json)
        )
        try:
            return await self._run(call, settings)
        except NotFoundError as error:
            # `moved` as it was at the start: calls side by side all meet the 404 before the first
            # of them has found the way.
            if endpoint.alternative is None or endpoint.max_limit is None or moved:
                raise
            # The vendor's rate table and its clients disagree about this path: the other one is
            # tried once a client.
            target = _wire.build_target(endpoint.alternative, params or {}, query)
            try:
                response = await self._run(Call(endpoint, target, content, call.sent), settings)
            except NotFoundError:
                raise error from None
            self._moved = True
            return response

    async def _run(self, call: Call[T], settings: Settings) -> Response[T]:
        started = asyncio.get_running_loop().time()
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
