"""The README: its program runs, its commands and its links lead somewhere."""

import re
import subprocess
import sys
import tomllib

import pytest

from respondio_async.sandbox import Quirks, Sandbox
from tests.support.snippets import ROOT, blocks

README = ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8")
URLS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
MADE = ("client", "changelog", "contributing")
"""Pages of the reference, which the site's build writes."""


def links(text: str) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", text)


def test_the_five_lines_work() -> None:
    """The five lines work, as they stand, in an interpreter of their own."""
    [program] = blocks(README, "python")
    with Sandbox(contacts=3, quirks=Quirks.calm()) as sandbox:
        done = subprocess.run(
            [sys.executable, "-c", program.text],
            capture_output=True, text=True, check=False,
            env={
                "RESPONDIO_API_TOKEN": sandbox.token,
                "RESPONDIO_BASE_URL": sandbox.url,
                "PYTHONPATH": str(ROOT),
            },
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Contact(id=")


def test_the_readme_has_its_two_commands() -> None:
    """One runs the main job, one passes all tests; CI runs the second as it is written."""
    demo, tests = blocks(README, "sh")
    assert demo.text.rstrip().endswith("respondio demo")
    assert "-m pytest -q -n auto" in tests.text
    assert TEXT.splitlines()[tests.line - 2] == "<!-- test-command -->"


def test_the_readme_is_a_landing_page() -> None:
    """It is read on the package index too: short, and independent of the vendor in plain words."""
    assert len(TEXT.splitlines()) <= 150
    assert "independent" in TEXT.partition("```")[0]


@pytest.mark.parametrize("link", sorted(set(links(TEXT))))
def test_a_link_is_absolute_and_leads_to_what_is_there(link: str) -> None:
    """A relative one is dead on the package index. Ours begin with the addresses of
    pyproject.toml.
    """
    site, repository = URLS["Documentation"], URLS["Repository"]
    if link.startswith(site):
        page, _, anchor = link.removeprefix(site).partition("#")
        path = ROOT / "docs" / f"{page.rstrip('/') or 'index'}.md"
        if page.startswith("reference/"):
            assert path.stem in MADE
            return
        titles = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert not anchor or anchor in {title.lower().replace(" ", "-") for title in titles}
    elif link.startswith(f"{repository}/"):
        named = re.fullmatch(r"/(?:blob|raw)/main/(.*)", link.removeprefix(repository))
        assert named is not None
        assert (ROOT / named[1]).is_file()
    else:
        assert link in (repository, "https://respond.io")


def test_the_addresses_stand_in_one_place() -> None:
    """What else names them is text that a reader sees; no setting repeats them."""
    for path in (ROOT / "mkdocs.yml", ROOT / "noxfile.py", *(ROOT / "docs").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert all(url not in text for url in URLS.values()), path
