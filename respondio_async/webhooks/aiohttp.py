"""For aiohttp.web: the router as a handler, and one client for the whole application.

app = web.Application()
app.cleanup_ctx.append(respond_context(AsyncRespond(token=…), router))
app.router.add_route("*", "/webhook", router.aiohttp_handler())
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Final

try:
    from aiohttp import web
except ImportError as _missing:
    raise ImportError(
        "respondio_async.webhooks.aiohttp needs aiohttp: pip install 'respondio-async[aiohttp]'",
        name="aiohttp",
    ) from _missing

from ._answers import ENCODED
from ._router import ClientOrFactory, WebhookRouter, lifespan_of

if TYPE_CHECKING:
    from respondio_async import AsyncRespond

__all__ = ["RESPOND_CLIENT", "handler", "respond_context"]

RESPOND_CLIENT: Final[web.AppKey["AsyncRespond"]] = web.AppKey("respond_client")
"""Where the application's one `AsyncRespond` is: `request.app[RESPOND_CLIENT]`."""


def handler(router: WebhookRouter) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Make a handler that receives; `router.aiohttp_handler()` is the same.

    A compressed body is refused unread. aiohttp inflates its first piece before any handler runs
    (256 KiB at most in aiohttp 3.14, unbounded in releases before 3.13.3), unless the application
    is run by `web.AppRunner(app, auto_decompress=False)`.
    """

    async def receive(request: web.Request) -> web.Response:
        answer = await router.receive_stream(
            request.method, request.raw_headers, request.content.iter_any()
        )
        response = web.Response(status=answer.status, body=answer.body, headers=answer.headers)
        if answer is ENCODED:
            # What is left of the body would be inflated to be thrown away.
            response.force_close()
            await response.prepare(request)
            await response.write_eof()
            request.protocol.force_close()
        return response

    return receive


def respond_context(
    client: ClientOrFactory = None, *routers: WebhookRouter
) -> Callable[[web.Application], AsyncIterator[None]]:
    """Make a cleanup context that opens *client* (an `AsyncRespond`, or a function that makes one)
    once, and starts *routers*.

    Routers without a client get this one. On shutdown the routers drain first, while the client
    still works.
    """

    async def context(app: web.Application) -> AsyncIterator[None]:
        async with lifespan_of(client, routers) as opened:
            if opened is not None:
                app[RESPOND_CLIENT] = opened
            yield

    return context
