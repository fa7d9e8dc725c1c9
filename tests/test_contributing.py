"""CONTRIBUTING.md's steps for a new endpoint, carried out as they are written."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLACES = 5
"""What an endpoint costs whose model exists."""


def steps() -> list[str]:
    """The code of each step, and the command that ends them."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.split("## Add an endpoint in five minutes")[1].split("\n## ")[0]
    blocks = re.findall(r"^( *)```(?:python|sh)\n(.*?)^ *```", section, re.DOTALL | re.MULTILINE)
    # A block is indented as its list item is; what is left is the code's own.
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in blocks]


def change(path: Path, *changes: tuple[str, str]) -> None:
    """Replace each text, which must be there, once."""
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, (path, old)
        text = text.replace(old, new, 1)
    path.write_text(text, encoding="utf-8")


@pytest.mark.long("runs pytest on a copy of the tree")
def test_an_endpoint_takes_five_places(tmp_path: Path) -> None:
    """The steps are carried out on a copy of the tree, where the command then passes."""
    row, method, raw, handler, test, command = steps()
    tree = tmp_path / "tree"
    for name in ("respondio_async", "tests"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    package = tree / "respondio_async"
    places = [
        (package / "_engine" / "endpoints.py", [("_ROWS: Final", f"{row}\n_ROWS: Final")]),
        (
            package / "resources" / "space.py",
            [
                (" Template, User", " Team, Template, User"),
                ("    async def get_user", f"{method}\n    async def get_user"),
            ],
        ),
        (
            package / "resources" / "_raw.py",
            [("        self.list_users", f"{raw}        self.list_users")],
        ),
        (
            package / "sandbox" / "operations" / "space.py",
            [("@serves", f"{handler}\n\n@serves")],
        ),
        (
            tree / "tests" / "test_operations.py",
            [
                ("    Tag,\n", "    Tag,\n    Team,\n"),
                ("OPERATIONS = [\n", f"OPERATIONS = [\n{test.rstrip()},\n"),
            ],
        ),
    ]
    assert len(places) == PLACES
    for path, changes in places:
        change(path, *changes)
    arguments = shlex.split(command)[1:]
    run = subprocess.run(
        [sys.executable, *arguments, "-q"],
        cwd=tree, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "PYTHONOPTIMIZE": ""},  # as its reader runs it
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-2000:]
    assert "passed" in run.stdout
