"""An application that belongs to another event loop, served from the sandbox's."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from ._app import ASGIApp, Receive, Scope, Send


class LoopBridge:
    """Runs *app* on the loop that mounted it: there its client and its locks are at home."""

    def __init__(self, app: ASGIApp, loop: asyncio.AbstractEventLoop) -> None:
        self._app = app
        self._loop = loop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        server = asyncio.get_running_loop()

        def across(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
            async def there(*arguments: Any) -> Any:
                return await call(*arguments)

            return lambda *arguments: asyncio.wrap_future(
                asyncio.run_coroutine_threadsafe(there(*arguments), server)
            )

        if self._loop.is_closed():
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": b"its event loop is closed"})
            return
        work = self._serve(scope, across(receive), across(send))
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
