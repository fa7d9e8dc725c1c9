"""Write the reference pages from the code: every public name, the endpoints, the command line.

Run by `nox -s docs` before the site is built; the pages are not kept under version control.
"""

import ast
import inspect
import re
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import typer.main

import respondio_async
from respondio_async import DEFAULT_LIMITS, errors
from respondio_async._engine.endpoints import ENDPOINTS
from respondio_async.cli._app import app

HERE = Path(__file__).parent
OUT = HERE / "reference"

PAGES: dict[str, tuple[str, str]] = {
    "client": (
        "The client",
        "respondio_async: AsyncRespond Response RetryPolicy RateLimit __version__",
    ),
    "contacts": ("client.contacts", "respondio_async.resources: Contacts"),
    "messages": ("client.messages", "respondio_async.resources: Messages"),
    "comments": ("client.comments", "respondio_async.resources: Comments"),
    "conversations": ("client.conversations", "respondio_async.resources: Conversations"),
    "space": ("client.space", "respondio_async.resources: Space"),
    "health": (
        "Health, statistics and drift",
        "respondio_async: Health HealthCheck ClientStatistics RouteStatistics DriftRecord",
    ),
    "filters": ("Filters", "respondio_async.filters: *"),
    "identifiers": ("Identifiers", "respondio_async.identifiers: *"),
    "pagination": ("Lists and pages", "respondio_async: Paginator Page Cursor"),
    "limits": (
        "Limits",
        """respondio_async: LocalRateLimiter RateLimiter Reservation Feedback Priority ROUTES;
        respondio_async.limits.redis: *; respondio_async.routes: *""",
    ),
    "hooks": ("Hooks", "respondio_async.hooks: *"),
    "telemetry": ("OpenTelemetry", "respondio_async.telemetry: *"),
    "errors": ("Errors", "respondio_async.errors: *"),
    "models": ("Models and payloads", "respondio_async.models: *; respondio_async: *"),
    "bulk": ("Bulk runs", "respondio_async.bulk: *"),
    "webhooks": (
        "Webhooks",
        """respondio_async.webhooks: *; respondio_async.webhooks.fastapi: *;
        respondio_async.webhooks.aiohttp: *""",
    ),
    "sandbox": ("Sandbox", "respondio_async.sandbox: *; respondio_async.sandbox.inbox: *"),
    "helpers": (
        "Files and checks",
        "respondio_async.checks: *; respondio_async.files: *; respondio_async.discreet: *",
    ),
}
"""Page, title, and its names as "module: names; …"; `*` is what the module's `__all__` holds."""


def home(module: str, name: str) -> str:
    """Find where a public name is defined: the documentation tool follows no lazy import."""
    loaded = import_module(module)
    body = ast.parse(inspect.getsource(loaded)).body
    guarded = [each for node in body if isinstance(node, ast.If) for each in node.body]
    for node in [*body, *guarded]:
        if not isinstance(node, ast.ImportFrom):
            continue
        for alias in node.names:
            if (alias.asname or alias.name) not in (name, "*"):
                continue
            package = module.split(".")
            package = package[: len(package) + hasattr(loaded, "__path__") - node.level]
            source = ".".join([*package, node.module or ""]) if node.level else str(node.module)
            source = source.rstrip(".")
            if not source.startswith("respondio_async"):
                continue
            if alias.name != "*" or name in import_module(source).__all__:
                return home(source, name if alias.name == "*" else alias.name)
    return f"{module}.{name}"


def names_of(wanted: str) -> list[tuple[str, str]]:
    """Read a list of names of `PAGES`: (module, name)."""
    found: list[tuple[str, str]] = []
    for part in " ".join(wanted.split()).split("; "):
        module, _, names = part.partition(": ")
        listed: list[str] = import_module(module).__all__ if names == "*" else names.split()
        found += [(module, name) for name in listed]
    return found


def entries() -> dict[str, list[str]]:
    """Give every public name its one page."""
    pages: dict[str, list[str]] = {page: [] for page in PAGES}
    placed: set[str] = set()
    # What a page names one by one is its own; the rest goes where the order puts it.
    for page in sorted(PAGES, key=lambda page: PAGES[page][1].count("*")):
        for module, name in names_of(PAGES[page][1]):
            path = home(module, name)
            if path not in placed and not (page == "models" and name in errors.__all__):
                placed.add(path)
                pages[page].append(path)
    return pages


def causes() -> dict[str, str]:
    """Read cause and cure of each error from its how-to page."""
    page = (HERE / "how-to/errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \| (.*?) \| (.*?) \|$", page, re.MULTILINE)
    linked = [(names, cause, cure.replace("](", "](../how-to/")) for names, cause, cure in rows]
    return {
        name: f"*Cause:* {cause}. *Do:* {cure}."
        for names, cause, cure in linked
        for name in re.findall(r"`(\w+)`", names)
    }


def imports(page: str) -> str:
    """Say where a page's names are imported from; methods of the client are not."""
    modules: dict[str, list[str]] = {}
    for module, name in names_of(PAGES[page][1]):
        public = "respondio_async" if name in respondio_async.__all__ else module
        modules.setdefault(public, []).append(name)
    modules.pop("respondio_async.resources", None)
    if len(modules) == 1:
        return f"Import from `{next(iter(modules))}`."
    return "\n".join(
        f"* From `{module}`: {', '.join(f'`{name}`' for name in sorted(set(names)))}."
        for module, names in modules.items()
    )


def name_pages(out: Path) -> None:
    """Write the pages of names."""
    cures = causes()
    for page, paths in entries().items():
        parts = [f"# {PAGES[page][0]}", "", imports(page), ""]
        if page == "errors":
            parts += ["```text", (inspect.getdoc(errors) or ""), "```", ""]
        elif page in ("bulk", "hooks", "sandbox", "telemetry", "webhooks"):
            parts += [inspect.getdoc(import_module(f"respondio_async.{page}")) or "", ""]
        for path in paths:
            parts.append(f"::: {path}")
            if ".resources." in path:  # the client makes them
                parts.append("    options: {show_bases: false, merge_init_into_class: false}")
            parts.append("")
            if cure := cures.get(path.rpartition(".")[2]):
                parts += [cure, ""]
        (out / f"{page}.md").write_text("\n".join(parts), encoding="utf-8")


def endpoint_page(out: Path) -> None:
    """Write the table of the API: method, path, limit, replay class."""
    lines = [
        "# Endpoints",
        "",
        "What each method calls, how many requests a second the vendor's table allows the",
        "organisation, and whether the client may repeat it by itself after a failure. `unsent`:",
        "only when the first request provably had no effect",
        "([never twice](../explanation/never-twice.md)).",
        "",
        "| Method | Request | Limit a second | Counted together as | Repeated |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in ENDPOINTS:
        limit = DEFAULT_LIMITS.get(row.bucket)
        bucket = row.bucket.replace("|", "&#124;")
        lines.append(
            f"| `client.{row.name}` | `{row.template}` | {'–' if limit is None else f'{limit:g}'} "
            f"| <code>{bucket}</code> | {row.replay} |"
        )
    (out / "endpoints.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def commands(command: Any, path: tuple[str, ...]) -> list[tuple[str, Any]]:
    """List the commands below one, each with its whole name."""
    if not hasattr(command, "entries"):
        return [(" ".join(path), command)]
    return [
        found
        for name, entry in command.entries.items()
        for found in commands(entry.load(), (*path, name))
    ]


def command_page(out: Path) -> None:
    """Write every command with its help."""
    parts = [
        "# Command line",
        "",
        "`pip install 'respondio-async[cli]'`. What the exit codes mean is under",
        "[configuration](../configuration.md#exit-codes-of-the-commands).",
        "",
    ]
    for name, command in commands(typer.main.get_command(app), ("respondio",)):
        text = re.sub(
            r"^Examples$", "Examples:\n", inspect.cleandoc(command.help or ""), flags=re.MULTILINE
        )
        parts += [f"## {name}", "", text, "", "| Argument | Default | |", "| --- | --- | --- |"]
        for option in command.params:
            if getattr(option, "hidden", False):
                continue
            shown = option.default
            plain = shown not in (None, "", False, ()) and not callable(shown)
            words = " ".join((getattr(option, "help", None) or "").split()).replace("|", "&#124;")
            spelt = ", ".join([*option.opts, *option.secondary_opts])
            default = "required" if option.required else f"`{shown}`" if plain else ""
            parts.append(f"| `{spelt}` | {default} | {words} |")
        parts.append("")
    (out / "command-line.md").write_text("\n".join(parts), encoding="utf-8")


def project_pages(out: Path) -> None:
    """Take over what stands at the root of the repository."""
    for name in ("CHANGELOG", "CONTRIBUTING", "SECURITY"):
        text = (HERE.parent / f"{name}.md").read_text(encoding="utf-8")
        text = text.replace("](docs/", "](../").replace("](CHANGELOG.md)", "](changelog.md)")
        (out / f"{name.lower()}.md").write_text(text, encoding="utf-8")
    for plot in ("peers", "simulation", "neighbours"):
        shutil.copy(HERE.parent / f"benchmarks/results/{plot}.svg", out)


def main(out: Path = OUT) -> None:
    """Write all pages."""
    out.mkdir(exist_ok=True)
    name_pages(out)
    endpoint_page(out)
    command_page(out)
    project_pages(out)


if __name__ == "__main__":
    main()
