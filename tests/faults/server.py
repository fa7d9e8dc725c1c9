"""A TCP server that misbehaves on purpose, on a real loopback socket.

    async with FaultServer() as server:
        server.plan(reset(), answer(200, b"{}"))        # the next two requests; then
        `server.default`
        ...
        assert server.processed == 1                     # what a real server would have acted upon

A fault is an async function of one `Exchange`. The ledger `server.requests` keeps every request
that arrived whole, and whether it was "processed": a duplicate is a second processed request with
the same content.
"""

import asyncio
import gzip
import socket
import ssl
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

Headers = Sequence[tuple[str, str]]
_REASONS = {200: "OK", 302: "Found", 429: "Too Many Requests"}


@dataclass
class Received:
    """A request that arrived whole."""

    method: str
    target: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    processed: bool = False
    """The server acted upon it, whatever became of the answer."""


@dataclass
class Exchange:
    """One request on its way in, and the means to answer it badly."""

    server: "FaultServer"
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    method: str
    target: str
    headers: dict[str, str]
    request: Received | None = None
    close: bool = False
    """Close the connection after this exchange."""

    async def read(self) -> Received:
        """Read the rest of the request and enter it into the ledger."""
        if self.request is None:
            if "chunked" in self.headers.get("transfer-encoding", ""):
                body = b""
                while size := int(await self.reader.readuntil(b"\r\n"), 16):
                    body += (await self.reader.readexactly(size + 2))[:-2]
                await self.reader.readuntil(b"\r\n")
            else:
                body = await self.reader.readexactly(int(self.headers.get("content-length", "0")))
            self.request = Received(self.method, self.target, self.headers, body)
            self.server.requests.append(self.request)
            self.server.arrival.set()
        return self.request

    async def process(self) -> None:
        """Act upon the request: from here on, sending it again makes a duplicate."""
        (await self.read()).processed = True

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, status: int, headers: Headers) -> None:
        lines = [
            f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}",
            *(f"{name}: {value}" for name, value in headers),
        ]
        await self.write("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def reset(self) -> None:
        """Break the connection with RST instead of closing it."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        self.close = True


Fault = Callable[[Exchange], Awaitable[None]]


def answer(
    status: int = 200, body: bytes = b"{}", headers: Headers = (), *, delay: float = 0.0
) -> Fault:
    """Process, and answer as asked; the length is stated."""

    async def fault(exchange: Exchange) -> None:
        await exchange.process()
        await asyncio.sleep(delay)
        bodiless = status in (204, 304) or status < 200
        length: Headers = () if bodiless else (("Content-Length", str(len(body))),)
        await exchange.head(status, (*length, *headers))
        if exchange.method != "HEAD" and not bodiless:
            await exchange.write(body)

    return fault


def refuse(status: int = 429, body: bytes = b"{}", headers: Headers = ()) -> Fault:
    """Answer without acting upon the request."""

    async def fault(exchange: Exchange) -> None:
        await exchange.read()
        await exchange.head(status, (("Content-Length", str(len(body))), *headers))
        await exchange.write(body)

    return fault


def reset_unread() -> Fault:
    """Break the connection once the head is there; the body is not read, nothing is processed."""

    async def fault(exchange: Exchange) -> None:
        exchange.reset()

    return fault


def reset_midway() -> Fault:
    """Break the connection when a part of the body has been read; nothing is processed."""

    async def fault(exchange: Exchange) -> None:
        if exchange.headers.get("content-length", "0") != "0":
            await exchange.reader.read(1)
        exchange.reset()

    return fault


def reset(*, processed: bool = True) -> Fault:
    """Read the whole request, then break the connection."""

    async def fault(exchange: Exchange) -> None:
        (await exchange.read()).processed = processed
        exchange.reset()

    return fault


def hang_up(*, processed: bool = True) -> Fault:
    """Read the whole request, then close without an answer."""

    async def fault(exchange: Exchange) -> None:
        (await exchange.read()).processed = processed
        exchange.close = True

    return fault


def hang(*, processed: bool = True) -> Fault:
    """Read the whole request and never answer."""

    async def fault(exchange: Exchange) -> None:
        (await exchange.read()).processed = processed
        await asyncio.Event().wait()

    return fault


def raw(data: bytes, *, close: bool = True) -> Fault:
    """Process, then write *data* as it is: garbage, a 100 Continue, an answer without a length."""

    async def fault(exchange: Exchange) -> None:
        await exchange.process()
        await exchange.write(data)
        exchange.close = close

    return fault


def garbage() -> Fault:
    return raw(b"\x00\x01 this is not HTTP \xff\r\n\r\n")


def reset_in_head() -> Fault:
    """Process, write half of the answer's head, then break the connection."""

    async def fault(exchange: Exchange) -> None:
        await exchange.process()
        await exchange.write(b"HTTP/1.1 200 OK\r\nContent-Le")
        exchange.close = True

    return fault


def reset_after_head() -> Fault:
    """Process, write the answer's head, then break the connection with RST."""

    async def fault(exchange: Exchange) -> None:
        await exchange.process()
        await exchange.head(200, (("Content-Length", "10"),))
        await asyncio.sleep(0.01)  # an RST overtakes what the other side has not read yet
        exchange.reset()

    return fault


def torn(body: bytes = b'{"id":1}', missing: int = 5, *, status: int = 200) -> Fault:
    """State a length and close before it is reached."""

    async def fault(exchange: Exchange) -> None:
        await exchange.process()
        await exchange.head(status, (("Content-Length", str(len(body) + missing)),))
        await exchange.write(body)
        exchange.close = True

    return fault


def torn_chunked(body: bytes = b'{"id":1}') -> Fault:
    """Close in the middle of a chunked body."""
    return raw(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(body), body)
    )


def bad_chunk() -> Fault:
    """State a chunk size that is not a number."""
    return raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", close=False)


def drip(every: float = 0.02) -> Fault:
    """Answer one byte at a time, without end."""

    async def fault(exchange: Exchange) -> None:
        await exchange.process()
        await exchange.head(200, (("Content-Length", "1000000"),))
        while True:
            await exchange.write(b" ")
            await asyncio.sleep(every)

    return fault


def hang_in_body() -> Fault:
    """Write the head and half of the body, then nothing."""

    async def fault(exchange: Exchange) -> None:
        await exchange.process()
        await exchange.head(200, (("Content-Length", "10"),))
        await exchange.write(b"12345")
        await asyncio.Event().wait()

    return fault


def huge(size: int, *, stated: bool = True) -> Fault:
    """Answer *size* bytes, with their length stated or in chunks."""

    async def fault(exchange: Exchange) -> None:
        await exchange.process()
        await exchange.head(
            200, (("Content-Length", str(size)) if stated else ("Transfer-Encoding", "chunked"),)
        )
        block = b" " * 65536
        for _ in range(size // len(block) + 1):
            await exchange.write(block if stated else b"%x\r\n%s\r\n" % (len(block), block))
        if not stated:
            await exchange.write(b"0\r\n\r\n")
        exchange.close = True

    return fault


def gzipped(body: bytes, *, missing: int = 0) -> Fault:
    """Answer compressed; *missing* bytes are left off the end of the compressed data."""
    packed = gzip.compress(body)
    return answer(200, packed[: len(packed) - missing], (("Content-Encoding", "gzip"),))


def redirect(location: str, status: int = 302) -> Fault:
    return answer(status, b"", (("Location", location),))


def close_after(status: int = 200, body: bytes = b"{}", *, say_so: bool = False) -> Fault:
    """Answer well, then close the kept connection: with `Connection: close`, or without a word (a
    stale connection).
    """

    async def fault(exchange: Exchange) -> None:
        await answer(status, body, (("Connection", "close"),) if say_so else ())(exchange)
        exchange.close = True

    return fault


@dataclass
class FaultServer:
    """See the module.

    *tls*: serve https; *deaf*: accept connections and never read (a TLS handshake that hangs).
    """

    default: Fault = field(default_factory=answer)
    tls: ssl.SSLContext | None = None
    deaf: bool = False
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    """Accepted so far."""
    open: int = 0
    """Open now."""
    arrival: asyncio.Event = field(default_factory=asyncio.Event)
    """Set whenever a request has arrived whole; clear it to wait for the next."""
    port: int = 0

    def __post_init__(self) -> None:
        self._plan: deque[Fault] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/v2"

    @property
    def processed(self) -> int:
        return sum(request.processed for request in self.requests)

    def plan(self, *faults: Fault) -> None:
        """Say what becomes of the next requests, one fault each, in the order in which their heads
        arrive.
        """
        self._plan.extend(faults)

    def forget_plan(self) -> None:
        """From now on `default` alone."""
        self._plan.clear()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", self.port, ssl=self.tls
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for serving in self._serving:
            serving.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def no_connections(self) -> None:
        """Wait until every client is gone; the test's own timeout is the bound."""
        while self.open:
            await asyncio.sleep(0.005)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        self.open += 1
        # A fault may be asleep when the client goes: only a reader would notice, so this waits
        # beside it.
        serving = asyncio.ensure_future(self._serve(reader, writer))
        gone = _gone(reader)
        self._serving.add(serving)
        try:
            await asyncio.wait((serving, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._serving.discard(serving)
            if serving.done() and not serving.cancelled():
                writer.close()  # lets what was written go out
            else:
                writer.transport.abort()
            serving.cancel()
            gone.cancel()
            await asyncio.gather(serving, gone, return_exceptions=True)
            with suppress(OSError):
                await writer.wait_closed()  # the socket is closed a turn of the loop later
            self.open -= 1

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.deaf:
            await asyncio.Event().wait()
        while True:
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            first, *lines = head[:-4].split("\r\n")
            method, target, _ = first.split(" ")
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in lines)
            }
            exchange = Exchange(self, reader, writer, method, target, headers)
            fault = self._plan.popleft() if self._plan else self.default
            try:
                await fault(exchange)
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            if exchange.close:
                return


def _gone(reader: asyncio.StreamReader) -> asyncio.Future[None]:
    """Done once the other side has closed or broken.

    `at_eof()` would wait for somebody to read what came before.
    """
    gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def listen(name: str) -> None:
        take = getattr(reader, name)

        def heard(*arguments: object) -> None:
            take(*arguments)
            if not gone.done():
                gone.set_result(None)

        setattr(reader, name, heard)

    for name in ("feed_eof", "set_exception"):
        listen(name)
    if reader._eof or reader.exception():  # type: ignore[attr-defined]
        gone.set_result(None)
    return gone
