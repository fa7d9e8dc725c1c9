"""Who goes next on one route: two priorities, each first come, first served."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from ._protocol import Priority
from ._tuning import BULK_EVERY


class Waiter(Protocol):
    """Somebody in the queue."""

    priority: Priority
    is_retry: bool


W = TypeVar("W", bound=Waiter)


class Priorities(Generic[W]):
    """Those who wait for a route and have not been called.

    Who has had a permit before goes first in its priority: at the back of a long queue it would
    outlive its deadline.
    """

    def __init__(self) -> None:
        self._queues: dict[Priority, tuple[OrderedDict[W, None], OrderedDict[W, None]]] = {
            "interactive": (OrderedDict(), OrderedDict()),
            "bulk": (OrderedDict(), OrderedDict()),
        }
        """Of each priority the repeated calls, and the others."""
        self.size = 0
        """How many wait."""
        self._since_bulk = 0
        """Interactive calls since the last bulk call, while one has been waiting."""

    def __iter__(self) -> Iterator[W]:
        for repeated, others in self._queues.values():
            yield from repeated
            yield from others

    def _count(self, priority: Priority) -> int:
        return sum(map(len, self._queues[priority]))

    def join(self, waiter: W) -> None:
        """Stand at the end of one's priority."""
        self._queues[waiter.priority][not waiter.is_retry][waiter] = None
        self.size += 1

    def leave(self, waiter: W) -> None:
        """Take out one who gives up."""
        del self._queues[waiter.priority][not waiter.is_retry][waiter]
        self.size -= 1

    def ahead(self, priority: Priority, is_retry: bool) -> int:
        """How many go before one who joins now, if nobody joins after."""
        before = len(self._queues[priority][0]) if is_retry else self._count(priority)
        each, gone = BULK_EVERY - 1, self._since_bulk
        if priority == "bulk":
            return before + min(self._count("interactive"), (before + 1) * each - gone)
        return before + min(self._count("bulk"), (before + gone) // each)

    def pop(self) -> W:
        """Take out the next one."""
        queue, bulk = self._queues.values()
        if not any(bulk):
            self._since_bulk = 0
        elif any(queue) and self._since_bulk < BULK_EVERY - 1:
            self._since_bulk += 1
        else:
            queue, self._since_bulk = bulk, 0
        self.size -= 1
        return (queue[0] or queue[1]).popitem(last=False)[0]
