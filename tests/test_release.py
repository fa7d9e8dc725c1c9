"""One version, in every place that names it."""

import re
from pathlib import Path

from respondio_async import __version__

ROOT = Path(__file__).parents[1]


def test_the_newest_section_of_the_changelog_is_this_version() -> None:
    """With the day on which it was made, below what is not released yet."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    unreleased, newest, *_ = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert unreleased == "[Unreleased]"
    assert re.fullmatch(rf"\[{re.escape(__version__)}\] - \d{{4}}-\d\d-\d\d", newest)


def test_who_cites_it_cites_this_version() -> None:
    """CITATION.cff has the version and the day of the changelog."""
    cited = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    date = re.findall(r"^## \[[\d.]+\] - (\S+)$", changes, re.MULTILINE)[0]
    assert f"\nversion: {__version__}\n" in cited
    assert f"\ndate-released: {date}\n" in cited
