"""The code blocks of a page of documentation: found, and run in their order."""

import ast
import asyncio
import inspect
import io
import os
import re
import shlex
import sys
import textwrap
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from respondio_async import AsyncRespond
from respondio_async.sandbox import Quirks, Sandbox

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [
    page for page in sorted(DOCS.rglob("*.md")) if page.parent != DOCS / "reference"
]  # those are made from the code
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w+)(?P<info>[^\n]*)\n(?P<text>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: Path
    line: int
    language: str
    info: str
    text: str

    @property
    def is_output(self) -> bool:
        """Whether it shows what the program before it prints."""
        return 'title="Output"' in self.info

    @property
    def file(self) -> str | None:
        """The name of the file that it is; such a block is written, and run by a command."""
        found = re.search(r'title="([\w.-]+\.\w+)"', self.info)
        return found and found[1]

    @property
    def is_program(self) -> bool:
        """Whether it stands alone, and runs in an interpreter of its own."""
        return re.search(r"^(    )?asyncio\.run\(", self.text, re.MULTILINE) is not None

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path, *languages: str) -> list[Block]:
    """Find a page's blocks of these languages (none: of all), in their order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page,
            text.count("\n", 0, found.start()) + 1,
            found["language"],
            found["info"],
            textwrap.dedent(found["text"]),
        )
        for found in _FENCE.finditer(text)
        if not languages or found["language"] in languages
    ]


def commands(page: Path) -> Iterator[list[str]]:
    """Give the words of each `respondio …` command of a page's shell blocks."""
    for block in blocks(page, "sh", "shell", "bash", "console"):
        for line in block.text.replace("\\\n", " ").splitlines():
            if block.language == "console" and not line.startswith("$ "):
                continue  # what the command prints
            for part in re.split(r"&&|\|\||[|;>&]", line.removeprefix("$ ")):
                words = shlex.split(part, comments=True)
                while words and re.match(r"[A-Z_]+=", words[0]):
                    words.pop(0)
                if words and Path(words[0]).name == "respondio":
                    yield words[1:]


async def run_page(page: Path) -> Sandbox:
    """Run the Python blocks of a page against a sandbox, which is returned to be looked at.

    They share a `client`, as the pages say. A block with a file's name is written to that file. A
    block that calls `asyncio.run` is a program of its own. A block of tests has its tests called.
    The commands of a `console` block are run. The output that a page shows is what was printed; "…"
    stands for anything. Everything happens in the current directory.
    """
    with Sandbox(contacts=3, quirks=Quirks.calm()) as sandbox:
        environment = {"RESPONDIO_API_TOKEN": sandbox.token, "RESPONDIO_BASE_URL": sandbox.url}
        os.environ.update(environment)
        try:
            async with AsyncRespond() as client:
                await _run(page, {"client": client, "sandbox": sandbox})
        finally:
            for name in environment:
                del os.environ[name]
    return sandbox


async def _run(page: Path, given: dict[str, Any]) -> None:
    scope = {
        "__name__": page.stem,
        "AsyncRespond": AsyncRespond,
        "asyncio": asyncio,
        **given,
        "respondio_client": given["client"],
        "respondio_sandbox": given["sandbox"],
    }
    printed = ""
    for block in blocks(page):
        if block.is_output:
            _compare(block, block.text, printed)
        elif block.file:
            Path(block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "console":
            await _commands(block)
        elif block.language == "python":
            printed = await (_program(block) if block.is_program else _piece(block, scope))


def _compare(block: Block, shown: str, printed: str) -> None:
    lines = [
        "(.*\n)*?" if line.strip() == "…" else re.escape(line.rstrip()).replace("…", ".*") + " *\n"
        for line in shown.strip().splitlines()
    ]
    assert re.fullmatch("".join(lines), f"{printed.strip()}\n".lstrip()), (
        f"{block}: the output is another:\n{printed}"
    )


async def _commands(block: Block) -> None:
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, shown = re.fullmatch(r"((?:.*\\\n)*.*\n?)((?:.*\n?)*)", part).groups()  # type: ignore[union-attr]
        _compare(block, shown, await _output(block, "bash", "-euo", "pipefail", "-c", command))


async def _program(block: Block) -> str:
    return await _output(block, sys.executable, "-c", block.text)


async def _output(block: Block, *words: str) -> str:
    scripts = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.DEVNULL, stdout=-1, stderr=-1,
        env={**os.environ, "PATH": scripts, "PYTHONPATH": str(ROOT), "COLUMNS": "100",
             "PYTHONOPTIMIZE": ""},  # as a reader runs it
    )  # fmt: skip
    printed, errors = await process.communicate()
    assert process.returncode == 0, f"{block}: {errors.decode()}\n{printed.decode()}"
    return printed.decode()


async def _piece(block: Block, scope: dict[str, Any]) -> str:
    known = set(scope)
    printed = io.StringIO()
    code = compile(
        "\n" * block.line + block.text, str(block), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    )
    with redirect_stdout(printed):
        await _finish(eval(code, scope))
        for name in sorted(set(scope) - known):
            if name.startswith("test_"):
                wanted = inspect.signature(scope[name]).parameters
                await _finish(scope[name](*(scope[each] for each in wanted)))
    return printed.getvalue()


async def _finish(result: object) -> None:
    if inspect.isawaitable(result):
        await result
