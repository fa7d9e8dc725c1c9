"""What every test shares."""

import asyncio
import gc
import os
import signal
import sys
from typing import Any

import pytest
from hypothesis import settings

from tests.support import stalls
from tests.support.budget import Budget

# A busy machine is no error: no test depends on how long anything takes.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


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


def pytest_collection_finish() -> None:
    """Keep what the imports and the collection have left out of every later search for garbage,
    of which the tests ask for thousands.
    """
    gc.collect()
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    """Count what the tests cost, and hear Ctrl-C again.

    A shell starts its background jobs with SIGINT ignored, and the processes that tests interrupt
    would inherit that.
    """
    config.pluginmanager.register(Budget())
    config.pluginmanager.register(stalls)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
