"""The ways in which a server may count a limit of so many a second."""

from collections import deque
from collections.abc import Callable
from copy import deepcopy
from math import floor, inf
from typing import NamedTuple


class Verdict(NamedTuple):
    """What the server says to a request."""

    accepted: bool
    remaining: float
    retry_in: float
    """Seconds until one would be accepted."""


class Server:
    """Counts requests; `arrive` is called in the order of arrival."""

    exact = True
    """False: it refuses at times though no second held more than the limit."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def arrive(self, now: float) -> Verdict:
        raise NotImplementedError

    def is_open(self, now: float) -> bool:
        """Whether it would accept a request now."""
        return deepcopy(self).arrive(now).accepted


class FixedAligned(Server):
    """So many in each second of the clock."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.second, self.count = -1, 0

    def arrive(self, now: float) -> Verdict:
        if floor(now) != self.second:
            self.second, self.count = floor(now), 0
        self.count += 1
        return Verdict(self.count <= self.limit, max(0, self.limit - self.count), 1 - now % 1)


class FixedFromFirst(Server):
    """So many in the second that begins with the first request after the last one ended."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.began, self.count = -inf, 0

    def arrive(self, now: float) -> Verdict:
        if now >= self.began + 1:
            self.began, self.count = now, 0
        self.count += 1
        return Verdict(
            self.count <= self.limit, max(0, self.limit - self.count), self.began + 1 - now
        )


class SlidingLog(Server):
    """So many accepted in any second: the strictest of the usual ones."""

    counts_refused = False

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.log: deque[float] = deque()

    def arrive(self, now: float) -> Verdict:
        log = self.log
        while log and log[0] <= now - 1:
            log.popleft()
        accepted = len(log) < self.limit
        if accepted or self.counts_refused:
            log.append(now)
        return Verdict(
            accepted,
            max(0, self.limit - len(log)),
            log[-self.limit] + 1 - now if not accepted else 0.0,
        )


class SlidingLogCountingRefused(SlidingLog):
    """The same, where knocking costs as much as entering."""

    counts_refused = True


class SlidingCounter(Server):
    """The last second's count fades out as this second goes by (an estimate of the sliding log)."""

    exact = False

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.second, self.count, self.before = -1, 0, 0

    def arrive(self, now: float) -> Verdict:
        second = floor(now)
        if second != self.second:
            self.before = self.count if second == self.second + 1 else 0
            self.second, self.count = second, 0
        estimate = self.before * (1 - now % 1) + self.count
        accepted = estimate + 1 <= self.limit + 1e-9
        self.count += accepted
        return Verdict(accepted, max(0, floor(self.limit - estimate - accepted)), 1 - now % 1)


class TokenBucket(Server):
    """A bucket of the whole limit, filled all the time."""

    def __init__(self, limit: int, capacity: int | None = None) -> None:
        super().__init__(limit)
        self.capacity = limit if capacity is None else capacity
        self.level, self.at = float(self.capacity), 0.0

    def arrive(self, now: float) -> Verdict:
        self.level = min(self.capacity, self.level + (now - self.at) * self.limit)
        self.at = now
        accepted = self.level >= 1
        self.level -= accepted
        return Verdict(accepted, floor(self.level), max(0.0, (1 - self.level) / self.limit))


class Gcra(TokenBucket):
    """The same with a small bucket: a fifth of the limit, two at least (one where the limit is
    one).
    """

    def __init__(self, limit: int) -> None:
        super().__init__(limit, min(limit, max(2, limit // 5)))


SERVERS: dict[str, Callable[[int], Server]] = {
    "fixed": FixedAligned,
    "fixed-from-first": FixedFromFirst,
    "sliding-log": SlidingLog,
    "counting-refused": SlidingLogCountingRefused,
    "sliding-counter": SlidingCounter,
    "bucket": TokenBucket,
    "gcra": Gcra,
}
