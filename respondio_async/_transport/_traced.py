"""Requests through `ClientSession.request`, for code that watches the session by aiohttp's tracing.

What is handed to the session has the template for its URL and no headers, since that is what
tracing is told. The request itself takes target and headers from its watch.
"""

import asyncio
from contextvars import ContextVar
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import msgspec
from aiohttp import payload
from multidict import CIMultiDict

from ..discreet import Discreet
from ._pool import ConnectionLease
from ._surplus import is_readable

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.client_proto import ResponseHandler

outgoing: Final[ContextVar["Outgoing"]] = ContextVar("outgoing")


class Outgoing(Discreet, msgspec.Struct):
    """What goes on the wire for the request that the current task makes."""

    lease: ConnectionLease[Any]
    """Told when it goes."""
    target: str
    headers: CIMultiDict[str]


class TracedRequest(aiohttp.ClientRequest):
    """Puts target and headers of what is outgoing on the wire, and tells when they go."""

    _skip_auto_headers = CIMultiDict({"Content-Type": None})

    def update_headers(self, headers: Any) -> None:
        """Add to the headers of what is outgoing those that tracing has put into *headers*."""
        self.outgoing = outgoing.get()
        if self.outgoing.lease.left_at is not None:
            # aiohttp makes a second request by itself when a kept connection breaks under an
            # idempotent one. Whether to send again, and when, is not decided down here.
            raise aiohttp.ServerDisconnectedError
        self.headers = self.outgoing.headers.copy()
        self.headers.update(headers)

    def update_auto_headers(self, skip_auto_headers: Any) -> None:
        """Add none."""

    async def send(self, conn: Any) -> Any:
        if self._body is None:  # else when its body is written, which is left to another task
            self.outgoing.lease.mark_sent()
        template = self.url
        # In its place while the head is written. The scheme is asked for under a proxy only, which
        # no plain http goes through.
        target: Any = SimpleNamespace(scheme="https", raw_path_qs=self.outgoing.target)
        self.url = target
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


class TracedBody(payload.BytesPayload):
    """The content of a request, which goes out together with its head."""

    async def write_with_length(
        self, writer: "AbstractStreamWriter", content_length: int | None
    ) -> None:
        """Write, unless the server has closed the connection since it was chosen: then nothing has
        left.
        """
        mine = outgoing.get()
        # From Python 3.12 on aiohttp writes in the step in which it chose the connection.
        await asyncio.sleep(0)
        if not is_fit(writer.protocol):  # type: ignore[attr-defined]
            raise aiohttp.ClientConnectionResetError
        mine.lease.mark_sent()
        await super().write_with_length(writer, content_length)


def is_fit(protocol: "ResponseHandler | None") -> bool:
    """Tell whether a connection is open, and has brought nothing since its last answer, which the
    next request would take for its own.
    """
    if protocol is None or protocol.transport is None or protocol.transport.is_closing():
        return False
    socket = protocol.transport.get_extra_info("socket")
    return not (protocol.should_close or is_readable(socket))
