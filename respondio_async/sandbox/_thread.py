"""The thread that a sandbox serves from: a busy or blocked loop of the client under test does not slow the server down."""

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._server import Server

_MISSING = "the sandbox needs uvicorn: pip install 'respondio-async[sandbox]'"


class ServerThread:
    """Serves an ASGI application on *host*:*port* (0: any free port).

    Imports the server and binds the port on its own thread too, so that nothing blocks the loop of whoever starts it. Calls *on_started*
    once it serves, or once it can't: then `error` says why.
    """

    def __init__(self, app: Any, *, host: str, port: int, on_started: Callable[[], object]) -> None:
        self.port = port
        self.error: Exception | None = None
        self._app = app
        self._host = host
        self._on_started = on_started
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: Server | None = None
        self._thread = threading.Thread(target=self._run, name="respondio-sandbox", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            from ._server import Server

            listener = _listen(self._host, self.port)
        except ImportError as error:
            self.error = ImportError(_MISSING)
            self.error.__cause__ = error
        except OSError as error:
            self.error = error
        else:
            self.port = listener.getsockname()[1]
            asyncio.run(self._serve(Server, listener))
            return
        self._on_started()

    async def _serve(self, server: "type[Server]", listener: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = server(self._app, self._on_started)
        await self._server.serve(sockets=[listener])

    def stop(self) -> None:
        """Ask it to end, once it has started; `ended` tells when it has. Open connections are cut."""
        if self._loop is not None and self._server is not None and not self.ended:
            self._loop.call_soon_threadsafe(self._server.leave)

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def join(self) -> None:
        self._thread.join()


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
    )[0]
    # The protocol is named because asyncio sets TCP_NODELAY only then: without it each answer waits 40 ms for an acknowledgement.
    listener = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener
