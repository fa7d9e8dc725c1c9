"""The limiter's live figures: real sockets, against the sandbox in processes of their own, which
counts in five ways.

    python -m benchmarks.limits_live [--repeats 3] [--reads 300] [--parts saturated burst wire
    change neighbours] [--trace FOLDER]

Prints medians of the repeats beside their bounds (refusals and failures: the median too; the worst
is in the note). The five servers of a part run side by side, one client each. `--trace` keeps, for
each request, when it got its permit, when it arrived and whether it was refused.
"""

import argparse
import asyncio
import itertools
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.common import Figures
from benchmarks.limits_neighbours import measure_neighbours
from benchmarks.sandbox_process import SandboxProcess
from respondio_async import AsyncRespond
from respondio_async.limits import (
    DEFAULT_LIMITS,
    Feedback,
    LocalRateLimiter,
    Priority,
    Reservation,
    RouteStatistics,
)

WINDOWS = ("sliding", "fixed", "fixed_first_hit", "sliding_counting", "bucket")
GET = "GET /contact/{identifier}"
LATENCY = 0.08


class Sent(NamedTuple):
    """One request, as both sides saw it; on the same clock."""

    permit: float
    arrived: float
    refused: bool


class Watched:
    """The local limiter, noting the permits of each route."""

    def __init__(self) -> None:
        self.inner = LocalRateLimiter()
        self.permits: dict[str, list[float]] = {}

    async def reserve(
        self,
        route: str,
        *,
        priority: Priority = "interactive",
        timeout: float | None = None,
        is_retry: bool = False,
    ) -> Reservation:
        reservation = await self.inner.reserve(
            route, priority=priority, timeout=timeout, is_retry=is_retry
        )
        return WatchedTurn(reservation, self.permits.setdefault(route, []))

    def update(self, reservation: Any, feedback: Feedback) -> None:
        self.inner.update(reservation.inner, feedback)

    def statistics(self) -> dict[str, RouteStatistics]:
        return dict(self.inner.statistics())


class WatchedTurn:
    def __init__(self, reservation: Reservation, permits: list[float]) -> None:
        self.inner = reservation
        self.route = reservation.route
        self._permits = permits
        self.wait_until_near = reservation.wait_until_near
        self.abandon = reservation.abandon

    async def permit(self, *, max_wait: float | None = None) -> bool:
        granted = await self.inner.permit(max_wait=max_wait)
        if granted:
            self._permits.append(time.monotonic())
        return granted


class Side:
    """One server and the client that talks to it."""

    def __init__(
        self, server: SandboxProcess, client: AsyncRespond, limiter: Watched, contacts: int
    ) -> None:
        self.server, self.client, self.limiter = server, client, limiter
        self._contacts = contacts
        self._numbers = itertools.count()
        self.failures: list[Exception] = []

    async def get(self) -> None:
        """Read some contact; a failure is noted."""
        number = next(self._numbers) % self._contacts
        await self.noted(self.client.contacts.get(self.server.first + number))

    async def noted(self, call: Awaitable[object]) -> None:
        try:
            await call
        except Exception as error:
            self.failures.append(error)

    def sent(self) -> list[Sent]:
        """Every request, in the order of arrival: a route's n-th permit is its n-th arrival's."""
        permits = {route: iter(times) for route, times in self.limiter.permits.items()}
        return [
            Sent(next(permits[route]), at, refused)
            for at, _, _, route, refused, _ in self.server.ask("arrivals")
        ]


async def sides(
    stack: AsyncExitStack, servers: Iterable[SandboxProcess], contacts: int
) -> list[Side]:
    """A client for each server."""
    made = []
    for server in servers:
        limiter = Watched()
        client = AsyncRespond(server.token, base_url=server.url, limiter=limiter)
        made.append(Side(server, await stack.enter_async_context(client), limiter, contacts))
    return made


class Saturated(NamedTuple):
    wall: float
    refused: int
    failed: int
    sent: list[Sent]


async def saturated(reads: int, jitter: float) -> dict[str, Saturated]:
    """So many reads at once on each kind of server."""
    async with AsyncExitStack() as stack:
        options = {"contacts": 50, "latency": LATENCY, "jitter": jitter, "keep": None}
        servers = [
            stack.enter_context(SandboxProcess(window=window, **options)) for window in WINDOWS
        ]

        async def run(side: Side) -> Saturated:
            began = time.monotonic()
            await asyncio.gather(*(side.get() for _ in range(reads)))
            wall = time.monotonic() - began
            sent = await asyncio.to_thread(side.sent)
            return Saturated(wall, sum(one.refused for one in sent), len(side.failures), sent)

        made = await sides(stack, servers, 50)
        running = []
        for side in made:
            running.append(asyncio.create_task(run(side)))
            # Starting the reads of one holds the loop up; that is its own matter, not the others'.
            await asyncio.sleep(0.5)
        return dict(zip(WINDOWS, await asyncio.gather(*running), strict=True))


async def bursts(server: SandboxProcess, rounds: int) -> list[tuple[float, int]]:
    """Five calls together after two seconds of rest: seconds until the last had its permit, and how
    many were refused.
    """
    async with AsyncExitStack() as stack:
        (side,) = await sides(stack, [server], 50)
        await side.get()
        told = []
        before = len(side.sent())
        for _ in range(rounds):
            await asyncio.sleep(2.2)
            began = time.monotonic()
            await asyncio.gather(*(side.get() for _ in range(5)))
            sent = side.sent()[before:]
            before += len(sent)
            told.append((max(one.permit for one in sent) - began, sum(one.refused for one in sent)))
        return told


async def wire(seconds: float) -> list[float]:
    """Seconds from permit to arrival on all of twenty busy routes, each answer taking 300 ms."""
    async with AsyncExitStack() as stack:
        server = stack.enter_context(SandboxProcess(contacts=50, latency=0.3, keep=None))
        (side,) = await sides(stack, [server], 50)
        who, c = side.server.first, side.client
        calls: list[tuple[str, Callable[[], Awaitable[object]]]] = [
            (GET, lambda: c.contacts.get(who)),
            (
                "POST|PUT|DELETE /contact/{identifier}",
                lambda: c.contacts.update(who, first_name="Jo"),
            ),
            (
                "POST /contact/create_or_update/{identifier}",
                lambda: c.contacts.create_or_update(who, first_name="Jo"),
            ),
            ("POST /contact/list", lambda: c.contacts.list(page_size=1).first()),
            ("POST|DELETE /contact/{identifier}/tag", lambda: c.contacts.add_tags(who, "vip")),
            ("GET /contact/{identifier}/channels", lambda: c.contacts.list_channels(who).first()),
            (
                "POST /contact/{identifier}/lifecycle/update",
                lambda: c.contacts.update_lifecycle(who, "Customer"),
            ),
            ("POST /contact/{identifier}/message", lambda: c.messages.send(who, "Hello")),
            ("GET /contact/{identifier}/message/list", lambda: c.messages.list(who).first()),
            ("POST /contact/{identifier}/comment", lambda: c.comments.create(who, "Called")),
            (
                "POST /contact/{identifier}/conversation/assignee",
                lambda: c.conversations.unassign(who),
            ),
            ("POST /contact/{identifier}/conversation/status", lambda: c.conversations.open(who)),
            ("GET /space/user", lambda: c.space.list_users().first()),
            ("GET /space/channel", lambda: c.space.list_channels().first()),
            ("GET /space/closing_notes", lambda: c.space.list_closing_notes().first()),
            ("GET /space/custom_field", lambda: c.space.list_custom_fields().first()),
            ("POST|PUT|DELETE /space/tag", lambda: c.space.update_tag("vip", description="very")),
            # Nothing has these ids; a 404 travels as any other answer does.
            ("GET /space/user/{id}", lambda: c.space.get_user(1)),
            ("GET /space/custom_field/{id}", lambda: c.space.get_custom_field(1)),
            ("GET /contact/{identifier}/message/{messageId}", lambda: c.messages.get(who, 1)),
        ]
        await asyncio.gather(
            *(
                side.noted(call())
                for route, call in calls
                for _ in range(int(DEFAULT_LIMITS[route] * seconds))
            )
        )
        # The first second opens the connections.
        sent = side.sent()
        return [one.arrived - one.permit for one in sent if one.permit > sent[0].permit + 1.0]


class Change(NamedTuple):
    until_new_rate: float
    refused: int
    after_lowering: float
    refused_lowered: int


async def change() -> Change:
    """The organisation's limit is raised from 10 to 50 under load, and lowered again some seconds
    later.
    """
    async with AsyncExitStack() as stack:
        server = stack.enter_context(
            SandboxProcess(contacts=50, latency=LATENCY, jitter=0.01, keep=None)
        )
        (side,) = await sides(stack, [server], 50)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(side.get()) for _ in range(1000)]
            await asyncio.sleep(3.0)
            raised = side.server.ask("set_limit", GET, 50)
            await asyncio.sleep(7.0)
            lowered = side.server.ask("set_limit", GET, 10)
            await asyncio.sleep(4.0)
            ended = time.monotonic()
            for task in tasks:
                task.cancel()
        sent = [one for one in side.sent() if one.arrived < ended]
        times = [one.arrived for one in sent]
        full = next(
            (at for at in times if at >= raised and sum(at <= t < at + 1 for t in times) >= 47),
            float("inf"),
        )
        # At the new rate from the last request on that had ten others in the second up to it.
        over = [
            at
            for at in times
            if at > lowered and sum(at - 1 < t <= at and t > lowered for t in times) > 10
        ]
        return Change(
            full - raised,
            sum(one.refused for one in sent if raised <= one.arrived < lowered),
            max(over, default=lowered) - lowered,
            sum(one.refused for one in sent if one.arrived >= lowered),
        )


def middle(values: Iterable[float]) -> float:
    return statistics.median(values)


async def measure_saturated(figures: Figures, repeats: int, reads: int, trace: Path | None) -> None:
    for jitter, longest, most in ((0.01, 1.02, 0), (0.05, 1.06, 2)):
        runs = [await saturated(reads, jitter) for _ in range(repeats)]
        for window in WINDOWS:
            chosen = [run[window] for run in runs]
            what = f"{window}, jitter ≤ {jitter * 1e3:.0f} ms"
            ratios = [run.wall / (reads / 10) for run in chosen]
            figures.at_most(
                f"{what}: wall ÷ nominal", middle(ratios), longest, f"worst {max(ratios):.3f}"
            )
            refused = [run.refused for run in chosen]
            figures.at_most(f"{what}: refusals", middle(refused), most, f"each run: {refused}")
            figures.at_most(f"{what}: failures", max(run.failed for run in chosen), 0)
            for number, run in enumerate(chosen) if trace else ():
                keep(trace, f"{window}-{jitter * 1e3:.0f}ms-{number}", run.sent)


def keep(folder: Path | None, name: str, sent: Sequence[Sent]) -> None:
    """Write a trace: milliseconds since the first permit."""
    if folder is None or not sent:
        return
    folder.mkdir(parents=True, exist_ok=True)
    first = sent[0].permit
    lines = [
        f"{(s.permit - first) * 1e3:9.1f} {(s.arrived - first) * 1e3:9.1f} {'refused' * s.refused}"
        for s in sent
    ]
    (folder / f"{name}.txt").write_text(
        "permit, arrival (ms)\n" + "\n".join(lines) + "\n", encoding="utf-8"
    )


async def measure_bursts(figures: Figures, rounds: int) -> None:
    with ExitStack() as stack:
        options = {"contacts": 50, "latency": LATENCY, "keep": None}
        servers = [
            stack.enter_context(SandboxProcess(window=window, **options))
            for window in ("sliding", "gcra")
        ]
        allowed, small = await asyncio.gather(*(bursts(server, rounds) for server in servers))
    times = [seconds * 1e3 for seconds, _ in allowed]
    figures.at_most(
        "five calls on an idle route, burst allowed: ms until the last is sent", middle(times), 20
    )
    figures.at_most("… refusals", sum(refused for _, refused in allowed), 0)
    learnt = next((number for number, (_, refused) in enumerate(small) if refused), -1) + 1
    note = f"learnt in round {learnt}" if learnt else "no lesson was needed"
    figures.at_most(
        "five calls where the burst is not allowed: refusals after the first lesson",
        sum(refused for _, refused in small[learnt:]),
        0,
        note,
    )


async def measure_wire(figures: Figures, repeats: int, seconds: float) -> None:
    lags = [sorted(await wire(seconds)) for _ in range(repeats)]
    late = [lag[int(len(lag) * 0.99)] * 1e3 for lag in lags]
    half = middle(middle(lag) * 1e3 for lag in lags)
    figures.at_most(
        "permit to arrival, 20 routes at 300 ms: p99 in ms", middle(late), 20, f"p50 {half:.1f}"
    )


async def measure_change(figures: Figures, repeats: int) -> None:
    runs = [await change() for _ in range(repeats)]
    figures.at_most(
        "raised from 10 to 50: s until the new rate",
        middle(run.until_new_rate for run in runs),
        2.0,
    )
    figures.at_most("… refusals", middle(run.refused for run in runs), 0)
    late = [run.after_lowering for run in runs]
    figures.at_most(
        "lowered to 10: s until the old rate has ended",
        middle(late),
        LATENCY + 0.05,
        "an answer tells it",
    )
    figures.at_most("… refusals", middle(run.refused_lowered for run in runs), 0)


async def main(parts: Sequence[str], repeats: int, reads: int, trace: Path | None) -> Figures:
    figures = Figures()
    if "burst" in parts:
        await measure_bursts(figures, 3 * repeats)
    if "wire" in parts:
        await measure_wire(figures, repeats, seconds=6.0)
    if "change" in parts:
        await measure_change(figures, repeats)
    if "saturated" in parts:
        await measure_saturated(figures, repeats, reads, trace)
    if "neighbours" in parts:
        await measure_neighbours(figures)
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--reads", type=int, default=300)
    choices = ["saturated", "burst", "wire", "change", "neighbours"]
    # `benchmarks.limits_neighbours` is a script of its own as well.
    parser.add_argument("--parts", nargs="+", choices=choices, default=choices[:-1])
    parser.add_argument("--trace", type=Path, help="a folder")
    given = parser.parse_args()
    asyncio.run(main(given.parts, given.repeats, given.reads, given.trace)).exit()
