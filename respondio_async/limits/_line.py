"""Who goes next on one route: two lanes, each first come, first served."""

from collections import deque
from typing import Final, Generic, Protocol, TypeVar

from ._protocol import Lane

_BULK_EVERY: Final = 8
"""One bulk call in this many keeps bulk work alive while people keep coming."""


class Waiter(Protocol):
    """Somebody in line; one that has left stays where it is and is passed over."""

    lane: Lane
    again: bool
    gone: bool


W = TypeVar("W", bound=Waiter)


class _Lane(Generic[W]):
    __slots__ = ("again", "count", "first", "gone_again")

    def __init__(self) -> None:
        self.again: deque[W] = deque()
        """Those who have had a permit before go first: at the back of a long line they would
        outlive their deadlines.
        """
        self.first: deque[W] = deque()
        self.count = 0
        self.gone_again = 0
        """How many of `again` have left and are still there."""


class Lanes(Generic[W]):
    """The waiting line of a route."""

    __slots__ = ("_bulk", "_interactive", "_since_bulk", "size")

    def __init__(self) -> None:
        self._interactive: _Lane[W] = _Lane()
        self._bulk: _Lane[W] = _Lane()
        self._since_bulk = 0
        self.size = 0
        """How many wait."""

    def join(self, waiter: W) -> None:
        """Stand at the end of one's lane."""
        lane = self._bulk if waiter.lane == "bulk" else self._interactive
        (lane.again if waiter.again else lane.first).append(waiter)
        lane.count += 1
        self.size += 1

    def ahead(self, lane: Lane, again: bool) -> int:
        """How many go before one who joins now, if nobody joins after."""
        mine, other = (
            (self._bulk, self._interactive) if lane == "bulk" else (self._interactive, self._bulk)
        )
        before = len(mine.again) - mine.gone_again if again else mine.count
        each, gone = _BULK_EVERY - 1, self._since_bulk
        share = (before + 1) * each - gone if lane == "bulk" else (before + gone) // each
        return before + min(other.count, share)

    def left(self, waiter: W) -> None:
        """Count one out who has just been marked as gone; forget the gone once they are the
        most.
        """
        lane = self._bulk if waiter.lane == "bulk" else self._interactive
        lane.count -= 1
        lane.gone_again += waiter.again
        self.size -= 1
        if len(lane.again) + len(lane.first) > 2 * lane.count + 16:
            lane.again = deque(each for each in lane.again if not each.gone)
            lane.first = deque(each for each in lane.first if not each.gone)
            lane.gone_again = 0

    def clear(self) -> None:
        """Forget those who have gone, when all have."""
        for lane in (self._interactive, self._bulk):
            lane.again.clear()
            lane.first.clear()
            lane.gone_again = 0

    def pop(self) -> W:
        """Take out the next one."""
        lane, bulk = self._interactive, self._bulk
        if not bulk.count:
            self._since_bulk = 0
        elif lane.count and self._since_bulk < _BULK_EVERY - 1:
            self._since_bulk += 1
        else:
            lane, self._since_bulk = bulk, 0
        self.size -= 1
        lane.count -= 1
        while True:
            waiter = (lane.again or lane.first).popleft()
            if not waiter.gone:
                return waiter
            lane.gone_again -= waiter.again
