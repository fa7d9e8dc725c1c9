"""The policy that sees the server's window, with which the limiter is compared."""

import pytest

from benchmarks.oracle import Point, at_equal_cost, mean
from tests.simulation.neighbours import Scene, play


def test_alone_the_policy_uses_the_limit_and_is_never_refused() -> None:
    """It is a bound only if nothing is lost by its own doing."""
    outcome = play(Scene(), 65.0, headroom=0)
    assert outcome.use >= 0.98
    assert not outcome.refusals


@pytest.mark.parametrize(("headroom", "use"), [(1, 0.9), (2, 0.8), (5, 0.5)])
def test_each_slot_that_it_keeps_free_is_a_tenth_of_the_limit(headroom: int, use: float) -> None:
    """The slots that are kept free are those of nobody."""
    assert play(Scene(), 65.0, headroom=headroom).use == pytest.approx(use, abs=0.02)


def test_a_mixture_of_two_is_compared() -> None:
    """Half of the time with more of theirs refused, half with less."""
    points = [Point(1.0, 0.0, 0.9), Point(0.9, 0.0, 0.5), Point(0.7, 0.0, 0.1)]
    assert at_equal_cost(points, 0.3) == pytest.approx(0.8)
    assert at_equal_cost(points, 0.95) == 1.0
    assert at_equal_cost(points, 0.0) == 0.0


def test_the_limiter_comes_near_to_the_best_beside_a_steady_neighbour() -> None:
    """At the same cost to the neighbour it uses nearly as much as one who sees the window."""
    scene = Scene("steady", 0.5, uneven=0.02)
    points = [mean([play(scene, 65.0, headroom=headroom)]) for headroom in range(4)]
    ours = mean([play(scene, 65.0)])
    assert ours.use >= 0.85 * at_equal_cost(points, ours.theirs_refused)
