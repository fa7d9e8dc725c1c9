"""A server for webhooks, written on a raw socket, that answers as a test wants."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from typing import Any, NamedTuple

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Received(NamedTuple):
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> Any:
        return json.loads(self.body)

    def is_signed(self, key: str) -> bool:
        made = hmac.new(key.encode(), self.body, hashlib.sha256).digest()
        return self.headers["x-webhook-signature"] == base64.b64encode(made).decode()


class Receiver:
    """What came, and what is answered: bytes, or a function of the request that gives them."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answer: bytes | Callable[[Received], Awaitable[bytes]] = OK
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?a=1"

    @property
    def types(self) -> list[str]:
        return [each.event["event_type"] for each in self.received]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with (
            suppress(asyncio.IncompleteReadError),
            closing(writer),
        ):  # a client that speaks TLS, or hangs up
            head, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in lines)
            }
            body = await reader.readexactly(int(headers["content-length"]))
            method, target, _ = head.split()
            assert method == "POST"
            request = Received(target, headers, body)
            self.received.append(request)
            answer = self.answer
            writer.write(answer if isinstance(answer, bytes) else await answer(request))
            await writer.drain()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        await server.wait_closed()
