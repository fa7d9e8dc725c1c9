"""One call as data: what is asked for, under which settings, and what comes back."""

from typing import Any, Generic, TypeVar

import msgspec

from .._rate_limit import RateLimit
from .._transport import Timeout
from .._wire import Headers
from ..discreet import Discreet, showable
from ..limits import Priority, RateLimiter
from .endpoints import Endpoint
from .retry import RetryPolicy, Tally

T = TypeVar("T")


class Response(Discreet, msgspec.Struct, Generic[T], frozen=True):
    """A value together with how it came."""

    value: T
    status: int
    headers: Headers
    rate_limit: RateLimit | None
    attempts: int
    elapsed: float
    """Seconds from the call to its value, queueing included."""
    content: bytes
    """The answer's body as it arrived."""

    _shown = ("attempts", "elapsed")

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("value", showable(type(self.value))), *super().__rich_repr__()]


class Settings(Discreet, msgspec.Struct, frozen=True, kw_only=True):
    """What a view of a client may change."""

    _shown = ("timeout", "deadline", "queue_timeout", "priority")

    token: str
    """Known so that it can be masked wherever a server echoes it."""
    headers: tuple[tuple[str, str], ...]
    """Of a call without a body, authorization included."""
    json_headers: tuple[tuple[str, str], ...]
    """Of a call with one."""
    limiter: RateLimiter
    retry: RetryPolicy
    timeout: float | None
    """Seconds for the whole of one attempt."""
    phases: Timeout | None
    """The user's own httpx.Timeout, in place of the number."""
    deadline: float | None
    queue_timeout: float | None
    priority: Priority | None


class Call(Discreet, msgspec.Struct, Generic[T], frozen=True):
    """What is asked for: an operation and its arguments, as bytes where they go on the wire and as
    values where an error must mask them; and what it has been through.
    """

    endpoint: Endpoint[T]
    target: str
    content: bytes | None
    sent: tuple[object, ...]
    settings: Settings
    tally: Tally = msgspec.field(default_factory=Tally)
