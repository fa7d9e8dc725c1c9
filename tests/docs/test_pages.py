"""Every page of the documentation: its snippets run, its commands exist, the site names it."""

import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import typer.main

from respondio_async.cli._app import app
from tests.limits.redis_server import redis_server
from tests.support.snippets import DOCS, PAGES, ROOT, blocks, commands, run_page

WITH_CODE = [page for page in PAGES if blocks(page, "python")]
EVERYWHERE = [*PAGES, ROOT / "README.md"]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.real_time  # the sandbox counts by the real clock, as the pages show
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.long("each command is a process of its own"))
        if page.parent.name == "tutorial"
        else page
        for page in WITH_CODE
    ],
    ids=name_of,
)
async def test_the_snippets_of_a_page_run(
    page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In their order, within the limits, and nothing is sent twice.

    The commands of a tutorial are processes that may follow one another within a second, and do not
    know of one another: what is refused there is sent again.
    """
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        if "REDIS_URL" in page.read_text(encoding="utf-8"):
            monkeypatch.setenv("REDIS_URL", stack.enter_context(redis_server()).url)
        sandbox = await run_page(page)
    refused = [each for each in sandbox.requests if each.refused]
    if page.parent.name == "tutorial":
        accepted = [(each.method, each.path) for each in sandbox.requests if not each.refused]
        assert [each for each in refused if (each.method, each.path) not in accepted] == []
    else:
        assert refused == []
    assert sandbox.duplicates() == []


@pytest.mark.parametrize("page", EVERYWHERE, ids=name_of)
def test_every_block_of_python_is_one_that_runs(page: Path) -> None:
    """None hides behind another name of the language."""
    assert {block.language for block in blocks(page)} <= {
        "python", "console", "sh", "sql", "text", "json", "toml", "yaml"
    }  # fmt: skip


def parse(words: list[str]) -> None:
    """Parse a command line without running it."""
    command: Any = typer.main.get_command(app)
    context = command.context_class(command, info_name="respondio")
    while hasattr(command, "resolve_command"):
        parent = context
        name, command, words = command.resolve_command(parent, list(words))
        context = command.make_context(name, list(words), parent, resilient_parsing=False)


@pytest.mark.parametrize(
    ("page", "words"),
    [(page, words) for page in EVERYWHERE for words in commands(page)],
    ids=lambda value: name_of(value) if isinstance(value, Path) else " ".join(value),
)
def test_the_commands_of_a_page_exist(
    page: Path, words: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every `respondio …` line of a shell block is one that the command takes, given the files."""
    monkeypatch.chdir(tmp_path)
    for word in words:
        if re.fullmatch(r"[\w-]+\.[a-z]+", word):
            Path(word).touch()
    if words[-1:] not in (["--help"], ["--version"]):
        parse(words)


def test_the_navigation_names_every_page() -> None:
    """Written by hand, so that a page stands where a reader looks for it."""
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    named = re.findall(r"^ +- (?:.*: )?([\w/.-]+\.md)$", nav, re.MULTILINE)
    assert len(named) == len(set(named))
    written = {str(page.relative_to(DOCS)) for page in PAGES}
    assert written == {name for name in named if not name.startswith("reference/")}
