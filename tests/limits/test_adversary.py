"""`LocalRateLimiter` in virtual time, in the cases that are easily overlooked."""

import asyncio

import pytest

from respondio_async.errors import DeadlineExceededError
from tests.limits.helpers import ROUND_TRIP, ROUTE, answer, call, calls, limiter_of
from tests.simulation.loop import run


def now() -> float:
    """The time of the running loop."""
    return asyncio.get_running_loop().time()


# ── deadlines ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("limit", [1, 5, 10, 100, 1000])
@pytest.mark.parametrize("taught", [False, True], ids=["fresh", "taught"])
@pytest.mark.parametrize(("prior", "gap"), [("idle", 0.0), ("one", 1.5), ("full", 0.5)])
def test_who_would_be_served_in_time_is_not_sent_away(limit: int, taught: bool, prior: str, gap: float) -> None:
    """Each of a line is served with just the time that it takes without deadlines: whatever went together comes free together."""

    async def main(timeouts: list[float | None]) -> list[float]:
        limiter = limiter_of(limit)
        if taught:
            await call(limiter, [], answer(remaining=limit - 1))
            await asyncio.sleep(30)
        if prior != "idle":
            await calls(limiter, 1 if prior == "one" else limit)
            await asyncio.sleep(max(0.0, gap - ROUND_TRIP))
        began = now()
        waits = [0.0] * len(timeouts)

        async def one(place: int) -> None:
            turn = await limiter.turn(ROUTE, timeout=timeouts[place])
            assert await turn.permit()
            waits[place] = now() - began
            await asyncio.sleep(ROUND_TRIP)
            limiter.observe(turn, answer())

        late = await asyncio.gather(*map(one, range(len(timeouts))), return_exceptions=True)
        assert not [each for each in late if isinstance(each, DeadlineExceededError)]
        return waits

    waits = run(main([None] * int(limit * 2.5 + 1)))
    run(main([wait + 0.005 for wait in waits]))
