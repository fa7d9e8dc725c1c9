"""The backend aiohttp: one `aiohttp.ClientSession`.

aiohttp's pool survives cancellation, so its connections are its own affair; a lease here is one of
so many requests at once, and a watch on what becomes of it.

What is handed to the session has the template for its URL and no headers, since that is what
tracing is told. The request itself takes target and headers from its lease.
"""

import ssl
from base64 import b64encode
from contextvars import ContextVar
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

import aiohttp
import yarl
from aiohttp import payload
from multidict import CIMultiDict

from ._address import Address
from ._body import read_content
from ._pool import KEEPALIVE, ConnectionLease, Pool
from ._ports import Answer, Request
from ._proxy import proxy_for
from ._requests import BoundedCache, HeaderSet, header_pairs
from ._surplus import is_readable
from ._tls import shared_context

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.client_proto import ResponseHandler

_lease: Final[ContextVar["SessionLease"]] = ContextVar("_lease")


class _Target:
    """In the place of a request's URL while its head is written."""

    __slots__ = ("raw_path_qs",)
    scheme = "https"  # asked for under a proxy only, which no plain http goes through

    def __init__(self, target: str) -> None:
        self.raw_path_qs = target


class _Request(aiohttp.ClientRequest):
    """Puts target and headers of its lease on the wire, and tells it when they go."""

    _skip_auto_headers = CIMultiDict({"Content-Type": None})

    def update_headers(self, headers: Any) -> None:
        """Add to the headers of the lease what tracing has put into *headers*."""
        self.lease = _lease.get()
        self.headers = self.lease.headers.copy()
        self.headers.update(headers)

    def update_auto_headers(self, skip_auto_headers: Any) -> None:
        """Add none."""

    async def send(self, conn: Any) -> Any:
        if self._body is None:
            self.lease.leaves()  # else when its body is written, which is left to another task
        template = self.url
        self.url = _Target(self.lease.target)  # type: ignore[assignment]
        try:
            return await super().send(conn)
        finally:
            self.url = template

    @property
    def request_info(self) -> aiohttp.RequestInfo:
        headers: Any = self.headers
        return aiohttp.RequestInfo(self.original_url, self.method, headers, self.original_url)

    async def _on_headers_request_sent(self, method: str, url: Any, headers: Any) -> None:  # noqa: ARG002
        await super()._on_headers_request_sent(method, self.original_url, headers)

    async def _on_chunk_request_sent(self, method: str, url: Any, chunk: bytes) -> None:  # noqa: ARG002
        await super()._on_chunk_request_sent(method, self.original_url, chunk)


class _Body(payload.BytesPayload):
    """The content of a request, which goes out together with its head."""

    def __init__(self, content: bytes, lease: "SessionLease") -> None:
        super().__init__(content)
        self._lease = lease

    async def write_with_length(
        self, writer: "AbstractStreamWriter", content_length: int | None
    ) -> None:
        """Write, unless the server has closed the connection since it was chosen: then nothing has
        left.
        """
        if _has_surplus(writer.protocol):  # type: ignore[attr-defined]
            raise aiohttp.ClientConnectionResetError
        self._lease.leaves()
        await super().write_with_length(writer, content_length)


class _Connector(aiohttp.TCPConnector):
    """Lets a request that has left have no second connection.

    aiohttp sends an idempotent request again by itself when a kept connection turns out to be
    broken. Whether a request is sent again, and under which permit of the limiter, is not decided
    down here.
    """

    def __init__(self, pool: "SessionPool", tls: ssl.SSLContext) -> None:
        super().__init__(limit=0, keepalive_timeout=KEEPALIVE, ssl=tls)  # pyright: ignore[reportUnknownMemberType] - a tuple[Unknown] of aiohttp's
        self._pool = pool

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:
        if not req.lease.unsent:
            raise aiohttp.ServerDisconnectedError
        while True:
            connection = await super().connect(req, traces, timeout)
            if not _has_surplus(connection.protocol):
                return connection
            connection.close()
            self._pool.discarded += 1

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> "ResponseHandler":
        protocol = await super()._create_connection(req, traces, timeout)
        self._pool.opened += 1
        self._pool.protocols.add(protocol)
        return protocol


class SessionLease(ConnectionLease):
    """One request through the session."""

    __slots__ = ("_owner", "headers", "target")

    headers: CIMultiDict[str]
    target: str

    def __init__(self, owner: "SessionPool") -> None:
        super().__init__()
        self._owner = owner

    @property
    def _pool(self) -> "SessionPool":
        return self._owner

    async def _exchange(self, request: Request, timeout: float | None, phases: Any) -> Answer:  # noqa: ARG002 - bounded outside
        owner, content = self._owner, request.content
        self.headers = owner.headers[request.headers, None if content is None else len(content)]
        self.target = f"{owner.address.prefix}{request.target}"
        self.unsent = True
        url = owner.urls[request.template]
        body = None if content is None else _Body(content, self)
        bounds = owner.bounds
        if phases is not None:
            bounds = aiohttp.ClientTimeout(connect=phases.connect, sock_read=phases.read)
        token = _lease.set(self)
        try:
            if owner.session.trace_configs:
                response = await owner.session.request(
                    request.method,
                    url,
                    data=body,
                    allow_redirects=False,
                    timeout=bounds,
                    proxy=owner.proxy,
                    proxy_headers=owner.proxy_headers,
                )
            else:
                response = await self._request(request.method, url, body, bounds)
        finally:
            _lease.reset(token)
        self.status = response.status
        try:
            return await read_content(
                response.status, response.raw_headers, response.content.iter_any()
            )
        except BaseException:
            response.close()
            raise

    async def _request(
        self, method: str, url: yarl.URL, body: "_Body | None", bounds: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        """Do what `ClientSession.request` does to a request without cookies, redirects and traces,
        in two thirds of its time.
        """
        owner = self._owner
        connector = owner.session.connector
        assert connector is not None  # noqa: S101 - the pool closes it last
        outgoing = _Request(
            method,
            url,
            headers={},
            data=body,
            loop=owner.loop,
            proxy=owner.proxy,
            proxy_headers=owner.proxy_headers,
            session=owner.session,
        )
        try:
            connection = await connector.connect(outgoing, traces=[], timeout=bounds)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError from error
        try:
            assert connection.protocol is not None  # noqa: S101 - it has just been made or chosen
            connection.protocol.set_response_params(
                skip_payload=method == "HEAD",
                read_until_eof=True,
                auto_decompress=False,
                read_timeout=bounds.sock_read,
            )
            response: aiohttp.ClientResponse = await outgoing.send(connection)
            try:
                return await response.start(connection)
            except BaseException:
                response.close()
                raise
        except BaseException:
            connection.close()
            raise

    def release(self) -> None:
        self._owner.discarded += self.broken
        self._owner.end(self)


class SessionPool(Pool[SessionLease]):
    """Leases in front of aiohttp's pool."""

    session: aiohttp.ClientSession

    def __init__(self, library: ModuleType, address: Address, size: int) -> None:
        super().__init__(library, address, size)
        self.protocols: WeakSet[ResponseHandler] = WeakSet()
        self.urls: BoundedCache[str, yarl.URL] = BoundedCache(
            lambda template: yarl.URL(f"{address.url}{template}")
        )
        self.headers: BoundedCache[tuple[HeaderSet, int | None], CIMultiDict[str]] = BoundedCache(
            lambda key: CIMultiDict(header_pairs(address, *key))
        )
        self.bounds = aiohttp.ClientTimeout(total=None)
        proxy = proxy_for(library, address, socks=False)
        self.proxy = None if proxy is None else yarl.URL(str(proxy.url))
        self.proxy_headers = None if proxy is None else _credentials(proxy.auth)
        self._opened_session = False

    async def _lease(self) -> SessionLease:
        if not self._opened_session:
            tls = await shared_context(self.library, self.address.scheme)
            if not self._opened_session:  # nobody else was faster
                self.session = self._make_session(tls)
                self._opened_session = True
        return SessionLease(self)

    def _make_session(self, tls: ssl.SSLContext) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=_Connector(self, tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            request_class=_Request,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
        )

    def _count_open(self) -> int:
        return sum(protocol.is_connected() for protocol in self.protocols)

    async def _close(self) -> None:
        if self._opened_session:
            await self.session.close()


def _has_surplus(protocol: "ResponseHandler | None") -> bool:
    """Tell whether a connection has ended, or brought bytes since its last answer, which the next
    request would take for its own.
    """
    if protocol is None or protocol.transport is None or protocol.transport.is_closing():
        return True
    return protocol.should_close or is_readable(protocol.transport.get_extra_info("socket"))


def _credentials(auth: tuple[str, str] | None) -> dict[str, str]:
    if auth is None:
        return {}
    return {"Proxy-Authorization": f"Basic {b64encode(':'.join(auth).encode()).decode()}"}
