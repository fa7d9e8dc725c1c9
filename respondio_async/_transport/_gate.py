"""A counted gate: so many at once, the rest in a queue."""

import asyncio
from collections import OrderedDict


class Gate:
    """Lets *size* callers in at a time, first come first served.

    A caller that is cancelled at the moment it is let in lets the next one in.
    """

    __slots__ = ("_queue", "free", "open")

    def __init__(self, size: int) -> None:
        self.free = size
        self.open = True
        # Ordered, with cheap removal from the middle: thousands may wait, and any of them may be
        # cancelled.
        self._queue: OrderedDict[asyncio.Future[bool], None] = OrderedDict()

    @property
    def waiting(self) -> int:
        return len(self._queue)

    async def enter(self) -> bool:
        """Wait to be let in; False when the gate was closed."""
        if not self.open:
            return False
        if self.free:  # the queue is empty then: `leave` serves it first
            self.free -= 1
            return True
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._queue[waiter] = None
        try:
            return await waiter
        except asyncio.CancelledError:
            if (
                self._queue.pop(waiter, waiter) is waiter
                and not waiter.cancelled()
                and waiter.result()
            ):
                self.leave()
            raise

    def leave(self) -> None:
        """Let in the first of the queue, if there is one."""
        while self._queue:
            waiter, _ = self._queue.popitem(last=False)
            if not waiter.done():
                waiter.set_result(True)
                return
        self.free += 1

    def close(self) -> None:
        """Admit no more; calls that wait get False."""
        self.open = False
        while self._queue:
            waiter, _ = self._queue.popitem(last=False)
            if not waiter.done():
                waiter.set_result(False)
