"""Context variables by which a bulk worker controls the calls made inside it."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar

from ..limits import Priority
from .breaker import Breaker

current_priority: ContextVar[Priority] = ContextVar("respondio_priority", default="interactive")
"""The limiter's priority of calls whose client names none; a bulk run's workers set "bulk"."""

before_unsafe_send: ContextVar[Callable[[], Awaitable[None]] | None] = ContextVar(
    "respondio_before_unsafe_send", default=None
)
"""Awaited just before each request that must not be repeated by itself (message, comment, create,
merge), so that a journal notes the intent.

That is at the head of the route's queue, before the permit: earlier, and every call that merely
queues would count as perhaps sent; later, and the permit would age. What it raises ends the
call, unsent.
"""

after_unsent: ContextVar[Callable[[], None] | None] = ContextVar(
    "respondio_after_unsent", default=None
)
"""Called when such a request provably had no effect: it got no permit, never left, or was refused
(any 4xx).

At most once for each `before_unsafe_send`. Without it an outcome merely counts as unknown more
often than it need be.
"""

outage_watch: ContextVar[Callable[[Breaker], AbstractContextManager[None]] | None] = ContextVar(
    "respondio_outage_watch", default=None
)
"""Entered for as long as a call waits at an open circuit breaker.

A run bounds such waits itself, so they do not count towards the call's deadline. None: the call is
not part of a run.
"""
