"""One limiter per organisation: the limits are the organisation's, whichever of its tokens a client has."""

import binascii
import hashlib
import threading
from base64 import urlsafe_b64decode
from typing import Any, Final
from weakref import WeakValueDictionary

import msgspec

from ._local import LocalRateLimiter

_lock: Final = threading.Lock()
_limiters: Final[WeakValueDictionary[tuple[str, str], LocalRateLimiter]] = WeakValueDictionary()


def limiter_for(base_url: str, token: str) -> LocalRateLimiter:
    """The limiter of the token's organisation at *base_url*, shared by all who ask for it and forgotten with the last of them.

    A respond.io token is a JWT whose payload names its organisation. The claim is read, not verified: a wrong one only shares a limiter.
    """
    key = base_url.rstrip("/"), _organisation(token)
    with _lock:
        limiter = _limiters.get(key)
        if limiter is None:
            limiter = _limiters[key] = LocalRateLimiter()
        return limiter


def _organisation(token: str) -> str:
    """The `orgId` claim, else a hash of the token: the token itself is kept nowhere."""
    parts = token.split(".")
    if len(parts) == 3:
        try:
            payload: Any = msgspec.json.decode(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        except (ValueError, binascii.Error, msgspec.DecodeError, RecursionError):
            payload = None
        claim = payload.get("orgId") if isinstance(payload, dict) else None  # pyright: ignore[reportUnknownMemberType]
        if isinstance(claim, str | int) and not isinstance(claim, bool) and claim != "":
            return f"organisation {claim}"
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
