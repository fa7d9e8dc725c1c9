"""What every test shares."""

import asyncio
import gc
import logging
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# The asserts of what tests share count under `python -OO` too, as those of the tests themselves do.
pytest.register_assert_rewrite(
    "benchmarks",
    *(f"tests.{part.name}" for part in Path(__file__).parent.iterdir() if part.is_dir()),
)

from tests.support import stalls  # noqa: E402
from tests.support.budget import Budget  # noqa: E402

# A busy machine is no error: no test depends on how long anything takes. With
# HYPOTHESIS_PROFILE=thorough (`nox -s thorough`) each property is tried fifty times as often.
settings.register_profile("quick", deadline=None, max_examples=60)
settings.register_profile("thorough", deadline=None, max_examples=3000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


# Tests start hundreds of interpreters, each of which would compile the package anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Debug mode notes where each future, callback and coroutine was made: half of the suite's CPU. What
# it finds, a coroutine that nobody awaits, a call from another thread, it finds without the stacks;
# with PYTHONASYNCIODEBUG=1 they are kept.
if not sys.flags.dev_mode and not os.environ.get("PYTHONASYNCIODEBUG"):
    asyncio.constants.DEBUG_STACK_DEPTH = 1  # type: ignore[attr-defined]
    asyncio.BaseEventLoop.get_debug = lambda _: False  # type: ignore[method-assign]


# Debug mode also logs which callback was slow, which on a busy machine any may be; what truly
# blocks a loop is found by `test_blocking.py`.
logging.getLogger("asyncio").setLevel(logging.ERROR)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The client is asyncio only (aiolimiter is); debug mode finds forgotten awaits and calls from
    another thread.
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


def leaves_out_slow(config: pytest.Config) -> bool:
    """Whether this run has no slow test; one that is named by its id is to be found in any case."""
    chosen: str = config.option.markexpr
    return chosen == "not slow" and not any("::" in argument for argument in config.args)


def is_slow(marks: object) -> bool:
    return isinstance(marks, list) and any(mark.name == "slow" for mark in marks)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, obj: Any) -> list[pytest.Item] | None:
    """Make none of a slow test's cases only to leave them out: there are thousands, for every
    worker.
    """
    if leaves_out_slow(collector.config) and is_slow(getattr(obj, "pytestmark", None)):
        return []
    return None


@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The same for the slow cases of a test that has quick ones."""
    if leaves_out_slow(metafunc.config):
        quick = [call for call in metafunc._calls if not is_slow(call.marks)]
        metafunc._calls = quick or metafunc._calls


def pytest_configure(config: pytest.Config) -> None:
    """Count what the tests cost, and hear Ctrl-C again.

    A shell starts its background jobs with SIGINT ignored, and the processes that tests interrupt
    would inherit that.
    """
    config.pluginmanager.register(Budget())
    config.pluginmanager.register(stalls)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
