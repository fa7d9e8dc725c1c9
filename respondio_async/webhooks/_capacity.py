"""Backpressure: how many events and bytes may be held before further events are refused."""

from collections.abc import AsyncIterable
from typing import Final

UNCOUNTED: Final = 64 * 1024
"""Bytes of a body that are not counted while it arrives: the server buffers as many for every
connection. Events are smaller, so unsigned large bodies that use up the capacity keep no event out.
"""


class Capacity:
    """Counts the events that wait or run, and the bodies that still arrive."""

    def __init__(self, *, events: int, size: int) -> None:
        self.waiting = 0
        """Events that were taken in and are not finished."""
        self._bytes = 0
        self._arriving = 0
        self._most_events = events
        self._most_bytes = size

    def take(self, size: int) -> bool:
        """Count an event; False, and not counted, when the capacity is used up."""
        if self.waiting >= self._most_events or self._bytes + size > self._most_bytes:
            return False
        self.enter(size)
        return True

    def enter(self, size: int) -> None:
        """Count an event that must be held, even beyond the capacity."""
        self.waiting += 1
        self._bytes += size

    def give_back(self, size: int) -> None:
        """Stop counting an event that has ended."""
        self.waiting -= 1
        self._bytes -= size

    def clear(self) -> int:
        """Stop counting every event; returns how many were still held."""
        left, self.waiting, self._bytes = self.waiting, 0, 0
        return left

    async def collect(self, chunks: AsyncIterable[bytes], most: int) -> bytes | None:
        """Read a body, up to a little more than *most* bytes of it; None when the capacity is used
        up.
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
