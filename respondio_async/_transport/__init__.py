"""The wire below the pipeline: connections, TLS, and what became of a request.

The only package that imports httpx, httpx2 or aiohttp, and none of them before a client is made.
"""

from typing import Any, Protocol

from ..errors import ConfigurationError
from ._address import Address, check_base_url
from ._library import Backend, hide_urls, library_of, load
from ._ports import (
    Answer,
    Connection,
    PoolStatistics,
    RawHeaders,
    Request,
    SendError,
    SendFailure,
    Transport,
)

__all__ = [
    "Address",
    "Answer",
    "Backend",
    "Connection",
    "HTTPClient",
    "PoolStatistics",
    "RawHeaders",
    "Request",
    "SendError",
    "SendFailure",
    "Timeout",
    "Transport",
    "check_base_url",
    "open_transport",
]


class Timeout(Protocol):
    """An `httpx.Timeout` or `httpx2.Timeout`: seconds for each phase, None for no bound."""

    connect: float | None
    read: float | None
    write: float | None
    pool: float | None


class HTTPClient(Protocol):
    """An `httpx.AsyncClient` or `httpx2.AsyncClient`: what we need of it."""

    @property
    def is_closed(self) -> bool: ...
    def build_request(self, method: str, url: Any, /) -> Any: ...
    async def send(
        self, request: Any, /, *, stream: bool, auth: Any, follow_redirects: Any
    ) -> Any: ...
    async def aclose(self) -> None: ...


def open_transport(
    *,
    base_url: str,
    backend: Backend = "httpx",
    http_client: HTTPClient | None = None,
    max_connections: int = 64,
) -> Transport:
    """Make a transport; nothing connects yet, and no event loop is needed. Raises
    `ConfigurationError`.

    *http_client* is borrowed: used as it is and never closed. Without one, *backend* says what our
    own is built on.
    """
    address = check_base_url(base_url)
    if type(max_connections) is not int or max_connections < 1:
        raise ConfigurationError("max_connections must be a whole number of at least 1")
    library = load(backend) if http_client is None else library_of(http_client)
    hide_urls(library.__name__, address.netloc)
    if http_client is not None:
        from ._borrowed import BorrowedPool

        return BorrowedPool(library, address, max_connections, http_client)
    if backend == "aiohttp":
        from ._session import SessionPool

        return SessionPool(library, address, max_connections)
    from ._slots import SlotPool

    return SlotPool(library, address, max_connections)
