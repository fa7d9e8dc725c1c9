"""A second chance for tests that measure real time, where the machine took that time away.

Against a server in another process there is no virtual time: a permit is due after a second of the
real clock. A process that the scheduler stops for longer than the limiter's guard time measures the
scheduler. So the scheduler is measured beside such a test (``@pytest.mark.real_time``): a failure
counts at once if nothing was stopped, and otherwise only if it happens every time.
"""

import threading
import time
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

STALL = 0.015
"""Seconds late at which a thread that wakes from a sleep has been kept waiting."""

TRIES = 6


class StallMeter(threading.Thread):
    """Sleeps over and over, and keeps how late it woke at worst."""

    def __init__(self) -> None:
        super().__init__(name="stall meter", daemon=True)
        self.worst = 0.0
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.is_set():
            began = time.monotonic()
            time.sleep(0.005)
            self.worst = max(self.worst, time.monotonic() - began - 0.005)

    def __enter__(self) -> "StallMeter":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.join()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: Any, nextitem: pytest.Item | None) -> bool | None:
    """Run a test that measures real time, again if it failed on a machine that stalled."""
    if item.get_closest_marker("real_time") is None:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for left in reversed(range(TRIES)):
        with StallMeter() as meter:
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if meter.worst < STALL or not left or not any(report.failed for report in reports):
            break
        item._initrequest()
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
