"""The headers of an answer: two facts for the engine, and a mapping for those who want them
all.
"""

import re
from calendar import timegm
from collections.abc import Iterator, Mapping, Sequence
from email.utils import mktime_tz, parsedate_tz
from functools import cached_property
from typing import Final, NamedTuple

from respondio_async._rate_limit import RateLimit
from respondio_async._values import finite

RawHeaders = Sequence[tuple[bytes, bytes]]

_NUMBER: Final = re.compile(rb"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*")
# A list ("20, 20;w=1") is how drafts of the RateLimit headers write it; its first member is the
# limit.
_LEADING_NUMBER: Final = re.compile(rb"\s*([0-9]+(?:\.[0-9]+)?)\s*(?:[,;].*)?", re.DOTALL)

_WANTED: Final = frozenset(
    (
        b"retry-after",
        b"x-ratelimit-limit",
        b"x-ratelimit-remaining",
        b"ratelimit-limit",
        b"ratelimit-remaining",
        b"ratelimit-policy",
        b"ratelimit",
        b"date",
    ),
)
# The IETF draft's forms: "20, 20;w=1", "limit=20, remaining=5", and `"name";q=20;w=1` with
# `"name";r=5`.
_WINDOW: Final = re.compile(rb";\s*w=([0-9]+)")
_QUOTA: Final = re.compile(rb"(?:\bq|\blimit)=([0-9]+)")
_REST: Final = re.compile(rb"(?:\br|\bremaining)=([0-9]+)")
_LENGTHS: Final = frozenset(map(len, _WANTED))


class Facts(NamedTuple):
    """What the engine needs to know of an answer's headers."""

    rate_limit: RateLimit | None
    retry_after: float | None
    """Seconds."""


_REQUEST_IDS: Final = frozenset(
    {b"x-request-id", b"x-correlation-id", b"x-amzn-requestid", b"x-amz-cf-id", b"cf-ray"}
)


def facts(headers: RawHeaders, now: float) -> Facts:
    """Read what the engine needs in one pass; *now* is the Unix time, for a Retry-After that is a
    date.
    """
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if len(name) in _LENGTHS:
            lower = name.lower()
            if lower in _WANTED:
                found.setdefault(lower, value)
    if not found:
        return Facts(None, None)
    return Facts(
        _rate_limit(found),
        _retry_after(found, now) if b"retry-after" in found else None,
    )


_REQUEST_ID: Final = re.compile(rb"(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9._:=-]{6,128}")
"""With a letter in it: digits alone could be somebody's phone number."""


def request_id(headers: RawHeaders) -> str | None:
    """The server's name for a request, by which its support finds it; None: it gives none."""
    for name, value in headers:
        if name.lower() in _REQUEST_IDS and _REQUEST_ID.fullmatch(value):
            return value.decode("ascii")
    return None


def _rate_limit(found: Mapping[bytes, bytes]) -> RateLimit | None:
    listed = found.get(b"x-ratelimit-limit") or found.get(b"ratelimit-limit")
    left = found.get(b"x-ratelimit-remaining") or found.get(b"ratelimit-remaining")
    policy, state = found.get(b"ratelimit-policy", b""), found.get(b"ratelimit", b"")
    limit, remaining = _count(listed), _count(left)
    if limit is None:
        limit = _named(_QUOTA, policy) or _named(_QUOTA, state) or _count(policy)
    if remaining is None:
        remaining = _named(_REST, state)
    if limit == 0:
        limit = None  # nothing could ever be sent: not a limit, a mistake
    if limit is None and remaining is None:
        return None
    window = _named(_WINDOW, listed or b"") or _named(_WINDOW, policy) or None
    return RateLimit(limit, remaining, window)


def _named(pattern: re.Pattern[bytes], value: bytes) -> float | None:
    match = pattern.search(value) if b"=" in value else None
    return finite(match[1]) if match else None


def _count(value: bytes | None) -> float | None:
    match = _LEADING_NUMBER.fullmatch(value) if value else None
    return finite(match[1]) if match else None


def _retry_after(found: Mapping[bytes, bytes], now: float) -> float | None:
    """Read how many seconds to wait; None when it makes no sense (negative, not a number).

    The server sends whole seconds; decimals and the three date forms of RFC 9110 are read too. A
    date is measured by the answer's own Date header where there is one (the clocks of two machines
    differ), else against *now*; one in the past is 0.
    """
    value = found[b"retry-after"]
    if match := _NUMBER.fullmatch(value):
        return finite(match[1])
    until = http_date(value)
    if until is None:
        return None
    sent = http_date(found.get(b"date", b""))
    return max(0.0, until - (now if sent is None else sent))


def http_date(value: bytes) -> float | None:
    """Read a date of HTTP as Unix time; None when it is none."""
    # The lenient parser of e-mail also reads the two obsolete forms (RFC 850 and asctime) that a
    # recipient must accept.
    try:
        parsed = parsedate_tz(value.decode("ascii"))
        if parsed is None or not 1 <= parsed[2] <= 31:
            return None
        # asctime names no zone, and HTTP's dates are all in UTC; mktime_tz would take it for local
        # time.
        return float(timegm((*parsed[:6], 0, 1, 0)) if parsed[9] is None else mktime_tz(parsed))
    except (ValueError, OverflowError, IndexError, TypeError):
        return None


class Headers(Mapping[str, str]):
    """The headers of an answer.

    Names are matched in any case; several of one name are joined by a comma. Immutable.
    """

    def __init__(self, raw: RawHeaders = ()) -> None:
        self._raw = tuple(raw)

    @cached_property  # few ever look: the table is made for the first who does
    def _values(self) -> dict[str, str]:
        values: dict[str, str] = {}
        for raw_name, raw_value in self._raw:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            values[name] = f"{values[name]}, {value}" if name in values else value
        return values

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def get_list(self, name: str) -> list[str]:
        """Return each value of *name* by itself, in the order received."""
        wanted = name.lower().encode("latin-1", "replace")
        return [
            value.decode("latin-1") for raw_name, value in self._raw if raw_name.lower() == wanted
        ]

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __repr__(self) -> str:
        return f"Headers({', '.join(self._values)})"  # names alone: a cookie is a secret
