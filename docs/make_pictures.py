"""Record the commands that show how far they are, as animated SVG in docs/pictures.

    python docs/make_pictures.py [demo import broadcast]

Each runs as itself on a terminal, against a sandbox. Look at the pictures before you keep them. The
inbox page is photographed by `python -m tests.sandbox.browser`, and the plots are drawn by the
benchmarks.
"""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import textwrap
import time
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

from respondio_async.sandbox import Quirks, Sandbox

OUT = Path(__file__).parent / "pictures"
WIDTH = 114
FRAMES = 10
PEOPLE = "Phone,Name,Tags,Order\n" + "".join(
    f"+601234567{n:02},Person {n},{'vip' if n % 3 else 'beta'},{1000 + n}\n" for n in range(60)
)
COMMANDS = {
    "demo": "respondio demo --contacts 30",
    "import": "respondio contacts import people.csv --map Name=first_name --map Order=-",
    "broadcast": "respondio messages broadcast --from people.csv --channel WhatsApp "
    "--template order_update --var 1=Name --var 2=Order --yes",
}
_PIECE = re.compile(r"\x1b\[(\d*)([A-Za-z])|\x1b\[\?\d+[lh]|\r|\n|[^\x1b\r\n]+|\x1b\[[\d;]+m|\x1b")
_FORMAT = (
    '<svg class="rich-terminal" viewBox="0 0 {width} {height}" '
    'xmlns="http://www.w3.org/2000/svg">\n'
    "<style>.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, monospace; "
    "font-size: {char_height}px; line-height: {line_height}px; }}\n{styles}</style>\n"
    '<defs><clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" '
    'width="{terminal_width}" height="{terminal_height}"/></clipPath>{lines}</defs>\n'
    '{chrome}<g transform="translate({terminal_x}, {terminal_y})" '
    'clip-path="url(#{unique_id}-clip-terminal)">{backgrounds}'
    '<g class="{unique_id}-matrix">{matrix}</g></g></svg>'
)
"""rich's own, without the font that it would fetch from another host."""


class Screen:
    """As much of a terminal as rich's live display uses: it goes up, and clears whole lines."""

    def __init__(self) -> None:
        self.lines = [""]
        self.row = 0

    def feed(self, text: str) -> None:
        for found in _PIECE.finditer(text):
            piece, number, letter = found[0], found[1], found[2]
            if piece == "\n":
                self.row += 1
                if self.row == len(self.lines):
                    self.lines.append("")
            elif letter == "A":
                self.row = max(0, self.row - int(number or 1))
            elif letter == "K":
                self.lines[self.row] = ""
            elif piece == "\r" or (piece.startswith("\x1b") and not piece.endswith("m")):
                continue
            else:
                self.lines[self.row] += piece


def record(command: str, environment: dict[str, str], directory: str) -> list[tuple[float, str]]:
    """Run a command on a terminal: what it wrote, and when."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 60, WIDTH, 0, 0))
    began = time.monotonic()
    found: list[tuple[float, str]] = []
    with subprocess.Popen(  # noqa: S602 - the commands above
        command, shell=True, stdin=theirs, stdout=theirs, stderr=theirs, cwd=directory,
        env={**os.environ, **environment, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
    ) as process:  # fmt: skip
        os.close(theirs)
        try:
            while data := os.read(ours, 65_536):
                found.append((time.monotonic() - began, data.decode(errors="replace")))
        except OSError:  # the other end is closed
            pass
    os.close(ours)
    if process.returncode:
        raise SystemExit(f"{command}: {process.returncode}\n{''.join(text for _, text in found)}")
    return found


def screens(command: str, written: list[tuple[float, str]]) -> list[list[str]]:
    """Give the screen at even distances of time, and at the end."""
    end = written[-1][0]
    looks = [end * (number + 1) / FRAMES for number in range(FRAMES - 1)]
    screen, found = Screen(), list[list[str]]()
    for at, text in written:
        while looks and at > looks[0]:
            looks.pop(0)
            found.append(list(screen.lines))
        screen.feed(text)
    typed = " \\\n    ".join(textwrap.wrap(f"$ {command}", WIDTH - 8, break_on_hyphens=False))
    head = [f"\x1b[1m{line}\x1b[0m" for line in typed.splitlines()]
    return [[*head, *lines] for lines in [*found, screen.lines]]


def draw(name: str, frames: list[list[str]]) -> str:
    """Make one SVG of all frames; the last one stays twice as long."""
    height = max(len(lines) for lines in frames)
    beats = len(frames) + 2
    parts, size = [], ""
    for number, lines in enumerate(frames):
        console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True)
        for line in lines + [""] * (height - len(lines)):
            console.print(Text.from_ansi(line), no_wrap=True, crop=True)
        svg = console.export_svg(
            title="respondio", code_format=_FORMAT, unique_id=f"{name}{number}"
        )
        size = re.search(r'viewBox="([^"]+)"', svg)[1]  # type: ignore[index]
        last = number == len(frames) - 1
        shown = ["visible" if number == beat or (last and beat > number) else "hidden"
                 for beat in range(beats)]  # fmt: skip
        # Where nothing is animated, the end is what is seen.
        parts.append(
            f'<g visibility="{"visible" if last else "hidden"}">'
            f'<animate attributeName="visibility" calcMode="discrete" dur="{beats}s" '
            f'repeatCount="indefinite" '
            f'values="{";".join(shown)}"/>{svg}</g>'
        )
    return (
        f'<svg viewBox="{size}" xmlns="http://www.w3.org/2000/svg">\n'
        + "\n".join(parts)
        + "</svg>\n"
    )


def main() -> None:
    """Record those that are named, or all."""
    OUT.mkdir(exist_ok=True)
    for name in sys.argv[1:] or COMMANDS:
        with (
            tempfile.TemporaryDirectory() as directory,
            Sandbox(contacts=3, quirks=Quirks.calm()) as sandbox,
        ):
            (Path(directory) / "people.csv").write_text(PEOPLE, encoding="utf-8")
            environment = {
                "RESPONDIO_API_TOKEN": sandbox.token,
                "RESPONDIO_BASE_URL": sandbox.url,
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            }
            if name == "broadcast":
                for line in PEOPLE.splitlines()[1:]:
                    sandbox.customer(line.partition(",")[0]).says("Hello")
            written = record(COMMANDS[name], environment, directory)
        svg = draw(name, screens(COMMANDS[name], written))
        (OUT / f"{name}.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
