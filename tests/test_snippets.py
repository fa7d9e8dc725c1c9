"""The snippets of the README and of the pages pass mypy as they stand."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.snippets import PAGES, ROOT, blocks

_HEAD = """import asyncio

from respondio_async import AsyncRespond
from respondio_async.sandbox import Sandbox

"""


_AS_USERS = (
    "--allow-untyped-defs", "--allow-untyped-calls",  # tests are written so
    "--disable-error-code=import-untyped",  # vcrpy
    "--allow-untyped-decorators",  # celery
)  # fmt: skip


def _modules(page: Path) -> dict[str, str]:
    """Make modules of a page: a file and a program stand by themselves; the other snippets follow
    one another in a coroutine, and share a `client` and its `sandbox`.
    """
    snippets = blocks(page, "python")
    name = "_".join(page.relative_to(ROOT).with_suffix("").parts).replace("-", "_")
    alone = [block for block in snippets if block.file or block.is_program]
    modules = {block.file or f"{name}_{block.line}.py": block.text for block in alone}
    rest = "\n".join(block.text for block in snippets if block not in alone)
    if rest:
        whole = f"{_HEAD}\nasync def page(client: AsyncRespond, sandbox: Sandbox) -> None:\n"
        modules[f"{name}.py"] = whole + textwrap.indent(rest, "    ")
    return modules


@pytest.mark.slow
@pytest.mark.long("mypy checks every page from an empty cache")
def test_snippets_are_typed(tmp_path: Path) -> None:
    """Those of the README and of every page of the documentation, in one run."""
    modules: dict[str, str] = {}
    for page in (ROOT / "README.md", *PAGES):
        found = _modules(page)
        assert not modules.keys() & found.keys()
        modules |= found
    assert len(modules) >= 4
    for name, text in modules.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", *_AS_USERS, *modules],
        cwd=tmp_path, env={"MYPYPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
