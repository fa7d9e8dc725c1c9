"""The wire below the pipeline: connections, TLS, and what became of a request.

The only package that imports httpx, httpx2 or aiohttp, and none of them before a client is made.
"""

import importlib
from types import ModuleType
from typing import Any, Final, Literal, Protocol

from ..errors import ConfigurationError
from ._address import Address, check_base_url
from ._seam import Answer, Connection, PoolStatistics, RawHeaders, Request, SendError, SendFailure, Transport

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

Backend = Literal["httpx", "aiohttp", "httpx2"]

_NEEDS: Final = {
    "httpx": ("httpx", "httpcore"),
    "httpx2": ("httpx2", "httpcore2"),
    "aiohttp": ("httpx", "aiohttp", "httpx_aiohttp"),
}


class Timeout(Protocol):
    """An `httpx.Timeout` or `httpx2.Timeout`: seconds for each phase, None for no bound."""

    @property
    def connect(self) -> float | None: ...
    @property
    def read(self) -> float | None: ...
    @property
    def write(self) -> float | None: ...
    @property
    def pool(self) -> float | None: ...


class HTTPClient(Protocol):
    """An `httpx.AsyncClient` or `httpx2.AsyncClient`: what we need of it."""

    @property
    def is_closed(self) -> bool: ...
    def build_request(self, method: str, url: Any, /) -> Any: ...
    async def send(self, request: Any, /, *, stream: bool, auth: Any, follow_redirects: Any) -> Any: ...
    async def aclose(self) -> None: ...


def open_transport(
    *, base_url: str, backend: Backend = "httpx", http_client: HTTPClient | None = None, max_connections: int = 64
) -> Transport:
    """Make a transport; nothing connects yet, and no event loop is needed. Raises `ConfigurationError`.

    *http_client* is borrowed: used as it is and never closed. Without one, *backend* says what our own is built on.
    """
    address = check_base_url(base_url)
    if type(max_connections) is not int or max_connections < 1:
        raise ConfigurationError("max_connections must be a whole number of at least 1")
    library = _load(backend)
    from ._slots import SlotPool

    return SlotPool(library, address, max_connections)


def _load(backend: Backend) -> ModuleType:
    """Import what *backend* needs now, not inside the first call, and return httpx or httpx2."""
    if backend not in _NEEDS:
        raise ConfigurationError('backend must be "httpx", "aiohttp" or "httpx2"')
    try:
        modules = [importlib.import_module(name) for name in _NEEDS[backend]]
        return modules[0]
    except ImportError:
        raise ConfigurationError(
            f'backend="{backend}" is not installed: pip install "respondio-async[{backend}]"'
        ) from None
