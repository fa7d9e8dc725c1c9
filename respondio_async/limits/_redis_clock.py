"""What time it is on the Redis server, on this machine's monotonic clock."""

from typing import Final

DRIFT: Final = 0.0005
"""Seconds by which two clocks may part in a second: NTP slews by at most 500 parts in a million."""


class ServerClock:
    """The difference between the server's clock and ours, known ever more narrowly.

    Each exchange bounds it: the server read its clock between our request and its answer. All
    bounds hold at once, so their intersection does, and a slow answer does not blur what a quick
    one has shown. Bounds that exclude one another mean that a clock was set: then only the newest
    counts.
    """

    def __init__(self) -> None:
        self._low = float("-inf")
        self._high = float("inf")
        self._at = 0.0

    def update(self, asked: float, answered: float, server: float) -> None:
        """Take in one exchange: our clock when we asked and when the answer came, the server's in
        between (all in seconds).
        """
        low, high = server - answered, server - asked
        drift = DRIFT * (answered - self._at)
        self._low, self._high, self._at = (
            max(low, self._low - drift),
            min(high, self._high + drift),
            answered,
        )
        if self._low > self._high:
            self._low, self._high = low, high

    def local(self, server: float) -> float:
        """Our clock's reading at the server's time *server*. Only after the first exchange."""
        return server - (self._low + self._high) / 2
