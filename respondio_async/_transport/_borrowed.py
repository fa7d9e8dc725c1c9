"""A client that the user made: httpx's or httpx2's, with whatever transport below.

It is not ours to rebuild, and the released httpx loses places of its pool when a request is
cancelled. So every request runs in a task of its own, which no cancelled caller and no timeout of
ours reaches: the caller leaves at once, the task ends by the library's own timeouts, and its lease
ends only then.

Its requests have their full URL, since mocks match by it; whatever watches the client sees it too.
"""

import asyncio
from types import ModuleType
from typing import Any, Final

from ..errors import ConfigurationError
from . import _failures
from ._address import Address
from ._client_lease import ClientLease
from ._pool import Pool
from ._ports import Answer, Request
from ._requests import phase_timeouts

ABANDONED: Final = 30.0
"""Seconds after which a request whose caller has left is cancelled after all."""


class BorrowedLease(ClientLease["BorrowedPool"]):
    """One request through a borrowed client."""

    __slots__ = ("_task",)

    def __init__(self, pool: "BorrowedPool") -> None:
        super().__init__(pool)
        self._task: asyncio.Task[Answer] | None = None

    async def _exchange(self, request: Request, timeout: float | None, phases: Any) -> Answer:
        bounds = phase_timeouts(phases, timeout)
        bounds["pool"] = timeout if phases is None else phases.pool
        built = self.pool.requests.plain(request, {"timeout": bounds, "trace": self._trace})
        task = self._task = asyncio.get_running_loop().create_task(
            self._deliver(self.pool.client, built)
        )
        task.add_done_callback(_retrieve)
        await asyncio.wait((task,))
        return task.result()

    def mark_sent(self) -> None:
        # A caller who was cancelled, or out of time, was told that nothing had been sent, and may
        # repeat it: it must not be sent after.
        if self._scope is None:
            raise _failures.closed(sent=False)
        super().mark_sent()

    def release(self) -> None:
        if self._task is None or self._task.done():
            super().release()
        else:
            self.pool.run_in_background(self._outlast(self._task))

    async def _outlast(self, task: "asyncio.Task[Answer]") -> None:
        """End the lease once *task* has ended, by itself or after all."""
        _, running = await asyncio.wait((task,), timeout=ABANDONED)
        if running:
            task.cancel()
            await asyncio.wait((task,))
        super().release()

    def cancel(self) -> None:
        """Cancel the request, if one is under way."""
        if self._task is not None:
            self._task.cancel()


def _retrieve(task: "asyncio.Task[Answer]") -> None:
    """See how *task* ended, or asyncio would report that nobody has."""
    if not task.cancelled():
        task.exception()


class BorrowedPool(Pool[BorrowedLease]):
    """Leases in front of a client that is not ours."""

    def __init__(self, library: ModuleType, address: Address, size: int, client: Any) -> None:
        super().__init__(library, address, size)
        self.client = client

    async def _lease(self) -> BorrowedLease:
        if self.client.is_closed:
            raise ConfigurationError("the http_client that this client was given has been closed")
        return BorrowedLease(self)

    def _count_open(self) -> int:
        return len(self._busy)  # what the client itself keeps is not for us to know

    async def _close(self) -> None:
        for lease in self._busy:
            lease.cancel()
