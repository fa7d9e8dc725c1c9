"""Finds the HTTP library: imported when a client is made, neither before nor during its first call."""

import importlib
import sys
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import ModuleType
from typing import Any, Final, Literal

from ..errors import ConfigurationError

Backend = Literal["httpx", "aiohttp", "httpx2"]

_NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "httpx": ("httpx", "httpcore"),
    "httpx2": ("httpx2", "httpcore2"),
    "aiohttp": ("httpx", "aiohttp", "httpx_aiohttp"),
}


def load(backend: Backend) -> ModuleType:
    """Import what *backend* needs and return httpx or httpx2. Raises `ConfigurationError`."""
    if backend not in _NEEDS:
        raise ConfigurationError('backend must be "httpx", "aiohttp" or "httpx2"')
    try:
        modules = [importlib.import_module(name) for name in _NEEDS[backend]]
    except ImportError:
        raise ConfigurationError(
            f'the backend "{backend}" is not installed: pip install "respondio-async[{backend}]"'
        ) from None
    return modules[0]


def library_of(client: object) -> ModuleType:
    """Return the library that *client* is an `AsyncClient` of. Raises `ConfigurationError`."""
    for base in type(client).__mro__:
        if base.__name__ == "AsyncClient" and base.__module__ in ("httpx", "httpx2"):
            return sys.modules[base.__module__]
    raise ConfigurationError("http_client must be an httpx.AsyncClient or an httpx2.AsyncClient")


def make_client(library: ModuleType, transport: Any) -> Any:
    """Make an `AsyncClient` over *transport* that keeps no cookies, asks no environment and follows nothing."""
    jar = CookieJar(policy=DefaultCookiePolicy(allowed_domains=()))
    return library.AsyncClient(transport=transport, cookies=jar, trust_env=False, follow_redirects=False)
