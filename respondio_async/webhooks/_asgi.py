"""The router as an ASGI application, by the ASGI 3 specification alone."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final

from ._answers import FORGED, TOO_LARGE, TOO_SLOW, WRONG_METHOD, Answer, signature_in

if TYPE_CHECKING:
    from ._router import WebhookRouter

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODY_TIMEOUT: Final = 10.0
"""Seconds for a body to arrive. respond.io gives up on the whole after five."""


class ASGIApp:
    """Receives webhooks at whatever path it is mounted on."""

    def __init__(self, router: "WebhookRouter") -> None:
        self._router = router

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "lifespan":
                await self._lifespan(receive, send)
            case _:
                await send({"type": "websocket.close", "code": 1000})

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        answer = early_answer(scope["method"], dict(scope["headers"]), self._router.max_body)
        if answer is None:
            try:
                async with asyncio.timeout(BODY_TIMEOUT):
                    body = await _read(receive, self._router.max_body)
            except TimeoutError:
                answer = TOO_SLOW
            else:
                if body is None:
                    return  # the sender hung up
                answer = await self._router.receive(body, scope["headers"])
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": [(name.encode(), value.encode()) for name, value in answer.headers.items()],
            }
        )
        await send({"type": "http.response.body", "body": answer.body})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._router.start()
        except Exception as error:  # noqa: BLE001 - the server prints it and stops
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._router.aclose()
        await send({"type": "lifespan.shutdown.complete"})


def early_answer(method: str, headers: dict[bytes, bytes], max_body: int) -> Answer | None:
    """Answer what needs no look at its body; None when the body must be read."""
    length = headers.get(b"content-length", b"")
    if method != "POST":
        return WRONG_METHOD
    if length.isdigit() and (len(length) > 18 or int(length) > max_body):
        return TOO_LARGE
    if signature_in(headers) is None:
        return FORGED
    return None


async def _read(receive: Receive, max_body: int) -> bytes | None:
    """Read the body, a little more of it than allowed at most; None when the sender hung up."""
    chunks: list[bytes] = []
    size, more = 0, True
    while more and size <= max_body:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        size += len(chunk)
        chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks)
