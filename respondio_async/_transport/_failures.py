"""From the HTTP libraries' exceptions to what the pipeline must know: had the request left?

Their texts can quote a header or a URL, so they are dropped; only of a failed connection is the text kept (it names the host at most, and
whoever has to repair a certificate needs it).
"""

import asyncio
import sys
from types import ModuleType
from typing import Any

from ..errors import ConfigurationError
from ._seam import SendError


class Failures:
    """Reads the exceptions of httpx or of httpx2: the same names in both."""

    def __init__(self, library: ModuleType) -> None:
        self._not_connected = (
            library.ConnectError,
            library.ConnectTimeout,
            library.PoolTimeout,
            library.ProxyError,
            library.UnsupportedProtocol,
        )
        self._timeout = library.TimeoutException
        self._broken = (library.NetworkError, library.StreamError)
        self._remote = library.RemoteProtocolError
        self._local = library.LocalProtocolError
        self._http = (library.HTTPError, library.InvalidURL)

    def read(self, error: Exception, *, unsent: bool, status: int | None) -> SendError | ConfigurationError | None:
        """Say what *error* means; None: it is not a failure of the network."""
        foreign = _aiohttp(error) or _aiohttp(error.__cause__)
        if foreign is not None:
            return _read_aiohttp(foreign, unsent=unsent, status=status)
        if isinstance(error, self._not_connected):
            return not_connected(error)
        if isinstance(error, self._timeout):
            return timed_out(unsent=unsent, status=status)
        if isinstance(error, self._local):
            return ConfigurationError("the request is not valid HTTP: look at `token`, `headers` and the path")
        if isinstance(error, self._remote) and not str(error).startswith("Server disconnected"):
            return torn(status)
        if isinstance(error, (self._remote, *self._broken, *self._http, OSError, asyncio.IncompleteReadError)):
            return broken(unsent=unsent, status=status)
        return None


def not_connected(error: BaseException) -> SendError:
    return SendError(f"no connection: {error}", failure="connect", sent=False)


def timed_out(*, unsent: bool, status: int | None) -> SendError:
    when = "while it was being read" if status else "before the request left" if unsent else "before it began"
    return SendError(
        f"no whole answer in time: the time ended {when}", failure="timeout", sent=not unsent, status=status
    )


def broken(*, unsent: bool, status: int | None) -> SendError:
    if status is not None:
        return torn(status)
    return SendError("the connection broke before an answer began", failure="reset", sent=not unsent)


def torn(status: int | None) -> SendError:
    return SendError("the answer is broken or incomplete", failure="torn", sent=True, status=status)


def too_large(limit: int, status: int) -> SendError:
    return SendError(f"the answer is larger than {limit} bytes", failure="too_large", sent=True, status=status)


def closed(*, sent: bool, status: int | None = None) -> SendError:
    return SendError("the client was closed", failure="closed", sent=sent, status=status)


def _aiohttp(error: BaseException | None) -> Any:
    return error if error is not None and type(error).__module__.startswith("aiohttp.") else None


def _read_aiohttp(error: Any, *, unsent: bool, status: int | None) -> SendError:
    # httpx-aiohttp turns a server that hangs up into httpx.ConnectTimeout, as if nothing had been sent: only the cause tells.
    aiohttp = sys.modules["aiohttp"]
    if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)):
        return not_connected(error)
    if isinstance(error, TimeoutError):
        return timed_out(unsent=unsent, status=status)
    if isinstance(error, (aiohttp.ClientPayloadError, aiohttp.ClientResponseError)):
        return torn(status)
    return broken(unsent=unsent, status=status)
