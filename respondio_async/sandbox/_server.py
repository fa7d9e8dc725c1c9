"""A uvicorn server in a thread of its own: a busy or blocked loop of the client under test does not slow the server down.

The only importer of uvicorn; imported when a sandbox starts.
"""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

_logger = logging.getLogger("respondio_async.sandbox")


class ServerThread:
    """Serves an ASGI application on *host*:*port* (0: any free port). The port is bound here, so a taken one fails at once."""

    def __init__(self, app: Any, *, host: str, port: int, on_started: Callable[[], None]) -> None:
        self._socket = socket.create_server((host, port), backlog=1024)
        self.port: int = self._socket.getsockname()[1]
        # log_config and log_level None: the loggers of the process that hosts us stay as they are.
        self._config = uvicorn.Config(
            app, http=_Protocol, ws="none", lifespan="off", log_config=None, log_level=None, timeout_keep_alive=75
        )
        self._on_started = on_started
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: _Server | None = None
        self._thread = threading.Thread(target=self._run, name="respondio-sandbox", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = _Server(self._config, self._on_started)
        await self._server.serve(sockets=[self._socket])

    def stop(self) -> None:
        """Ask it to end, once it has started; `ended` tells when it has. Open connections are cut."""
        if self._loop is not None and self._server is not None:
            self._loop.call_soon_threadsafe(self._server.leave)

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def join(self) -> None:
        self._thread.join()


class _Server(uvicorn.Server):
    """Ends at once, where uvicorn takes a few tenths of a second and waits for those who hang."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started
        self._left = asyncio.Event()

    def leave(self) -> None:
        self.should_exit = True
        self._left.set()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        self._on_started()
        while not self.should_exit:
            try:
                await asyncio.wait_for(self._left.wait(), 1.0)
            except TimeoutError:
                # Once a second: the Date header.
                await self.on_tick(0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        # A turn of the loop: whoever waits for a disconnect hears of it.
        await asyncio.sleep(0)
        tasks = list(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for sock in sockets or ():
            sock.close()


class _Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """Uvicorn's fastest HTTP protocol, which also hands the application its connection and writes no access log."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False
        self.logger = _logger

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        # Uvicorn copies it into each request's scope["state"].
        self.app_state = {**self.app_state, "transport": transport}
