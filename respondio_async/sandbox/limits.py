"""The vendor's table of limits, and the meter of an organisation that enforces it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from types import MappingProxyType
from typing import Final

from respondio_async.routes import DEFAULT_LIMITS, UNLISTED_LIMIT

from .quirks import Quirks
from .windows import RateWindow, WindowFactory
from .workspace import Clock

__all__ = ["VENDOR_LIMITS"]

VENDOR_LIMITS: Final[Mapping[str, float]] = DEFAULT_LIMITS
"""Requests a second, by bucket."""


@dataclass(slots=True)
class Verdict:
    """What the meter says of one request."""

    refused: bool
    headers: dict[str, str]


class Meter:
    """Counts the requests of one organisation: a window for each bucket, made on first use."""

    def __init__(
        self,
        limits: Mapping[str, float] | None,
        *,
        factor: float,
        window: WindowFactory,
        clock: Clock,
        quirks: Quirks,
    ) -> None:
        if not factor > 0:
            raise ValueError("limits_factor must be positive")
        self._windows: dict[str, RateWindow] = {}
        self._limits: dict[str, float] = {}
        self._unlisted: float | None = None
        """The limit of a bucket that is not in the table; None: it has none."""
        if limits is not None:
            self._limits = {bucket: limit * factor for bucket, limit in VENDOR_LIMITS.items()}
            self._unlisted = UNLISTED_LIMIT * factor
            for bucket, limit in limits.items():
                self.set_limit(bucket, limit)
        self._factory = window
        self._clock = clock
        self._quirks = quirks

    @property
    def limits(self) -> Mapping[str, float]:
        """What is enforced; empty: nothing is."""
        return MappingProxyType(self._limits)

    def set_limit(self, bucket: str, limit: float) -> None:
        """Enforce another limit from the next request on; the bucket's count starts afresh."""
        if bucket not in VENDOR_LIMITS:
            raise ValueError(f"unknown route {bucket!r}; the routes are the keys of VENDOR_LIMITS")
        if not 0 < limit < math.inf:
            raise ValueError("a limit must be a positive number")
        self._limits[bucket] = float(limit)
        self._windows.pop(bucket, None)

    def check(self, bucket: str, now: float) -> Verdict:
        """Count a request that arrived at *now*."""
        limit = self._limits.get(bucket, self._unlisted)
        if limit is None:
            return Verdict(refused=False, headers={})
        window = self._windows.get(bucket)
        if window is None:
            window = self._windows[bucket] = self._factory(limit)
        wait = window.hit(now)
        headers: dict[str, str] = {}
        if self._quirks.rate_limit_headers:
            headers["X-RateLimit-Limit"] = f"{limit:.15g}"
            headers["X-RateLimit-Remaining"] = str(0 if wait is not None else window.remaining(now))
        if wait is not None:
            seconds = max(1, math.ceil(wait))
            if self._quirks.retry_after == "seconds":
                headers["Retry-After"] = str(seconds)
            elif self._quirks.retry_after == "date":
                headers["Retry-After"] = formatdate(self._clock.wall() + seconds, usegmt=True)
        return Verdict(wait is not None, headers)
