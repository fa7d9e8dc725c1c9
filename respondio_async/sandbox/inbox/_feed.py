"""What happens in a sandbox, in order, for pages that watch."""

import asyncio
import itertools
import json
import threading
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any, Final

_KEPT: Final = 500
"""Entries that a page sees when it is opened late."""
_QUIET: Final = 15.0
"""Seconds after which a silent stream says that it is alive."""


class Feed:
    """A log with a bound, and streams of server-sent events that follow it.

    `publish` may be called on any thread.
    """

    def __init__(self) -> None:
        self._entries: deque[tuple[int, str]] = deque(maxlen=_KEPT)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._watchers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def publish(self, entry: dict[str, Any]) -> None:
        """Append an entry."""
        text = json.dumps(entry, separators=(",", ":"))
        with self._lock:  # in the order of their numbers: a stream goes on behind the last it saw
            self._entries.append((next(self._numbers), text))
        for loop, woken in list(self._watchers):
            with suppress(RuntimeError):  # that loop has ended
                loop.call_soon_threadsafe(woken.set)

    async def stream(self, after: int = 0) -> AsyncGenerator[bytes]:
        """Yield every entry kept since the one numbered *after*, then each new one, as server-sent
        events.
        """
        woken = asyncio.Event()
        watcher = (asyncio.get_running_loop(), woken)
        self._watchers.add(watcher)
        try:
            # At once, so that the browser knows that it is connected; it tries again one second
            # after a break.
            yield b"retry: 1000\n\n"
            while True:
                woken.clear()
                for number, text in [entry for entry in list(self._entries) if entry[0] > after]:
                    yield f"id: {number}\ndata: {text}\n\n".encode()
                    after = number
                try:
                    await asyncio.wait_for(woken.wait(), _QUIET)
                except TimeoutError:
                    yield b": still here\n\n"
        finally:
            self._watchers.discard(watcher)
