"""The backends httpx and httpx2: slots, each a transport of the library's own with one connection.

httpcore's pool looks through all of its idle connections for every request, and in the released
httpx it loses places for good when requests are cancelled: after 2,400 of them on a pool of ten,
every later request fails with PoolTimeout. A slot has nothing to look through, and one whose call
was cancelled or broke is thrown away with all its state.

No `AsyncClient` stands above them: all that it would add (cookies, redirects, hooks, a log line
with the URL) is unwanted here, and costs an eighth of a call.
"""

import asyncio
import ssl
from types import ModuleType
from typing import Any, Final

from ._address import Address
from ._body import read_answer
from ._pool import KEEPALIVE, Lent, Pool
from ._proxy import proxy_for
from ._requests import phase_timeouts
from ._seam import Answer, Request
from ._tls import shared_context

_SURELY_ALIVE: Final = 0.25
"""A connection used so many seconds ago is taken to be still there. After a longer rest the library
may have to connect again, so what it does is traced, to know whether the request had left; tracing
costs a tenth of a request.
"""


class Slot(Lent):
    """One connection, open or not yet."""

    __slots__ = ("_owner", "_stream", "http", "idle_since")

    def __init__(self, owner: "SlotPool", http: Any) -> None:
        super().__init__()
        self._owner = owner
        self.http = http
        self._stream: Any = None
        self.idle_since = 0.0

    @property
    def _pool(self) -> "SlotPool":
        return self._owner

    @property
    def is_open(self) -> bool:
        return self._stream is not None

    async def _exchange(self, request: Request, timeout: float | None, phases: Any) -> Answer:  # noqa: ARG002 - bounded outside
        owner = self._owner
        extensions: dict[str, Any] = {"timeout": phase_timeouts(phases)}
        if self._stream is None or owner.now() - self.idle_since > _SURELY_ALIVE:
            extensions["trace"] = self._trace
            self.unsent = True
        built = owner.build(request, extensions)
        response = await self.http.handle_async_request(built)
        self.status = response.status_code
        answer, self.clean = await read_answer(response)
        return answer

    async def _trace(self, event: str, info: dict[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            self._stream = info["return_value"]
            self._owner.opened += 1
        elif (
            event == "http11.send_request_headers.started" and info["request"].method != b"CONNECT"
        ):
            self.leaves()

    def release(self) -> None:
        self._owner.take_back(self)

    async def aclose(self) -> None:
        await self.http.aclose()
        if (
            self._stream is not None
        ):  # of a connection that was cancelled while it was made, the library knows nothing
            await self._stream.aclose()
            self._stream = None


class SlotPool(Pool[Slot]):
    """Lends slots, the one used last first, so that the others come of age and are closed."""

    def __init__(self, library: ModuleType, address: Address, size: int) -> None:
        super().__init__(library, address, size)
        self._proxy = proxy_for(library, address)
        # httpcore 1.0 sends a hidden path to the proxy as well, in place of the host that it should
        # connect to.
        self.build = self.requests.hidden if self._proxy is None else self.requests.plain
        self._limits = library.Limits(
            max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEPALIVE
        )
        self._tls: ssl.SSLContext | None = None
        self._idle: list[Slot] = []
        self._reaper: asyncio.TimerHandle | None = None

    async def _lend(self) -> Slot:
        if self._tls is None:
            self._tls = await shared_context(self.library, self.address.scheme)
        return self._idle.pop() if self._idle else Slot(self, self._make_transport(self._tls))

    def _make_transport(self, tls: ssl.SSLContext) -> Any:
        return self.library.AsyncHTTPTransport(
            verify=tls, trust_env=False, limits=self._limits, proxy=self._proxy
        )

    def take_back(self, slot: Slot) -> None:
        """Keep *slot* for the next call, or throw it away."""
        if slot.broken or self.closed:
            self.discarded += slot.broken
            self.chore(slot.aclose())
        else:
            slot.idle_since = self.now()
            self._idle.append(slot)
            if self._reaper is None:
                self._reaper = self.loop.call_later(KEEPALIVE, self._reap)
        self.put_back(slot)

    def _reap(self) -> None:
        """Close what has been idle for too long; the longest idle lie at the bottom."""
        self._reaper = None
        horizon = self.now() - KEEPALIVE
        old = [slot for slot in self._idle if slot.idle_since <= horizon]
        del self._idle[: len(old)]
        for slot in old:
            self.chore(slot.aclose())
        if self._idle:
            self._reaper = self.loop.call_at(self._idle[0].idle_since + KEEPALIVE, self._reap)

    def _count_open(self) -> int:
        return sum(slot.is_open for slot in (*self._idle, *self._busy))

    async def _close(self) -> None:
        if self._reaper is not None:
            self._reaper.cancel()
            self._reaper = None
        idle, self._idle = self._idle, []
        for slot in idle:
            self.chore(slot.aclose())
