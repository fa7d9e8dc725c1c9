"""An application that belongs to another event loop, served from the sandbox's."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from ._app import ASGIApp, Receive, Scope, Send


def on_loop(app: ASGIApp, loop: asyncio.AbstractEventLoop) -> ASGIApp:
    """Run *app* on the loop that mounted it: there its client and its locks are at home."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        server = asyncio.get_running_loop()

        def across(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
            async def there(*arguments: Any) -> Any:
                return await call(*arguments)

            return lambda *arguments: asyncio.wrap_future(
                asyncio.run_coroutine_threadsafe(there(*arguments), server)
            )

        async def work() -> None:
            await app(scope, across(receive), across(send))

        if loop.is_closed():
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": b"its event loop is closed"})
            return
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work(), loop))

    return serve
