"""The router as an ASGI application, by the ASGI 3 specification alone."""

import gc
import logging
import sys
import threading
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ._router import WebhookRouter

LOOK_AFTER: Final = 1.0
"""Seconds after which an application that was made must have been mounted."""
_logger: Final = logging.getLogger("respondio_async.webhooks")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class ASGIApp:
    """Receives webhooks at whatever path it is mounted on."""

    def __init__(self, router: "WebhookRouter") -> None:
        self._router = router
        if "starlette.routing" in sys.modules:
            look = threading.Timer(LOOK_AFTER, _warn_of_redirects, [weakref.ref(self)])
            look.daemon = True
            look.start()

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
        except _HungUpError:
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


def _warn_of_redirects(reference: "weakref.ref[ASGIApp]") -> None:
    """Say so if Starlette will redirect what is sent to the path at which an application was
    mounted: senders of webhooks do not follow, and the application receives nothing.
    """
    app = reference()
    if app is None:
        return
    routing: Any = sys.modules["starlette.routing"]
    # Nothing announces a mount, so we look for it; by type(), as objects may lie about their class.
    routes: list[Any] = [
        each for each in gc.get_objects() if issubclass(type(each), routing.BaseRoute)
    ]
    ours = [each for each in routes if getattr(each, "app", None) is app]
    exact = {each.path for each in ours if isinstance(each, routing.Route)}
    for mount in ours:
        if isinstance(mount, routing.Mount) and mount.path and mount.path not in exact:
            _logger.error(
                'NO WEBHOOK ARRIVES at %s: app.mount("%s", router.asgi()) answers it with a '
                "redirect (307), which respond.io does not follow. Use "
                'app.include_router(router.fastapi("%s")), or Route("%s", router.asgi()), or give '
                "the router to respond_lifespan(client, router).",
                *[mount.path] * 4,
            )


class _HungUpError(Exception):
    """The sender hung up before its body was whole."""


async def _body(receive: Receive) -> AsyncGenerator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _HungUpError
        more = message.get("more_body", False)
        yield message.get("body", b"")
