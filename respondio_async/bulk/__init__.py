"""Thousands of operations at once, with a report of each and a journal to resume from;
`client.bulk(…)` starts one.
"""

from ._execution import Step
from ._inspect import (
    FailedItem,
    ItemResult,
    Results,
    RunSummary,
    export_failed,
    failures,
    inspect,
    results,
)
from ._outcome import Outcome, Progress
from ._runner import Bulk

__all__ = [
    "Bulk",
    "FailedItem",
    "ItemResult",
    "Outcome",
    "Progress",
    "Results",
    "RunSummary",
    "Step",
    "export_failed",
    "failures",
    "inspect",
    "results",
]
