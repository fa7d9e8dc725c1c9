"""Keeping under the organisation's limits."""

from ._defaults import DEFAULT_LIMITS as DEFAULT_LIMITS
from ._local import LocalRateLimiter as LocalRateLimiter
from ._protocol import Feedback as Feedback
from ._protocol import Lane as Lane
from ._protocol import RateLimiter as RateLimiter
from ._protocol import RouteStatistics as RouteStatistics
from ._protocol import Turn as Turn
from ._shared import limiter_for as limiter_for
