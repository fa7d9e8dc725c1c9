"""Short ways to drive a limiter in virtual time."""

import asyncio
from bisect import bisect_right

from respondio_async import RateLimit
from respondio_async.limits import Feedback, LocalRateLimiter, Priority, Reservation

ROUTE = "GET /contact/{identifier}"
ROUND_TRIP = 0.08


def limiter_of(limit: float, **options: object) -> LocalRateLimiter:
    """A limiter whose one route has this limit."""
    return LocalRateLimiter({ROUTE: limit}, **options)  # type: ignore[arg-type]


def answer(
    status: int = 200,
    *,
    limit: float | None = None,
    remaining: float | None = None,
    retry_after: float | None = None,
    round_trip: float | None = ROUND_TRIP,
) -> Feedback:
    """What an attempt taught."""
    told = None if limit is None and remaining is None else RateLimit(limit, remaining)
    return Feedback(status, told, retry_after, round_trip)


async def granted(
    limiter: LocalRateLimiter, *, priority: Priority = "interactive", timeout: float | None = None
) -> Reservation:
    """A reservation with its permit."""
    reservation = await limiter.reserve(ROUTE, priority=priority, timeout=timeout)
    assert await reservation.permit()
    return reservation


async def call(
    limiter: LocalRateLimiter, times: list[float], feedback: Feedback | None = None
) -> None:
    """One whole call; notes when its permit came."""
    reservation = await granted(limiter)
    times.append(asyncio.get_running_loop().time())
    learnt = Feedback(None)
    try:
        await asyncio.sleep(ROUND_TRIP)
        learnt = feedback or answer()
    finally:
        limiter.update(reservation, learnt)


async def calls(
    limiter: LocalRateLimiter, count: int, feedback: Feedback | None = None
) -> list[float]:
    """So many calls at once; when their permits came."""
    times: list[float] = []
    await asyncio.gather(*(call(limiter, times, feedback) for _ in range(count)))
    return times


def most_in(times: list[float], span: float) -> int:
    """The most of them in any *span* seconds."""
    return max(
        (bisect_right(times, at + span) - place for place, at in enumerate(times)), default=0
    )
