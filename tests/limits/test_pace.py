"""The pacer: an aiolimiter bucket that is asked only when it has room, so that nobody ever sleeps
in it.
"""

import asyncio
from random import Random

import pytest
from aiolimiter import AsyncLimiter

from respondio_async.limits import Reservation, _pace
from tests.limits.helpers import ROUTE, answer, calls, granted, limiter_of, most_in
from tests.support.virtual import VirtualLoop, run


class Witness(AsyncLimiter):
    """Notes whenever somebody comes who would have to sleep."""

    asked = refused = 0

    async def acquire(self, amount: float = 1) -> None:
        Witness.asked += 1
        Witness.refused += not self.has_capacity(amount)
        await super().acquire(amount)


@pytest.mark.parametrize("late", [0.0, 1e-7, 0.0009])
@pytest.mark.parametrize("start", [0.0, 1e6])
@pytest.mark.parametrize("limit", [1, 3, 7, 10, 37, 100, 250, 499])
def test_the_bucket_has_room_whenever_it_is_asked(
    limit: float, start: float, late: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the clock's size and resolution, through bursts, lines, idle times, stalls and
    changes of the pace.
    """
    monkeypatch.setattr(_pace, "AsyncLimiter", Witness)
    Witness.asked = Witness.refused = 0
    clock, random = VirtualLoop(start, late), Random(f"{limit} {start} {late}")  # noqa: S311

    async def main() -> None:
        limiter = limiter_of(limit)
        for _ in range(40):
            tasks = [asyncio.ensure_future(granted(limiter)) for _ in range(random.randint(1, 12))]
            clock.stall(random.choice([0.0, 0.0, random.random() * 0.05, random.random() * 2]))
            for task in tasks:
                told = random.choice([None, None, limit, limit / 2, 2 * limit])
                limiter.update(
                    await task, answer(limit=told, remaining=random.choice([None, 0, limit - 1]))
                )
            await asyncio.sleep(random.choice([0.0, random.random() / limit, random.random() * 3]))

    with asyncio.Runner(loop_factory=lambda: clock) as runner:
        runner.run(main())
    assert Witness.asked >= 40
    assert Witness.refused == 0


class Sluggish(AsyncLimiter):
    """Lets each third of those who come sleep for longer than there is to sleep."""

    asked = 0

    async def acquire(self, amount: float = 1) -> None:
        Sluggish.asked += 1
        if not Sluggish.asked % 3:
            await asyncio.sleep(0.03)
        await super().acquire(amount)


@pytest.mark.parametrize("limit", [10, 30])
def test_whoever_has_to_sleep_in_the_bucket_all_the_same_is_only_late(
    limit: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is lost, and nobody goes beyond the limit because another slept when it was asked."""
    monkeypatch.setattr(_pace, "AsyncLimiter", Sluggish)

    async def main() -> list[float]:
        limiter = limiter_of(limit)
        return [*await calls(limiter, 3 * int(limit)), *await calls(limiter, 3)]

    times = sorted(run(main()))
    assert len(times) == 3 * limit + 3
    assert most_in(times, 1.0079) <= limit


def test_a_second_one_in_the_bucket_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both were due when they went to sleep in it; after the first has gone the second no longer
    is.
    """
    monkeypatch.setattr(_pace, "AsyncLimiter", Witness)
    gate: list[asyncio.Event] = []

    async def closed(self: AsyncLimiter, amount: float = 1) -> None:
        await gate[0].wait()

    async def main() -> list[float]:
        loop, limiter, times = asyncio.get_running_loop(), limiter_of(1), list[float]()
        gate.append(asyncio.Event())
        monkeypatch.setattr(Witness, "acquire", closed)

        async def ask(reservation: Reservation) -> None:
            assert await reservation.permit()
            times.append(loop.time())

        # The first holder takes so long that the second is announced as well, and then both ask at
        # once.
        reservations = [await limiter.reserve(ROUTE), await limiter.reserve(ROUTE)]
        asks = [asyncio.ensure_future(ask(reservation)) for reservation in reservations]
        await asyncio.sleep(0)
        gate[0].set()
        await asyncio.gather(*asks)
        return times

    first, second = run(main())
    assert second - first >= 1.0
