"""The limiter against every server model, alone and beside others, in virtual time:
`python benchmarks/simulation.py [--full] [--seconds N] [--jobs N] [--only cells|scenes]`.

Writes tables and plots (with matplotlib) into `benchmarks/results/`: `simulation` for a limiter
that is alone, `neighbours` for one that is not. Without --full: what the test suite runs.
"""

import argparse
import pathlib
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TypeVar

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.simulation import grid, scenes  # noqa: E402
from tests.simulation.cells import DELAYS, Cell, Result, simulate  # noqa: E402
from tests.simulation.neighbours import HEADERS, NEIGHBOURS, Outcome, Scene, play  # noqa: E402
from tests.simulation.servers import SERVERS  # noqa: E402

T, R = TypeVar("T"), TypeVar("R")
Row = tuple[Cell, Result]
SceneRow = tuple[Scene, Outcome]


def table(columns: str, rows: Iterable[str]) -> str:
    """A Markdown table."""
    return "\n".join([columns, "| --- " * columns.count(" | ") + "| --- |", *rows]) + "\n"


def line(cell: Cell, result: Result) -> str:
    """The row of a cell."""
    holds = "yes" if grid.bound(cell).holds(result) else "**no**"
    return (
        f"| {cell.server} | {cell.delay} | {cell.limit} | {cell.load} | {cell.clients} "
        f"| {result.use:.2%} | {result.refused_of_10000:.1f} | {holds} |"
    )


def scene_line(scene: Scene, outcome: Outcome) -> str:
    """The row of a scene."""
    others = "nobody" if scene.neighbour == "none" else f"{scene.neighbour}, {scene.part:.0%}"
    holds = "yes" if outcome.refused <= scenes.most_refused(scene, outcome.is_open) else "**no**"
    return (
        f"| {others} | {scene.siblings} | {scene.headers} | {scene.server} | {scene.stranger} "
        f"| {outcome.use:.1%} | {outcome.refused:.2%} | {outcome.theirs_refused:.1%} | {holds} |"
    )


def plot(rows: list[Row], path: pathlib.Path) -> None:
    """Use against refusals, one panel a delay, one colour a server."""
    draw(
        path,
        {
            delay: {
                server: [
                    (each.use * 100, each.refused_of_10000)
                    for cell, each in rows
                    if (cell.server, cell.delay) == (server, delay)
                ]
                for server in SERVERS
            }
            for delay in DELAYS
        },
        "use of the limit, %",
        "refused of 10,000",
    )


def plot_scenes(rows: list[SceneRow], path: pathlib.Path) -> None:
    """Use of what others leave against refusals, one panel a neighbour, one colour a set of
    headers.
    """

    def points(style: str, headers: str) -> list[tuple[float, float]]:
        return [
            (outcome.use * 100, outcome.refused * 100)
            for scene, outcome in rows
            if scene.headers == headers
            and scene.stranger == "usual"
            and style == ("siblings" if scene.siblings > 1 else scene.neighbour)
        ]

    draw(
        path,
        {
            style: {f"headers: {headers}": points(style, headers) for headers in HEADERS}
            for style in (*NEIGHBOURS, "siblings")
        },
        "use of what others leave, %",
        "refused of ours, %",
    )


def draw(
    path: pathlib.Path,
    panels: dict[str, dict[str, list[tuple[float, float]]]],
    across: str,
    up: str,
) -> None:
    """Points in panels, whose colours are named in the last."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(panels), figsize=(16, 4), sharex=True, sharey=True)
    for axis, (title, colours) in zip(axes, panels.items(), strict=True):
        for colour, points in colours.items():
            if points:
                axis.scatter(*zip(*points, strict=True), label=colour, s=14, alpha=0.7)
        axis.set_title(title)
        axis.set_yscale("symlog", linthresh=1)
        axis.set_xlabel(across)
    axes[0].set_ylabel(up)
    axes[-1].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path)


def run(play_one: Callable[[T], R], items: list[T], jobs: int | None) -> list[tuple[T, R]]:
    """Simulate them on several processes, and show how far it is."""
    rows: list[tuple[T, R]] = []
    with ProcessPoolExecutor(jobs) as pool:
        for row in zip(items, pool.map(play_one, items), strict=True):
            rows.append(row)
            print(f"\r{len(rows):>5,} of {len(items):,}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return rows


def write(out: pathlib.Path, text: str, draw_it: Callable[[pathlib.Path], None]) -> None:
    """Print a table, and keep it with its plot."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".md").write_text(text)
    print(text)
    try:
        draw_it(out.with_suffix(".svg"))
    except ImportError:
        print("matplotlib is not installed: no plot")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="all of them, not only the pairs")
    parser.add_argument("--seconds", type=float, default=600.0, help="virtual seconds a cell")
    parser.add_argument("--jobs", type=int, default=None, help="processes")
    parser.add_argument("--only", choices=["cells", "scenes"], help="alone, or beside others")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "benchmarks" / "results")
    asked = parser.parse_args()
    began, failed = time.perf_counter(), 0
    if asked.only != "scenes":
        cells = list(grid.full()) if asked.full else grid.pairs()
        rows = run(partial(simulate, seconds=asked.seconds), cells, asked.jobs)
        failed += sum(not grid.bound(cell).holds(result) for cell, result in rows)
        columns = (
            "| Server | Delay | L | Load | Clients | Use of the limit | Refused of 10,000 | Bound "
            "holds |"
        )
        text = table(columns, (line(*row) for row in rows))
        write(asked.out / "simulation", text, partial(plot, rows))
    if asked.only != "cells":
        chosen = list(scenes.full()) if asked.full else scenes.pairs()
        # Two minutes a scene: longer ones say the same.
        played = run(partial(play, seconds=min(120.0, asked.seconds)), chosen, asked.jobs)
        failed += sum(
            outcome.refused > scenes.most_refused(scene, outcome.is_open)
            for scene, outcome in played
        )
        columns = (
            "| Who else | Clients of ours | Headers | Server | Oddity | Use of what others leave "
            "| Refused of ours | Refused of theirs | Bound holds |"
        )
        text = table(columns, (scene_line(*row) for row in played))
        write(asked.out / "neighbours", text, partial(plot_scenes, played))
    print(f"{time.perf_counter() - began:.0f} s; {failed} below their bound")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
