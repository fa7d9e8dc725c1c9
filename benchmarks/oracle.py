"""The limiter beside others against the best that can be had: `python -m benchmarks.oracle`.

The other side is a policy that sees the server's window and keeps some slots free for others; see
`tests/simulation/oracle.py`. With more slots free it uses less and has fewer of theirs refused. So
the sides are compared at the same cost to others: the use that the policy reaches where as many of
theirs are refused as beside the limiter. Virtual time; a strict sliding second of ten; each way
40 ± 10 ms, and theirs up to 20 ms late (`exact`: never late).
"""

import argparse
from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from benchmarks.common import Figures
from tests.simulation.neighbours import Outcome, Scene, play

HEADROOMS = range(6)

BOUNDS = {
    "steady 10 %": (Scene("steady", 0.1, uneven=0.02), 0.9),
    "steady 50 %": (Scene("steady", 0.5, uneven=0.02), 0.9),
    "steady 50 %, exact": (Scene("steady", 0.5), 0.9),
    "bursts 50 %": (Scene("bursts", 0.5, uneven=0.02), 0.9),
    "bursts 50 %, exact": (Scene("bursts", 0.5), 0.9),
    "at random 10 %": (Scene("poisson", 0.1, uneven=0.02), 0.75),
    "at random 50 %": (Scene("poisson", 0.5, uneven=0.02), 0.75),
}
"""Rows with their scenes, and the part of the best that the limiter reaches at least."""


class Point(NamedTuple):
    """Means over some runs."""

    use: float
    refused: float
    theirs_refused: float


def mean(outcomes: Sequence[Outcome]) -> Point:
    """What the runs have in common."""
    return Point(
        fmean(each.use for each in outcomes),
        fmean(each.refused for each in outcomes),
        fmean(each.theirs_refused for each in outcomes),
    )


def at_equal_cost(points: Sequence[Point], theirs_refused: float) -> float:
    """The best use of a mixture of two of the points with that part of theirs refused."""
    best = 0.0
    for low in points:
        if low.theirs_refused <= theirs_refused:
            best = max(best, low.use)
            for high in points:
                if high.theirs_refused > theirs_refused:
                    gap = high.theirs_refused - low.theirs_refused
                    part = (theirs_refused - low.theirs_refused) / gap
                    best = max(best, low.use + part * (high.use - low.use))
    return best


def main(seconds: float, runs: int) -> Figures:
    figures = Figures()
    for name, (scene, bound) in BOUNDS.items():
        ours = mean([play(scene, seconds, seed) for seed in range(runs)])
        points = [
            mean([play(scene, seconds, seed, headroom=headroom) for seed in range(runs)])
            for headroom in HEADROOMS
        ]
        for headroom, point in zip(HEADROOMS, points, strict=True):
            print(f"     {name}, {headroom} slots free: {_words(point)}")
        best = at_equal_cost(points, ours.theirs_refused)
        figures.at_least(f"{name}: of the best", ours.use / best, bound, _words(ours))
    return figures


def _words(point: Point) -> str:
    return (
        f"{point.use:.3f} used, {point.refused:.1%} of ours and {point.theirs_refused:.1%} of "
        "theirs refused"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=65.0, help="virtual seconds of a run")
    parser.add_argument("--runs", type=int, default=8)
    given = parser.parse_args()
    main(given.seconds, given.runs).exit()
