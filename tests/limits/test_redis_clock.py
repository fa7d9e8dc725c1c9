"""Reading the server's clock from afar."""

import pytest

from respondio_async.limits._redis_clock import ServerClock


def test_the_quickest_exchange_counts() -> None:
    """A slow answer does not blur what a quick one has shown."""
    clock = ServerClock()
    clock.update(asked=10.0, answered=10.4, server=1000.1)
    assert clock.local(1000.1) == pytest.approx(10.2)
    clock.update(asked=20.0, answered=20.002, server=1010.001)
    clock.update(asked=20.1, answered=20.6, server=1010.101)
    assert clock.local(1010.001) == pytest.approx(20.001, abs=0.001)


def test_bounds_widen_as_clocks_drift() -> None:
    """Ten minutes later the server's clock may be a third of a second off, and a new exchange is
    believed.
    """
    clock = ServerClock()
    clock.update(asked=0.0, answered=0.002, server=1000.001)
    clock.update(asked=600.0, answered=600.002, server=1600.201)
    assert clock.local(1600.201) == pytest.approx(600.001, abs=0.001)


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_clock_that_was_set_is_read_anew(jump: float) -> None:
    """Exchanges that contradict one another mean that a clock was set: the newest counts."""
    clock = ServerClock()
    clock.update(asked=10.0, answered=10.002, server=1000.001)
    clock.update(asked=11.0, answered=11.002, server=1001.001 + jump)
    assert clock.local(1001.001 + jump) == pytest.approx(11.001)
