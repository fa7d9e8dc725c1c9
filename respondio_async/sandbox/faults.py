"""Fault injection: rules that make some requests fail in a chosen way."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from .record import Arrival

__all__ = ["Fault"]

FaultKind = Literal[
    "status", "reset", "reset_after", "close", "hang", "torn", "slow", "delay", "edge"
]
"""What happens to a request:

* `status`: an error answer (`status`, `message`, `retry_after`); with `processed=True` the work is
  done all the same
* `reset` / `reset_after`: the connection is reset before / after the work is done; `close`: closed
  in good order before it, with no answer
* `hang`: no answer, ever; with `processed=True` the work is done
* `torn`: the work is done, half of the answer's body is sent, then the connection is closed
* `slow`: the work is done, the answer's body trickles in over `seconds`
* `delay`: everything as always, `seconds` later
* `edge`: the edge's 403, which is not JSON
"""

KINDS: Final = frozenset(get_args(FaultKind))


@dataclass(slots=True, kw_only=True)
class Fault:
    """One rule.

    It applies to requests that fit `method`, `path` and `when`, after the limit admitted them.
    """

    kind: FaultKind
    method: str | None = None
    path: str | None = None
    """A path template ("/contact/{identifier}/tag"), an operation ("GET /contact/{identifier}") or
    a route of the limits.
    """
    when: Callable[[Arrival], bool] | None = None
    status: int = 503
    message: str = "Unexpected error occurred"
    retry_after: int | str | None = None
    seconds: float = 0.1
    processed: bool = False
    times: int | None = None
    """How often it may strike; None: always."""
    after: int = 0
    """How many fitting requests pass first."""
    probability: float = 1.0
    seen: int = field(default=0, init=False)
    struck: int = field(default=0, init=False)

    def strikes(self, arrival: Arrival, rng: random.Random) -> bool:
        """Whether this request is hit; counts it."""
        if self.times is not None and self.struck >= self.times:
            return False
        path = arrival.template.partition(" ")[2]
        if (
            self.method not in (None, arrival.method)
            or self.path not in (None, arrival.template, path, arrival.route)
            or not (self.when is None or self.when(arrival))
        ):
            return False
        self.seen += 1
        if self.seen <= self.after or (self.probability < 1 and rng.random() >= self.probability):
            return False
        self.struck += 1
        return True
