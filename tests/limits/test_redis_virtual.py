"""RedisRateLimiter in several processes over minutes of virtual time, against a judge that counts
strictly: near and far from Redis, many and few.
"""

from collections.abc import Iterator

import pytest

from tests.simulation.neighbours import Outcome, Scene, play

from .redis_server import RedisServer, redis_server
from .redis_virtual import sharing

pytestmark = pytest.mark.real_time


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


def shared(
    server: RedisServer,
    scene: Scene,
    processes: int = 4,
    *,
    round_trip: float = 0.001,
    seconds: float = 65.0,
) -> Outcome:
    """So many processes keep a route of ten a second busy for a minute, and some to warm up."""
    make = sharing(server.port, processes, way=round_trip / 2)
    return play(scene._replace(siblings=processes), seconds, make=make)


@pytest.mark.parametrize("round_trip", [0.001, 0.02, 0.1, 0.2, 0.25])
def test_a_redis_far_away_costs_nothing(server: RedisServer, round_trip: float) -> None:
    """Up to a quarter of a second away it is as good as beside us."""
    outcome = shared(server, Scene(), round_trip=round_trip)
    assert outcome.use > 0.95
    assert outcome.refused == 0
    assert outcome.fairness < 1.1


@pytest.mark.parametrize("processes", [16, 32])
def test_many_processes_have_equal_parts(server: RedisServer, processes: int) -> None:
    """First come, first served: each has its permit once in every round of all."""
    outcome = shared(server, Scene(), processes)
    assert outcome.use > 0.95
    assert outcome.refused == 0
    assert outcome.fairness < 1.2
    assert outcome.longest < 1.5 * processes / 10
