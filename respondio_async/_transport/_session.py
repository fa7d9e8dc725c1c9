"""The backend aiohttp: one `aiohttp.ClientSession`.

aiohttp's pool survives cancellation, so its connections are its own affair; a lease here is one of
so many requests at once, and a watch on what becomes of it.

A request takes a connection of the session and is written to it at once: no cookies, redirects or
default headers are wanted, and the session would take three times as long to do nothing about them.
Only if something watches the session, by aiohttp's tracing or in the place of its method, does a
request go all the way through it: else a mock that plays the server would be passed by.
"""

import asyncio
import functools
import re
import ssl
from base64 import b64encode
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

import aiohttp
import yarl
from multidict import CIMultiDict

from ..errors import ConfigurationError
from ._address import Address
from ._body import read_content
from ._pool import KEEPALIVE, ConnectionLease, Pool
from ._ports import Answer, Request
from ._proxy import proxy_for
from ._requests import REMEMBERED, HeaderSet, header_pairs
from ._tls import shared_context
from ._traced import Outgoing, TracedBody, TracedRequest, is_fit, outgoing

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler

_TARGET: Final = re.compile(r"[!-~]+")


class _Connector(aiohttp.TCPConnector):
    """Gives connections that are fit for another request, and counts those that it makes."""

    def __init__(self, pool: "SessionPool", tls: ssl.SSLContext) -> None:
        super().__init__(limit=0, keepalive_timeout=KEEPALIVE, ssl=tls)  # pyright: ignore[reportUnknownMemberType] - a tuple[Unknown] of aiohttp's
        self._pool = pool

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:
        while True:
            connection = await super().connect(req, traces, timeout)
            if is_fit(connection.protocol):
                return connection
            connection.close()
            self._pool.discarded += 1

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> "ResponseHandler":
        protocol = await super()._create_connection(req, traces, timeout)
        self._pool.opened += 1
        self._pool.protocols.add(protocol)
        return protocol


class SessionLease(ConnectionLease["SessionPool"]):
    """One request through the session."""

    __slots__ = ()

    async def _exchange(self, request: Request, timeout: float | None, phases: Any) -> Answer:  # noqa: ARG002 - bounded outside
        self.unsent = True
        bounds = self.pool.bounds
        if phases is not None:
            bounds = aiohttp.ClientTimeout(connect=phases.connect, sock_read=phases.read)
        if self.pool.session.trace_configs or _is_replaced():
            return await self._exchange_traced(request, bounds)
        return await self._exchange_at_once(request, bounds)

    async def _exchange_at_once(self, request: Request, bounds: aiohttp.ClientTimeout) -> Answer:
        """Write head and body in one piece, and read the answer by aiohttp's parser."""
        packet = self.pool.pack(request)
        if request.content is not None:
            await asyncio.sleep(0)  # a turn in which the loop may see that the server has closed
        try:
            connection: Any = await self.pool.connector.connect(self.pool.any_request, [], bounds)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError from error
        try:
            protocol: ResponseHandler = connection.protocol
            protocol.set_response_params(
                skip_payload=request.method == "HEAD",
                read_until_eof=True,
                auto_decompress=False,
                read_timeout=bounds.sock_read,
            )
            assert protocol.transport is not None  # noqa: S101 - the connection is fit
            self.mark_sent()
            protocol.transport.write(packet)
            protocol.start_timeout()
            message, content = await protocol.read()
            while message.code < 200 and message.code != 101:
                message, content = await protocol.read()
            self.status = message.code
            chunks = content.read_nowait() if content.is_eof() else content.iter_any()
            answer = await read_content(message.code, message.raw_headers, chunks)
        except BaseException:
            connection.close()
            raise
        connection.release()
        return answer

    async def _exchange_traced(self, request: Request, bounds: aiohttp.ClientTimeout) -> Answer:
        pool, content = self.pool, request.content
        length = None if content is None else len(content)
        token = outgoing.set(
            Outgoing(
                self,
                pool.target_of(request),
                CIMultiDict(header_pairs(pool.address, request.headers, length)),
            )
        )
        try:
            response = await pool.session.request(
                request.method,
                yarl.URL(f"{pool.address.url}{request.template}"),
                data=None if content is None else TracedBody(content),
                allow_redirects=False,
                timeout=bounds,
                proxy=pool.proxy,
                proxy_headers=pool.proxy_headers,
            )
        finally:
            outgoing.reset(token)
        self.status = response.status
        try:
            # What stands in for the method may have read the answer, and know no raw headers.
            headers = response.raw_headers or [
                (name.encode(), value.encode()) for name, value in response.headers.items()
            ]
            is_read = response.content.at_eof()
            chunks = await response.read() if is_read else response.content.iter_any()
            return await read_content(response.status, headers, chunks)
        except BaseException:
            response.close()
            raise


class SessionPool(Pool[SessionLease]):
    """Leases in front of aiohttp's pool."""

    session: aiohttp.ClientSession
    connector: aiohttp.BaseConnector
    any_request: aiohttp.ClientRequest
    """What the connector is shown: where to, by which proxy."""

    def __init__(self, library: ModuleType, address: Address, size: int) -> None:
        super().__init__(library, address, size)
        self.protocols: WeakSet[ResponseHandler] = WeakSet()
        self._head = functools.lru_cache(REMEMBERED)(functools.partial(_head, address))
        self.bounds = aiohttp.ClientTimeout(total=None)
        proxy = proxy_for(library, address, socks=False)
        self.proxy = None if proxy is None else yarl.URL(str(proxy.url))
        # aiohttp adds the host and takes other headers for another proxy.
        self.proxy_headers = (
            None if proxy is None else {"Host": address.netloc, **_credentials(proxy.auth)}
        )
        self._opened_session = False

    async def _lease(self) -> SessionLease:
        if not self._opened_session:
            tls = await shared_context(self.library, self.address.scheme)
            if not self._opened_session:  # no other call has done it meanwhile
                self._open_session(tls)
        return SessionLease(self)

    def _open_session(self, tls: ssl.SSLContext) -> None:
        self.connector = _Connector(self, tls)
        self.session = aiohttp.ClientSession(
            connector=self.connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            request_class=TracedRequest,
            auto_decompress=False,
            timeout=self.bounds,
        )
        self.any_request = aiohttp.ClientRequest(
            "GET",
            yarl.URL(self.address.url),
            loop=self.loop,
            proxy=self.proxy,
            proxy_headers=self.proxy_headers,
            session=self.session,
        )
        self._opened_session = True

    def target_of(self, request: Request) -> str:
        """Return what stands behind the method on the wire. Raises `ConfigurationError`."""
        target = f"{self.address.prefix}{request.target}"
        if not _TARGET.fullmatch(target):
            raise ConfigurationError("the path holds characters that HTTP cannot carry")
        return target

    def pack(self, request: Request) -> bytes:
        """Return *request* as it goes on the wire. Raises `ConfigurationError`."""
        content = request.content
        head = self._head(request.headers, None if content is None else len(content))
        return b"%s %s HTTP/1.1\r\n%s%s" % (
            request.method.encode("ascii"),
            self.target_of(request).encode("ascii"),
            head,
            content or b"",
        )

    def _count_open(self) -> int:
        return sum(protocol.is_connected() for protocol in self.protocols)

    async def _close(self) -> None:
        if self._opened_session:
            await self.session.close()


def _is_replaced() -> bool:
    """Tell whether something stands in the place of aiohttp's method: a mock, or a monitor."""
    method: Any = aiohttp.ClientSession._request  # pyright: ignore[reportPrivateUsage] # noqa: SLF001 - it is what they replace
    return (
        not isinstance(method, FunctionType)
        or method.__code__.co_filename != aiohttp.client.__file__
    )


def _head(address: Address, headers: HeaderSet, length: int | None) -> bytes:
    pairs = header_pairs(address, headers, length)
    return "".join([*(f"{name}: {value}\r\n" for name, value in pairs), "\r\n"]).encode("ascii")


def _credentials(auth: tuple[str, str] | None) -> dict[str, str]:
    if auth is None:
        return {}
    return {"Proxy-Authorization": f"Basic {b64encode(':'.join(auth).encode()).decode()}"}
