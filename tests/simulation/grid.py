"""Which cells are simulated, and what each has to reach."""

from collections.abc import Iterator
from itertools import combinations, product
from math import ceil
from typing import NamedTuple

from tests.simulation.cells import DELAYS, LOADS, Cell, Result
from tests.simulation.servers import SERVERS

LIMITS = (1, 5, 10, 20, 100)
CLIENTS = (1, 2, 4)


class Bound(NamedTuple):
    """What a cell has to reach."""

    use: float
    refused_of_10000: float

    def holds(self, result: Result) -> bool:
        """Whether it does; in a short run one refusal is more than its share, and allowed where any
        is.
        """
        requests = result.accepted + result.refused
        return result.use >= self.use and result.refused <= ceil(
            self.refused_of_10000 * requests / 10_000
        )


def full() -> Iterator[Cell]:
    """Every cell.

    Not several clients that share less than one request a second each: they use 30-80 % of the
    limit, as each one's only slot meets the others' at random, and none can know of them. That is
    what the limiter on Redis is for.
    """
    for server, delay, limit, load, clients in product(SERVERS, DELAYS, LIMITS, LOADS, CLIENTS):
        if limit >= clients:
            yield Cell(server, delay, limit, load, clients)


def pairs(count: int = 60) -> list[Cell]:
    """So many cells that hold every pair of two properties that any cell holds; busy cells, which
    cost most, as seldom as possible.
    """
    cells = sorted(full(), key=lambda cell: cell.limit)

    def pairs_of(cell: Cell) -> set[tuple[object, ...]]:
        return set(combinations(((place, value) for place, value in enumerate(cell[:5])), 2))

    held = {cell: pairs_of(cell) for cell in cells}
    missing = set().union(*held.values())
    chosen: list[Cell] = []
    while missing:
        best = max(cells, key=lambda cell: len(held[cell] & missing))
        chosen.append(best)
        missing -= held[best]
    # The plainest ones, one limit each, on the strictest server.
    more = [Cell("sliding-log", delay, limit) for limit in (10, 5, 20, 1) for delay in DELAYS]
    more += [Cell(server, "5 ms", 10, "steady", headers=False) for server in SERVERS]
    chosen += [cell for cell in more if cell not in chosen]
    return chosen[:count]


def bound(cell: Cell) -> Bound:
    """What the cell has to reach."""
    if cell.server == "sliding-counter":
        # Its estimate refuses an even stream at L - 1 a second already; only a bound on the damage
        # is asserted.
        return Bound(0.4, 6000)
    steady_delay = cell.delay in {"constant", "5 ms"}
    idle = cell.load in {"bursts", "on/off"}
    if cell.server == "gcra":
        # Two at once is all it takes: late requests pile up before it, and so do those of clients
        # that do not talk.
        if steady_delay and cell.clients == 1 and cell.headers and not idle:
            # One of the first calls may go before the first answer shows how small the bucket is.
            return Bound(0.98, 1)
        if cell.clients == 1:
            return Bound(0.75, 150)
        # Each client is idle and may send two at once; several that do so together are refused, and
        # cannot know of one another.
        return Bound(0.75, {"bursts": 3000, "on/off": 450}.get(cell.load, 250))
    use, refused = {
        "constant": (0.985, 0),
        "5 ms": (0.985, 0),
        "0-50 ms": (0.95, 5),
        # Few of a limit of one a second go in a run: two that are refused are 70 of 10,000.
        "log-normal": (0.93, 75 if cell.limit == 1 else 30),
        "spikes": (0.93, 10),
    }[cell.delay]
    # Each client learns by its own refusals. What is offered ends before the simulation does or
    # after it, by chance.
    return Bound(use - 0.04 if idle else use - 0.005 * (cell.limit == 1), refused * cell.clients)
