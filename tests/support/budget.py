"""What the suite costs: CPU seconds of every test, its child processes included.

CPU and not wall time, because the machine may be busy with something else. Nothing fails by it: the
figures are printed, and whoever reads them mends what they show.
"""

import os
import time
from collections import Counter
from typing import Any

import pytest

LONG = 3.0
"""CPU seconds from which a test needs a reason: ``@pytest.mark.long("why")``."""


def cpu() -> float:
    """CPU seconds of this process and of its children that have ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


class Budget:
    """Counts in each worker, and adds up and prints where the results come together."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._last = 0.0
        self._files: Counter[str] = Counter()
        self._tests: Counter[str] = Counter()
        self._reasons: dict[str, str] = {}

    def pytest_runtest_logstart(self) -> None:
        self._last = cpu()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Any:
        report = yield
        now = cpu()
        # An attribute of a report travels from a worker to where the results come together.
        report.cpu, self._last = now - self._last, now
        reason = item.get_closest_marker("long")
        slow = "slow" if item.get_closest_marker("slow") else ""  # no part of the default suite
        report.long = reason.args[0] if reason else slow
        return report

    def pytest_runtest_logreport(self, report: Any) -> None:
        spent = getattr(report, "cpu", 0.0)  # none where a worker died
        self._tests[report.nodeid] += spent
        self._files[report.nodeid.partition("::")[0]] += spent
        self._reasons[report.nodeid] = getattr(report, "long", "")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not self._tests:
            return
        write = terminalreporter.write_line
        wall = time.monotonic() - self._started
        terminalreporter.section("what it cost")
        write(f"{wall:.0f} s, and {self._tests.total():.0f} s of CPU in {len(self._tests)} tests")
        for name, seconds in self._files.most_common(10):
            write(f"{seconds:8.1f} s of CPU  {name}")
        for name, seconds in self._tests.most_common():
            if seconds < LONG:
                break
            write(f"{seconds:8.1f} s of CPU  {name}  ({self._reasons[name] or 'NO REASON GIVEN'})")
