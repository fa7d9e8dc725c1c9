"""Thousands of operations at once, with a report of each and a journal to resume from;
`client.bulk(…)` starts one.
"""

from ._deliveries import DeliverySummary, deliveries
from ._execution import Step
from ._inspect import (
    FailedItem,
    ItemResult,
    MessageDelivery,
    Results,
    RunSummary,
    export_failed,
    failures,
    inspect,
    results,
)
from ._outcome import Outage, Outcome, Progress
from ._runner import Bulk

__all__ = [
    "Bulk",
    "DeliverySummary",
    "FailedItem",
    "ItemResult",
    "MessageDelivery",
    "Outage",
    "Outcome",
    "Progress",
    "Results",
    "RunSummary",
    "Step",
    "deliveries",
    "export_failed",
    "failures",
    "inspect",
    "results",
]
