"""What the site takes from elsewhere, and its plain-text form for programs that read it.

The addresses come from pyproject.toml. Beside every page there is `index.md`, its text without the
site around it: the source of a page that was written, and the rendered entries of one that was made
from the code. `llms.txt` lists them all, and `llms-full.txt` holds them all.
"""

import tomllib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
_BREAKS = {"p", "div", "ul", "ol", "table", "tr", "details", "dl", "dt", "dd", "blockquote"}

TEXTS: dict[str, str] = {}
"""The plain text of each page, by its URL below the site's."""


def on_config(config: Any) -> None:
    """Give MkDocs the addresses of the site and of the repository.

    The repository is a link in the footer: for a `repo_url` the theme asks GitHub for its stars.
    """
    config.site_url = PROJECT["urls"]["Documentation"]
    source = {"icon": "material/source-repository", "link": PROJECT["urls"]["Repository"]}
    config.extra["social"] = [{**source, "name": "Source"}]


def on_page_content(html: str, *, page: Any, config: Any, files: Any) -> str:  # noqa: ARG001
    """Keep each page's plain text."""
    made = page.file.src_uri.startswith("reference/") and "::: " in (page.markdown or "")
    TEXTS[page.url] = plain(html) if made else page.markdown
    return html


def on_post_build(config: Any) -> None:
    """Write the plain texts, and their list."""
    site = Path(config.site_dir)
    lines = [f"# {config.site_name}", "", f"> {PROJECT['description']}", ""]

    def walk(items: Any, depth: int) -> None:
        for item in items:
            if item.children:
                lines.extend(["", f"{'#' * min(depth, 3)} {item.title}", ""])
                walk(item.children, depth + 1)
            else:
                (site / item.url / "index.md").write_text(TEXTS[item.url], encoding="utf-8")
                lines.append(f"- [{item.title}]({config.site_url}{item.url}index.md)")

    walk(NAVIGATION[0].items, 2)
    (site / "llms.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    whole = "\n\n".join(text.strip() for text in TEXTS.values())
    (site / "llms-full.txt").write_text(whole + "\n", encoding="utf-8")


NAVIGATION: list[Any] = []


def on_nav(nav: Any, *, config: Any, files: Any) -> Any:  # noqa: ARG001
    """Keep the navigation: the order of the list."""
    NAVIGATION[:] = [nav]
    return nav


class _Plain(HTMLParser):
    """Turns a page's HTML into Markdown that is as plain as it can be."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.code = 0
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        classes = (dict(attrs).get("class") or "").split()
        if self.hidden or "headerlink" in classes or tag in ("script", "style", "svg", "button"):
            self.hidden += tag not in ("br", "hr", "img", "input", "path")
        elif tag[0] == "h" and tag[1:].isdigit():
            self.parts.append(f"\n\n{'#' * int(tag[1:])} ")
        elif tag == "pre":
            self.code += 1
            self.parts.append("\n\n```\n")
        elif tag == "li":
            self.parts.append("\n- ")
        elif tag in ("td", "th"):
            self.parts.append(" | ")
        elif tag == "code" and not self.code:
            self.parts.append("`")
        elif tag in _BREAKS and not self.code:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if self.hidden:
            self.hidden -= 1
        elif tag == "pre":
            self.code -= 1
            self.parts.append("\n```\n")
        elif tag == "code" and not self.code:
            self.parts.append("`")
        elif tag in _BREAKS and not self.code:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.parts.append(data if self.code else " ".join(f"·{data}·".split()).strip("·"))


def plain(html: str) -> str:
    """Render HTML as text."""
    parser = _Plain()
    parser.feed(html)
    text = "".join(parser.parts).replace("`` ", "")  # where the site shows a symbol
    lines = [line.rstrip() for line in text.splitlines()]
    kept = [line for line, next_ in zip(lines, [*lines[1:], "x"], strict=True) if line or next_]
    return "\n".join(kept).strip() + "\n"
