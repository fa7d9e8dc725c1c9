"""The sign of life of a process.

It beats in a thread with a connection of its own, so that a handler that blocks the event loop does
not look like a dead process, nor does one that waits for its handlers to end.
"""

import asyncio
import threading
from collections.abc import Callable, Collection
from typing import Final

import psycopg

from ._schema import CONNECT, PREPARE_SESSION

EVERY: Final = 3.0
"""Seconds between two beats."""
_JOIN_WITHIN: Final = 2.0
_BEAT: Final = "UPDATE procrastinate_workers SET last_heartbeat = now() WHERE id = ANY(%s)"


class Heartbeat:
    """Beats for some of Procrastinate's workers until it is closed."""

    def __init__(self, url: str, workers: Callable[[], Collection[int]]) -> None:
        self._url = url
        self._workers = workers
        self._loop = asyncio.get_running_loop()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="respondio-heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    async def aclose(self) -> None:
        """Beat no more."""
        self._closing.set()
        # It may wait for a PostgreSQL that never answers.
        await asyncio.to_thread(self._thread.join, _JOIN_WITHIN)

    def _run(self) -> None:
        while not self._ends_within(0):
            try:
                with psycopg.connect(self._url, autocommit=True, **CONNECT) as connection:
                    connection.execute(PREPARE_SESSION)
                    connection.execute(_BEAT, (list(self._workers()),))
                    while not self._ends_within(EVERY):
                        connection.execute(_BEAT, (list(self._workers()),))
            except psycopg.Error:  # the other connections report an outage
                self._closing.wait(0.5)

    def _ends_within(self, seconds: float) -> bool:
        # An event loop that has ended handles nothing any more, closed or not.
        return self._closing.wait(seconds) or self._loop.is_closed()
