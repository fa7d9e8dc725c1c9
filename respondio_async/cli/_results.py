"""What a run came to: a file of all its items, and counts by status and reason."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from respondio_async.discreet import Discreet

from ..bulk import ItemResult, results
from ._screen import Screen, counted, table_of
from .files.sinks import Target, open_sink

COLUMNS: Final = (
    "key", "status", "contact_id", "message_id", "delivery", "delivery_reason", "error", "reason",
    "attempts", "started", "elapsed", "value", "steps", "item",
)  # fmt: skip

ResultsFile = Annotated[
    Path | None,
    typer.Option(
        "--results",
        dir_okay=False,
        show_default=False,
        help="Write every item of the run, earlier starts included: .csv, .jsonl, .parquet, .xlsx.",
    ),
]
ReportFile = Annotated[
    Path | None,
    typer.Option(
        "--report",
        dir_okay=False,
        show_default=False,
        help="Write the counts by status and reason, with a bar chart, to this HTML file.",
    ),
]


class EndingCount(Discreet, msgspec.Struct, frozen=True):
    """How many items, or messages of items, ended in one way."""

    _shown = ("count",)

    status: str
    """A message's status; else the item's."""
    reason: str | None
    count: int


def tally(journal: Path) -> list[EndingCount]:
    """Count a journal's items by status and reason, the most frequent first. A message that was
    accepted counts by its own status.
    """
    found = Counter(pair for result in results(journal) for pair in _endings(result))
    return [EndingCount(*pair, count) for pair, count in found.most_common()]


def _endings(result: ItemResult) -> Iterable[tuple[str, str | None]]:
    for message in result.messages:
        yield message.status, message.reason
    if result.status != "done":
        yield result.status, None if result.error is None else f"{result.error}: {result.reason}"
    elif not result.messages:
        yield "done", None


def print_tally(screen: Screen, rows: list[EndingCount]) -> None:
    """Print the counts as a table."""
    cells = ((row.status, row.count, row.reason) for row in rows)
    screen.show(table_of(("status", "count", "reason"), cells, numbers={"count"}))


def write_results(screen: Screen, journal: Path, target: Target) -> None:
    """Write every item of a journal to a file, a row each."""
    sink = open_sink(target, "results", COLUMNS, screen)
    try:
        for result in results(journal):
            sink.write(_record(result))
            if sink.is_due:
                sink.checkpoint(None)
        sink.checkpoint(None, complete=True)
        sink.finish()
    finally:
        sink.close()
    screen.note(f"{counted(sink.count, 'item')} in {target.path}")


def _record(result: ItemResult) -> dict[str, Any]:
    messages = result.messages
    returned = [*result.steps.values(), result.value]
    contacts = (getattr(value, "contact_id", None) for value in returned)
    return {
        "key": result.key,
        "status": result.status,
        "contact_id": next((each for each in contacts if each is not None), None),
        # One row an item: of several messages the last, the others are among the steps.
        "message_id": messages[-1].message_id if messages else None,
        "delivery": messages[-1].status if messages else None,
        "delivery_reason": messages[-1].reason if messages else None,
        "error": result.error,
        "reason": result.reason,
        "attempts": result.attempts,
        "started": result.started,
        "elapsed": result.elapsed,
        "value": msgspec.to_builtins(result.value),
        "steps": msgspec.to_builtins(result.steps),
        "item": result.item,
    }
