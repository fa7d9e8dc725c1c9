"""The limiter against every kind of server, for minutes each that take a second."""

import pytest

from tests.simulation.cells import Cell, simulate
from tests.simulation.grid import bound, full, pairs

pytestmark = pytest.mark.long("thousands of calls of five or ten virtual minutes")

_CHOSEN = pairs()


@pytest.mark.parametrize("cell", _CHOSEN, ids=str)
def test_the_limit_is_used_and_not_passed(cell: Cell) -> None:
    """Use of the limit and refusals keep to the cell's bound; a busy server says as much in
    five minutes as a quiet one in ten.
    """
    result = simulate(cell, 300.0 if cell.limit == 100 else 600.0)
    assert bound(cell).holds(result), (
        f"use {result.use:.4f}, {result.refused_of_10000:.1f} of 10,000 refused"
    )


@pytest.mark.slow
@pytest.mark.parametrize("cell", [cell for cell in full() if cell not in _CHOSEN], ids=str)
def test_the_rest_of_the_grid(cell: Cell) -> None:
    """The same for the cells that the default suite leaves out, for five minutes each."""
    result = simulate(cell, 300.0)
    assert bound(cell).holds(result), (
        f"use {result.use:.4f}, {result.refused_of_10000:.1f} of 10,000 refused"
    )


def test_every_pair_of_properties_is_covered() -> None:
    """The chosen cells hold every server with every delay, every load with every limit, and so
    on.
    """
    for one in range(5):
        for two in range(one):
            wanted = {(cell[one], cell[two]) for cell in full()}
            assert wanted == {(cell[one], cell[two]) for cell in _CHOSEN}
