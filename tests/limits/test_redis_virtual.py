"""RedisRateLimiter in several processes over minutes of virtual time, against a judge that counts
strictly: near and far from Redis, many and few.
"""

import asyncio
from collections.abc import Iterator

import pytest

from respondio_async.errors import DeadlineExceededError
from respondio_async.limits import Feedback, RateLimiter, Reservation
from tests.simulation.neighbours import ROUTE, HeaderSet, Outcome, Scene, play
from tests.simulation.servers import SlidingLog
from tests.support.virtual import run

from .redis_server import RedisServer, redis_server
from .redis_virtual import sharing

pytestmark = [
    pytest.mark.real_time,
    pytest.mark.long("what Redis itself cost counts with the last of them"),
]


def slow(*values: object) -> object:
    """A case that `nox -s slow` runs: the default suite has one of each kind."""
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


async def granted(limiter: RateLimiter, timeout: float | None = None) -> Reservation:
    reservation = await limiter.reserve(ROUTE, timeout=timeout)
    assert await reservation.permit()
    return reservation


def shared(
    server: RedisServer,
    scene: Scene,
    processes: int = 4,
    *,
    round_trip: float = 0.001,
    cut_off: int = 0,
    seconds: float = 65.0,
) -> Outcome:
    """So many processes keep a route of ten a second busy for a minute, and some to warm up."""
    make = sharing(server.port, processes, way=round_trip / 2, cut_off=cut_off)
    return play(scene._replace(siblings=processes), seconds, make=make)


@pytest.mark.parametrize("round_trip", [slow(0.001), slow(0.02), 0.1, slow(0.2), 0.25])
def test_a_redis_far_away_costs_nothing(server: RedisServer, round_trip: float) -> None:
    """Up to a quarter of a second away it is as good as beside us."""
    outcome = shared(server, Scene(), round_trip=round_trip)
    assert outcome.use > (0.95 if round_trip <= 0.2 else 0.93)
    assert outcome.refused == 0
    assert outcome.fairness < 1.3


def test_the_first_exchange_has_a_time_of_its_own(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A quarter of a second away, connecting, shaking hands and loading the script take longer
    than an exchange may; it is no outage.
    """

    async def main() -> None:
        limiter = sharing(server.port, 4, way=0.125, connecting=1.0)(10)
        await granted(limiter)
        assert limiter.statistics()[ROUTE].limit == 10

    before = server.calls()
    run(main())
    assert server.calls() > before
    assert not caplog.records


@pytest.mark.parametrize("processes", [16, slow(32)])
def test_many_processes_have_equal_parts(server: RedisServer, processes: int) -> None:
    """First come, first served: each has its permit once in every round of all."""
    outcome = shared(server, Scene(), processes)
    assert outcome.use > 0.95
    assert outcome.refused == 0
    assert outcome.fairness < 1.2
    assert outcome.longest < 1.5 * processes / 10


@pytest.mark.parametrize(
    ("scene", "use", "refused"),
    [
        slow(Scene("steady", 0.1), 0.93, 0.01),
        (Scene("steady", 0.5), 0.88, 0.01),
        slow(Scene("bursts", 0.5), 0.92, 0.01),
        slow(Scene("poisson", 0.1), 0.75, 0.03),
        (Scene("poisson", 0.5), 0.5, 0.1),
        slow(Scene("steady", 0.5, "none"), 0.85, 0.02),
        (Scene(stranger="true limit below", headers="none"), 0.85, 0.02),
        (Scene(stranger="header 100, Retry-After 1"), 0.9, 0.01),
        slow(Scene(stranger="two tokens"), 0.9, 0.01),
        slow(Scene(stranger="remaining always 0"), 0.95, 0.0),
        (Scene(stranger="remaining always 4"), 0.95, 0.0),
    ],
    ids=str,
)
def test_all_together_leave_a_stranger_what_is_its(
    server: RedisServer, scene: Scene, use: float, refused: float
) -> None:
    """What one process hears of others all know: the same stranger is counted once, not once a
    process.
    """
    outcome = shared(server, scene)
    assert outcome.use > use
    assert outcome.refused <= refused


@pytest.mark.parametrize("headers", ["all", slow("retry-after"), "none"])
def test_a_process_that_is_cut_off_is_a_neighbour(server: RedisServer, headers: HeaderSet) -> None:
    """It keeps to its share, and the others leave it that."""
    outcome = shared(server, Scene(headers=headers), cut_off=1)
    assert outcome.use > 0.9
    assert outcome.refused < 0.02
    assert outcome.fairness < 2


def test_what_a_stranger_left_is_taken_up_within_seconds(server: RedisServer) -> None:
    """Five seconds after it has stopped, all of the limit is used, and nothing refused."""
    make = sharing(server.port, 4)
    outcome = play(Scene("steady", 0.5, siblings=4), 90.0, make=make, leaves_at=65.0)
    assert outcome.rate(70.0, 90.0) > 9.4
    assert not [at for at in outcome.refusals if at > 70.0]


@pytest.mark.parametrize("round_trip", [0.001, 0.1])
def test_pauses_cost_few_questions(server: RedisServer, round_trip: float) -> None:
    """A permit that falls due as a pause ends is used, not given back and asked for again, however
    roughly the server's clock is known.
    """

    async def main() -> None:
        make = sharing(server.port, 4, way=round_trip / 2)
        limiters = [make(10) for _ in range(4)]
        before = server.calls()
        for _ in range(10):
            for refused in [await granted(limiter) for limiter in limiters]:
                for limiter in limiters:
                    limiter.update(refused, Feedback(429, None, 1.0, 0.08))
            await asyncio.gather(*(granted(limiter) for limiter in limiters for _ in range(3)))
        assert server.calls() - before < 4 * 10 * 16

    run(main())


def test_a_long_pause_is_told_at_once_and_ends_with_one_probe(server: RedisServer) -> None:
    """Retry-After of an hour: a call that may not wait so long fails at once, in every process.
    After a minute one request goes; its answer opens the route for all.
    """

    async def main() -> None:
        make = sharing(server.port, 2)
        one, other = make(10), make(10)
        clock = asyncio.get_running_loop().time
        refused = await granted(one)
        one.update(refused, Feedback(429, None, 3600.0, 0.08))
        await asyncio.sleep(0.1)
        for limiter in (one, other):
            with pytest.raises(DeadlineExceededError) as error:
                await limiter.reserve(ROUTE, timeout=300.0)
            assert error.value.needed == pytest.approx(3600, abs=1)
        assert clock() < 2
        times: list[float] = []

        async def call(limiter: RateLimiter) -> None:
            reservation = await granted(limiter)
            times.append(clock())
            await asyncio.sleep(0.3)
            limiter.update(reservation, Feedback(200, None, None, 0.3))

        await asyncio.gather(*(call(limiter) for limiter in (one, other) for _ in range(2)))
        probe, *rest = times
        assert 59 < probe < 61
        assert probe + 0.3 < min(rest)
        assert max(rest) < probe + 3
        await granted(one, timeout=1.0)

    run(main())


def test_a_process_that_has_just_come_does_not_decide(server: RedisServer) -> None:
    """The server takes five a second, not ten, and says nothing of it. Two processes have learnt
    that; of the many that come for three calls each none brings the refusals back.
    """
    judge, verdicts = SlidingLog(5), []
    make = sharing(server.port, 42)

    async def call(limiter: RateLimiter) -> None:
        reservation = await granted(limiter)
        accepted = judge.arrive(asyncio.get_running_loop().time()).accepted
        verdicts.append(accepted)
        await asyncio.sleep(0.04)
        status, retry_after = (200, None) if accepted else (429, 1.0)
        limiter.update(reservation, Feedback(status, None, retry_after, 0.04))

    async def keep_calling(limiter: RateLimiter) -> None:
        while True:
            await call(limiter)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            busy = [group.create_task(keep_calling(limiter)) for limiter in (make(10), make(10))]
            await asyncio.sleep(30.0)
            verdicts.clear()
            for _ in range(40):
                limiter = make(10)
                for _ in range(3):
                    group.create_task(call(limiter))
                await asyncio.sleep(0.5)
            accepted, refused = verdicts.count(True), verdicts.count(False)
            for task in busy:
                task.cancel()
        assert accepted > 0.85 * 5 * 20
        assert refused <= 3

    run(main())
