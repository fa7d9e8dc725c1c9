"""`client.check()`: one cheap request, and what it says about the connection, the clock and the
token.
"""

import time
from typing import Any, Final, Literal

import msgspec

from .._rate_limit import RateLimit
from .._wire import Headers, http_date
from ..errors import (
    APIError,
    BlockedAtEdgeError,
    DeadlineExceededError,
    ForbiddenError,
    NotFoundError,
    RateLimitError,
    RespondError,
    ServerError,
    UnauthorizedError,
)
from .exchange import Response

Verdict = Literal["pass", "warn", "fail", "skipped"]

CLOCK_TOLERANCE: Final = 60.0
"""Seconds that the clocks of client and server may differ. The Date header has whole seconds, and
an answer takes its time.
"""


class HealthCheck(msgspec.Struct, frozen=True):
    """What was looked at, what was found, and what to do about it."""

    name: str
    """"connection", "clock" or "access"."""
    verdict: Verdict
    detail: str
    advice: str = ""
    """Empty when there is nothing to do."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What one request said."""

    checks: tuple[HealthCheck, ...]
    status: int | None = None
    """The HTTP status; None: no answer came."""
    round_trip: float | None = None
    """Seconds from the permit to the answer; None: no answer came."""
    clock_offset: float | None = None
    """Seconds by which this machine's clock is ahead of the server's; None: the server did not
    say.
    """
    rate_limit: RateLimit | None = None
    error: str | None = None
    """The class of the error that the request ended with; None: it succeeded."""

    @property
    def ok(self) -> bool:
        """Whether nothing failed; a warning is no failure."""
        return all(check.verdict != "fail" for check in self.checks)


def health_of_answer(response: Response[Any]) -> Health:
    """Judge an answer of 2xx."""
    clock, offset = _clock(response.headers)
    return Health(
        checks=(
            HealthCheck("connection", "pass", f"answered in {response.elapsed * 1000:.0f} ms"),
            clock,
            HealthCheck("access", "pass", "the token is accepted"),
        ),
        status=response.status,
        round_trip=response.elapsed,
        clock_offset=offset,
        rate_limit=response.rate_limit,
    )


def health_of_error(error: RespondError) -> Health:
    """Judge a request that ended with an error."""
    name = type(error).__name__
    if not isinstance(error, APIError):
        return Health(
            checks=(
                _connection(error),
                HealthCheck("clock", "skipped", "no answer came"),
                HealthCheck("access", "skipped", "no answer came"),
            ),
            error=name,
        )
    return Health(
        checks=(
            HealthCheck("connection", "pass", f"the server answered {error.status}"),
            HealthCheck("clock", "skipped", "an error answer is no measure"),
            _access(error),
        ),
        status=error.status,
        rate_limit=error.rate_limit,
        error=name,
    )


_UNREACHABLE: Final = (
    "look at the base URL, the network, and the proxy variables (HTTPS_PROXY, ALL_PROXY, NO_PROXY)"
)


def _connection(error: RespondError) -> HealthCheck:
    if isinstance(error, DeadlineExceededError) and not error.attempts:
        return HealthCheck("connection", "warn", str(error), "this client's own queue is long")
    return HealthCheck("connection", "fail", str(error), _UNREACHABLE)


def _access(error: APIError) -> HealthCheck:
    match error:
        case UnauthorizedError():
            found = "401: the token is not accepted"
            advice = (
                "make a token in Settings > Integrations > Developer API; those of Make, n8n, "
                "Zapier and custom channels are others, and a revoked one is refused like a "
                "wrong one"
            )
        case BlockedAtEdgeError():
            found = "403 that is not JSON: a firewall in front of the API refused the request"
            advice = (
                "look at a proxy, a VPN or a company firewall on the way, and at the headers "
                "that you add; the API itself has not seen the request"
            )
        case ForbiddenError():
            found = f"403: {error.message}"
            advice = "the plan has no Developer API, or this token may not do this"
        case NotFoundError():
            found = "404: there is no such path"
            advice = "look at the base URL; it ends in /v2"
        case RateLimitError():
            return HealthCheck(
                "access",
                "warn",
                "429: the organisation's limit is used up",
                "another program uses the same limit; try again in a moment",
            )
        case ServerError():
            found, advice = f"{error.status}: the server fails", "try again later"
        case _:
            found, advice = f"{error.status}: {error.message}", error.hint or ""
    return HealthCheck("access", "fail", found, advice)


def _clock(headers: Headers) -> tuple[HealthCheck, float | None]:
    sent = http_date(headers.get("date", "").encode("latin-1", "replace"))
    if sent is None:
        return HealthCheck("clock", "skipped", "the server sends no Date"), None
    offset = time.time() - sent
    if abs(offset) <= CLOCK_TOLERANCE:
        return HealthCheck(
            "clock", "pass", f"within {CLOCK_TOLERANCE:.0f} s of the server's"
        ), offset
    side = "ahead of" if offset > 0 else "behind"
    found = f"this machine's clock is {abs(offset):.0f} s {side} the server's"
    return HealthCheck("clock", "warn", found, "synchronise the clock (NTP)"), offset
