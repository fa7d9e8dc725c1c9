"""Through a proxy that the environment names: a tunnel, or a failure that provably sent nothing."""

import asyncio
import base64
import importlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.faults.server import FaultServer
from tests.transport.support import OWN_KINDS, POST, Connect, call, failed

SECRET = "hunter2"
REFUSALS = {
    "refuse": b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
    "hang up": b"",
}


@pytest.fixture(params=OWN_KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


class Proxy:
    """Tunnels to one server, whatever name is asked for."""

    def __init__(self, target: FaultServer) -> None:
        self.target = target
        self.heads: list[str] = []
        self.mood = "willing"
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            if self.mood == "hang":
                await reader.read()
            elif self.mood == "willing":
                far_reader, far_writer = await asyncio.open_connection(
                    "127.0.0.1", self.target.port
                )
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
            else:
                writer.write(REFUSALS[self.mood])
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self._tasks.discard(task)

    async def ended(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
    finally:
        writer.close()


@pytest.fixture
async def far(server_tls: ssl.SSLContext) -> AsyncIterator[FaultServer]:
    async with FaultServer(tls=server_tls) as far:
        yield far


@pytest.fixture
async def proxy(
    far: FaultServer,
    certificate: tuple[Path, Path],
    contexts: object,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Proxy]:
    proxy = Proxy(far)
    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[1]))
    monkeypatch.setenv(
        "HTTPS_PROXY", f"http://user:{SECRET}@127.0.0.1:{server.sockets[0].getsockname()[1]}"
    )
    yield proxy
    server.close()
    await proxy.ended()


async def test_calls_go_through_a_tunnel(far: FaultServer, proxy: Proxy, connect: Connect) -> None:
    """The proxy sees the host and its own credentials, the server the request; the tunnel is kept
    for the next call.
    """
    transport = connect(f"https://api.test:{far.port}/v2")
    for _ in range(2):
        assert (await call(transport, POST)).status == 200
    await transport.aclose()
    await far.no_connections()
    (head,) = proxy.heads
    assert head.startswith(f"CONNECT api.test:{far.port} ")
    assert base64.b64encode(f"user:{SECRET}".encode()).decode() in head
    assert "Bearer" not in head
    assert "60123456789" not in head
    assert [request.body for request in far.requests] == [POST.content] * 2
    assert "proxy-authorization" not in far.requests[0].headers


@pytest.mark.parametrize("kind", ["httpx", "httpx2"])
async def test_what_wraps_the_library_sees_the_template(
    far: FaultServer,
    proxy: Proxy,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    """Through a tunnel, too, the request's URL is the template, and the server gets the target."""
    transports = importlib.import_module(kind).AsyncHTTPTransport
    handle = transports.handle_async_request
    seen: list[str] = []

    async def wrapper(self: Any, request: Any) -> Any:
        seen.append(f"{request.url} {request.extensions.get('target')}")
        return await handle(self, request)

    monkeypatch.setattr(transports, "handle_async_request", wrapper)
    transport = connect(f"https://api.test:{far.port}/v2")
    for _ in range(2):
        await call(transport, msgspec.structs.replace(POST, template="/contact/{identifier}"))
    await transport.aclose()
    await far.no_connections()
    assert seen == [f"https://api.test:{far.port}/v2/contact/%7Bidentifier%7D None"] * 2
    assert [request.target for request in far.requests] == [f"/v2{POST.target}"] * 2


@pytest.mark.parametrize("mood", REFUSALS)
async def test_proxy_that_refuses(
    far: FaultServer, proxy: Proxy, connect: Connect, mood: str
) -> None:
    """Without a tunnel nothing was sent, and the proxy's credentials stay out of the text."""
    proxy.mood = mood
    transport = connect(f"https://api.test:{far.port}/v2")
    error = await failed(transport)
    assert not error.sent
    assert error.failure in ("connect", "reset")
    assert ("proxy refused" in str(error)) == (mood == "refuse")
    assert SECRET not in str(error)
    proxy.mood = "willing"
    assert (await call(transport)).status == 200
    assert len(far.requests) == 1
    await transport.aclose()
    await proxy.ended()


async def test_proxy_that_hangs(far: FaultServer, proxy: Proxy, connect: Connect) -> None:
    """Time that ends before the tunnel is there: provably not sent, and no socket is left."""
    proxy.mood = "hang"
    transport = connect(f"https://api.test:{far.port}/v2")
    error = await failed(transport, timeout=0.2)
    assert (error.failure, error.sent) == ("timeout", False)
    await transport.aclose()
    await proxy.ended()
    assert far.connections == 0
