"""A sample of the two benchmarks that count over many calls; `benchmarks/` runs them at full
length.
"""

import pytest

from benchmarks.duplicates import storm
from benchmarks.outage import outage
from tests.support import virtual


async def test_nothing_is_sent_twice_in_a_storm_of_faults(kind: str) -> None:
    """Sixty sends a backend, one exchange in three broken, one call in ten cancelled."""
    tally = await storm(kind, 60, seed=7)
    assert (tally.duplicates, tally.lost, tally.lies) == (0, 0, 0)
    assert tally.told.total() == 60
    assert tally.undisturbed >= 20, "the draw, which no machine changes"
    assert tally.told["sent"] >= tally.undisturbed - tally.closings


@pytest.mark.slow
async def test_nothing_is_sent_twice_in_a_long_storm(kind: str) -> None:
    """Two thousand sends a backend, half of the exchanges broken."""
    tally = await storm(kind, 2000, seed=3, share=0.5)
    assert (tally.duplicates, tally.lost, tally.lies) == (0, 0, 0)


def test_an_outage_is_not_made_worse() -> None:
    """Hardly more than a request a call, whatever the outage is."""
    figures = virtual.run(outage(200))
    assert set(figures) == {"503", "502", "reset", "refused"}
    for name, requests in figures.items():
        assert requests <= 1.2, name
