"""Keeping under the organisation's limits."""

from ._defaults import DEFAULT_LIMITS as DEFAULT_LIMITS
from ._protocol import Feedback as Feedback
from ._protocol import Lane as Lane
from ._protocol import RateLimiter as RateLimiter
from ._protocol import RouteStatistics as RouteStatistics
from ._protocol import Turn as Turn
