"""One cell of the simulation: a server, a delay, a limit, a load and a number of clients, and what
came of it.
"""

import asyncio
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from itertools import count
from math import ceil, inf
from random import Random
from typing import NamedTuple

from respondio_async import RateLimit
from respondio_async.limits import Feedback, LocalRateLimiter, Priority, RateLimiter, Reservation
from tests.simulation.servers import SERVERS
from tests.support.virtual import run

ROUTE = "GET /contact/{identifier}"
WORK = 0.08

Delay = Callable[[Random], float]
DELAYS: dict[str, Delay] = {
    "constant": lambda _: 0.04,
    "5 ms": lambda random: random.uniform(0.035, 0.045),
    "0-50 ms": lambda random: random.uniform(0.0, 0.05),
    "log-normal": lambda random: 0.04 * random.lognormvariate(0.0, 0.5),
    "spikes": lambda random: 0.24 if random.random() < 0.01 else 0.04,
}

Arrival = tuple[float, Priority]


def _at_once(limit: int, seconds: float, _: Random) -> Iterator[Arrival]:
    return ((0.0, "interactive") for _ in range(ceil(limit * seconds)))


def _steady(limit: int, seconds: float, random: Random) -> Iterator[Arrival]:
    at = 0.0
    while (at := at + random.expovariate(1.05 * limit)) < seconds:
        yield at, "interactive"


def _bursts(limit: int, seconds: float, random: Random) -> Iterator[Arrival]:
    at = 0.0
    while at < seconds:
        yield from ((at, "interactive") for _ in range(random.randint(1, limit)))
        at += random.uniform(1.0, 4.0)


def _on_off(limit: int, seconds: float, random: Random) -> Iterator[Arrival]:
    at = 0.0
    while (at := at + random.expovariate(1.5 * limit)) < seconds:
        if at % 10 < 5:
            yield at, "interactive"


def _over_bulk(limit: int, seconds: float, random: Random) -> Iterator[Arrival]:
    yield from ((0.0, "bulk") for _ in range(ceil(limit * seconds)))
    at = 0.0
    while (at := at + random.expovariate(0.2 * limit)) < seconds:
        yield at, "interactive"


LOADS: dict[str, Callable[[int, float, Random], Iterator[Arrival]]] = {
    "at once": _at_once,
    "steady": _steady,
    "bursts": _bursts,
    "on/off": _on_off,
    "over bulk": _over_bulk,
}


class Cell(NamedTuple):
    """What to simulate."""

    server: str
    delay: str
    limit: int
    load: str = "at once"
    clients: int = 1
    headers: bool = True
    """Whether the server tells its limit and what is left of it."""
    both_ways: bool = False
    """Whether the way back is as uneven as the way there."""

    def __str__(self) -> str:
        headers = "" if self.headers else " silent"
        return f"{self.server} {self.delay} L={self.limit} {self.load} x{self.clients}{headers}"


class Result(NamedTuple):
    """What came of it."""

    accepted: int
    refused: int
    use: float
    """Accepted, as a part of what a client that knows the server's clock could have had
    accepted.
    """
    interactive_p99: float
    """Seconds that an interactive call waited for its permit."""
    times: list[float]
    """When the accepted ones arrived."""

    @property
    def refused_of_10000(self) -> float:
        return 10_000 * self.refused / max(1, self.accepted + self.refused)


def simulate(
    cell: Cell, seconds: float = 600.0, seed: int = 1, limiters: list[RateLimiter] | None = None
) -> Result:
    """Run the limiter against the cell's server for so many virtual seconds."""
    return run(_Simulation(cell, seconds, seed, limiters).run())


class _Simulation:
    def __init__(
        self, cell: Cell, seconds: float, seed: int, limiters: list[RateLimiter] | None
    ) -> None:
        self.cell, self.seconds = cell, seconds
        self.random = Random(f"{cell}{seed}")
        self.server = SERVERS[cell.server](cell.limit)
        self.delay = DELAYS[cell.delay]
        share = 1 / cell.clients
        self.limiters = limiters or [
            LocalRateLimiter({ROUTE: cell.limit}, share=share) for _ in range(cell.clients)
        ]
        self.arrivals: list[tuple[float, int, list[Feedback | None]]] = []
        self.order = count()
        self.accepted: list[float] = []
        self.refused = 0
        self.waits: list[float] = []
        self.tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> Result:
        self.loop = asyncio.get_running_loop()
        cell, seconds = self.cell, self.seconds
        plans = [
            list(LOADS[cell.load](cell.limit, seconds, self.random)) for _ in self.limiters[:1]
        ]
        plan = plans[0]
        for number, (at, priority) in enumerate(plan):
            limiter = self.limiters[number % len(self.limiters)]
            if at:
                self.loop.call_at(at, self.start, limiter, priority, False)
            else:
                self.start(limiter, priority, False)
        await asyncio.sleep(seconds)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        accepted = [at for at in self.accepted if at <= seconds]
        waits = sorted(self.waits) or [0.0]
        return Result(
            len(accepted),
            self.refused,
            len(accepted) / self.possible(plan),
            waits[len(waits) * 99 // 100],
            accepted,
        )

    def possible(self, plan: list[Arrival]) -> int:
        """How many of the plan's calls a perfect client gets accepted: each at once, or a second
        after the one a limit's worth before.

        Several clients that do not talk have their shares of it.
        """
        most = sum(max(1, self.cell.limit // self.cell.clients) for _ in self.limiters)
        span = 1.0
        if self.cell.limit < self.cell.clients:
            span = self.cell.clients / self.cell.limit
        went: list[float] = []
        for at, _ in sorted(plan):
            went.append(max(at, went[-most] + span if len(went) >= most else -inf))
        travel = 0.04
        return sum(at + travel <= self.seconds for at in went)

    def start(self, limiter: RateLimiter, priority: Priority, is_retry: bool) -> None:
        task = self.loop.create_task(self.call(limiter, priority, is_retry))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def call(self, limiter: RateLimiter, priority: Priority, is_retry: bool) -> None:
        began = self.loop.time()
        reservation = await limiter.reserve(ROUTE, priority=priority, is_retry=is_retry)
        await reservation.permit()
        now = self.loop.time()
        if priority == "interactive" and not is_retry:
            self.waits.append(now - began)
        arrives = now + self.delay(self.random)
        back = self.delay(self.random) if self.cell.both_ways else 0.04
        verdict: list[Feedback | None] = [None]
        heappush(self.arrivals, (arrives, next(self.order), verdict))
        self.loop.call_at(
            arrives + WORK + back,
            self.answered,
            limiter,
            reservation,
            priority,
            arrives,
            now,
            verdict,
        )

    def answered(
        self,
        limiter: RateLimiter,
        reservation: Reservation,
        priority: Priority,
        arrived: float,
        sent: float,
        verdict: list[Feedback | None],
    ) -> None:
        # All that arrived before this one was sent before its answer: one timer a request is
        # enough.
        while self.arrivals and self.arrivals[0][0] <= arrived:
            at, _, slot = heappop(self.arrivals)
            slot[0] = self.judge(at)
        feedback = verdict[0]
        assert feedback is not None
        round_trip = self.loop.time() - sent
        limiter.update(
            reservation,
            Feedback(feedback.status, feedback.rate_limit, feedback.retry_after, round_trip),
        )
        if feedback.status == 429:
            self.start(limiter, priority, True)

    def judge(self, at: float) -> Feedback:
        accepted, remaining, retry_in = self.server.arrive(at)
        told = RateLimit(limit=self.cell.limit, remaining=remaining) if self.cell.headers else None
        if accepted:
            self.accepted.append(at)
            return Feedback(200, told)
        self.refused += 1
        # The vendor's header is in whole seconds.
        return Feedback(429, told, float(max(1, ceil(retry_in))))
