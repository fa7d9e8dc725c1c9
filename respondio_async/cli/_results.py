"""What a run came to: its items in a file, counts by status and reason, which are also made into an
HTML page, and what became of its messages.
"""

import os
from collections import Counter
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.progress_bar import ProgressBar
from rich.table import Table

from respondio_async.discreet import Discreet

from .. import ROUTES, AsyncRespond
from ..bulk import DeliverySummary, ItemResult, deliveries, results
from ..files import replace_private
from ._bulk import duration, floor_of, limits_seen
from ._command import Force, Options
from ._exit import UsageError
from ._live import shown
from ._screen import Screen, counted, table_of
from .files.sinks import Target, check_output, choose_target, open_sink

COLUMNS: Final = (
    "key", "status", "contact_id", "message_id", "delivery", "delivery_reason", "error", "reason",
    "attempts", "started", "elapsed", "value", "steps", "item",
)  # fmt: skip

ReportFile = Annotated[
    Path | None,
    typer.Option(
        "--report",
        dir_okay=False,
        show_default=False,
        help="Write the counts by status and reason, with a bar chart, to this HTML file.",
    ),
]


class ResultOptions(Options, frozen=True):
    """Which files are made of a journal."""

    results: Annotated[
        Path | None,
        typer.Option(
            "--results",
            dir_okay=False,
            show_default=False,
            help="Write every item of the run, earlier starts included: .csv, .jsonl, .parquet, "
            ".xlsx.",
        ),
    ] = None
    report: ReportFile = None
    force: Force = False

    def check(self, *more: Path | None) -> Target | None:
        """See to it that these files, and *more*, can be written; where the results go."""
        for output in filter(None, (self.report, *more)):
            check_output(output, force=self.force)
        if self.results == Path("-"):
            raise UsageError("--results names a file: standard output has the counts")
        return None if self.results is None else choose_target(self.results, None, force=self.force)

    def write(self, screen: Screen, journal: Path, target: Target | None, work: str) -> None:
        """Write them."""
        if target is not None:
            write_results(screen, journal, target)
        if self.report is not None:
            write_report(journal, self.report, title_of(work))


def title_of(work: str) -> str:
    """Name a run: a command's name as it is, a function's without what it was defined in."""
    return work.rpartition("<locals>.")[2].replace("<lambda>", "a function without a name")


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


_COLOURS: Final = {
    "done": "#2e7d32", "delivered": "#2e7d32", "read": "#1b5e20", "sent": "#f9a825",
    "accepted": "#f9a825", "pending": "#f9a825", "failed": "#c62828", "unknown": "#c62828",
}  # fmt: skip
_OTHER: Final = "#757575"
_ROW: Final = 28
_LABEL: Final = 90
_WIDEST: Final = 520
_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
body {{ font: 15px system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }}
table {{ border-collapse: collapse; margin-top: 1rem }}
th, td {{ border-bottom: 1px solid #ccc; padding: .3rem .8rem; text-align: left }}
td.count {{ text-align: right; font-variant-numeric: tabular-nums }}
</style></head><body>
<h1>{title}</h1>
{chart}
<table><thead><tr><th>status</th><th>count</th><th>reason</th></tr></thead><tbody>
{rows}
</tbody></table></body></html>
"""


def write_report(journal: Path, path: Path, title: str) -> None:
    """Write the counts of a journal to *path*; they hold no item, no contact and no text."""
    found = tally(journal)
    rows = (
        f'<tr><td>{escape(row.status)}</td><td class="count">{row.count}</td>'
        f"<td>{escape(row.reason or '')}</td></tr>"
        for row in found
    )
    page = _PAGE.format(title=escape(title), chart=_chart(found), rows="\n".join(rows))
    with os.fdopen(replace_private(path), "w", encoding="utf-8") as file:
        file.write(page)


def _chart(found: list[EndingCount]) -> str:
    """Draw a bar for each status."""
    counts: Counter[str] = Counter()
    for row in found:
        counts[row.status] += row.count
    most = max(counts.values(), default=1)
    bars = "".join(_bar(at, *pair, most) for at, pair in enumerate(counts.items()))
    height = _ROW * max(1, len(counts))
    return (
        f'<svg role="img" aria-label="Counts by status" width="{_LABEL + _WIDEST + 80}" '
        f'height="{height}" xmlns="http://www.w3.org/2000/svg">{bars}</svg>'
    )


def _bar(at: int, status: str, count: int, most: int) -> str:
    width = max(2, round(_WIDEST * count / most))
    y, colour = at * _ROW, _COLOURS.get(status, _OTHER)
    return (
        f'<text x="0" y="{y + 18}">{escape(status)}</text>'
        f'<rect x="{_LABEL}" y="{y + 4}" width="{width}" height="{_ROW - 8}" fill="{colour}"/>'
        f'<text x="{_LABEL + width + 6}" y="{y + 18}">{count}</text>'
    )


async def follow(
    client: AsyncRespond, screen: Screen, journal: Path, wait: float
) -> DeliverySummary:
    """Look at the messages of a journal for up to *wait* seconds, and show how it goes."""
    found = DeliverySummary({}, {}, {})

    def update(summary: DeliverySummary) -> None:
        nonlocal found
        found = summary

    def sentence(elapsed: float) -> str:
        floor = floor_of({ROUTES["messages.get"]: found.open}, limits_seen(client))
        return (
            f"{elapsed:7.1f} s  {found.total - found.open}/{found.total} messages settled · "
            f"{found.failed} failed · a round takes about {duration(floor)}"
        )

    def picture(elapsed: float) -> Table:
        table = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=found.total or 1, completed=found.total - found.open, width=40)
        table.add_row(bar, sentence(elapsed))
        return table

    async with shown(screen.err, sentence, picture):
        return await deliveries(client, journal, wait=wait, progress=update)


def print_unread(screen: Screen, summary: DeliverySummary) -> None:
    """Say which messages could not be looked up, or are not delivered yet."""
    for reason, count in summary.unreadable.items():
        screen.note(f"{count} could not be looked at: {reason}")
    if summary.open:
        screen.note(
            f"{summary.open} not delivered yet; some channels never tell. Look again later."
        )
