"""One TLS context a process, built off the event loop."""

import asyncio
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest

from respondio_async import errors
from respondio_async._transport import _tls
from tests.faults.server import FaultServer
from tests.transport.support import OWN_KINDS, Connect, call, failed

OWN = pytest.mark.parametrize("kind", OWN_KINDS)


@OWN
async def test_shared_and_built_in_a_thread(
    connect: Connect,
    certificate: tuple[Path, Path],
    server_tls: ssl.SSLContext,
    contexts: dict[Any, ssl.SSLContext],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two clients and many calls build one context, not on the loop's thread, and believe
    SSL_CERT_FILE.
    """
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[1]))
    threads: list[int] = []
    build = _tls._build
    monkeypatch.setattr(
        _tls, "_build", lambda *a: (threads.append(threading.get_ident()), build(*a))[1]
    )
    async with FaultServer(tls=server_tls) as server:
        first, second = connect(server.url), connect(server.url)
        answers = await asyncio.gather(
            *(call(transport) for transport in (first, second) for _ in range(4))
        )
        assert {answer.status for answer in answers} == {200}
        await first.aclose()
        await second.aclose()
        await server.no_connections()
    assert len(contexts) == 1
    assert threads
    assert threading.get_ident() not in threads


@OWN
async def test_untrusted_certificate(connect: Connect, server_tls: ssl.SSLContext) -> None:
    """A certificate that nobody vouches for: not sent, and the reason is in the text."""
    loop = asyncio.get_running_loop()
    handler = loop.get_exception_handler()
    loop.set_exception_handler(
        lambda *_: None
    )  # the server's side of the handshake reports its failure to the loop
    try:
        async with FaultServer(tls=server_tls) as server:
            error = await failed(connect(server.url))
            await asyncio.sleep(0.05)
    finally:
        loop.set_exception_handler(handler)
    assert (error.failure, error.sent) == ("connect", False)
    assert "self-signed certificate" in str(error)


@OWN
async def test_plain_http_builds_none(
    server: FaultServer, connect: Connect, contexts: dict[Any, ssl.SSLContext]
) -> None:
    """Loopback needs no certificates."""
    await call(connect(server.url))
    assert list(contexts) == [("http",)]


async def test_certificates_that_cannot_be_read(
    contexts: dict[Any, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A wrong SSL_CERT_FILE is a matter of configuration, and says so."""
    import httpx

    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with pytest.raises(errors.ConfigurationError, match="SSL_CERT_FILE"):
        await _tls.shared_context(httpx, "https")
