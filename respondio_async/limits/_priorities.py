"""Who goes next on one route: two priorities, each first come, first served."""

from collections import deque
from collections.abc import Iterator
from typing import Final, Generic, Protocol, TypeVar

from ._protocol import Priority

_BULK_EVERY: Final = 8
"""One bulk call in this many keeps bulk work alive while people keep coming."""


class Waiter(Protocol):
    """Somebody in the queue; one that has left stays where it is and is passed over."""

    priority: Priority
    is_retry: bool

    @property
    def gone(self) -> bool: ...


W = TypeVar("W", bound=Waiter)


class _Lane(Generic[W]):
    __slots__ = ("count", "first", "gone_again", "is_retry")

    def __init__(self) -> None:
        self.is_retry: deque[W] = deque()
        """Those who have had a permit before go first: at the back of a long line they would
        outlive their deadlines.
        """
        self.first: deque[W] = deque()
        self.count = 0
        self.gone_again = 0
        """How many of `again` have left and are still there."""


class Lanes(Generic[W]):
    """Those who wait for a route and have not been called."""

    __slots__ = ("_bulk", "_interactive", "_since_bulk", "size")

    def __init__(self) -> None:
        self._interactive: _Lane[W] = _Lane()
        self._bulk: _Lane[W] = _Lane()
        self._since_bulk = 0
        self.size = 0
        """How many wait."""

    def join(self, waiter: W) -> None:
        """Stand at the end of one's priority."""
        priority = self._bulk if waiter.priority == "bulk" else self._interactive
        (priority.is_retry if waiter.is_retry else priority.first).append(waiter)
        priority.count += 1
        self.size += 1

    def ahead(self, priority: Priority, is_retry: bool) -> int:
        """How many go before one who joins now, if nobody joins after."""
        mine, other = (
            (self._bulk, self._interactive)
            if priority == "bulk"
            else (self._interactive, self._bulk)
        )
        before = len(mine.is_retry) - mine.gone_again if is_retry else mine.count
        each, gone = _BULK_EVERY - 1, self._since_bulk
        share = (before + 1) * each - gone if priority == "bulk" else (before + gone) // each
        return before + min(other.count, share)

    def left(self, waiter: W) -> None:
        """Count one out who has just been marked as gone; forget the gone once they are the
        most.
        """
        priority = self._bulk if waiter.priority == "bulk" else self._interactive
        priority.count -= 1
        priority.gone_again += waiter.is_retry
        self.size -= 1
        if len(priority.is_retry) + len(priority.first) > 2 * priority.count + 16:
            priority.is_retry = deque(each for each in priority.is_retry if not each.gone)
            priority.first = deque(each for each in priority.first if not each.gone)
            priority.gone_again = 0

    def clear(self) -> None:
        """Forget those who have gone, when all have."""
        for priority in (self._interactive, self._bulk):
            priority.is_retry.clear()
            priority.first.clear()
            priority.gone_again = 0

    def __iter__(self) -> Iterator[W]:
        for priority in (self._interactive, self._bulk):
            for waiter in (*priority.is_retry, *priority.first):
                if not waiter.gone:
                    yield waiter

    def pop(self) -> W:
        """Take out the next one."""
        priority, bulk = self._interactive, self._bulk
        if not bulk.count:
            self._since_bulk = 0
        elif priority.count and self._since_bulk < _BULK_EVERY - 1:
            self._since_bulk += 1
        else:
            priority, self._since_bulk = bulk, 0
        self.size -= 1
        priority.count -= 1
        while True:
            waiter = (priority.is_retry or priority.first).popleft()
            if not waiter.gone:
                return waiter
            priority.gone_again -= waiter.is_retry
