"""The README's snippets run, in their order, against the sandbox."""

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from respondio_async import AsyncRespond
from respondio_async.sandbox import Sandbox

README = Path(__file__).parent.parent / "README.md"
SNIPPETS = re.findall(
    r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """The vendor's limits, with contacts there to be found."""
    with Sandbox(contacts=3) as running:
        running.quirks.list_lag = 0.0
        yield running


def test_the_five_lines_work(sandbox: Sandbox) -> None:
    """As they stand, in an interpreter of their own."""
    done = subprocess.run(
        [sys.executable, "-c", SNIPPETS[0]],
        capture_output=True,
        text=True,
        check=False,
        env={
            "RESPONDIO_API_TOKEN": sandbox.token,
            "RESPONDIO_BASE_URL": sandbox.url,
            "PYTHONPATH": str(README.parent),
        },
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Contact(id=")


async def test_every_other_snippet_runs_after_the_one_before_it(
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """They share a `client`, as the README says."""
    monkeypatch.setenv("RESPONDIO_API_TOKEN", sandbox.token)
    monkeypatch.setenv("RESPONDIO_BASE_URL", sandbox.url)
    monkeypatch.chdir(tmp_path)
    async with AsyncRespond() as client:
        scope = {"__name__": "readme", "client": client, "AsyncRespond": AsyncRespond}
        exec("import asyncio", scope)
        for number, snippet in enumerate(SNIPPETS[1:], 2):
            code = compile(
                snippet, f"README snippet {number}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            )
            result = eval(code, scope)
            if inspect.iscoroutine(result):
                await result
    assert sandbox.refusals == 0
    assert sandbox.duplicates() == []


def test_the_readme_has_its_two_commands() -> None:
    """One runs the main job, one passes all tests; CI runs the second as it is written."""
    text = README.read_text(encoding="utf-8")
    commands = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert commands[0].rstrip().endswith("respondio demo")
    assert "-m pytest -q -n auto" in commands[1]
    assert len(SNIPPETS) > 15
