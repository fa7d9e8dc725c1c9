"""`AsyncRespond`: wires the parts together and hands out the resources."""

import asyncio
import os
import re
import warnings
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar, overload

import msgspec

from ._engine.call import Engine
from ._engine.endpoints import ENDPOINTS, ROUTES, Endpoint, Replay
from ._engine.exchange import Response, Settings
from ._engine.health import Health, HealthCheck, health_of_answer, health_of_error
from ._engine.lifecycle import ClientLifecycle, NotCopied, running_loop
from ._engine.options import (
    check_headers,
    check_parts,
    check_seconds,
    check_timeout,
    check_token,
    header_sets,
    merge_headers,
    user_agent,
)
from ._engine.pagination import Paginator
from ._engine.retry import RetryPolicy
from ._engine.statistics import ClientStatistics, DriftRecord, RouteCounters, route_statistics
from ._rate_limit import RateLimit
from ._transport import HTTPClient, Timeout, check_base_url, open_transport
from ._values import check_choice
from ._wire import check_type
from .errors import (
    ConfigurationError,
    InvalidArgumentError,
    RequestTimeoutError,
    RespondError,
)
from .hooks import Hook
from .limits import Priority, RateLimiter, limiter_for
from .resources import (
    Caller,
    Comments,
    Contacts,
    Conversations,
    Messages,
    RawResources,
    Space,
)

if TYPE_CHECKING:
    from .bulk import Bulk, Progress

__all__ = [
    "ROUTES",
    "AsyncRespond",
    "ClientStatistics",
    "DriftRecord",
    "Health",
    "HealthCheck",
    "Paginator",
    "RateLimit",
    "Response",
    "RetryPolicy",
]

Item = TypeVar("Item")
T = TypeVar("T")

Backend = Literal["httpx", "aiohttp", "httpx2"]

BASE_URL: Final = "https://api.respond.io/v2"

_METHOD: Final = re.compile(r"[A-Z]+")
_KEEP: Final[Any] = object()
"""The default of `with_options`: leave as it is. None has a meaning of its own there."""


def _shape(method: str, path: str) -> tuple[str, ...]:
    """What the server sees of a template: the names in braces are the caller's own."""
    return (method, *("{}" if part.startswith("{") else part for part in path.split("/")))


_KNOWN: Final = {
    _shape(endpoint.method, path): endpoint
    for endpoint in ENDPOINTS
    for path in (endpoint.path, endpoint.alternative)
    if path
}
"""An operation is known whatever its parameters are called here, and by either of its two paths."""


class AsyncRespond(NotCopied):
    """The client. Use it as ``async with AsyncRespond(token=…) as client``, and one for as long as
    the program runs.

    - *token*: made in Settings > Integrations > Developer API; None takes it from the environment,
      `RESPONDIO_API_TOKEN`.
    - *base_url*: None takes `RESPONDIO_BASE_URL` or the vendor's address. Plain http is for
      loopback hosts only.
    - *backend*: what the client's own connections are made with; "aiohttp" and "httpx2" are extras.
    - *http_client*: an `AsyncClient` of httpx or httpx2 to send with; it is borrowed and never
      closed.
    - *max_connections*: how many requests may be on their way at once.
    - *limiter*: None shares one among all clients of the same organisation in this process.
    - *timeout*: seconds for one attempt, or an `httpx.Timeout`; *deadline*: seconds for a whole
      call from its first permit, repeats and waits included; *queue_timeout*: seconds that a call
      may wait for that first permit. None: no bound.
    - *headers*: sent with every request. *app_info*: names your program behind the client in the
      User-Agent, as "acme-crm/2.1"; a User-Agent among the headers replaces both. *hooks*: see
      `respondio_async.hooks`.
    """

    # Of the class too: __del__ also runs for a client that was given a misspelt argument.
    _lifecycle: ClientLifecycle | None = None
    """What `aclose()` ends; None: this is a view."""

    def __init__(
        self,
        token: str | None = None,
        *,
        base_url: str | None = None,
        backend: Backend = "httpx",
        http_client: HTTPClient | None = None,
        max_connections: int = 64,
        limiter: RateLimiter | None = None,
        retry: RetryPolicy | None = None,
        timeout: float | Timeout | None = 30.0,
        deadline: float | None = 120.0,
        queue_timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        app_info: str | None = None,
        hooks: Sequence[Hook] = (),
    ) -> None:
        token = check_token(os.environ.get("RESPONDIO_API_TOKEN") if token is None else token)
        if base_url is not None and not isinstance(base_url, str):
            raise ConfigurationError("base_url is a str")
        self._base_url = base_url or os.environ.get("RESPONDIO_BASE_URL") or BASE_URL
        check_base_url(self._base_url)
        self._limiter_given = limiter is not None
        retry = RetryPolicy() if retry is None else retry
        check_parts(retry, limiter, hooks)
        extra = check_headers(headers or {})
        self._user_agent = user_agent(app_info)
        without_body, with_body = header_sets(token, extra, self._user_agent)
        seconds, phases = check_timeout(timeout)
        self._extra_headers = extra
        self._settings = Settings(
            token=token,
            headers=without_body,
            json_headers=with_body,
            limiter=limiter_for(self._base_url, token) if limiter is None else limiter,
            retry=retry,
            timeout=seconds,
            phases=phases,
            deadline=check_seconds(deadline, "deadline"),
            queue_timeout=check_seconds(queue_timeout, "queue_timeout"),
            priority=None,
        )
        del token, without_body, with_body, extra, headers  # a traceback may show locals
        transport = self._open_transport(
            base_url=self._base_url,
            backend=backend,
            http_client=http_client,
            max_connections=max_connections,
        )
        self._engine = Engine(transport, retry, hooks)
        self._lifecycle = self._engine.lifecycle
        self._owner: AsyncRespond | None = None
        self._make_resources()

    _open_transport = staticmethod(open_transport)  # a subclass may send in a way of its own

    def _make_resources(self) -> None:
        caller = self._caller = Caller(self._engine, self._settings)
        self.contacts: Contacts = Contacts(caller)
        self.messages: Messages = Messages(caller)
        self.comments: Comments = Comments(caller)
        self.conversations: Conversations = Conversations(caller)
        self.space: Space = Space(caller)

    # ── life ──────────────────────────────────────────────────────────────────────────────────────

    async def __aenter__(self) -> Self:
        running_loop()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the client: running calls get up to ten seconds to end, then every connection of
        ours is closed.

        Safe to call again. On a view (`with_options`) it does nothing.
        """
        if self._lifecycle is not None:
            try:
                await self._lifecycle.close()
            finally:
                await self._engine.transport.aclose()

    def __del__(self, _warn: Any = warnings.warn) -> None:
        lifecycle = self._lifecycle
        if lifecycle is not None and lifecycle.began and not lifecycle.closing:
            _warn(
                f"unclosed {self!r}: use `async with`, or await aclose()",
                ResourceWarning,
                source=self,
            )

    def __repr__(self) -> str:
        return f"<AsyncRespond {self._base_url}>"

    # ── views ─────────────────────────────────────────────────────────────────────────────────────

    def with_options(
        self,
        *,
        token: str = _KEEP,
        timeout: float | Timeout | None = _KEEP,
        deadline: float | None = _KEEP,
        queue_timeout: float | None = _KEEP,
        priority: Priority | None = _KEEP,
        retry: RetryPolicy = _KEEP,
        headers: Mapping[str, str] | None = _KEEP,
    ) -> Self:
        """Return a view on the same connections with other settings; closing it closes nothing.

        Another *token* brings its organisation's limiter, unless one was given to the client.
        *headers* are added to the client's; None drops those. *priority* "bulk" lets interactive
        calls go first. The retry budget stays the client's.
        """
        view = object.__new__(type(self))
        view.__dict__.update(self.__dict__)
        view._owner = self  # it lives as long as its views do
        view._lifecycle = None
        view_token = self._settings.token if token is _KEEP else check_token(token)
        if headers is None:
            view._extra_headers = {}
        elif headers is not _KEEP:
            view._extra_headers = merge_headers(self._extra_headers, check_headers(headers))
        without_body, with_body = header_sets(view_token, view._extra_headers, self._user_agent)
        changed: dict[str, Any] = {
            "token": view_token,
            "headers": without_body,
            "json_headers": with_body,
        }
        if token is not _KEEP and not self._limiter_given:
            changed["limiter"] = limiter_for(self._base_url, view_token)
        if timeout is not _KEEP:
            changed["timeout"], changed["phases"] = check_timeout(timeout)
        if deadline is not _KEEP:
            changed["deadline"] = check_seconds(deadline, "deadline")
        if queue_timeout is not _KEEP:
            changed["queue_timeout"] = check_seconds(queue_timeout, "queue_timeout")
        if priority is not _KEEP:
            if priority is not None:
                check_choice(priority, "priority", Priority)
            changed["priority"] = priority
        if retry is not _KEEP:
            check_parts(retry, None, ())
            changed["retry"] = retry
        view._settings = msgspec.structs.replace(self._settings, **changed)
        view._make_resources()
        return view

    @property
    def raw(self) -> RawResources:
        """The same operations, each returning a `Response`: the value with its status, headers,
        attempts and raw content.

        Lists return one page: ``await client.raw.contacts.list(cursor=…)``.
        """
        return RawResources(self._engine, self._settings)

    # ── beyond the resources ──────────────────────────────────────────────────────────────────────

    @overload
    async def request(
        self,
        method: str,
        path: str,
        *,
        type: type[T],
        params: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        json: Any = None,
    ) -> T: ...

    @overload
    async def request(
        self,
        method: str,
        path: str,
        *,
        type: Any = Any,
        params: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        json: Any = None,
    ) -> Any: ...

    async def request(
        self,
        method: str,
        path: str,
        *,
        type: Any = Any,  # noqa: A002 - what it is
        params: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        json: Any = None,
    ) -> Any:
        """Call an operation that the client has no method for (yet); limited, repeated and decoded
        like the rest.

        *path* is a template, "/contact/{identifier}/message", and *params* its values: templates
        reach logs and limits, values do not.
        *type* is anything that msgspec decodes; without it plain Python comes back. *json* None
        means no body. A POST or PATCH to a path unknown to the client is not repeated once it may
        have landed; an unlisted route gets 5 requests a second.
        """
        endpoint = _endpoint(method, path, type)
        return await self._caller.call(endpoint, params, query=query, json=json)

    def bulk(
        self,
        work: Callable[..., Awaitable[T]],
        items: Iterable[Item] | AsyncIterable[Item],
        *,
        key: Callable[[Item], str] | None = None,
        concurrency: int | None = None,
        journal: str | os.PathLike[str] | None = None,
        ordered: bool = False,
        stop_on: type[BaseException]
        | Iterable[type[BaseException]]
        | Callable[[Exception], bool]
        | None = None,
        on_unknown: Literal["report", "repeat"] = "report",
        failed: Literal["retry", "skip"] = "retry",
        progress: "Callable[[Progress], object] | None" = None,
        total: int | None = None,
        max_outage: float | None = 3600.0,
    ) -> "Bulk[Item, T]":
        """Do *work* on every item, as many at once as the limits can use; ``async with
        client.bulk(…) as run: async for outcome in run: …`` gives an outcome an item.

        - *work*: ``async (item) -> T``, or ``async (item, step) -> T`` with ``await step("upsert",
          fn)`` for steps that a journal remembers.
        - *items*: any iterable or async iterable (a paginator too), read as it is needed.
        - *key*: names an item in its outcome and in the journal; None counts them, which a journal
          cannot use.
        - *concurrency*: items in progress at once, 1,024 by default; the limits decide what is
          sent. *ordered*: outcomes in the order of the items.
        - *journal*: a file that makes the run resumable: items that are done are skipped, and a
          write that a killed run left open is reported as an `OutcomeUnknownError`, or done again
          with ``on_unknown="repeat"``.
        - *failed*: what the next run does with an item that failed: "retry" does it again from the
          step on that failed, unless an earlier call in it must not be repeated, which is reported
          as unknown; "skip" leaves it alone and reports it as failed.
        - *stop_on*: errors that end the run; a revoked token (401) always does. Their items stay
          unfinished. Any other error is its item's outcome.
        - *progress*: called with a snapshot about twice a second. *total*: how many items there
          are, where *items* does not say (by its length or length hint).
        - *max_outage*: seconds for which the run waits while the server does not answer; None: for
          ever. The run pauses and goes on by itself; the pause does not count towards the deadlines
          of its calls. Longer, and the run stops with `DeadlineExceededError`, and what was waiting
          is unfinished, not failed. `Progress.outage` says that it is paused, and since when.

        Calls made by the work use the bulk priority, so that interactive calls of the same
        organisation go first.
        """
        from .bulk import Bulk

        return Bulk(
            work,
            items,
            key=key,
            concurrency=concurrency,
            journal=journal,
            ordered=ordered,
            stop_on=stop_on,
            on_unknown=on_unknown,
            failed=failed,
            progress=progress,
            total=total,
            max_outage=max_outage,
        )

    async def check(self, *, timeout: float = 5.0) -> Health:
        """Ask the server one cheap question, and tell what its answer says: for a health endpoint.

        Reads one user (`GET /space/user`) with one attempt, within *timeout* seconds, waiting for
        the permit included. Never raises for what the server or the network does: `Health.ok` is
        False then, and each of `Health.checks` ("connection", "clock", "access") has a verdict and
        what to do.
        """
        view = self.with_options(
            timeout=timeout,
            deadline=timeout,
            queue_timeout=timeout,
            retry=RetryPolicy(max_attempts=1),
        )
        try:
            async with asyncio.timeout(timeout):
                return health_of_answer(await view.raw.space.list_users(page_size=1))
        except RespondError as error:
            return health_of_error(error)
        except TimeoutError:
            return health_of_error(RequestTimeoutError(f"no answer within {timeout:g} s"))

    def drift(self) -> list[DriftRecord]:
        """List how answers differed from what they are documented to be, each kind with its count.

        What could be read only leniently was read; this tells a service that the API has changed.
        """
        return self._engine.drift.records()

    def statistics(self) -> ClientStatistics:
        """Take a snapshot: per route what was sent, repeated, refused and waits; the connections;
        the retry budget.
        """
        engine = self._engine
        lines = self._settings.limiter.statistics()
        names = dict.fromkeys([*engine.counters, *lines])
        return ClientStatistics(
            routes={
                name: route_statistics(
                    name, engine.counters.get(name, RouteCounters()), lines.get(name)
                )
                for name in names
            },
            pool=engine.transport.statistics(),
            retry_budget=engine.budget.left,
        )


def _endpoint(method: str, path: str, type_: Any) -> Endpoint[Any]:
    """The row of a known operation, with the asked-for type; else a row made for the occasion."""
    if not isinstance(method, str) or not _METHOD.fullmatch(method.upper()):
        raise InvalidArgumentError(
            "method is an HTTP method: GET, POST, PUT, DELETE", argument="method"
        )
    check_type(type_)
    method = method.upper()
    known = _KNOWN.get(_shape(method, path))
    if known is None:
        replay: Replay = "unsent" if method in ("POST", "PATCH") else "always"
        return Endpoint("request", method, path, type_, replay)
    return msgspec.structs.replace(
        known, path=path, route=known.bucket, type=type_, envelopes=(), alternative=None
    )


AsyncRespond.__module__ = "respondio_async"
