"""How the cost of a function grows with its input: a ratio within one run, never seconds."""

import gc
import time
from collections.abc import Callable

TIMES = 8
"""A linear cost grows as much, a quadratic one 64 times: far enough apart for any machine."""


def growth(run: Callable[[bytes], object], make: Callable[[int], bytes], size: int) -> float:
    """Return how many times as much CPU *run* takes for *size* bytes as for an eighth of them."""
    small, large = make(size // TIMES), make(size)
    return cheapest(lambda: run(large)) / cheapest(lambda: run(small))


def assert_linear(
    run: Callable[[bytes], object], make: Callable[[int], bytes], size: int, most: float = 20.0
) -> None:
    """Eight times the input costs at most *most* times as much.

    A noisy machine gets further tries: a quadratic cost is far above it in each of them.
    """
    ratios: list[float] = []
    for _ in range(6):
        ratios.append(growth(run, make, size))
        if ratios[-1] <= most:
            return
    raise AssertionError(f"{TIMES} times the input costs {min(ratios):.1f} times as much")


def cheapest(run: Callable[[], object], times: int = 5) -> float:
    """Return the least CPU time of some runs: what others on the machine do only adds to it."""
    least = float("inf")
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(times):
            begun = time.thread_time_ns()
            run()
            least = min(least, time.thread_time_ns() - begun)
    finally:
        if collecting:
            gc.enable()
    return max(least, 1)
