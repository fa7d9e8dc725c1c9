"""The HTTP server: uvicorn, made to end at once.

The only importer of uvicorn; imported when a sandbox starts.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

_logger = logging.getLogger("respondio_async.sandbox")


class Server(uvicorn.Server):
    """Ends at once, where uvicorn takes a few tenths of a second and waits for those who hang."""

    def __init__(self, app: Any, left: asyncio.Event, on_started: Callable[[], object]) -> None:
        # log_config and log_level None: the loggers of the process that hosts us stay as they are.
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level=None,
            timeout_keep_alive=75,
            proxy_headers=False,  # the peer is the connection's, whatever a header says
        )
        super().__init__(config)
        self._on_started = on_started
        self._left = left

    async def main_loop(self) -> None:
        self._on_started()
        await self._left.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        # One step of the loop: tasks that wait for a disconnect are woken.
        await asyncio.sleep(0)
        tasks = list(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for sock in sockets or ():
            sock.close()


class _Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """Uvicorn's fastest HTTP protocol, which also hands the application its connection and writes
    no access log.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False
        self.logger = _logger
        self.app_state: dict[str, Any]

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        # Uvicorn copies it into each request's scope["state"].
        self.app_state = {**self.app_state, "transport": transport}
