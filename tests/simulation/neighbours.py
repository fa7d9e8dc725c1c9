"""Others on the same limit, and servers of other kinds: one busy client of ours, or several that
do not know of one another, beside programs that draw on the same organisation's limit.
"""

import asyncio
from collections.abc import Callable, Iterator
from itertools import chain, pairwise, repeat
from math import ceil, floor
from random import Random
from typing import Literal, NamedTuple

from respondio_async import RateLimit
from respondio_async.limits import Feedback, LocalRateLimiter, Priority, RateLimiter
from tests.simulation.oracle import Oracle
from tests.simulation.servers import SERVERS, Server, SlidingLog, Verdict
from tests.support.virtual import run

ROUTE = "GET /contact/{identifier}"
HeaderSet = Literal["all", "retry-after", "none"]
HEADERS: tuple[HeaderSet, ...] = ("all", "retry-after", "none")
WARM_UP = 5.0
"""Seconds before anything is counted."""
_IN_LINE = 30
"""Calls of ours that wait at any time."""


# ── who else uses the route ──────────────────────────────────────────────────────────────────────


def _steady(rate: float, seconds: float, random: Random) -> Iterator[float]:
    at = random.random() / rate
    while at < seconds:
        yield at
        at += 1 / rate


def _bursts(rate: float, seconds: float, random: Random) -> Iterator[float]:
    """A second's worth at once, each second."""
    size, at = max(1, round(rate)), random.random()
    while at < seconds:
        yield from (at + 0.001 * place for place in range(size))
        at += size / rate


def _poisson(rate: float, seconds: float, random: Random) -> Iterator[float]:
    at = random.expovariate(rate)
    while at < seconds:
        yield at
        at += random.expovariate(rate)


def _on_off(rate: float, seconds: float, random: Random) -> Iterator[float]:
    """A steady minute, a silent minute, and so on."""
    return (at for at in _steady(rate, seconds, random) if at % 120 < 60)


def _nobody(_rate: float, _seconds: float, _random: Random) -> Iterator[float]:
    return iter(())


NEIGHBOURS: dict[str, Callable[[float, float, Random], Iterator[float]]] = {
    "none": _nobody,
    "steady": _steady,
    "bursts": _bursts,
    "poisson": _poisson,
    "on/off": _on_off,
    "naive": _steady,
}
"""`naive` sends each refused request again at once, until it is accepted."""


# ── servers of other kinds ───────────────────────────────────────────────────────────────────────


class PerMinute(Server):
    """So many in each minute of the clock."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.minute, self.count = -1, 0

    def arrive(self, now: float) -> Verdict:
        if floor(now / 60) != self.minute:
            self.minute, self.count = floor(now / 60), 0
        self.count += 1
        left = max(0, self.limit - self.count)
        return Verdict(self.count <= self.limit, left, 60 - now % 60)


Told = Callable[[float, int, Verdict], tuple[RateLimit | None, float | None]]
"""The headers of an answer at that time, the server's limit and verdict being those."""


def _honest(_at: float, limit: int, verdict: Verdict) -> tuple[RateLimit | None, float | None]:
    return RateLimit(limit, verdict.remaining), _whole(verdict)


def _whole(verdict: Verdict) -> float | None:
    """The vendor's Retry-After is in whole seconds."""
    return None if verdict.accepted else float(max(1, ceil(verdict.retry_in)))


def _says(limit: float | None, remaining: float | None, retry_after: float | None = None) -> Told:
    """A server whose headers never change; None leaves one honest."""

    def told(_at: float, true: int, verdict: Verdict) -> tuple[RateLimit | None, float | None]:
        left = verdict.remaining if remaining is None else remaining
        again = _whole(verdict)
        if again is not None and retry_after is not None:
            again = retry_after
        return RateLimit(true if limit is None else limit, left), again

    return told


def _now_and_then(at: float, limit: int, verdict: Verdict) -> tuple[RateLimit | None, float | None]:
    told, again = _honest(at, limit, verdict)
    return (told if floor(at * 7.3) % 3 else None), again


def _two_tokens(at: float, limit: int, verdict: Verdict) -> tuple[RateLimit | None, float | None]:
    """Each second answer names twice the limit."""
    factor = 1 + floor(at * 1000) % 2
    return RateLimit(limit * factor, verdict.remaining), _whole(verdict)


class Stranger(NamedTuple):
    """How a server differs from the usual."""

    told: Told = _honest
    true: int | None = None
    """The limit that it keeps, where it is not the one that the client believes."""
    other: int | None = None
    """The limit that it keeps in each second five seconds."""
    server: type[Server] | None = None


STRANGERS: dict[str, Stranger] = {
    "usual": Stranger(),
    "true limit below": Stranger(true=5),
    "limit falls and rises": Stranger(true=20, other=5),
    "two tokens": Stranger(_two_tokens),
    "header 100, Retry-After 1": Stranger(_says(100, None, 1)),
    "header 100, Retry-After 5": Stranger(_says(100, None, 5)),
    "header 100, Retry-After 15": Stranger(_says(100, None, 15)),
    "header 100 and remaining 90": Stranger(_says(100, 90, 1)),
    "60 a minute": Stranger(true=60, server=PerMinute),
    "100 a minute": Stranger(true=100, server=PerMinute),
    "remaining always 0": Stranger(_says(None, 0)),
    "remaining always 4": Stranger(_says(None, 4)),
    "remaining always full": Stranger(_says(None, 10)),
    "remaining beyond the limit": Stranger(_says(None, 1000)),
    "headers now and then": Stranger(_now_and_then),
    "Retry-After 0": Stranger(_says(None, None, 0)),
    "Retry-After 3600": Stranger(_says(None, None, 3600)),
}


# ── a scene ──────────────────────────────────────────────────────────────────────────────────────


class Scene(NamedTuple):
    """What to simulate: a route of ten a second that we keep busy, and who else draws on it."""

    neighbour: str = "none"
    part: float = 0.5
    """What it takes of the limit."""
    headers: HeaderSet = "all"
    server: str = "sliding-log"
    siblings: int = 1
    """Clients of ours that do not know of one another."""
    stranger: str = "usual"
    limit: int = 10
    jitter: float = 0.01
    """Seconds by which each way may be longer or shorter than 40 ms."""
    uneven: float = 0.0
    """Most seconds by which each of the neighbour's requests may arrive late."""

    def __str__(self) -> str:
        words = [self.neighbour, f"{self.part:.0%}", self.headers, self.server]
        words += [f"x{self.siblings}"] if self.siblings > 1 else []
        words += [self.stranger] if self.stranger != "usual" else []
        return " ".join(words)


class Outcome(NamedTuple):
    """What came of it, after the warm-up."""

    use: float
    """Accepted of ours, as a part of what the others left."""
    refused: float
    """Refused of ours, as a part of what we sent."""
    theirs_refused: float
    """Refused of the neighbour's, as a part of what it sent."""
    fairness: float
    """The most that one of our clients got, divided by the least."""
    longest: float
    """The most seconds for which one of our clients got nothing."""
    times: list[float]
    """When ours were accepted."""
    refusals: list[float]
    is_open: float
    """The part of all moments at which a server that is not exact would have accepted one more:
    whoever does not see its count is refused in all others.
    """

    def rate(self, begin: float, end: float) -> float:
        """Ours that were accepted a second, between these times."""
        return sum(begin <= at < end for at in self.times) / (end - begin)


Make = Callable[[int], RateLimiter]


def play(
    scene: Scene,
    seconds: float = 120.0,
    seed: int = 1,
    *,
    make: Make | None = None,
    leaves_at: float | None = None,
    headroom: int | None = None,
) -> Outcome:
    """Play the scene for so many virtual seconds; the neighbour *leaves_at* that time.

    With *headroom* a policy that sees the server's window plays our part, and keeps so much free.
    """
    stage = _Stage(scene, seconds, seed, make, leaves_at)
    if headroom is not None:
        stage.ask_oracle(headroom)
    return run(stage.play())


def interactive_waits(scene: Scene, seconds: float = 300.0, seed: int = 1) -> list[float]:
    """What each of one interactive call a second waits for its permit, beside the scene's
    neighbour and 5,000 bulk calls; sorted.
    """
    stage = _Stage(scene, seconds, seed, None, None)
    run(stage.play_over_bulk())
    return sorted(stage.waits)


class _Stage:
    def __init__(
        self, scene: Scene, seconds: float, seed: int, make: Make | None, leaves_at: float | None
    ) -> None:
        self.scene, self.seconds = scene, seconds
        self.random = Random(f"{scene}{seed}")
        stranger = self.stranger = STRANGERS[scene.stranger]
        true = stranger.true or scene.limit
        self.server = (stranger.server or SERVERS[scene.server])(true)
        self.true = float(true)
        if stranger.server is PerMinute:
            self.true /= 60
        self.limiters: list[RateLimiter] = [
            make(scene.limit) if make else LocalRateLimiter({ROUTE: scene.limit})
            for _ in range(scene.siblings)
        ]
        self.leaves_at = seconds if leaves_at is None else leaves_at
        self.ours: list[list[float]] = [[] for _ in self.limiters]
        self.refusals: list[float] = []
        self.theirs = [0, 0]
        self.waits: list[float] = []
        self.looks: list[bool] = []

    def ask_oracle(self, headroom: int) -> None:
        """Let a policy that sees the server's window play our part."""
        assert isinstance(self.server, SlidingLog)
        self.limiters = [
            Oracle(
                self.server,
                lambda: sum(map(len, self.ours)) + len(self.refusals),
                headroom,
                0.04 - self.scene.jitter,
            )
        ]

    async def play(self) -> Outcome:
        loop = self.loop = asyncio.get_running_loop()
        scene, seconds, random = self.scene, self.seconds, self.random
        for at in NEIGHBOURS[scene.neighbour](scene.limit * scene.part, self.leaves_at, random):
            loop.call_at(at + random.uniform(0.0, scene.uneven), self.neighbour)
        if not self.server.exact:
            for look in range(int(WARM_UP * 70), int(seconds * 70)):
                loop.call_at(look / 70, self.look)
        if self.stranger.other:
            for second in range(0, int(seconds), 5):
                loop.call_at(second, self.change, second // 5 % 2)
        tasks = [
            loop.create_task(self.caller(place, limiter, place * min(0.5, 4 / scene.siblings)))
            for place, limiter in enumerate(self.limiters)
            for _ in range(_IN_LINE)
        ]
        await asyncio.sleep(seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return self.outcome()

    async def play_over_bulk(self) -> None:
        loop = self.loop = asyncio.get_running_loop()
        scene, random = self.scene, self.random
        for at in NEIGHBOURS[scene.neighbour](scene.limit * scene.part, self.seconds, random):
            loop.call_at(at, self.neighbour)
        tasks = [loop.create_task(self.call("bulk")) for _ in range(5000)]
        await asyncio.sleep(WARM_UP)
        while loop.time() < self.seconds:
            tasks.append(loop.create_task(self.call("interactive")))
            await asyncio.sleep(0.7 + 0.6 * random.random())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def call(self, priority: Priority) -> None:
        """One call of ours, again until it is accepted."""
        began = self.loop.time()
        for is_retry in chain((False,), repeat(True)):
            status = await self.attempt(0, self.limiters[0], priority, is_retry, began)
            if status != 429:
                return

    def change(self, odd: int) -> None:
        """Change the limit, without forgetting what was counted."""
        assert self.stranger.true is not None
        assert self.stranger.other is not None
        self.server.limit = self.stranger.other if odd else self.stranger.true

    def look(self) -> None:
        """See whether one more would be accepted."""
        self.looks.append(self.server.is_open(self.loop.time()))

    def neighbour(self) -> None:
        """One of theirs arrives."""
        verdict = self.server.arrive(self.loop.time())
        if self.loop.time() >= WARM_UP:
            self.theirs[0] += verdict.accepted
            self.theirs[1] += not verdict.accepted
        if not verdict.accepted and self.scene.neighbour == "naive":
            self.loop.call_later(0.08, self.neighbour)

    async def caller(self, place: int, limiter: RateLimiter, start: float) -> None:
        """One of the calls that we keep in line."""
        await asyncio.sleep(start)
        is_retry = False
        while True:
            is_retry = await self.attempt(place, limiter, "interactive", is_retry) == 429

    async def attempt(
        self,
        place: int,
        limiter: RateLimiter,
        priority: Priority,
        is_retry: bool,
        began: float | None = None,
    ) -> int:
        """One request; notes what a first one that *began* to wait then waited."""
        reservation = await limiter.reserve(ROUTE, priority=priority, is_retry=is_retry)
        await reservation.permit()
        sent = self.loop.time()
        if began is not None and priority == "interactive" and not is_retry:
            self.waits.append(sent - began)
        await asyncio.sleep(self.way())
        feedback = self.judge(place)
        await asyncio.sleep(self.way())
        limiter.update(
            reservation,
            Feedback(*feedback, round_trip=self.loop.time() - sent),
        )
        return feedback[0]

    def way(self) -> float:
        jitter = self.scene.jitter
        return 0.04 + self.random.uniform(-jitter, jitter)

    def judge(self, place: int) -> tuple[int, RateLimit | None, float | None]:
        at, headers = self.loop.time(), self.scene.headers
        verdict = self.server.arrive(at)
        if verdict.accepted:
            self.ours[place].append(at)
        else:
            self.refusals.append(at)
        told, again = self.stranger.told(at, self.server.limit, verdict)
        return (
            200 if verdict.accepted else 429,
            told if headers == "all" else None,
            None if headers == "none" else again,
        )

    def outcome(self) -> Outcome:
        ours = [[at for at in times if at >= WARM_UP] for times in self.ours]
        refusals = [at for at in self.refusals if at >= WARM_UP]
        counts = [len(times) for times in ours]
        true = self.true
        if self.stranger.other:
            true = (true + self.stranger.other) / 2
        left = true * (self.seconds - WARM_UP) - self.theirs[0]
        accepted = sum(counts)
        return Outcome(
            accepted / max(1.0, left),
            len(refusals) / max(1, accepted + len(refusals)),
            self.theirs[1] / max(1, sum(self.theirs)),
            max(counts) / max(1, min(counts)),
            max(
                late - early
                for times in ours
                for early, late in pairwise([WARM_UP, *times, self.seconds])
            ),
            sorted(at for times in ours for at in times),
            refusals,
            sum(self.looks) / max(1, len(self.looks)),
        )
