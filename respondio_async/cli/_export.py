"""What both exports share: their options, how they are shown, and how they say that they can go
on.
"""

import asyncio
import shlex
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from ._live import Rates, View, shown
from ._screen import Screen, counted
from .files.sinks import Format, Sink, Target, open_sink, rows_kept

Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        show_default=False,
        help="The file: .jsonl, .csv, .xlsx or .parquet; - or none: standard output.",
    ),
]
FormatOption = Annotated[
    Format | None,
    typer.Option("--format", show_default=False, help="If the file's name does not tell it."),
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on where an interrupted export of the same file stopped."),
]


class ExportReport(msgspec.Struct, frozen=True):
    """How an export ended."""

    path: str
    rows: int
    seconds: float


class ExportView(View):
    """Shows how many there are so far; a listing does not say how many will come."""

    def __init__(self, what: str, count: Callable[[], int]) -> None:
        self._what = what
        self._count = count
        self._rates = Rates()

    def sentence(self, elapsed: float) -> str:
        count = self._count()
        return (
            f"{elapsed:7.1f} s  {count} {self._what} · {self._rates.rate('', elapsed, count):.0f}/s"
        )


def is_data(given: Mapping[str, Any]) -> bool:
    """Say from an export's options whether standard output is for data alone."""
    return given["json"] or given["output"] in {None, Path("-")}


async def write_export(
    screen: Screen,
    target: Target,
    query: str,
    columns: Sequence[str],
    walk: Callable[[Sink], Awaitable[None]],
    *,
    noun: str,
) -> None:
    """Let *walk* write its rows, unless an earlier start has written them all; show how far it is,
    and print how it ended: as JSON if that was asked for, or for people.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    sink = open_sink(target, query, columns, screen)
    try:
        if not sink.state.complete:
            async with shown(ExportView(f"{noun}s", lambda: sink.count), screen.err):
                await walk(sink)
        sink.finish()
    finally:
        sink.close()
    if screen.json and target.path is not None:
        screen.document(ExportReport(str(target.path), sink.count, round(clock() - began, 2)))
    else:
        where = f" in {target.path}" if target.path else ""
        screen.line(f"{counted(sink.count, noun)}{where}")


def how_to_resume(path: Path | None) -> list[str]:
    """Say what continues an export, if anything does."""
    if path is None or path == Path("-"):
        return ["Stopped. With --output NAME an export can be resumed."]
    kept = rows_kept(path)
    if kept is None:
        return ["Stopped before anything was kept."]
    command = ["respondio", *sys.argv[1:]]
    if "--resume" not in command:
        command.append("--resume")
    return [
        f"Stopped with {counted(kept, 'row')} kept; go on with:",
        f"  {shlex.join(command)}",
    ]
