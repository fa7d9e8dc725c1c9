"""Looking at what became of messages: for `runs deliveries` and after a broadcast."""

from pathlib import Path

from rich.progress_bar import ProgressBar
from rich.table import Table

from .. import ROUTES, AsyncRespond
from ..bulk import DeliverySummary, deliveries
from ._bulk import duration, floor_of
from ._live import View, shown
from ._screen import Screen

_NOTHING = DeliverySummary({}, {}, {})


class DeliveryView(View):
    """Shows how many messages have been delivered, read, or have failed."""

    def __init__(self, client: AsyncRespond) -> None:
        self._client = client
        self.summary = _NOTHING

    def update(self, summary: DeliverySummary) -> None:
        self.summary = summary

    def _ending(self) -> str:
        route = ROUTES["messages.get"]
        use = self._client.statistics().routes.get(route)
        seconds = floor_of({route: self.summary.open}, {route: use.limit if use else None})
        return f"a round takes about {duration(seconds)}"

    def sentence(self, elapsed: float) -> str:
        found = self.summary
        settled = found.total - found.open
        return (
            f"{elapsed:7.1f} s  {settled}/{found.total} messages settled · "
            f"{found.failed} failed · {self._ending()}"
        )

    def picture(self, elapsed: float) -> Table:
        found = self.summary
        table = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=found.total or 1, completed=found.total - found.open, width=40)
        table.add_row(bar, self.sentence(elapsed))
        return table


async def follow(
    client: AsyncRespond, screen: Screen, journal: Path, wait: float
) -> DeliverySummary:
    """Look at the messages of a journal for up to *wait* seconds, and show how it goes."""
    view = DeliveryView(client)
    async with shown(view, screen.err):
        return await deliveries(client, journal, wait=wait, progress=view.update)


def print_unread(screen: Screen, summary: DeliverySummary) -> None:
    """Say which messages could not be looked up, or are not delivered yet."""
    for reason, count in summary.unreadable.items():
        screen.note(f"{count} could not be looked at: {reason}")
    if summary.open:
        screen.note(
            f"{summary.open} not delivered yet; some channels never tell. Look again later."
        )
