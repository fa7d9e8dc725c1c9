"""Times of the wire as datetimes."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respondio_async.models._base import moment, moment_of_id

WHEN = datetime(2022, 9, 15, 20, 34, 41, tzinfo=UTC)


@pytest.mark.parametrize(
    "number",
    [
        1663274081,
        1663274081000,
        1663274081000000,
        1663274081000000000,
        1663274081.0,
        "1663274081",
        "1663274081000",
    ],
)
def test_the_unit_goes_by_the_magnitude(number: float | str) -> None:
    """Seconds, milli-, micro- and nanoseconds of our time can't be mistaken for one another."""
    assert moment(number) == WHEN


@pytest.mark.parametrize(
    "text", ["2022-09-15T20:34:41Z", "2022-09-15T20:34:41", "2022-09-16T04:34:41+08:00"]
)
def test_iso_texts(text: str) -> None:
    """An ISO text is a time, told in UTC whatever its own zone; without a zone it is UTC."""
    read = moment(text)
    assert read is not None
    assert (read, read.tzinfo) == (WHEN, UTC)


def test_fractions_are_kept() -> None:
    """Milliseconds keep their fraction of the second."""
    assert moment(1663274081123) == WHEN + timedelta(milliseconds=123)
    assert moment(1663274081.5) == WHEN + timedelta(milliseconds=500)
    assert moment(-0.5) == datetime(1969, 12, 31, 23, 59, 59, 500000, tzinfo=UTC)


@pytest.mark.parametrize(
    "nothing",
    [
        None,
        "",
        "soon",
        "nan",
        "inf",
        float("nan"),
        float("inf"),
        10**20,
        -(10**30),
        99_999_999_999_999_999,
        "0001-01-01T00:00:00+08:00",
    ],
)
def test_what_is_no_time_is_none(nothing: float | str | None) -> None:
    """Nothing, nonsense, and what lies beyond the year 9999 (or a unit nobody uses) is None."""
    read = moment(nothing)
    assert read is None or read.year > 5000


@given(st.integers() | st.floats() | st.text())
def test_no_value_raises(value: float | str) -> None:
    """Whatever the server sends for a time, asking for it never raises."""
    read = moment(value)
    assert read is None or read.tzinfo is not None
    if isinstance(value, int):
        assert moment_of_id(value) is None or value >= 10**15
