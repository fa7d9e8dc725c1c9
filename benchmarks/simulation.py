"""The limiter against every server model, in virtual time: `python benchmarks/simulation.py
[--full] [--seconds N] [--jobs N]`.

Writes a table (`simulation.md`) and a plot (`simulation.svg`, with matplotlib) into
`benchmarks/results/`. Without --full: the cells that the test suite runs.
"""

import argparse
import pathlib
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.simulation.cells import DELAYS, Cell, Result, simulate  # noqa: E402
from tests.simulation.grid import bound, full, pairs  # noqa: E402
from tests.simulation.servers import SERVERS  # noqa: E402

Row = tuple[Cell, Result]


def table(rows: list[Row]) -> str:
    """A Markdown table, one row a cell."""
    lines = [
        (
            "| Server | Delay | L | Load | Clients | Use of the limit | Refused of 10,000 | Bound "
            "holds |"
        ),
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for cell, result in rows:
        holds = "yes" if bound(cell).holds(result) else "**no**"
        lines.append(
            f"| {cell.server} | {cell.delay} | {cell.limit} | {cell.load} | {cell.clients} "
            f"| {result.use:.2%} | {result.refused_of_10000:.1f} | {holds} |"
        )
    return "\n".join(lines) + "\n"


def plot(rows: list[Row], path: pathlib.Path) -> None:
    """Use against refusals, one panel a delay, one colour a server."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, len(DELAYS), figsize=(16, 4), sharex=True, sharey=True)
    for panel, delay in zip(panels, DELAYS, strict=True):
        for server in SERVERS:
            points = [
                (each.use * 100, each.refused_of_10000)
                for cell, each in rows
                if (cell.server, cell.delay) == (server, delay)
            ]
            if points:
                panel.scatter(*zip(*points, strict=True), label=server, s=14, alpha=0.7)
        panel.set_title(delay)
        panel.set_yscale("symlog", linthresh=1)
        panel.set_xlabel("use of the limit, %")
    panels[0].set_ylabel("refused of 10,000")
    panels[-1].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="every cell, not only the pairs")
    parser.add_argument("--seconds", type=float, default=600.0, help="virtual seconds a cell")
    parser.add_argument("--jobs", type=int, default=None, help="processes")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "benchmarks" / "results")
    asked = parser.parse_args()
    cells = list(full()) if asked.full else pairs()
    began = time.perf_counter()
    rows: list[Row] = []
    with ProcessPoolExecutor(asked.jobs) as pool:
        for cell, result in zip(
            cells, pool.map(partial(simulate, seconds=asked.seconds), cells), strict=True
        ):
            rows.append((cell, result))
            note = "" if bound(cell).holds(result) else f"  below its bound: {cell}\n"
            print(
                f"\r{len(rows):>5,} of {len(cells):,} cells{note}",
                end="",
                file=sys.stderr,
                flush=True,
            )
    print(file=sys.stderr)
    asked.out.mkdir(parents=True, exist_ok=True)
    text = table(rows)
    (asked.out / "simulation.md").write_text(text)
    print(text)
    try:
        plot(rows, asked.out / "simulation.svg")
    except ImportError:
        print("matplotlib is not installed: no plot")
    failed = sum(not bound(cell).holds(result) for cell, result in rows)
    hours = len(rows) * asked.seconds / 3600
    print(
        f"{len(rows)} cells, {hours:.1f} virtual hours in {time.perf_counter() - began:.0f} s; "
        f"{failed} below their bound"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
