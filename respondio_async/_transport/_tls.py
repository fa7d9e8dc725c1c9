"""One TLS context a process: each costs about 17 ms of CPU, which would block the event loop."""

import os
import ssl
import threading
from types import ModuleType
from typing import Final

import anyio.to_thread

from ..errors import ConfigurationError

_Key = tuple[str | None, ...]
_VARIABLES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")

_contexts: Final[dict[_Key, ssl.SSLContext]] = {}
_lock: Final = threading.Lock()


async def shared_context(library: ModuleType, scheme: str) -> ssl.SSLContext:
    """Return the context that every client of *library* shares, built in a thread by the first that
    needs it.

    SSL_CERT_FILE, SSL_CERT_DIR and SSLKEYLOGFILE count, as they do for httpx. For plain http it is
    an empty context that trusts nobody: the library wants one even where it is not used, and would
    build a full one. Raises `ConfigurationError`.
    """
    if scheme != "https":
        key: _Key = (scheme,)
        return _contexts.get(key) or _contexts.setdefault(
            key, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        )
    key = (library.__name__, *map(os.environ.get, _VARIABLES))
    # The thread may be left behind by a cancelled caller: what it builds serves the next one.
    context = _contexts.get(key)
    if context is None:
        context = await anyio.to_thread.run_sync(_build, library, key, abandon_on_cancel=True)
    return context


def _build(library: ModuleType, key: _Key) -> ssl.SSLContext:
    with _lock:
        context = _contexts.get(key)
        if context is None:
            try:
                context = library.create_ssl_context()
            except OSError as error:  # ssl.SSLError is one
                raise tls_problem(error) from None
            _contexts[key] = context
    return context


def tls_problem(error: OSError) -> ConfigurationError:
    """Say what to change when no TLS context can be made."""
    key_log = os.environ.get("SSLKEYLOGFILE")
    if key_log:
        try:
            with open(key_log, "ab"):  # noqa: PTH123 - as `ssl` opens it
                pass
        except OSError as unwritable:
            return ConfigurationError(
                f"the file that SSLKEYLOGFILE names cannot be written: {unwritable.strerror}; "
                "correct the variable, or unset it"
            )
    return ConfigurationError(
        f"the TLS certificates could not be loaded: {error.strerror}; "
        "look at SSL_CERT_FILE and SSL_CERT_DIR"
    )
