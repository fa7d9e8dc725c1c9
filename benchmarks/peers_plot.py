"""Draw how each contestant used the limit over time.

No background and mid greys: readable on white and on black.
"""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt  # noqa: E402 - the backend comes first

Arrivals = Sequence[tuple[float, bool]]

INK, ACCEPTED, REFUSED = "#858b94", "#2f9e6e", "#e5484d"
LIMIT = 10
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "peers",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 9.5,
    "xtick.color": INK,
    "ytick.color": INK,
}


def per_second(arrivals: Arrivals, seconds: int) -> tuple[list[int], list[int]]:
    """How many were accepted, and how many refused, in each second since the first."""
    accepted, refused = [0] * seconds, [0] * seconds
    for at, was_refused in arrivals:
        (refused if was_refused else accepted)[min(int(at), seconds - 1)] += 1
    return accepted, refused


def draw(rows: Sequence[tuple[str, Arrivals, int, int]], path: Path) -> None:
    """A panel for each of (name, arrivals, wanted, done): accepted requests a second upwards,
    refused ones downwards.

    What goes beyond twice the limit is cut off.
    """
    seconds = max([int(arrivals[-1][0]) + 1 for _, arrivals, _, _ in rows if arrivals] + [1])
    columns = min(3, len(rows))
    with mpl.rc_context(STYLE):
        height = -(-len(rows) // columns)
        figure, panels = plt.subplots(
            height,
            columns,
            figsize=(9.6, 1.75 * height + 0.5),
            sharex=True,
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        for panel in panels.flat[len(rows) :]:
            panel.set_visible(False)
        for panel, (name, arrivals, wanted, done) in zip(panels.flat, rows, strict=False):
            accepted, refused = per_second(arrivals, seconds)
            panel.stairs(accepted, fill=True, color=ACCEPTED, label="accepted in this second")
            beyond = [-min(count, 2 * LIMIT) for count in refused]
            panel.stairs(beyond, fill=True, color=REFUSED, label="refused (429)")
            panel.axhline(LIMIT, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
            panel.axhline(0, color=INK, linewidth=0.6)
            panel.set_title(
                f"{name}\n{done} of {wanted} done, {sum(refused)} refused", loc="left", color=INK
            )
            panel.spines[["top", "right"]].set_visible(False)
            panel.set_facecolor("none")
            panel.set_ylim(-2 * LIMIT - 1, LIMIT + 2)
            panel.set_yticks(
                [-2 * LIMIT, -LIMIT, 0, LIMIT], [f"≥ {2 * LIMIT}", str(LIMIT), "0", "limit"]
            )
        for panel in panels[-1]:
            panel.set_xlabel("seconds")
        handles, labels = panels[0][0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside upper right", ncols=2, frameon=False, fontsize=9
        )
        figure.savefig(path, transparent=True, metadata={"Date": None})
        plt.close(figure)
