"""The report of a run as one HTML file: it needs nothing from elsewhere, and runs no script."""

import os
from html import escape
from pathlib import Path
from typing import Final

from ..files import replace_private
from ._results import EndingCount, tally

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
    page = _PAGE.format(
        title=escape(title), chart=_chart(found), rows="\n".join(map(_table_row, found))
    )
    with os.fdopen(replace_private(path), "w", encoding="utf-8") as file:
        file.write(page)


def _table_row(row: EndingCount) -> str:
    return (
        f'<tr><td>{escape(row.status)}</td><td class="count">{row.count}</td>'
        f"<td>{escape(row.reason or '')}</td></tr>"
    )


def _chart(found: list[EndingCount]) -> str:
    """Draw a bar for each status."""
    counts: dict[str, int] = {}
    for row in found:
        counts[row.status] = counts.get(row.status, 0) + row.count
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
