"""What the server says about its limits in the headers of an answer."""

import msgspec


class RateLimit(msgspec.Struct, frozen=True):
    """The rate-limit headers of one answer; a header that was absent or unreadable is None.

    Source: the vendor's "Rate limit" page (`X-RateLimit-Limit`, `X-RateLimit-Remaining`).
    """

    limit: float | None = None
    """Requests allowed for this endpoint.

    The vendor does not state the unit; one second is assumed.
    """
    remaining: float | None = None
    """Requests left for this endpoint in the current window."""
    window: float | None = None
    """Seconds of the window, where a header names it (`RateLimit-Policy`, `w=`)."""
