"""What a process has yet to report to the others about a route."""

from typing import Final

MICRO: Final = 1_000_000


class PendingUpdates:
    """Gathered between two requests to Redis and sent with the next one, or at once when
    `urgent`.
    """

    def __init__(self) -> None:
        self.urgent = False
        self.paused_until = 0.0
        self.advertised = 0.0
        self.refused = 0
        self._moved: dict[str, float] = {}
        self._unused: list[str] = []

    def move(self, permit_id: str, seconds: float) -> None:
        """The permit counts from so much later: it went late, or took long on its way."""
        self._moved[permit_id] = self._moved.get(permit_id, 0.0) + seconds

    def unused(self, permit_id: str) -> None:
        """The permit's request never left, and never will."""
        self._moved.pop(permit_id, None)
        self._unused.append(permit_id)

    def arguments(self, now: float) -> list[str | int | float]:
        """As the script wants them: pause, advertised limit, refusals, moves (how many; id,
        microseconds), unused ids.
        """
        pause = max(0, int((self.paused_until - now) * MICRO))
        moves = [
            item
            for permit_id, seconds in self._moved.items()
            for item in (permit_id, int(seconds * MICRO))
        ]
        return [pause, self.advertised, self.refused, len(self._moved), *moves, *self._unused]
