"""The port (interface) between the engine and a rate limiter.

One call, in order:

1. ``reservation = await limiter.reserve(route, priority=…, timeout=…)`` waits in the route's
   queue until this call is at its head *and* its permit is near due (within `LEAD` seconds), so
   that a call holds a connection only when it is about to use it;
2. the engine takes a connection;
3. ``await reservation.permit()`` returns at the instant the request may go. Nothing queues between
   the permit and the wire;
4. ``limiter.update(reservation, feedback)`` reports what became of it. Every granted permit is
   observed exactly once;
5. ``reservation.abandon()`` gives up a reservation that was never granted (it is a no-op after a
   grant); it never stalls the queue.
"""

from collections.abc import Mapping
from typing import Literal, Protocol, runtime_checkable

import msgspec

from .._rate_limit import RateLimit

Priority = Literal["interactive", "bulk"]


class Feedback(msgspec.Struct, frozen=True):
    """What one attempt taught about its route."""

    status: int | None
    """The HTTP status; None when no answer came (not sent, timed out, torn)."""
    rate_limit: RateLimit | None = None
    retry_after: float | None = None
    """Seconds, from the Retry-After header (either form)."""
    round_trip: float | None = None
    """Seconds between the request's leaving and the end of its answer; None when no answer came."""
    delay: float = 0.0
    """Seconds between the permit and the request's leaving: a connection had to be made, or the
    event loop was busy.
    """
    sent: bool = True
    """False when the request provably never left this machine."""


class RouteStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot of one route: of its limiter, and of the client that is asked.

    The limiter may be shared with other clients. Asked itself, it leaves the client's figures 0.
    """

    route: str
    limit: float | None = None
    """Requests per second in force (this process's share of it). None: the limiter does not say."""
    waiting: int = 0
    """Calls in the queue now, of both priorities."""
    granted: int = 0
    """Permits given so far."""
    refused: int = 0
    """429 answers so far; in a client's statistics, those that the client got."""
    margin: float = 0.0
    """Seconds by which the window of one second is widened."""
    paused: float = 0.0
    """Seconds that a pause still lasts; 0 when the route is open."""
    pauses: int = 0
    """Pauses so far."""
    wait_p50: float = 0.0
    """Median wait for a permit, seconds, over the last waits."""
    wait_p99: float = 0.0
    sent: int = 0
    """Requests that the client has sent, repeats included."""
    retried: int = 0
    """Repeats, of them."""
    latency: float = 0.0
    """Seconds from the client's permits to their answers, a fading mean; 0 before the first."""
    waited: float = 0.0
    """Seconds that the client's requests together spent in the queue and for connections."""


class Reservation(Protocol):
    """A place at the head of a route's queue."""

    @property
    def route(self) -> str: ...

    async def permit(self, *, max_wait: float | None = None) -> bool:
        """Wait for the permit and take it; True once the request may go, now.

        With *max_wait*, return False once it is clear that the permit is further away than that
        many seconds (the route was paused meanwhile): the place at the head is kept, and the caller
        gives its connection back and awaits `wait_until_near()`. Less than `LEAD` means `LEAD`.
        """
        ...

    async def wait_until_near(self) -> None:
        """Wait until the permit is near due again. The reservation's timeout applies."""
        ...

    def abandon(self) -> None:
        """Leave the queue. Safe at any time, any number of times; after a grant it does nothing."""
        ...


@runtime_checkable
class RateLimiter(Protocol):
    """Decides when a request may go. Implementations: `LocalRateLimiter`, `RedisRateLimiter`."""

    async def reserve(
        self,
        route: str,
        *,
        priority: Priority = "interactive",
        timeout: float | None = None,
        is_retry: bool = False,
    ) -> Reservation:
        """Wait for the head of the *route*'s queue.

        *is_retry*: this call has had a permit before and was refused or failed. It goes ahead of
        those in its priority that have had none (among its like first come, first served): at the
        back of a long queue it would outlive its deadline.

        *timeout* bounds the whole wait for the permit, in seconds; None waits as long as it takes.
        A wait that cannot end in time fails at once with `DeadlineExceededError` whose `.needed` is
        the number of seconds it would have taken. A route that the limiter does not know gets the
        default for unlisted routes.
        """
        ...

    def update(self, reservation: Reservation, feedback: Feedback) -> None:
        """Take in what became of a granted reservation."""
        ...

    def statistics(self) -> Mapping[str, RouteStatistics]:
        """A snapshot per route that has been used."""
        ...
