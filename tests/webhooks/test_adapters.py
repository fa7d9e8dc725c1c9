"""The adapters, in the real frameworks and on real sockets."""

import asyncio
import contextlib
import subprocess
import sys
import threading
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
import uvicorn
from aiohttp import web
from aiohttp.compression_utils import ZLibDecompressor
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount, Route

from respondio_async.errors import ConfigurationError
from respondio_async.webhooks import Event, MessageReceived, WebhookRouter
from respondio_async.webhooks import _ingest as ingest_module
from respondio_async.webhooks.aiohttp import RESPOND_CLIENT, respond_context
from respondio_async.webhooks.fastapi import respond_client, respond_lifespan, verified_event
from tests.webhooks.payloads import KEY, message, signed


class Client:
    """Stands for an AsyncRespond: opened and closed once."""

    def __init__(self) -> None:
        self.life: list[str] = []

    async def __aenter__(self) -> "Client":
        self.life.append("open")
        return self

    async def __aexit__(self, *_: object) -> None:
        self.life.append("close")


@contextlib.contextmanager
def served(app: Any) -> Iterator[int]:
    """Serve an ASGI application by uvicorn in a thread; yields its port."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            threading.Event().wait(0.005)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


@contextlib.asynccontextmanager
async def served_by_aiohttp(app: web.Application) -> AsyncIterator[int]:
    """Serve an aiohttp application; yields its port."""
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def request(port: int, head: str, body: bytes = b"", *, half: bool = False) -> bytes:
    """Speak HTTP by hand, so that no client mends what is sent; returns the whole answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
    await writer.drain()
    if half:
        writer.close()
        return b""
    answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return answer


async def post(port: int, path: str, event: Any, **headers: str) -> int:
    """Post an event, and return the status."""
    body, signature = signed(event)
    lines = [
        f"{name}: {value}"
        for name, value in {**signature, "content-length": str(len(body)), **headers}.items()
    ]
    answer = await request(
        port, "\n".join([f"POST {path} HTTP/1.1", "host: x", "connection: close", *lines]), body
    )
    return int(answer.split()[1])


async def check(port: int, path: str) -> None:
    """Try what every adapter must do with what comes in."""
    assert await post(port, path, message(1)) == 200
    assert await post(port, path, message(1)) == 200
    assert await post(port, path, message(2), **{"X-Webhook-Signature": "x" * 44}) == 401
    assert await post(port, path, b"[]") == 400
    assert await post(port, path, message(3, text="x" * 3000)) == 413
    for encoding in ("gzip", "deflate", "GZIP", "gzip, gzip", "x-unknown"):
        assert await post(port, path, message(6), **{"Content-Encoding": encoding}) == 415
    for encoding in ("br", "zstd"):  # aiohttp answers 400 by itself where it cannot inflate them
        assert await post(port, path, message(6), **{"Content-Encoding": encoding}) in {400, 415}
    twice = {"Content-Encoding": "identity\nContent-Encoding: gzip"}
    assert await post(port, path, message(6), **twice) == 415
    assert await post(port, path, message(1), **{"Content-Encoding": "identity"}) == 200
    for method in ("GET", "HEAD"):
        answer = await request(port, f"{method} {path} HTTP/1.1\nhost: x")
        assert answer.startswith(b"HTTP/1.1 200")
    for method in ("PUT", "DELETE", "PATCH"):
        answer = await request(port, f"{method} {path} HTTP/1.1\nhost: x")
        assert answer.startswith(b"HTTP/1.1 405")
        assert b"allow: get, head, post" in answer.lower()
    unsigned = await request(port, f"POST {path} HTTP/1.1\nhost: x\ncontent-length: 2", b"{}")
    assert unsigned.startswith(b"HTTP/1.1 401")
    body, headers = signed(message(4, text="x" * 3000))
    signature = headers["X-Webhook-Signature"]
    chunked = (
        f"POST {path} HTTP/1.1\nhost: x\ntransfer-encoding: chunked\n"
        f"x-webhook-signature: {signature}"
    )
    chunks = b"".join(
        [
            b"%x\r\n%s\r\n" % (len(body[at : at + 700]), body[at : at + 700])
            for at in range(0, len(body), 700)
        ]
    )
    assert (await request(port, chunked, chunks + b"0\r\n\r\n")).startswith(b"HTTP/1.1 413")
    small, headers = signed(message(5))
    signature = headers["X-Webhook-Signature"]
    chunked = (
        f"POST {path} HTTP/1.1\nhost: x\ntransfer-encoding: chunked\n"
        f"x-webhook-signature: {signature}"
    )
    chunks = b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (
        100,
        small[:100],
        len(small) - 100,
        small[100:],
    )
    assert (await request(port, chunked, chunks)).startswith(b"HTTP/1.1 200")
    stalled = await request(
        port,
        f"POST {path} HTTP/1.1\nhost: x\ncontent-length: 9\nx-webhook-signature: {'x' * 44}",
        b"{",
    )
    assert stalled.startswith(b"HTTP/1.1 408")
    await request(
        port,
        f"POST {path} HTTP/1.1\nhost: x\ncontent-length: 9\nx-webhook-signature: {'x' * 44}",
        b"{",
        half=True,
    )


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for bodies a moment only."""
    monkeypatch.setattr(ingest_module, "BODY_TIMEOUT", 0.2)


def make_router(**options: Any) -> tuple[WebhookRouter, list[str]]:
    """Make a router with small bounds, and a list of the ids that its handler gets."""
    router = WebhookRouter(KEY, max_body=2000, **options)
    seen: list[str] = []

    @router.on(MessageReceived)
    async def note(context: Any) -> None:
        seen.append(context.event.event_id)

    return router, seen


@pytest.mark.usefixtures("impatient")
async def test_alone_under_uvicorn() -> None:
    """The application starts and drains the router by its own lifespan."""
    router, seen = make_router()
    with served(router.asgi()) as port:
        await check(port, "/any/path")
    assert seen == ["event-1", "event-5"]
    assert router.statistics().waiting == 0


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("in_fastapi", [True, False])
async def test_mounted(in_fastapi: bool) -> None:
    """In FastAPI and in Starlette it is mounted at a path, and the lifespan around it starts router
    and client, and adds the path without a slash.
    """
    router, seen = make_router()
    client = Client()
    lifespan: Any = respond_lifespan(client, router)  # type: ignore[arg-type]
    app: Any
    if in_fastapi:
        app = FastAPI(lifespan=lifespan)
        app.mount("/hook", router.asgi())
    else:
        app = Starlette(routes=[Mount("/hook", router.asgi())], lifespan=lifespan)
    with served(app) as port:
        await check(port, "/hook/")
        assert await post(port, "/hook", message(1)) == 200
        assert router.client is client  # type: ignore[comparison-overlap]
    assert seen == ["event-1", "event-5"]
    assert client.life == ["open", "close"]


@pytest.mark.parametrize("in_fastapi", [False, True])
@pytest.mark.parametrize("path", ["/hook", "/hook/"])
async def test_a_bare_mount_answers_with_and_without_a_slash(path: str, in_fastapi: bool) -> None:
    """Starlette would redirect what lacks the slash; other mounts of the application are as they
    were.
    """
    router, seen = make_router()
    other = Starlette(routes=[Route("/", Response(b"other"))])

    @contextlib.asynccontextmanager
    async def lifespan(_: Any) -> AsyncGenerator[None]:
        async with router:
            yield

    app: Any = FastAPI(lifespan=lifespan) if in_fastapi else Starlette(lifespan=lifespan)
    app.mount("/hook", router.asgi())
    app.mount("/other", other)
    with served(app) as port:
        assert await post(port, path, message(1)) == 200
        assert await post(port, "/hooks", message(2)) == 404
        assert await post(port, "/other", message(3)) == 307
    assert seen == ["event-1"]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("path", "prefix", "asked"),
    [
        ("/hook", "", "/hook"), ("/hook", "", "/hook/"), ("hook/", "", "/hook"), ("/", "", "/"),
        ("/a/b", "", "/a/b"), ("/hook", "/bots", "/bots/hook"), ("/", "/bots", "/bots/"),
    ],
)  # fmt: skip
async def test_a_route_in_fastapi(path: str, prefix: str, asked: str) -> None:
    """It receives on exactly its path, and starts and drains with the application."""
    router, seen = make_router()
    app = FastAPI()
    app.include_router(router.fastapi(path), prefix=prefix)
    with served(app) as port:
        await check(port, asked)
        assert await post(port, "/elsewhere", message(1)) == 404
    assert seen == ["event-1", "event-5"]
    assert router.statistics().waiting == 0
    assert (await router.receive(*signed(message(9)))).status == 503  # it was closed


async def test_a_route_in_fastapi_with_the_lifespan() -> None:
    """Both start the router; it is drained while the client still works, and once."""
    router, _ = make_router()
    client = Client()

    @router.on(MessageReceived)
    async def late(_: Any) -> None:
        await asyncio.sleep(0.02)
        client.life.append("handled")

    app = FastAPI(lifespan=respond_lifespan(client, router))  # type: ignore[arg-type]
    app.include_router(router.fastapi())
    with served(app) as port:
        assert await post(port, "/webhook", message(1)) == 200
    assert client.life == ["open", "handled", "close"]


def test_a_route_without_fastapi_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """FastAPI is imported when it is asked for, and not before."""
    monkeypatch.setitem(sys.modules, "fastapi", None)
    monkeypatch.delitem(sys.modules, "respondio_async.webhooks.fastapi")
    with pytest.raises(ConfigurationError, match=r"respondio-async\[fastapi\]"):
        WebhookRouter(KEY).fastapi("/webhook")


async def test_a_bomb_is_not_inflated_by_aiohttp(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a megabyte that becomes a gigabyte no more than a first piece is inflated."""
    inflated: list[int] = []
    inflate = ZLibDecompressor.decompress_sync

    def count(self: Any, data: Any, *args: Any, **options: Any) -> bytes:
        piece = inflate(self, data, *args, **options)
        inflated.append(len(piece))
        return piece

    monkeypatch.setattr(ZLibDecompressor, "decompress_sync", count)
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join([packer.compress(bytes(2**20)) for _ in range(64)]) + packer.flush()
    router, _ = make_router()
    app = web.Application()
    app.router.add_route("*", "/hook", router.aiohttp_handler())
    head = (
        f"POST /hook HTTP/1.1\nhost: x\ncontent-encoding: gzip\ncontent-length: {len(bomb)}\n"
        f"x-webhook-signature: {'x' * 44}"
    )
    async with served_by_aiohttp(app) as port:
        with contextlib.suppress(ConnectionError):
            assert (await request(port, head, bomb)).startswith(b"HTTP/1.1 415")
    assert sum(inflated) <= 4 * 2**20


async def test_fastapi_dependencies() -> None:
    """A route gets the one client, and a route without a router gets verified events."""
    clients: list[Client] = []

    def make() -> Any:
        clients.append(Client())
        return clients[-1]

    app = FastAPI(lifespan=respond_lifespan(make))
    seen: list[Any] = []

    @app.get("/life")
    async def life(client: Annotated[Any, Depends(respond_client)]) -> list[str]:
        found: list[str] = client.life
        return found

    @app.post("/plain")
    async def plain(event: Annotated[Event, Depends(verified_event(KEY, max_body=2000))]) -> None:
        seen.append(event)

    with served(app) as port:
        assert (await request(port, "GET /life HTTP/1.1\nhost: x")).startswith(b"HTTP/1.1 200")
        assert await post(port, "/plain", message(1)) == 200
        assert await post(port, "/plain", message(1), **{"X-Webhook-Signature": ""}) == 401
        assert await post(port, "/plain", b"[]") == 400
        assert await post(port, "/plain", message(1, text="x" * 3000)) == 413
        assert await post(port, "/plain", message(1), **{"Content-Encoding": "gzip"}) == 415
    assert isinstance(seen[0], MessageReceived)
    assert [client.life for client in clients] == [["open", "close"]]


async def test_a_lifespan_without_a_client() -> None:
    """It starts routers alone, and a router that has a client keeps it."""
    first, second = make_router()[0], make_router()[0]
    own: Any = Client()
    second.client = own
    async with (
        respond_lifespan(None, first)(FastAPI()),
        respond_lifespan(Client, second)(FastAPI()),
    ):  # type: ignore[arg-type]
        assert first.client is None
        assert second.client is own


async def test_each_lifespan_has_a_client_of_its_own() -> None:
    """An application that starts again gives its routers the new client, not the closed one."""
    router = make_router()[0]
    lifespan = respond_lifespan(Client, router)  # type: ignore[arg-type]
    clients: list[Any] = []
    for _ in range(2):
        async with lifespan(FastAPI()):
            clients.append(router.client)
            assert clients[-1].life == ["open"]
        assert router.client is None
    assert clients[0] is not clients[1]


def test_a_missing_lifespan_is_explained() -> None:
    """A route that asks for the client of an application without one is told what to do."""

    class Connection:
        app = FastAPI()

    with pytest.raises(ConfigurationError, match="respond_lifespan"):
        respond_client(Connection())  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError):
        verified_event()


@pytest.mark.usefixtures("impatient")
async def test_in_aiohttp() -> None:
    """The handler receives, and the cleanup context starts router and client."""
    router, seen = make_router()
    mine, _ = make_router(client="another client")
    client = Client()
    app = web.Application()
    app.cleanup_ctx.append(respond_context(client, router, mine))
    app.router.add_route("*", "/hook", router.aiohttp_handler())
    async with served_by_aiohttp(app) as port:
        await check(port, "/hook")
        assert app[RESPOND_CLIENT] is client
        assert router.client is client  # type: ignore[comparison-overlap]
        assert mine.client == "another client"  # type: ignore[comparison-overlap]
    assert seen == ["event-1", "event-5"]
    assert client.life == ["open", "close"]


async def test_in_aiohttp_without_a_client() -> None:
    """A router alone needs none."""
    router, seen = make_router()
    app = web.Application()
    app.cleanup_ctx.append(respond_context(None, router))
    app.router.add_post("/hook", router.aiohttp_handler())
    async with served_by_aiohttp(app) as port:
        assert await post(port, "/hook", message(1)) == 200
    assert seen == ["event-1"]


async def test_a_busy_router_says_when_to_come_again() -> None:
    """503 carries Retry-After through the adapter."""
    router, _ = make_router(queue_bytes=1)
    body, headers = signed(message(1))
    signature = headers["X-Webhook-Signature"]
    head = (
        f"POST / HTTP/1.1\nhost: x\ncontent-length: {len(body)}\nx-webhook-signature: {signature}"
    )
    with served(router.asgi()) as port:
        answer = await request(port, head, body)
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 2" in answer


async def test_the_asgi_protocol(tmp_path: Path) -> None:
    """A websocket is closed, and a start that fails is reported to the server."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    await WebhookRouter(KEY).asgi()({"type": "websocket"}, receive, send)
    await WebhookRouter(KEY, inbox=tmp_path / "missing" / "inbox").asgi()(
        {"type": "lifespan"}, receive, send
    )
    assert [message["type"] for message in sent] == ["websocket.close", "lifespan.startup.failed"]


@pytest.mark.parametrize(
    "module", ["httpx", "httpx2", "aiohttp", "fastapi", "starlette", "redis", "aiolimiter"]
)
def test_importing_webhooks_imports_no_framework(module: str) -> None:
    """A function that only verifies starts quickly and needs nothing installed."""
    code = f"import sys, respondio_async.webhooks; sys.exit({module!r} in sys.modules)"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False
        ).returncode
        == 0
    )
