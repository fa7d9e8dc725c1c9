"""A sample of the two benchmarks that count over many calls; `benchmarks/` runs them at full
length.
"""

import pytest

from benchmarks.duplicates import storm
from benchmarks.outage import outage


async def test_nothing_is_sent_twice_in_a_storm_of_faults(kind):
    """Sixty sends a backend, one exchange in three broken, one call in ten cancelled."""
    tally = await storm(kind, 60, seed=7)
    assert (tally.duplicates, tally.lost, tally.lies) == (0, 0, 0)
    assert tally.told.total() == 60
    assert tally.told["sent"] >= 20


@pytest.mark.slow
async def test_nothing_is_sent_twice_in_a_long_storm(kind):
    """Two thousand sends a backend, half of the exchanges broken."""
    tally = await storm(kind, 2000, seed=3, share=0.5)
    assert (tally.duplicates, tally.lost, tally.lies) == (0, 0, 0)


async def test_an_outage_is_not_made_worse():
    """A client adds at most 60 repeats to the calls that its user makes, whatever the outage is."""
    figures = await outage(150)
    assert set(figures) == {"503", "reset", "refused"}
    for name, requests in figures.items():
        assert requests <= 1 + 60 / 150 + 1e-9, name
