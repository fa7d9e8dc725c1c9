"""What time it is on the Redis server, on this machine's monotonic clock."""

from typing import Final

DRIFT: Final = 0.0005
"""Seconds by which two clocks may part in a second: NTP slews by at most 500 parts in a million."""


class ServerClock:
    """The difference between the server's clock and ours, known ever more narrowly.

    Each exchange bounds it: the server read its clock after we asked and before we heard. All
    bounds hold at once, so their intersection does, and a slow answer does not blur what a quick
    one has shown. Bounds that exclude one another mean that a clock was set: then only the newest
    counts.
    """

    def __init__(self) -> None:
        self._low = float("-inf")
        self._high = float("inf")
        self._at = 0.0

    def update(self, asked: float, heard: float, server: float) -> None:
        """Take in one exchange: our clock when we asked and when we heard, the server's in between
        (all in seconds).
        """
        low, high = server - heard, server - asked
        drift = DRIFT * (heard - self._at)
        self._low, self._high, self._at = (
            max(low, self._low - drift),
            min(high, self._high + drift),
            heard,
        )
        if self._low > self._high:
            self._low, self._high = low, high

    def local(self, server: float) -> float:
        """Our clock's reading at the server's time *server*. Only after the first exchange."""
        return server - (self._low + self._high) / 2
