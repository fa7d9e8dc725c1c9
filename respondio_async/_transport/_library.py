"""Finds the HTTP library: imported when a client is made, neither before nor during its first
call. And keeps it from printing our URLs: httpx's INFO line of every request shows e-mail addresses
and phone numbers.
"""

import contextlib
import importlib
import logging
import sys
from types import ModuleType
from typing import Any, Final, Literal

from ..errors import ConfigurationError
from ._tls import tls_problem

Backend = Literal["httpx", "aiohttp", "httpx2"]

_NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "httpx": ("httpx", "httpcore"),
    "httpx2": ("httpx2", "httpcore2"),
    "aiohttp": ("httpx", "aiohttp"),
}

_LATE: Final = (
    "anyio._backends._asyncio",
    "anyio.abc",
    "anyio.streams.stapled",
    "anyio.streams.tls",
    "anyio.to_thread",
    "certifi",
    "concurrent.futures.thread",
    "encodings.idna",
    "sniffio",
)
"""What the libraries import only within their first call, where it blocks the event loop for tens
of milliseconds.
"""


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
    except OSError as error:  # aiohttp makes a TLS context when it is imported
        raise tls_problem(error) from None
    preload()
    return modules[0]


def preload() -> None:
    """Import now what a first call would import; what is not there is not missed."""
    for name in _LATE:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def library_of(client: object) -> ModuleType:
    """Return the library that *client* is an `AsyncClient` of. Raises `ConfigurationError`."""
    for base in type(client).__mro__:
        if base.__name__ == "AsyncClient" and base.__module__ in ("httpx", "httpx2"):
            preload()
            return sys.modules[base.__module__]
    raise ConfigurationError("http_client must be an httpx.AsyncClient or an httpx2.AsyncClient")


_ours: Final[set[bytes]] = set()


def hide_urls(library: str, netloc: str) -> None:
    """Drop the lines that the logger of *library* ("httpx", "httpx2") writes about *netloc*, for
    the rest of the process.
    """
    _ours.add(netloc.encode("ascii"))
    logging.getLogger(library).addFilter(_is_of_others)


def _is_of_others(record: logging.LogRecord) -> bool:
    # httpx 0.28 and httpx2: logger.info('HTTP Request: %s %s "%s %d %s"', method, url, …)
    arguments: tuple[Any, ...] = record.args if isinstance(record.args, tuple) else ()
    url = arguments[1] if len(arguments) > 1 else None
    return getattr(url, "netloc", None) not in _ours
