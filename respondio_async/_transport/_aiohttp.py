"""The backend aiohttp: httpx-aiohttp's transport, called as an `httpx.AsyncClient` would call it,
without its cost.

aiohttp's pool survives cancellation, so its connections are its own affair; a lease here is one of
so many at once, and a watch on one attempt.
"""

import ssl
from base64 import b64encode
from contextvars import ContextVar
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

import aiohttp
import httpx_aiohttp

from ._address import Address
from ._body import read_answer
from ._pool import KEEPALIVE, ConnectionLease, Pool
from ._ports import Answer, Request
from ._proxy import proxy_for
from ._requests import phase_timeouts
from ._surplus import is_readable
from ._tls import shared_context

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler

_attempt: Final[ContextVar["SessionLease"]] = ContextVar("_attempt")


class _Connector(aiohttp.TCPConnector):
    """Tells the attempt when it has its connection, and lets it have only one.

    aiohttp sends an idempotent request again by itself when a kept connection turns out to be
    broken. Whether a request is sent again, and under which permit of the limiter, is not decided
    down here.
    """

    def __init__(self, pool: "AiohttpPool", tls: ssl.SSLContext) -> None:
        super().__init__(limit=0, keepalive_timeout=KEEPALIVE, ssl=tls)  # pyright: ignore[reportUnknownMemberType] - a tuple[Unknown] of aiohttp's
        self._pool = pool

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:
        attempt = _attempt.get()
        if not attempt.unsent:
            raise aiohttp.ServerDisconnectedError
        while True:
            connection = await super().connect(req, traces, timeout)
            if not _has_surplus(connection.protocol):
                break
            connection.close()
            self._pool.discarded += 1
        attempt.leaves()
        return connection

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> "ResponseHandler":
        protocol = await super()._create_connection(req, traces, timeout)
        self._pool.opened += 1
        self._pool.protocols.add(protocol)
        return protocol


class SessionLease(ConnectionLease):
    """One of so many requests at once."""

    __slots__ = ("_owner",)

    def __init__(self, owner: "AiohttpPool") -> None:
        super().__init__()
        self._owner = owner

    @property
    def _pool(self) -> "AiohttpPool":
        return self._owner

    async def _exchange(self, request: Request, timeout: float | None, phases: Any) -> Answer:  # noqa: ARG002 - bounded outside
        self.unsent = True
        token = _attempt.set(self)
        try:
            built = self._owner.requests.plain(request, {"timeout": phase_timeouts(phases)})
            response = await self._owner.http.handle_async_request(built)
        finally:
            _attempt.reset(token)
        self.status = response.status_code
        try:
            answer, self.clean = await read_answer(response)
            return answer  # noqa: TRY300 - what follows is for failures
        except BaseException:
            await (
                response.stream.aclose()
            )  # aiohttp closes a connection whose answer was not read to its end
            raise

    def release(self) -> None:
        self._owner.discarded += self.broken
        self._owner.end(self)


class AiohttpPool(Pool[SessionLease]):
    """Leases in front of aiohttp's pool."""

    http: Any

    def __init__(self, library: ModuleType, address: Address, size: int) -> None:
        super().__init__(library, address, size)
        self.protocols: WeakSet[ResponseHandler] = WeakSet()
        self._proxy = _with_plain_header(proxy_for(library, address, socks=False))
        self.http = None

    async def _lease(self) -> SessionLease:
        if self.http is None:
            tls = await shared_context(self.library, self.address.scheme)
            if self.http is None:  # nobody else was faster
                self.http = self._make_transport(tls)
        return SessionLease(self)

    def _make_transport(self, tls: ssl.SSLContext) -> Any:
        session = aiohttp.ClientSession(
            connector=_Connector(self, tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            timeout=aiohttp.ClientTimeout(total=None),
        )
        return httpx_aiohttp.AiohttpTransport(verify=tls, client=session, proxy=self._proxy)

    def _count_open(self) -> int:
        return sum(protocol.is_connected() for protocol in self.protocols)

    async def _close(self) -> None:
        if self.http is not None:
            await self.http.aclose()


def _has_surplus(protocol: "ResponseHandler | None") -> bool:
    """Tell whether a connection has brought bytes since its last answer, which the next request
    would take for its own.
    """
    if protocol is None or protocol.transport is None:
        return True
    return protocol.should_close or is_readable(protocol.transport.get_extra_info("socket"))


def _with_plain_header(proxy: Any) -> Any:
    """Say the credentials of *proxy* in a header, as aiohttp wants it; httpx-aiohttp still makes a
    deprecated object of them.
    """
    if proxy is not None and proxy.auth is not None:
        proxy.headers["Proxy-Authorization"] = (
            "Basic " + b64encode(":".join(proxy.auth).encode()).decode()
        )
        proxy.auth = None
    return proxy
