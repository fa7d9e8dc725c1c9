"""The sandbox's clock: real time that a test can push forward."""

import time


class Clock:
    """Real time plus whatever `advance` added, so that a test need not wait for a lag to pass."""

    def __init__(self) -> None:
        self._offset = 0.0

    def now(self) -> float:
        """Seconds on a clock that never goes back; for windows and lags."""
        return time.monotonic() + self._offset

    def wall(self) -> float:
        """Unix seconds; for what the API shows."""
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        """Jump forward."""
        if seconds < 0:
            raise ValueError("seconds must not be negative: the clock never goes back")
        self._offset += seconds
