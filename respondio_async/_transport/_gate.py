"""A counted gate: so many at once, the rest in a queue."""

import asyncio
from collections import OrderedDict


class Gate:
    """Lets *size* callers in at a time, first come first served.

    A place is never lost: a caller that is cancelled at the very moment it is let in hands its
    place on.
    """

    __slots__ = ("_queue", "free", "open", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.free = size
        self.open = True
        # Ordered, with cheap removal from the middle: thousands may wait, and any of them may be
        # cancelled.
        self._queue: OrderedDict[asyncio.Future[bool], None] = OrderedDict()

    @property
    def waiting(self) -> int:
        return len(self._queue)

    async def enter(self) -> bool:
        """Wait for a place; False when the gate was closed."""
        if not self.open:
            return False
        if self.free:  # nobody can be queueing: `leave` serves the queue first
            self.free -= 1
            return True
        place: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._queue[place] = None
        try:
            return await place
        except asyncio.CancelledError:
            if self._queue.pop(place, place) is place and not place.cancelled() and place.result():
                self.leave()
            raise

    def leave(self) -> None:
        """Free a place, for the first in the queue if there is one."""
        while self._queue:
            place, _ = self._queue.popitem(last=False)
            if not place.done():
                place.set_result(True)
                return
        self.free += 1

    def close(self) -> None:
        """Turn away all who wait, and all who come."""
        self.open = False
        while self._queue:
            place, _ = self._queue.popitem(last=False)
            if not place.done():
                place.set_result(False)
