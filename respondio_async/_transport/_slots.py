"""The backends httpx and httpx2: one `AsyncClient` over slots, each a transport of the library's
own with one connection.

httpcore's pool looks through all of its idle connections for every request, and in the released
httpx it loses places for good when requests are cancelled: after 2,400 of them on a pool of ten,
every later request fails with PoolTimeout. A slot has nothing to look through, and one whose call
was cancelled or broke is thrown away with all its state.

The client above them is there for what wraps it (tracing, error reports): it sees the template of
each request. The target goes to the wire as the extension "target".
"""

import asyncio
import ssl
from types import ModuleType
from typing import Any, Final

from ._address import Address
from ._client_lease import ClientLease
from ._pool import KEEPALIVE, Pool
from ._ports import Answer, Request
from ._proxy import proxy_for
from ._requests import phase_timeouts
from ._tls import shared_context

_SURELY_ALIVE: Final = 0.25
"""A connection used so many seconds ago is taken to be still there. After a longer rest the library
may have to connect again, so what it does is traced, to know whether the request had left; tracing
costs a tenth of a request.
"""
_LEASE: Final = "respondio_async.lease"
"""The extension of a request that holds its lease."""


class Slot:
    """One connection, open or not yet, with the transport that owns it."""

    def __init__(self, http: Any) -> None:
        self.http = http
        self.stream: Any = None
        self.idle_since = 0.0
        self.kept: SlotLease | None = None
        """Whose request goes over a connection that earlier ones used, until it is written."""

    def watch(self, stream: Any) -> None:
        """Look whether the server has closed *stream* when a later request is written, since the
        library looks some steps of the loop earlier.
        """
        write = stream.write

        async def watched(buffer: bytes, timeout: float | None = None) -> None:
            lease, self.kept = self.kept, None
            if lease is not None and stream.get_extra_info("is_readable"):
                lease.unsent = True
                # Neither it nor what it may have brought is for this request.
                raise ConnectionResetError
            await write(buffer, timeout)

        stream.write = watched

    async def aclose(self) -> None:
        await self.http.aclose()
        if self.stream is not None:
            # Of a connection that was cancelled while it was made, the library knows nothing.
            await self.stream.aclose()
            self.stream = None


class SlotLease(ClientLease["SlotPool"]):
    """A lease of one slot."""

    __slots__ = ("slot",)

    def __init__(self, pool: "SlotPool", slot: Slot) -> None:
        super().__init__(pool)
        self.slot = slot

    async def _exchange(self, request: Request, timeout: float | None, phases: Any) -> Answer:  # noqa: ARG002 - bounded outside
        pool, slot = self.pool, self.slot
        extensions: dict[str, Any] = {"timeout": phase_timeouts(phases), _LEASE: self}
        self.unsent = True
        if request.content is not None:
            await asyncio.sleep(0)  # a turn in which the loop may see that the server has closed
        if (
            slot.stream is None
            or pool.now() - slot.idle_since > _SURELY_ALIVE
            or slot.stream.get_extra_info("is_readable")
        ):
            extensions["trace"] = self._trace
        else:
            self.unsent = False
            self._traced = True  # when the connection was made
        return await self._deliver(pool.client, pool.build(request, extensions))

    async def _trace(self, event: str, info: dict[str, Any]) -> None:
        if event == "connection.connect_tcp.started":
            self.slot.kept = None
        elif event == "connection.connect_tcp.complete":
            self.slot.stream = info["return_value"]
            self.slot.watch(info["return_value"])
            self.pool.opened += 1
        elif event == "connection.start_tls.complete":
            self.slot.watch(info["return_value"])
        await super()._trace(event, info)

    def release(self) -> None:
        self.pool.take_back(self.slot, keep=not self.broken)
        super().release()


class _Switch:
    """The client's transport: passes each request on to the slot that its lease holds."""

    async def handle_async_request(self, request: Any) -> Any:
        lease: SlotLease = request.extensions[_LEASE]
        response = await lease.slot.http.handle_async_request(request)
        if response.status_code >= 300:
            lease.keep_redirect(response.status_code, response.headers.raw)
        return response

    async def aclose(self) -> None:
        """Slots are closed by their pool."""


def _make_client(library: ModuleType) -> Any:
    """Make an `AsyncClient` over slots that knows nothing of the environment and keeps no cookies.

    That it does not even look for them saves 40 µs of 55 that it would cost a request.
    """

    class NoCookies(library.Cookies):  # type: ignore[misc,name-defined]
        def extract_cookies(self, response: Any) -> None:
            """Leave them in *response*."""

    class SlotClient(library.AsyncClient):  # type: ignore[misc,name-defined]
        cookies = NoCookies()

    return SlotClient(transport=_Switch(), trust_env=False)


class SlotPool(Pool[SlotLease]):
    """Leases slots, the one used last first, so that the others come of age and are closed."""

    def __init__(self, library: ModuleType, address: Address, size: int) -> None:
        super().__init__(library, address, size)
        self._proxy = proxy_for(library, address)
        self.build = self.requests.hidden if self._proxy is None else self.requests.tunnelled
        self.client = _make_client(library)
        self._limits = library.Limits(
            max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEPALIVE
        )
        self._tls: ssl.SSLContext | None = None
        self._idle: list[Slot] = []
        self._reaper: asyncio.TimerHandle | None = None

    async def _lease(self) -> SlotLease:
        if self._tls is None:
            self._tls = await shared_context(self.library, self.address.scheme)
        slot = self._idle.pop() if self._idle else Slot(self._make_transport(self._tls))
        return SlotLease(self, slot)

    def _make_transport(self, tls: ssl.SSLContext) -> Any:
        return self.library.AsyncHTTPTransport(
            verify=tls, trust_env=False, limits=self._limits, proxy=self._proxy
        )

    def take_back(self, slot: Slot, *, keep: bool) -> None:
        """Keep *slot* for the next call, or throw it away."""
        if self.closed or not keep:
            self.run_in_background(slot.aclose())
        else:
            slot.idle_since = self.now()
            self._idle.append(slot)
            if self._reaper is None:
                self._reaper = self.loop.call_later(KEEPALIVE, self._reap)

    def _reap(self) -> None:
        """Close what has been idle for too long; the longest idle lie at the bottom."""
        self._reaper = None
        horizon = self.now() - KEEPALIVE
        old = [slot for slot in self._idle if slot.idle_since <= horizon]
        del self._idle[: len(old)]
        for slot in old:
            self.run_in_background(slot.aclose())
        if self._idle:
            self._reaper = self.loop.call_at(self._idle[0].idle_since + KEEPALIVE, self._reap)

    def _count_open(self) -> int:
        slots = (*self._idle, *(lease.slot for lease in self._busy))
        return sum(slot.stream is not None for slot in slots)

    async def _close(self) -> None:
        if self._reaper is not None:
            self._reaper.cancel()
        for slot in self._idle:
            self.run_in_background(slot.aclose())
        await self.client.aclose()
