"""The port (interface) between the engine and the wire.

One attempt, in order: ``connection = await transport.acquire()`` (the only place where a call waits
for a connection), then the limiter's permit, then ``answer = await connection.send(request,
timeout=…)``, and in every case ``connection.release()``. Nothing queues inside `send`.
"""

from typing import Any, Literal, Protocol

import msgspec

from ..discreet import Discreet

RawHeaders = list[tuple[bytes, bytes]]


class Request(Discreet, msgspec.Struct, frozen=True):
    """One request, ready for the wire."""

    _shown = ("method",)

    method: str
    target: str
    """Path and query below the base URL, already quoted: "/contact/id:1/message/list?limit=50"."""
    headers: tuple[tuple[str, str], ...]
    """All of the call's headers, authorization included (a view of a client may have another token
    than its transport).
    """
    content: bytes | None = None
    template: str = "/"
    """The path with its parameters in braces, "/contact/{identifier}/message/list": what whoever
    watches the HTTP library may know of the target.
    """


class Answer(Discreet, msgspec.Struct, frozen=True):
    """One whole answer."""

    status: int
    headers: RawHeaders
    content: bytes


class PoolStatistics(msgspec.Struct, frozen=True):
    """A snapshot of the connections."""

    open: int
    """Connections that exist."""
    busy: int
    """Connections leased to a call."""
    waiting: int
    """Calls that wait for a connection."""
    opened: int
    """Connections made so far."""
    discarded: int
    """Connections thrown away so far because a call on them was cancelled or broke."""


SendFailure = Literal["connect", "timeout", "reset", "torn", "too_large", "closed"]


class SendError(Exception):
    """No whole answer. `.sent` is False only when the request provably never left this machine.

    `.failure`: "connect" (no connection), "timeout" (of this attempt), "reset" (broken before an
    answer began), "torn" (broken within the answer), "too_large" (the answer passed the bound),
    "closed" (the client was closed meanwhile). The text names no URL, since a URL holds an e-mail
    address or a phone number. `.status` is known when the head of an answer had arrived.
    """

    def __init__(
        self, message: str, *, failure: SendFailure, sent: bool, status: int | None = None
    ) -> None:
        super().__init__(message)
        self.failure = failure
        self.sent = sent
        self.status = status


class Connection(Protocol):
    """A connection leased to one call."""

    @property
    def left_at(self) -> float | None:
        """When the request of the last `send` went out, on the loop's clock; None: at once, or
        never.
        """
        ...

    async def send(self, request: Request, *, timeout: float | None, phases: Any = None) -> Answer:
        """Send and read the whole answer within *timeout* seconds; None: unbounded, but for
        *phases*.

        *phases* is an `httpx.Timeout` or `httpx2.Timeout` (connect, read, write, pool) that a user
        gave in place of a number; it bounds each phase, *timeout* the whole. None: *timeout* bounds
        everything.

        Raises `SendError`. Cancelling it is prompt and never harms another call: the connection is
        thrown away.
        """
        ...

    def release(self) -> None:
        """Give it back; exactly once, in every case.

        Synchronous, so that it works while being cancelled.
        """
        ...


class Transport(Protocol):
    """What the pipeline needs of an HTTP client."""

    async def acquire(self) -> Connection:
        """Wait for a free connection, first come first served.

        Raises `SendError("closed")` after `aclose()` has begun.
        """
        ...

    def statistics(self) -> PoolStatistics: ...

    async def aclose(self) -> None:
        """Close what is ours.

        Calls that still hold a connection are given up on; nothing is left open.
        """
        ...
