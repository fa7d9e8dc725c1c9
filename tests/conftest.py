"""What every test shares."""

import asyncio
import gc
import os
import random
import signal
import sys
from typing import Any

import pytest
from hypothesis import settings

from tests.support import stalls
from tests.support.budget import Budget

# A busy machine is no error: no test depends on how long anything takes. With
# HYPOTHESIS_PROFILE=thorough (`nox -s thorough`) each property is tried fifty times as often.
settings.register_profile("quick", deadline=None, max_examples=60)
settings.register_profile("thorough", deadline=None, max_examples=3000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


# Tests start hundreds of interpreters, each of which would compile the package anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Debug mode notes where each callback was made, ten frames deep: a third of the suite's CPU. One
# frame says as much to whoever reads it.
asyncio.constants.DEBUG_STACK_DEPTH = 1  # type: ignore[attr-defined]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The client is asyncio only (aiolimiter is); debug mode finds forgotten awaits and slow
    callbacks.
    """
    return "asyncio", {"debug": True}


@pytest.fixture(scope="module", autouse=True)
def _short_collections() -> None:
    """Keep what imports and earlier tests have left out of every later search for garbage, of which
    the tests ask for thousands.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _same_chance(request: pytest.FixtureRequest) -> None:
    """What the package leaves to chance falls the same way in each run of a test."""
    random.seed(request.node.nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two workers a core for `-n auto`: a test waits for half of its time, for other processes and
    for the limits of the real clock.
    """
    return 2 * len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 4


def pytest_configure(config: pytest.Config) -> None:
    """Count what the tests cost, and hear Ctrl-C again.

    A shell starts its background jobs with SIGINT ignored, and the processes that tests interrupt
    would inherit that.
    """
    config.pluginmanager.register(Budget())
    config.pluginmanager.register(stalls)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
