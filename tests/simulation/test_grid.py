"""The limiter against every kind of server, for minutes each that take a second."""

import pytest

from tests.simulation.cells import Cell, simulate
from tests.simulation.grid import bound, full, pairs

_CHOSEN = pairs()


@pytest.mark.parametrize("cell", _CHOSEN, ids=str)
def test_the_limit_is_used_and_not_passed(cell: Cell) -> None:
    """Use of the limit and refusals keep to the cell's bound; a busy server says as much in a
    minute as a quiet one in five.
    """
    result = simulate(cell, 60.0 if cell.limit == 100 else 300.0)
    assert bound(cell).holds(result), (
        f"use {result.use:.4f}, {result.refused_of_10000:.1f} of 10,000 refused"
    )


@pytest.mark.slow
@pytest.mark.parametrize("cell", list(full()), ids=str)
def test_every_cell(cell: Cell) -> None:
    """The same for all cells, for ten minutes of those that the default suite has too, and five of
    the others.
    """
    result = simulate(cell, 600.0 if cell in _CHOSEN else 300.0)
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
