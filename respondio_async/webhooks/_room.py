"""How much may be held at a time: the bound that turns events away before memory runs out."""

from collections.abc import AsyncIterable
from typing import Final

UNCOUNTED: Final = 64 * 1024
"""Bytes of a body that may arrive without being counted: the server's buffer for every connection
holds as many anyhow. Events are smaller, so a stranger who fills the room with large bodies that
nobody signed keeps none of them out.
"""


class Room:
    """Counts the events that wait or run, and the bodies that still arrive."""

    def __init__(self, *, events: int, size: int) -> None:
        self.waiting = 0
        """Events that were taken in and are not finished."""
        self._bytes = 0
        self._arriving = 0
        self._most_events = events
        self._most_bytes = size

    def take(self, size: int) -> bool:
        """Make room for an event, if there is any."""
        if self.waiting >= self._most_events or self._bytes + size > self._most_bytes:
            return False
        self.enter(size)
        return True

    def enter(self, size: int) -> None:
        """Count an event that must be held, room or not."""
        self.waiting += 1
        self._bytes += size

    def give_back(self, size: int) -> None:
        """Count an event no more."""
        self.waiting -= 1
        self._bytes -= size

    def clear(self) -> int:
        """Count nothing any more; returns how many events were still held."""
        left, self.waiting, self._bytes = self.waiting, 0, 0
        return left

    async def collect(self, chunks: AsyncIterable[bytes], most: int) -> bytes | None:
        """Gather a body; a little more than *most* bytes of it at most, and None when there is no
        room for it.
        """
        body = bytearray()
        counted = 0
        try:
            async for chunk in chunks:
                body += chunk
                if len(body) > most:
                    break
                grown = max(0, len(body) - UNCOUNTED) - counted
                if grown and self._bytes + self._arriving + grown > self._most_bytes:
                    return None
                counted += grown
                self._arriving += grown
        finally:
            self._arriving -= counted
        return bytes(body)
