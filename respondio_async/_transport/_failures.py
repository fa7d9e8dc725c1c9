"""From the HTTP libraries' exceptions to what the pipeline must know: had the request left?

Their texts can quote a URL or a header, so they are dropped; of a failed connection the operating
system's or the TLS library's reason is kept, since it is needed to repair a certificate.
"""

import ssl
import sys
from types import ModuleType
from typing import Any, Final

from ..errors import ConfigurationError
from ._ports import SendError

_UNCONNECTED: Final = (
    "ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol",
)  # fmt: skip


def read_failure(
    library: ModuleType, error: Exception, *, unsent: bool, status: int | None
) -> SendError | ConfigurationError | None:
    """Say what an exception of httpx or of httpx2 means: the same names in both. None: it is not a
    failure of the network.
    """
    foreign = _of_aiohttp(error) or _of_aiohttp(error.__cause__)
    if foreign is not None:
        meaning: SendError | ConfigurationError | None = _read_aiohttp(
            foreign, unsent=unsent, status=status
        )
    elif isinstance(error, tuple(getattr(library, name) for name in _UNCONNECTED)):
        meaning = unconnected(error)
    elif isinstance(error, library.TimeoutException):
        meaning = None if _is_of_a_mock(error) else timed_out(unsent=unsent, status=status)
    elif isinstance(error, (library.LocalProtocolError, library.InvalidURL)):
        meaning = ConfigurationError(
            "the request is not valid HTTP: look at `token`, `headers` and the path"
        )
    elif isinstance(error, library.ProtocolError) and not str(error).startswith(
        "Server disconnected"
    ):
        meaning = torn(status)
    elif isinstance(error, (library.TransportError, library.StreamError, OSError)):
        meaning = broken(unsent=unsent, status=status)
    else:
        meaning = torn(status) if isinstance(error, library.DecodingError) else None
    return meaning


def _is_of_a_mock(error: Exception) -> bool:
    """Tell whether *error* is what pytest-httpx raises for a request that it was given no answer
    for: it is the test's own, and says what was asked.
    """
    return str(error).startswith("No response can be found for")


def unconnected(error: BaseException) -> SendError:
    return SendError(f"no connection: {_reason(error)}", failure="connect", sent=False)


def timed_out(*, unsent: bool, status: int | None) -> SendError:
    where = (
        "within the answer"
        if status
        else "before the request left"
        if unsent
        else "before the answer began"
    )
    return SendError(
        f"the time of the attempt ended {where}", failure="timeout", sent=not unsent, status=status
    )


def broken(*, unsent: bool, status: int | None) -> SendError:
    if status is not None:
        return torn(status)
    return SendError(
        "the connection broke before an answer began", failure="reset", sent=not unsent
    )


def torn(status: int | None) -> SendError:
    return SendError("the answer is broken or incomplete", failure="torn", sent=True, status=status)


def too_large(limit: int, status: int) -> SendError:
    return SendError(
        f"the answer is larger than {limit} bytes", failure="too_large", sent=True, status=status
    )


def closed(*, sent: bool, status: int | None = None) -> SendError:
    return SendError("the client was closed", failure="closed", sent=sent, status=status)


def _reason(error: BaseException | None) -> str:
    while error is not None:
        if "Proxy" in type(error).__name__:
            return "the proxy refused it"
        # aiohttp's own class of this name poses as an SSLCertVerificationError but has no message;
        # its cause has.
        if isinstance(error, ssl.SSLCertVerificationError) and hasattr(error, "verify_message"):
            return error.verify_message
        if isinstance(error, TimeoutError):
            return "timed out"
        if isinstance(error, OSError) and error.strerror:
            return error.strerror
        error = error.__cause__ or error.__context__
    return "refused, unreachable or timed out"


def _of_aiohttp(error: BaseException | None) -> Any:
    return error if error is not None and type(error).__module__.startswith("aiohttp.") else None


def _read_aiohttp(error: Any, *, unsent: bool, status: int | None) -> SendError:
    # httpx-aiohttp turns a connection that the server closed into httpx.ConnectTimeout, as if
    # nothing had left: only the cause tells.
    aiohttp = sys.modules["aiohttp"]
    if isinstance(
        error,
        (
            aiohttp.ClientConnectorError,
            aiohttp.ConnectionTimeoutError,
            aiohttp.ClientHttpProxyError,
        ),
    ):
        return unconnected(error)
    if isinstance(error, TimeoutError):
        return timed_out(unsent=unsent, status=status)
    if isinstance(
        error,
        (
            aiohttp.ClientPayloadError,
            aiohttp.ClientResponseError,
            aiohttp.http.HttpProcessingError,
        ),
    ):
        return torn(status)
    return broken(unsent=unsent, status=status)
