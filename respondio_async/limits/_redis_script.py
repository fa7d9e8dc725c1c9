"""The script on the Redis server: what it is asked, and what it replies."""

from hashlib import sha1
from importlib.resources import files
from typing import Any, Final, NamedTuple

import msgspec

SCRIPT: Final = (
    files("respondio_async.limits").joinpath("_redis_permits.lua").read_text(encoding="utf-8")
)
SCRIPT_ID: Final = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
KEYS: Final = ("state", "log", "queue", "back", "answers", "given")
"""What a route keeps on the server."""
MICRO: Final = 1_000_000


class ScriptQuestion(msgspec.Struct, kw_only=True):
    """What a process wants of one route, and what it has to tell. Times are in microseconds."""

    process: str
    first: int = 0
    """Number of the first permit that is wanted: with *process* it is the permit's id."""
    want: int = 0
    """Permits that are wanted."""
    horizon: int = 0
    """They are due within this time."""
    together: int = 0
    """And no further apart than this."""
    last_permit: str = ""
    """One that Redis must know of."""
    resync: int = 0
    """For how long others may not know yet that Redis is back; 0: permits are wanted."""
    guard: int = 0
    pause: int = 0
    known: int = 0
    """Answers that there were when this process last heard of them."""
    heard: int = 0
    """Answers that it has learnt from; *size*, *span* and *gap* follow from them."""
    size: int = 0
    span: int = 0
    gap: float = 0.0
    left: dict[str, int] = {}
    """Permits whose requests left so much later than they were due."""
    late: dict[str, int] = {}
    """Permits whose requests may have arrived so much later than the quickest would have."""
    unused: list[str] = []
    """Permits whose requests never left, and never will."""
    answers: list[tuple[str, str]] = []
    """Permits that were answered, and the end of their `SharedAnswer`: JSON without brackets."""


class SharedAnswer(msgspec.Struct, array_like=True, frozen=True):
    """What the server said to a request, in the order that is the same for all processes."""

    heard: int
    sent: int
    """Microseconds on the Redis server's clock."""
    own: int
    """Ours that the server counted with this one, itself included."""
    status: int
    limit: float | None
    remaining: float | None
    window: float | None
    retry_after: float | None


class ScriptReply(NamedTuple):
    """What the script says. Times are in microseconds on the server's clock."""

    now: int
    told: int
    """Answers so far."""
    window: int
    opens: int
    """When the next permit is due."""
    come: int
    """When to ask again, if none was given."""
    paused_until: int
    permits: list[int]
    """When each of those that are given is due."""
    answers: list[SharedAnswer]
    """Those that the process had not heard of; the newest of them, if they are many."""

    @classmethod
    def of(cls, reply: Any) -> "ScriptReply":
        """Read a reply; raises if it is not this script's."""
        *numbers, permits, answers = reply
        decode = msgspec.json.Decoder(SharedAnswer).decode
        now, told, window, opens, come, pause = map(int, numbers)
        return cls(
            now,
            told,
            window,
            opens,
            come,
            pause,
            list(map(int, permits)),
            list(map(decode, answers)),
        )
