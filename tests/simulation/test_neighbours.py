"""The limiter beside others on the same limit, and at servers of other kinds, in virtual time."""

from itertools import product
from typing import NamedTuple

import pytest

from tests.simulation.neighbours import HEADERS, NEIGHBOURS, Scene, interactive_waits, play
from tests.simulation.scenes import full, is_shut, is_slow, most_refused, pairs


class Bound(NamedTuple):
    """What a scene has to reach on a strict server: use of what is left, part refused."""

    use: float
    refused: float


FIGURES = {
    Scene(): Bound(0.95, 0.0),
    Scene("steady", 0.1): Bound(0.93, 0.01),
    Scene("steady", 0.5): Bound(0.82, 0.02),
    Scene("bursts", 0.5): Bound(0.92, 0.01),
    Scene("poisson", 0.1): Bound(0.78, 0.03),
    Scene("poisson", 0.5): Bound(0.55, 0.07),
    Scene("steady", 0.5, "retry-after"): Bound(0.75, 0.05),
    Scene("steady", 0.5, "none"): Bound(0.75, 0.05),
    Scene(siblings=2): Bound(0.92, 0.01),
    Scene(siblings=4): Bound(0.91, 0.02),
    Scene(siblings=4, headers="none"): Bound(0.78, 0.05),
    Scene(headers="none", stranger="true limit below"): Bound(0.85, 0.05),
    Scene(stranger="true limit below"): Bound(0.95, 0.01),
    Scene(stranger="limit falls and rises"): Bound(0.70, 0.03),
    Scene(stranger="two tokens"): Bound(0.95, 0.005),
    Scene(stranger="header 100 and remaining 90"): Bound(0.93, 0.01),
    Scene(stranger="remaining always 0"): Bound(0.95, 0.0),
    Scene(stranger="remaining always 4"): Bound(0.95, 0.001),
    Scene(stranger="remaining always full"): Bound(0.95, 0.0),
    Scene(stranger="remaining beyond the limit"): Bound(0.95, 0.0),
    Scene(stranger="headers now and then"): Bound(0.95, 0.0),
    Scene("steady", stranger="Retry-After 0"): Bound(0.80, 0.02),
}


def mean(scene: Scene, seconds: float = 65.0, runs: int = 4) -> Bound:
    """Use and refusals over some runs."""
    outcomes = [play(scene, seconds, seed) for seed in range(runs)]
    return Bound(
        sum(each.use for each in outcomes) / runs, sum(each.refused for each in outcomes) / runs
    )


@pytest.mark.parametrize("scene", FIGURES, ids=str)
def test_what_others_leave_is_used_and_refusals_are_rare(scene: Scene) -> None:
    """Each scene keeps to its figures, a minute each, four times; oftener where it is chance."""
    got, asked = mean(scene, runs=12 if scene.neighbour == "poisson" else 4), FIGURES[scene]
    assert got.use >= asked.use, got
    assert got.refused <= asked.refused, got


@pytest.mark.long("an hour in which a limit is raised by doubling, again and again")
@pytest.mark.parametrize(
    "retry_after",
    [pytest.param(1, marks=pytest.mark.slow), 5, pytest.param(15, marks=pytest.mark.slow)],
)
def test_a_header_in_another_unit_costs_little(retry_after: int) -> None:
    """At ten a second, of which the header says a hundred, an hour's raises cost little of it."""
    outcome = play(Scene(stranger=f"header 100, Retry-After {retry_after}"), 3600.0)
    assert outcome.use >= {1: 0.9, 5: 0.85, 15: 0.8}[retry_after]
    assert outcome.refused <= 0.01


@pytest.mark.parametrize("neighbour", ["steady", "bursts", "poisson"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_what_others_took_is_used_again_when_they_leave(neighbour: str, part: float) -> None:
    """Within five seconds of their leaving 95 % of the limit is used, and nothing refused."""
    outcome = play(Scene(neighbour, part), 100.0, leaves_at=60.0)
    assert outcome.rate(65.0, 75.0) >= 9.5
    assert outcome.rate(80.0, 100.0) >= 9.5
    assert not [at for at in outcome.refusals if at >= 60.5]


@pytest.mark.parametrize("scene", [Scene("steady"), Scene("bursts"), Scene("steady", 0.5, "none")])
def test_interactive_calls_hardly_wait_over_bulk_and_a_neighbour(scene: Scene) -> None:
    """Beside 5,000 bulk calls and a neighbour of 50 %, 99 of 100 interactive calls have their
    permits within a second and a half.
    """
    waits = interactive_waits(scene)
    assert waits[len(waits) * 99 // 100] <= 1.5


@pytest.mark.parametrize(("unit", "use"), [("60 a minute", 0.95), ("100 a minute", 0.95)])
def test_a_limit_by_the_minute_costs_little(unit: str, use: float) -> None:
    """The header says how many, not that they are a minute's: over half an hour nearly all of them
    are used, and few calls refused.
    """
    outcome = play(Scene(stranger=unit), 1800.0)
    assert outcome.use >= use
    assert outcome.refused <= 0.06


@pytest.mark.parametrize(
    ("siblings", "limit", "median", "most"),
    [(2, 5, 1.5, 2.0), (2, 10, 1.6, 2.5), (2, 15, 1.6, 2.5), (4, 5, 2.2, 3.0), (4, 10, 2.0, 3.5)],
)
def test_siblings_end_at_about_equal_parts(
    siblings: int, limit: int, median: float, most: float
) -> None:
    """The one that has most gets about as much as the one that has least, over the minute after
    they came one after the other.
    """
    scene = Scene(siblings=siblings, limit=limit)
    parts = sorted(play(scene, 65.0, seed).fairness for seed in range(9))
    assert parts[4] <= median
    assert parts[-1] <= most


@pytest.mark.parametrize("scene", pairs(), ids=str)
def test_no_scene_stops_the_route_or_floods_it(scene: Scene) -> None:
    """Whatever the server, the neighbour and the headers: some of what is left is used, and most
    of what is sent is accepted.
    """
    outcome = play(scene, 130.0 if "minute" in scene.stranger else 60.0)
    least = 0 if is_shut(scene) else 1 if is_slow(scene) else 10
    assert len(outcome.times) >= least
    assert outcome.refused <= most_refused(scene, outcome.is_open)


def test_every_pair_of_properties_is_covered() -> None:
    """The chosen scenes hold every server with every neighbour and set of headers."""
    chosen = pairs()
    for neighbour, headers in product(NEIGHBOURS, HEADERS):
        assert any((each.neighbour, each.headers) == (neighbour, headers) for each in chosen)


@pytest.mark.slow
@pytest.mark.parametrize("scene", list(full()), ids=str)
def test_every_scene(scene: Scene) -> None:
    """The same bound for all of them, two minutes each."""
    outcome = play(scene, 120.0)
    assert outcome.refused <= most_refused(scene, outcome.is_open)
