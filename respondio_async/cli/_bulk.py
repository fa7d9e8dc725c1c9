"""A bulk run of a command: many items, a journal, progress that knows the limits, and a count at
the end.
"""

import asyncio
import os
import shlex
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import typer
from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from respondio_async.discreet import Discreet

from .. import AsyncRespond, RouteStatistics
from ..bulk import Bulk, DeliverySummary, Outage, Progress
from ..limits import DEFAULT_LIMITS
from ._command import MaxOutage, Options, again
from ._exit import Exit
from ._live import Rates, shown
from ._screen import Screen, counted, table_of
from .files.bad_rows import BadRow

_MOST_KEPT: Final = 1_000
"""Failures that are kept for the report; the journal has them all."""
_MOST_TOLD: Final = 20
_WORTH_SAYING: Final = 0.1
"""Seconds in the queue, in the mean, from which on the final line names the route."""
_SETTLING: Final = 5.0
_TELLING: Final = 20
"""Seconds, and items, after which a run's speed says when it will end."""
_NUMBERS: Final = ("done", "waiting", "rate / limit", "refused")


class ReportedFailure(Discreet, msgspec.Struct, frozen=True):
    """An item that failed, or whose outcome is unknown."""

    _shown = ("error", "unknown")

    where: str
    error: str
    reason: str
    unknown: bool


class BulkReport(Discreet, msgspec.Struct):
    """How a run ended."""

    _shown = ("total", "done", "failed", "unknown", "skipped", "seconds")

    total: int
    done: int = 0
    failed: int = 0
    unknown: int = 0
    skipped: int = 0
    """Left alone: done in an earlier run of the same journal, or a bad row of the file."""
    done_earlier: int = 0
    bad: int = 0
    seconds: float = 0.0
    waits: dict[str, float] = msgspec.field(default_factory=dict[str, float])
    """Seconds that a request was queued on each route, in the mean; the longest first."""
    journal: str | None = None
    """None: there was none, or it was removed because all went well."""
    delivery: DeliverySummary | None = None
    """What became of the messages; None: not looked up."""
    failures: list[ReportedFailure] = msgspec.field(default_factory=list[ReportedFailure])

    @property
    def exit(self) -> Exit:
        """The exit code of a command that did just this."""
        if self.unknown:
            return Exit.UNKNOWN
        if self.failed or (self.delivery is not None and not self.delivery.ok):
            return Exit.FAILED
        return Exit.LEFT_OUT if self.bad else Exit.DONE

    def add_failure(self, where: str, error: str, reason: str, *, unknown: bool = False) -> None:
        """Keep a failure to be reported, unless there are too many."""
        if len(self.failures) < _MOST_KEPT:
            self.failures.append(ReportedFailure(where, error, reason, unknown))

    def add_bad_rows(self, rows: Sequence[BadRow]) -> None:
        """Count rows that were left out, and say why, by their lines."""
        self.total += len(rows)
        self.bad, self.skipped = len(rows), self.skipped + len(rows)
        for row in rows:
            self.add_failure(f"line {row.line}", "BadRow", "; ".join(row.problems))


class BulkJob(Discreet, msgspec.Struct, frozen=True):
    """What is to be done."""

    title: str
    """What `runs show` calls the run."""
    work: Callable[..., Awaitable[Any]]
    items: Callable[[], Iterable[Any]]
    """Gives all of them, each time from the first."""
    key: Callable[[Any], str]
    where: Callable[[Any], str]
    """Names an item to the user: its line, its id."""
    total: int
    operations: Mapping[str, int]
    """How many are planned on each route."""
    unknown: Literal["report", "repeat"] = "report"
    keeps_journal: bool = False
    """Whether a journal of ours stays although all went well: what it holds is still asked for."""


class RunOptions(Options, frozen=True):
    """How a run goes: its journal, and what becomes of items that fail."""

    journal: Annotated[
        Path | None,
        typer.Option(
            "--journal",
            show_default=False,
            help="The run's journal: made if missing, continued if there. Without it one is made "
            "beside you, and removed when all went well, unless messages were sent.",
        ),
    ] = None
    failed: Annotated[
        Literal["retry", "skip"],
        typer.Option(
            "--failed",
            help="What becomes of items that failed in an earlier run of the journal: tried again, "
            "or left alone and reported.",
        ),
    ] = "retry"
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed", help="Try the items that failed in this run once more, at its end."
        ),
    ] = False
    max_outage: MaxOutage = 3600.0


class JournalFile:
    """A run's journal: the user's, or one of ours that goes when all went well."""

    def __init__(self, options: RunOptions, name: str, screen: Screen) -> None:
        """*name* is part of that of a journal of ours; *screen* will say how to resume."""
        self.options = options
        self.is_ours = options.journal is None
        self.path = options.journal or Path(
            f"respondio-{name}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.sqlite"
        )
        screen.last_words = self.how_to_resume

    def how_to_resume(self) -> list[str]:
        """Say what continues the run: the same command with the journal."""
        if not self.path.exists():
            return ["Stopped before anything was written."]
        return [
            "Stopped. What is done is in the journal; go on with:",
            f"  {again('--journal', str(self.path))}",
        ]

    def remove(self) -> None:
        """Remove it, with what SQLite keeps beside it."""
        for suffix in ("", "-wal", "-shm", ".lock"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)


class BulkView:
    """Shows a run."""

    def __init__(self, client: AsyncRespond, run: Bulk[Any, Any], job: BulkJob) -> None:
        self._client = client
        self._run = run
        self._job = job
        self._rates = Rates()

    def sentence(self, elapsed: float) -> str:
        """Say how far it is, how fast, and when it will end."""
        progress = self._run.statistics
        finished = progress.finished + progress.skipped
        if progress.outage is not None:
            waiting = outage_words(progress.outage)
            return f"{elapsed:7.1f} s  {waiting}; {finished} of {self._job.total} done"
        parts = [f"{elapsed:7.1f} s  {finished}/{self._job.total}", f"{progress.failed} failed"]
        if progress.unknown:
            parts.append(f"{progress.unknown} unknown")
        parts += [
            f"{self._rates.rate('', elapsed, progress.finished):.1f}/s",
            self._ending(progress),
        ]
        return " · ".join(parts)

    def picture(self, elapsed: float) -> Group:
        """Draw it: the whole, and each route against its limit."""
        progress = self._run.statistics
        finished = progress.finished + progress.skipped
        head = Table.grid(padding=(0, 2))
        head.add_row(
            ProgressBar(total=self._job.total or 1, completed=finished, width=40),
            f"{finished}/{self._job.total}",
            Text(f"{progress.failed} failed", style="red" if progress.failed else "dim"),
            Text(f"{progress.unknown} unknown", style="red" if progress.unknown else "dim"),
            Text(self._ending(progress), style="cyan"),
        )
        outage = "" if progress.outage is None else outage_words(progress.outage)
        used = self._client.statistics().routes
        rows = [
            (
                route,
                f"{used[route].sent - used[route].retried}/{planned}",
                used[route].waiting,
                self._speed(used[route], elapsed),
                used[route].refused,
            )
            for route, planned in self._job.operations.items()
            if route in used
        ]
        routes = table_of(("route", *_NUMBERS), rows, numbers=_NUMBERS)
        return Group(head, *([Text(outage, style="yellow")] if outage else []), routes)

    def _speed(self, use: RouteStatistics, elapsed: float) -> str:
        rate = self._rates.rate(use.route, elapsed, use.sent)
        return f"{rate:.1f} / {'?' if use.limit is None else f'{use.limit:g}'}"

    def _ending(self, progress: Progress) -> str:
        """Estimate the rest: what the limits demand of it, or this run's speed if that is slower.

        The first items, and the first seconds, tell nothing of the speed.
        """
        left = self._job.total - progress.finished - progress.skipped
        if left <= 0 or progress.outage is not None:
            return ""
        share = left / self._job.total
        rest = {route: int(count * share) for route, count in self._job.operations.items()}
        seconds = floor_of(rest, limits_seen(self._client))
        if progress.finished > _TELLING and progress.elapsed - progress.paused >= _SETTLING:
            seconds = max(seconds, progress.remaining or 0.0)
        return f"about {duration(seconds)} left"


def outage_words(outage: Outage) -> str:
    """Say that the run is paused, since when, and when it looks again."""
    since = time.strftime("%H:%M", time.localtime(outage.since))
    again = f"in {outage.next_probe:.0f} s" if outage.next_probe >= 1 else "now"
    return f"the server does not answer since {since}, trying again {again}"


def limits_seen(client: AsyncRespond) -> dict[str, float | None]:
    """Say by route what its limit is, as far as the client knows."""
    return {route: use.limit for route, use in client.statistics().routes.items()}


def floor_of(
    operations: Mapping[str, int], limits: Mapping[str, float | None] | None = None
) -> float:
    """The seconds that the limits demand of so many operations, the slowest route's."""
    known = limits or {}
    return max(
        (
            count / (known.get(route) or DEFAULT_LIMITS[route])
            for route, count in operations.items()
        ),
        default=0.0,
    )


def mean_waits(client: AsyncRespond, routes: Iterable[str]) -> dict[str, float]:
    """Say how long a request of each route was queued, in the mean, the longest first."""
    use = client.statistics().routes
    waits = {
        route: round(use[route].waited / use[route].sent, 2)
        for route in routes
        if route in use and use[route].sent
    }
    return dict(sorted(waits.items(), key=lambda pair: -pair[1]))


def duration(seconds: float) -> str:
    """Write a length of time for people."""
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"


async def carry_out(
    client: AsyncRespond, screen: Screen, job: BulkJob, journal: JournalFile
) -> BulkReport:
    """Do the job, show it, and count. A single item needs no journal: there is nothing to resume
    but itself.
    """
    options = journal.options
    is_needed = job.total > 1 or job.keeps_journal or options.retry_failed
    path = journal.path if is_needed or not journal.is_ours else None
    report = BulkReport(job.total, journal=None if path is None else str(path))
    job.work.__qualname__ = job.title  # by which the journal knows the run

    async def go_through(failed: Literal["retry", "skip"]) -> None:
        run = client.bulk(
            job.work,
            job.items(),
            key=job.key,
            journal=path,
            on_unknown=job.unknown,
            failed=failed,
            total=job.total,
            max_outage=options.max_outage,
        )
        await _follow(client, screen, job, run, report)

    await go_through(options.failed)
    if options.retry_failed and report.failed:
        screen.note(f"{counted(report.failed, 'failed item')}: trying once more.")
        first, report.failures = report.done_earlier, []
        await go_through("retry")
        report.skipped = report.done_earlier = first
    report.waits = mean_waits(client, job.operations)
    if path is not None and journal.is_ours and report.exit == Exit.DONE and not job.keeps_journal:
        journal.remove()
        report.journal = None
    return report


async def _follow(
    client: AsyncRespond, screen: Screen, job: BulkJob, run: Bulk[Any, Any], report: BulkReport
) -> None:
    """Let a run do what its journal does not know as done, and add to the report."""
    view = BulkView(client, run, job)
    async with shown(screen.err, view.sentence, view.picture), run:
        try:
            async for outcome in run:
                if (error := outcome.error) is not None:
                    where, kind = job.where(outcome.item), type(error).__name__
                    report.add_failure(where, kind, str(error), unknown=outcome.unknown)
        except asyncio.CancelledError:
            screen.note("Stopping: what is in progress gets five seconds to end.")
            raise
    progress = run.statistics
    report.done += progress.done
    report.failed, report.unknown = progress.failed, progress.unknown
    report.skipped = report.done_earlier = progress.skipped
    report.seconds = round(report.seconds + progress.elapsed, 2)


def print_report(screen: Screen, report: BulkReport, noun: str, done: str) -> None:
    """Print how a run ended: as JSON, or for people; *done* to each *noun*."""
    if screen.json:
        screen.document(report)
        return
    parts = [f"{counted(report.done, noun)} {done}"]
    parts += [
        f"{count} {how}"
        for count, how in (
            (report.done_earlier, "done in an earlier run"),
            (report.failed, "failed"),
            (report.unknown, "unknown"),
        )
        if count
    ]
    if report.bad:
        parts.append(f"{counted(report.bad, 'bad row')} left out")
    screen.line(f"{', '.join(parts)}, in {duration(report.seconds)}")
    held = [
        f"{route} {wait:.1f} s" for route, wait in report.waits.items() if wait >= _WORTH_SAYING
    ]
    if held:
        screen.line(f"Held up by the limits; queued for a request: {', '.join(held)}")
    for failure in report.failures[:_MOST_TOLD]:
        screen.line(f"  {failure.where}: {failure.error}: {failure.reason}")
    if len(report.failures) > _MOST_TOLD:
        kinds = Counter(failure.error for failure in report.failures[_MOST_TOLD:])
        screen.line(
            f"  … and {', '.join(f'{count} × {kind}' for kind, count in kinds.most_common())}"
        )
    if report.unknown:
        screen.line("Unknown: these may have happened. Look before you repeat them.")
    if report.journal is not None and report.exit != Exit.DONE:
        screen.line(f"More: respondio runs show {shlex.quote(report.journal)}")
