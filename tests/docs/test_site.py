"""The site as a reader meets it: built strictly, then looked at in a real browser.

`nox -s docs` runs this, with what builds the site; it is not in the default suite.
"""

import functools
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.sandbox.browser import Browser, browsing, installed
from tests.support.snippets import PAGES, ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not installed(), reason="needs chromium and chromedriver"),
]

LOOK = ROOT / "site" / "screenshots"
"""Where they are left, to be looked at."""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site: the one that `nox -s docs` has built, or built in the same way."""
    if built_site := os.environ.get("SITE"):
        return ROOT / built_site
    pytest.importorskip("mkdocs")
    out = tmp_path_factory.mktemp("site")
    subprocess.run([sys.executable, "docs/make_reference.py"], cwd=ROOT, check=True)
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--clean", "--site-dir", str(out)],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    return out


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    handler = functools.partial(Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing(size="1280,900") as opened:
        yield opened


class Links(HTMLParser):
    """What a page links to and loads, and the anchors that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.add(found["href"])
        if tag in ("script", "img", "iframe") and "src" in found:
            self.loaded.add(found["src"])
        if tag == "link" and found.get("rel") in ("stylesheet", "icon", "preload"):
            self.loaded.add(found["href"])


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Links]:
    found: dict[Path, Links] = {}
    for path in site.rglob("*.html"):
        found[path] = Links()
        found[path].feed(path.read_text(encoding="utf-8"))
    return found


def test_no_link_and_no_anchor_is_dead(site: Path, pages: dict[Path, Links]) -> None:
    """Of all pages, the entries of the reference included."""
    dead: list[str] = []
    for path, page in pages.items():
        if path.name == "404.html":
            continue  # its links begin with the site's path
        for link in page.links | page.loaded:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            known = target in pages and (
                not parts.fragment or unquote(parts.fragment) in pages[target].anchors
            )
            if not known and not (target.is_file() and target not in pages):
                dead.append(f"{path.relative_to(site)}: {link}")
    assert len(pages) > len(PAGES)
    assert dead == []


def test_nothing_is_loaded_from_another_host(pages: dict[Path, Links]) -> None:
    """No font, no script, no picture."""
    for path, page in pages.items():
        assert [each for each in page.loaded if urlsplit(each).netloc] == [], path


def test_programs_get_plain_text(site: Path) -> None:
    """llms.txt names a Markdown file beside every page, and llms-full.txt holds them all."""
    listed = re.findall(r"\]\(https://[^/]+/(.*?index\.md)\)", (site / "llms.txt").read_text())
    assert len(listed) > len(PAGES)
    for name in listed:
        assert len((site / name).read_text(encoding="utf-8")) > 100, name
    whole = (site / "llms-full.txt").read_text(encoding="utf-8")
    for expected in ("OutcomeUnknownError", "update(", "E.164", "respondio contacts import"):
        assert expected in whole


def test_the_public_names_are_in_the_inventory(site: Path) -> None:
    """Other projects' documentation links to them by it."""
    import zlib

    import respondio_async

    raw = (site / "objects.inv").read_bytes()
    names = zlib.decompress(raw.split(b"\n", 4)[4]).decode()
    for name in respondio_async.__all__:
        assert re.search(rf"\.{name} py:", names), name


def requests(browser: Browser) -> list[str]:
    """Every address that the page has loaded from."""
    return browser.script(
        "return performance.getEntriesByType('resource').map((each) => each.name)"
    )


def look(browser: Browser, name: str) -> None:
    LOOK.mkdir(parents=True, exist_ok=True)
    (LOOK / f"{name}.png").write_bytes(browser.screenshot())


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("", "respondio-async"),
        ("how-to/errors/", "What to do about each error"),
        ("reference/contacts/", "client.contacts"),
        ("reference/errors/", "Errors"),
        ("explanation/figures/", "Figures"),
    ],
)
def test_a_page_is_shown(browser: Browser, address: str, path: str, title: str) -> None:
    """With its pictures, and without a request to another host."""
    browser.open(address + path)
    browser.wait(lambda: title in browser.text("h1"))
    assert browser.script(
        "return [...document.images].every((each) => each.complete && each.naturalWidth > 0)"
    )
    assert [each for each in requests(browser) if not each.startswith(address)] == []
    look(browser, f"page-{path.strip('/').replace('/', '-') or 'front'}")


@pytest.mark.parametrize(
    ("words", "found"),
    [("retry", "how-to/retries"), ("OutcomeUnknownError", "how-to/errors")],
)
def test_the_search_finds(browser: Browser, address: str, words: str, found: str) -> None:
    """What a reader types."""
    browser.open(address)
    browser.script("document.querySelector('label[for=__search]').click()")
    browser.wait(lambda: browser.script("return document.querySelector('#__search').checked"))
    browser.type("input.md-search__input", words)
    links = "return [...document.querySelectorAll('.md-search-result__link')].map((a) => a.href)"
    browser.wait(lambda: any(found in each for each in browser.script(links)))
    assert [each for each in requests(browser) if not each.startswith(address)] == []
    look(browser, f"search-{words}")


def test_the_dark_mode(browser: Browser, address: str) -> None:
    """A click makes it dark."""
    browser.open(address)
    scheme = "return document.body.getAttribute('data-md-color-scheme')"
    before = browser.script(scheme)
    browser.script("document.querySelector('.md-header__option label:not([hidden])').click()")
    browser.wait(lambda: browser.script(scheme) != before)
    schemes = {before, browser.script(scheme)}
    assert schemes == {"default", "slate"}
    if browser.script(scheme) != "slate":
        browser.script("document.querySelector('.md-header__option label:not([hidden])').click()")
    browser.wait(lambda: browser.script(scheme) == "slate")
    time.sleep(0.5)  # the colours fade over, and the picture should show their end
    look(browser, "dark")


@pytest.mark.parametrize("path", ["", "how-to/errors/", "reference/contacts/"])
def test_a_phone(browser: Browser, address: str, path: str) -> None:
    """Nothing but code and tables, which scroll by themselves, is wider than the screen."""
    browser.command(
        "POST", "/goog/cdp/execute", cmd="Emulation.setDeviceMetricsOverride",
        params={"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True},
    )  # fmt: skip
    try:
        browser.open(address + path)
        browser.wait(lambda: browser.text("h1"))
        assert browser.script("return document.documentElement.scrollWidth") <= 390
        look(browser, f"phone-{path.strip('/').replace('/', '-') or 'front'}")
    finally:
        browser.command(
            "POST", "/goog/cdp/execute", cmd="Emulation.clearDeviceMetricsOverride", params={}
        )
