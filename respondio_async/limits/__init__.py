"""Keeping under the organisation's limits."""

from respondio_async.routes import DEFAULT_LIMITS as DEFAULT_LIMITS

from ._local import LocalRateLimiter as LocalRateLimiter
from ._protocol import Feedback as Feedback
from ._protocol import Priority as Priority
from ._protocol import RateLimiter as RateLimiter
from ._protocol import Reservation as Reservation
from ._protocol import RouteStatistics as RouteStatistics
from ._shared import limiter_for as limiter_for

__all__ = [
    "DEFAULT_LIMITS",
    "Feedback",
    "LocalRateLimiter",
    "Priority",
    "RateLimiter",
    "Reservation",
    "RouteStatistics",
]
