"""The thread that a sandbox serves from: a busy or blocked loop of the client under test does not
slow the server down. An application that belongs to another loop is served from it too.
"""

import asyncio
import os
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from ._app import ASGIApp, Receive, Scope, Send

_MISSING = "the sandbox needs uvicorn: pip install 'respondio-async[sandbox]'"


class ServerThread:
    """Serves an ASGI application on *host*:*port* (0: any free port).

    Imports the server and binds the port on its own thread too, so that nothing blocks the loop of
    the thread that starts it. Calls *on_started* once it serves, or once it can't: then `error`
    says why.
    """

    def __init__(self, app: Any, *, host: str, port: int, on_started: Callable[[], object]) -> None:
        self.port = port
        self.error: Exception | None = None
        self._app = app
        self._host = host
        self._on_started = on_started
        # Made here, so that `stop` can speak to it before the thread has come far.
        self.loop = asyncio.new_event_loop()
        self._left = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="respondio-sandbox", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        """Serve; whatever ends it before it serves reaches the thread that started it."""
        try:
            with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
                from ._server import Server

                listener = _listen(self._host, self.port)
                self.port = listener.getsockname()[1]
                server = Server(self._app, self._left, self._on_started)
                runner.run(server.serve(sockets=[listener]))
        except ImportError as error:
            self.error = ImportError(_MISSING)
            self.error.__cause__ = error
        except Exception as error:  # noqa: BLE001 - raised again in the thread that started it
            self.error = error
        except BaseException as error:  # noqa: BLE001 - uvicorn leaves by SystemExit
            self.error = RuntimeError(f"the sandbox was ended by {type(error).__name__}")
            self.error.__cause__ = error
        if self.error is not None:
            with suppress(RuntimeError):  # the loop that started it is closed
                self._on_started()

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
