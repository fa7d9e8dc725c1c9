"""What a piece of running work tells the calls that it makes, without passing it through every argument list."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar

from .limits._protocol import Lane

current_lane: ContextVar[Lane] = ContextVar("respondio_lane", default="interactive")
"""The limiter's lane of calls whose client names none; a bulk run's workers set "bulk"."""

before_unsafe_send: ContextVar[Callable[[], Awaitable[None]] | None] = ContextVar("respondio_before_unsafe_send", default=None)
"""Awaited just before each request that must not be repeated by itself (message, comment, create, merge): a journal notes the intent."""
