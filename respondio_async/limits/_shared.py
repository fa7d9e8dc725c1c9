"""One limiter per organisation: the limits are the organisation's, whichever of its tokens a client
has.
"""

import hashlib
import threading
from base64 import urlsafe_b64decode
from time import monotonic
from typing import Final
from weakref import WeakValueDictionary

import msgspec

from ._local import LocalRateLimiter
from ._tuning import KEPT

_lock: Final = threading.Lock()
_limiters: Final[WeakValueDictionary[tuple[str, str], LocalRateLimiter]] = WeakValueDictionary()
_kept: Final[dict[tuple[str, str], LocalRateLimiter]] = {}
"""Those that are not forgotten with their last user: what they sent is still counted there."""


class _Claims(msgspec.Struct):
    orgId: int | str | None = None  # noqa: N815 - the vendor's name


def limiter_for(base_url: str, token: str) -> LocalRateLimiter:
    """The limiter of the token's organisation at *base_url*, shared by all who ask for it.

    It outlives its last user by some minutes: a program may make a client for each of its tasks.

    A respond.io token is a JWT whose payload names its organisation. The claim is read, not
    verified: a wrong one only shares a limiter.
    """
    key = base_url.rstrip("/"), _organisation(token)
    with _lock:
        limiter = _limiters.get(key)
        if limiter is None:
            limiter = _limiters[key] = LocalRateLimiter()
            horizon = monotonic() - KEPT
            for old in [each for each, one in _kept.items() if one.used_at < horizon]:
                del _kept[old]
        _kept[key] = limiter
        return limiter


def _organisation(token: str) -> str:
    """The `orgId` claim, else a hash of the token: the token itself is kept nowhere."""
    parts = token.split(".")
    if len(parts) == 3:
        try:
            payload = urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
            claim = msgspec.json.decode(payload, type=_Claims).orgId
        except (ValueError, msgspec.MsgspecError, RecursionError):
            claim = None
        if claim:
            return f"organisation {claim}"
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
