"""What surrounds a call: set by `bulk`, read by the pipeline, carried by the context of the task.

`bulk` cannot hand these to the calls that a user's function makes, so they travel as context variables.
"""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Final, Literal

__all__ = ["current_lane", "on_unsafe_send", "on_unsent"]

current_lane: Final[ContextVar[Literal["interactive", "bulk"]]] = ContextVar("respondio_lane", default="interactive")
"""The limiter lane of a call that names none itself."""

on_unsafe_send: Final[ContextVar[Callable[[], Awaitable[None]] | None]] = ContextVar("respondio_unsafe", default=None)
"""Awaited before each attempt of a call that must not be repeated (replay class "unsent").

The place matters: after the call has come to the head of its route's line (`limiter.turn`), before its permit. Earlier, and
every call that merely stands in line would count as perhaps sent; later, and the permit would age. What it raises ends the
call, unsent.
"""

on_unsent: Final[ContextVar[Callable[[], None] | None]] = ContextVar("respondio_unsent", default=None)
"""Called when such an attempt provably had no effect: it never left, or was refused (any 4xx).

At most once an attempt, after `on_unsafe_send`.
"""
