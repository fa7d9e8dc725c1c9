"""What a client tells those who listen: the start and end of each call, and its attempts and waits.

A hook is any callable that takes one event. It is called on the event loop, so it must not block;
what it raises is logged and swallowed, because a broken metric must not break a message. Events
name the route's template, never a path. All events of a call are told in the task that makes it.
"""

from collections.abc import Callable
from typing import Literal

import msgspec

__all__ = [
    "AttemptEnded",
    "DriftDetected",
    "Hook",
    "HookEvent",
    "OperationEnded",
    "OperationStarted",
    "WaitStarted",
]


class OperationStarted(msgspec.Struct, frozen=True):
    """A call begins, with its wait in the queue; an `OperationEnded` follows, whatever happens."""

    endpoint: str


class AttemptEnded(msgspec.Struct, frozen=True):
    """One request ended: with an answer, or without one."""

    endpoint: str
    attempt: int
    """1 for the first."""
    status: int | None
    """None when no answer came."""
    elapsed: float
    """Seconds from the permit to the end of the answer."""
    failure: str | None = None
    """What broke, when no answer came."""


class WaitStarted(msgspec.Struct, frozen=True):
    """The call waits before its next attempt."""

    endpoint: str
    attempt: int
    """The attempt that ended before this wait."""
    seconds: float
    reason: Literal["rate_limited", "not_ready", "outage", "failed"]
    """"outage": until the server is asked again; the call may have to wait longer."""


class DriftDetected(msgspec.Struct, frozen=True):
    """An answer was readable only leniently: the API has changed, or differs from its
    documentation.
    """

    endpoint: str
    type: str
    detail: str
    """Where and how, without the value."""


class OperationEnded(msgspec.Struct, frozen=True):
    """The whole call ended."""

    endpoint: str
    attempts: int
    elapsed: float
    """Seconds from the start of the call, queueing included."""
    error: str | None
    """The error's class name; None on success."""
    queued: float = 0.0
    """Seconds of it in the queue for permits."""


HookEvent = OperationStarted | AttemptEnded | WaitStarted | DriftDetected | OperationEnded
Hook = Callable[[HookEvent], None]
