"""Bodies are read in bounds, whoever sends them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from respondio_async.webhooks import WebhookAnswer, WebhookRouter
from respondio_async.webhooks._capacity import UNCOUNTED
from tests.webhooks.payloads import KEY, message, signed

ANYBODY = {"x-webhook-signature": "x" * 44}


class Request:
    """A body on its way, chunk by chunk."""

    def __init__(self, router: WebhookRouter, headers: Any = ANYBODY) -> None:
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self.task = asyncio.create_task(router.receive_stream("POST", headers, self._body()))

    async def send(self, *chunks: bytes) -> None:
        """Let chunks arrive; an empty one ends the body."""
        for chunk in chunks:
            self._chunks.put_nowait(chunk)
        for _ in range(20):
            await asyncio.sleep(0)

    async def _body(self) -> AsyncIterator[bytes]:
        while chunk := await self._chunks.get():
            yield chunk


async def status(task: "asyncio.Task[WebhookAnswer]") -> int:
    """Wait for the answer."""
    return (await task).status


async def test_bodies_that_arrive_count() -> None:
    """Large bodies, signed or not, are turned away before they are whole when together they would
    fill the room.
    """
    large = b"x" * (UNCOUNTED + 400)
    async with WebhookRouter(KEY, queue_bytes=1000) as router:
        requests = [Request(router) for _ in range(3)]
        for request in requests:
            await request.send(large)
        assert [request.task.done() for request in requests] == [False, False, True]
        assert await status(requests[2].task) == 503
        await requests[0].send(b"x" * 200)
        assert not requests[0].task.done()
        await requests[1].send(b"x")
        assert await status(requests[1].task) == 503
        late = Request(router)
        await late.send(large)
        assert not late.task.done()
        for request in (requests[0], late):
            await request.send(b"")
            assert await status(request.task) == 401
        assert router.statistics().turned_away == 2
        assert router.statistics().refused == 2


async def test_large_bodies_keep_no_event_out() -> None:
    """While a stranger fills the room, events of the usual size are taken in, and those that wait
    leave less of it to him.
    """
    release = asyncio.Event()
    router = WebhookRouter(KEY, queue_bytes=1000)

    @router.on()
    async def slow(_: Any) -> None:
        await release.wait()

    async with router:
        stranger = Request(router)
        await stranger.send(b"x" * (UNCOUNTED + 1000))
        body, headers = signed(message())
        event = Request(router, headers)
        await event.send(body[:50], body[50:], b"")
        assert await status(event.task) == 200
        assert not stranger.task.done()
        stranger.task.cancel()
        other = Request(router)
        await other.send(b"x" * (UNCOUNTED + 1000))
        assert await status(other.task) == 503
        release.set()


async def test_a_body_that_is_too_large_is_read_no_further() -> None:
    """The bound is inclusive, and what lies beyond it is not asked for."""
    asked = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal asked
        while True:
            asked += 1
            yield b"x" * 100

    async with WebhookRouter(KEY, max_body=1000) as router:
        assert (await router.receive_stream("POST", ANYBODY, endless())).status == 413
    assert asked == 11


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("PUT", ANYBODY, 405),
        ("POST", {}, 401),
        ("POST", [("X-Webhook-Signature", "x"), ("Content-Length", "1048577")], 413),
        ("POST", [(b"X-Webhook-Signature", b"x"), (b"Content-Length", b"9" * 5000)], 413),
        ("POST", {**ANYBODY, "content-length": "²"}, 401),
    ],
)
async def test_what_needs_no_body(method: str, headers: Any, expected: int) -> None:
    """Some requests are answered by their headers, of any shape."""

    async def body() -> AsyncIterator[bytes]:
        if expected == 401 and headers:
            yield b"x"
        else:
            pytest.fail("the body was read")

    async with WebhookRouter(KEY) as router:
        assert (await router.receive_stream(method, headers, body())).status == expected
