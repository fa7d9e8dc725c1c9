"""The thread that a sandbox serves from: a busy or blocked loop of the client under test does not
slow the server down. An application that belongs to another loop is served from it too.
"""

import asyncio
import os
import socket
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from ._app import ASGIApp, Receive, Scope, Send

_MISSING = "the sandbox needs uvicorn: pip install 'respondio-async[sandbox]'"


class ServerThread:
    """Serves an ASGI application on *host*:*port* (0: any free port).

    Imports the server and binds the port on its own thread too, so that nothing blocks the loop of
    the thread that starts it.
    """

    def __init__(self, app: ASGIApp, *, host: str, port: int) -> None:
        self.started: Future[int] = Future()
        """The port, once it serves; or why it can't."""
        self.started.set_running_or_notify_cancel()  # those who wait may be cancelled, it can't be
        # Made here, so that `stop` can speak to it before the thread has come far.
        self.loop = asyncio.new_event_loop()
        self._left = asyncio.Event()
        self._thread = threading.Thread(
            target=self._run, args=(app, host, port), name="respondio-sandbox", daemon=True
        )
        self._thread.start()

    def _run(self, app: ASGIApp, host: str, port: int) -> None:
        """Serve; whatever ends it before it serves reaches the thread that started it."""
        try:
            with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
                from ._server import Server

                listener = _listen(host, port)
                bound = listener.getsockname()[1]
                server = Server(app, self._left, lambda: self.started.set_result(bound))
                runner.run(server.serve(sockets=[listener]))
        except BaseException as error:  # noqa: BLE001 - uvicorn leaves by SystemExit
            failure: Exception
            if isinstance(error, ImportError):
                failure = ImportError(_MISSING)
            elif isinstance(error, Exception):
                failure = error
            else:
                failure = RuntimeError(f"the sandbox was ended by {type(error).__name__}")
            if failure is not error:
                failure.__cause__ = error
            if not self.started.done():
                self.started.set_exception(failure)

    def stop(self) -> None:
        """Ask it to end, whether it has started yet or not; `ended` tells when it has.

        Open connections are cut.
        """
        with suppress(RuntimeError):  # its loop is closed: it had ended by itself
            self.loop.call_soon_threadsafe(self._left.set)

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def join(self) -> None:
        self._thread.join()


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
    )[0]
    # The protocol is named because asyncio sets TCP_NODELAY only then: without it each answer waits
    # 40 ms for an acknowledgement.
    listener = socket.socket(family, kind, protocol)
    try:
        # Elsewhere the option means that a port in use may be taken.
        if os.name == "posix":  # pragma: no branch - the tests run on POSIX
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


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
