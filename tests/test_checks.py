"""What a write would refuse is found without a request."""

import pytest

from respondio_async.checks import contact_fields
from respondio_async.errors import InvalidArgumentError


def test_a_row_becomes_the_fields_of_a_contact() -> None:
    """A copy of it, and only if its names and values can be written."""
    row = {"first_name": "Ann", "email": "ann@example.com"}
    fields = contact_fields(row)
    assert fields == row
    row["first_name"] = "Bo"
    assert fields["first_name"] == "Ann"
    with pytest.raises(TypeError, match="did you mean 'first_name'"):
        contact_fields({"firstName": "Ann"})
    with pytest.raises(InvalidArgumentError, match="phone"):
        contact_fields({"phone": 60123456789})
