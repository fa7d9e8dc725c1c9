"""What the tests of the limiters leave behind."""

import gc
import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def _forgotten_by_redis() -> Iterator[None]:
    """redis-py forgets a connection that is cancelled while it is made, as happens on a busy
    machine: what is left of it is not to be found in a test of something else.
    """
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
