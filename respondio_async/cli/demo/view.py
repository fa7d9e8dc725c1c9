"""The migration as it goes: a line a route."""

import msgspec
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ... import AsyncRespond, RouteStatistics
from .._live import Rates, View
from .migration import STEPS, Migration, MigrationStep


class RouteLine(msgspec.Struct, frozen=True):
    """One route at a moment."""

    step: MigrationStep
    done: int
    sent: int
    waiting: int
    refused: int
    rate: float
    limit: float | None

    @property
    def limit_text(self) -> str:
        """The limit, which is unknown before the route's first request."""
        return "?" if self.limit is None else f"{self.limit:g}"


class MigrationView(View):
    """Shows a running migration."""

    headings: str = (
        f"seconds {''.join(f'{step.label:>18}' for step in STEPS)}\n        "
        + f"{'done':>5} {'rate':>7}{'wait':>5}" * len(STEPS)
    )

    def __init__(self, client: AsyncRespond, migration: Migration) -> None:
        self._client = client
        self._migration = migration
        self._total = len(migration.people)
        self._rates = Rates()

    def look(self, elapsed: float) -> list[RouteLine]:
        """Describe every route now."""
        routes = self._client.statistics().routes
        lines: list[RouteLine] = []
        for step in STEPS:
            use = routes.get(step.route, RouteStatistics(route=step.route))
            lines.append(
                RouteLine(
                    step=step,
                    done=self._migration.done[step],
                    sent=use.sent,
                    waiting=use.waiting,
                    refused=use.refused,
                    rate=self._rates.rate(step.route, elapsed, use.sent),
                    limit=use.limit,
                )
            )
        return lines

    def picture(self, elapsed: float) -> Table:
        """Draw the routes."""
        table = Table(
            box=None,
            padding=(0, 1),
            title=f"{elapsed:5.1f} s",
            title_justify="left",
            title_style="bold",
        )
        table.add_column("route")
        table.add_column(width=24)
        for heading in ("done", "sent", "waiting", "rate / limit", "refused"):
            table.add_column(heading, justify="right")
        for line in self.look(elapsed):
            full = line.done >= self._total
            table.add_row(
                Text(line.step.label, style="dim" if full else ""),
                ProgressBar(total=self._total, completed=line.done, width=24),
                f"{line.done}/{self._total}",
                str(line.sent),
                Text(str(line.waiting), style="yellow" if line.waiting else "dim"),
                Text(f"{line.rate:4.1f} / {line.limit_text}", style="dim" if full else "cyan"),
                Text(str(line.refused), style="red" if line.refused else "dim"),
            )
        return table

    def sentence(self, elapsed: float) -> str:
        """Say of each route what is done, requests a second against the limit, and how many calls
        wait.
        """
        return f"{elapsed:7.1f} " + "".join(
            f"{line.done:>5} {line.rate:4.1f}/{line.limit_text:<2}{line.waiting:>5}"
            for line in self.look(elapsed)
        )
