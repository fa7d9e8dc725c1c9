"""The router as an ASGI application."""

from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._router import WebhookRouter

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class ASGIApp:
    """Receives webhooks at whatever path it is mounted on."""

    def __init__(self, router: "WebhookRouter") -> None:
        self._router = router
        _answer_at_the_mount()

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
        try:
            async with aclosing(_body(receive)) as chunks:
                answer = await self._router.receive_stream(
                    scope["method"], scope["headers"], chunks
                )
        except ConnectionResetError:
            return
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": [
                    (name.encode(), value.encode()) for name, value in answer.headers.items()
                ],
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


def _answer_at_the_mount() -> None:
    """Let a mount of ours answer its path without a slash too: Starlette would redirect it (307),
    which senders of webhooks do not follow, and asks a mounted application nothing before.
    """
    try:
        from starlette import routing
    except ImportError:
        return
    plain = routing.Mount.matches
    if getattr(plain, "answers_at_the_mount", False):
        return  # done already

    def matches(mount: routing.Mount, scope: Message) -> tuple[routing.Match, Message]:
        match, child = plain(mount, scope)
        if match is routing.Match.NONE and isinstance(mount.app, ASGIApp):
            return plain(mount, {**scope, "path": f"{scope['path']}/"})
        return match, child

    setattr(matches, "answers_at_the_mount", True)  # noqa: B010 - checkers know no such attribute
    setattr(routing.Mount, "matches", matches)  # noqa: B010 - nor that a method may be replaced


async def _body(receive: Receive) -> AsyncGenerator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError("the sender hung up before its body was whole")
        more = message.get("more_body", False)
        yield message.get("body", b"")
