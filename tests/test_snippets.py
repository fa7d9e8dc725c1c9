"""The snippets of the README and of the pages pass mypy at its strictest, as they stand."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
_HEAD = "import asyncio\n\nfrom respondio_async import AsyncRespond\n\n"


def _snippets(page: Path) -> list[str]:
    return re.findall(
        r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def _modules(page: Path) -> dict[str, str]:
    """Make modules of a page: a program stands by itself; the other snippets follow one another in
    a coroutine, and share a `client`.
    """
    snippets = _snippets(page)
    programs = [each for each in snippets if "asyncio.run(main())" in each]
    rest = "\n".join(each for each in snippets if each not in programs)
    name = "_".join(page.relative_to(ROOT).with_suffix("").parts).replace("-", "_")
    whole = f"{_HEAD}\nasync def page(client: AsyncRespond) -> None:\n"
    modules = {f"{name}_{number}.py": text for number, text in enumerate(programs)}
    return modules | ({f"{name}.py": whole + textwrap.indent(rest, "    ")} if rest else {})


@pytest.mark.slow
def test_snippets_are_typed(tmp_path: Path) -> None:
    """Those of the README and of every page of the documentation, in one run."""
    modules: dict[str, str] = {}
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        modules |= _modules(page)
    assert len(modules) >= 4
    for name, text in modules.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", *modules],
        cwd=tmp_path, env={"MYPYPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
