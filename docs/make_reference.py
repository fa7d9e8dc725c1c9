"""Write the reference pages from the code: every public name, the endpoints, the command line.

Run by `nox -s docs` before the site is built; the pages are not kept under version control.
"""

import ast
import inspect
import shutil
from importlib import import_module
from pathlib import Path

import click
import typer.main

import respondio_async
from respondio_async import DEFAULT_LIMITS, errors
from respondio_async._engine.endpoints import ENDPOINTS
from respondio_async.cli._app import EXIT_CODES, app

HERE = Path(__file__).parent
OUT = HERE / "reference"

PAGES: dict[str, tuple[str, str]] = {
    "client": (
        "The client",
        "AsyncRespond Response RetryPolicy ClientStatistics RouteStatistics RateLimit",
    ),
    "health": ("Health and drift", "Health HealthCheck DriftRecord"),
    "filters": ("Filters", "F Filter Condition"),
    "identifiers": ("Identifiers", "ContactId Identifier"),
    "pagination": ("Pagination", "Paginator Page Cursor"),
    "limits": (
        "Limits",
        "DEFAULT_LIMITS LocalRateLimiter RateLimiter Reservation Feedback Priority",
    ),
    "hooks": ("Hooks", "Hook HookEvent AttemptEnded WaitStarted DriftDetected OperationEnded"),
}
"""Page, title and names; what is not named here goes to "models" or "errors"."""

MODULES = {
    "bulk": "Bulk runs",
    "webhooks": "Webhooks",
    "sandbox": "Sandbox",
    "telemetry": "OpenTelemetry",
}
RESOURCES = ("contacts", "messages", "comments", "conversations", "space")


def entry(path: str) -> str:
    """Ask for one object's documentation."""
    return f"::: {path}\n"


def home(name: str) -> str:
    """Find the module that defines a public name: the documentation tool follows no lazy import."""
    value = getattr(respondio_async, name)
    module = respondio_async._MODULE_OF.get(name)  # noqa: SLF001 - the one table of where names live
    if module is None:
        return f"respondio_async.{name}"
    full = f"respondio_async.{module}"
    while True:
        source = inspect.getsource(import_module(full))
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom) and any(
                (alias.asname or alias.name) == name for alias in node.names
            ):
                package = (
                    full if hasattr(import_module(full), "__path__") else full.rpartition(".")[0]
                )
                for _ in range(node.level - 1):
                    package = package.rpartition(".")[0]
                full = f"{package}.{node.module}" if node.level else str(node.module)
                break
        else:
            return f"{full}.{name}"
        if full.startswith("respondio_async") is False:
            return f"{getattr(value, '__module__', full)}.{name}"


def write(name: str, text: str) -> None:
    """Write one page."""
    (OUT / f"{name}.md").write_text(text, encoding="utf-8")


def public_pages() -> None:
    """Give every public name its place."""
    placed = {name for _, names in PAGES.values() for name in names.split()} | {"__version__"}
    for page, (title, names) in PAGES.items():
        found = [name for name in names.split() if name in respondio_async.__all__]
        write(page, f"# {title}\n\n" + "\n".join(entry(home(name)) for name in found))
    rest = [name for name in respondio_async.__all__ if name not in placed]
    failing = [name for name in rest if name in errors.__all__]
    models = [name for name in rest if name not in failing]
    tree = inspect.getdoc(errors) or ""
    write(
        "errors",
        f"# Errors\n\n```text\n{tree}\n```\n\n" + "\n".join(entry(home(name)) for name in failing),
    )
    write("models", "# Models and payloads\n\n" + "\n".join(entry(home(name)) for name in models))


def resource_pages() -> None:
    """Document the methods of each resource."""
    for name in RESOURCES:
        cls = name.capitalize()
        text = f"# client.{name}\n\n" + entry(f"respondio_async.resources.{name}.{cls}")
        write(name, text)


def module_pages() -> None:
    """Document the public modules."""
    for name, title in MODULES.items():
        module = import_module(f"respondio_async.{name}")
        doc = inspect.getdoc(module) or ""
        names = [each for each in module.__all__ if each != "__version__"]
        entries = []
        for each in names:
            where = getattr(getattr(module, each), "__module__", module.__name__)
            entries.append(entry(f"{_defining(where, module.__name__, each)}.{each}"))
        write(name, f"# {title}\n\n{doc}\n\n" + "\n".join(entries))


def _defining(where: str, module: str, name: str) -> str:
    found = import_module(where) if where.startswith("respondio_async") else None
    source = inspect.getsource(found) if found else ""
    defined = {
        target
        for node in ast.parse(source).body
        for target in (
            [node.name]
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            else [ast.unparse(each) for each in node.targets]
            if isinstance(node, ast.Assign)
            else [ast.unparse(node.target)]
            if isinstance(node, ast.AnnAssign)
            else []
        )
    }
    if name in defined:
        return where
    for path in sorted((HERE.parent / Path(*module.split("."))).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            named = (
                getattr(node, "name", None)
                or (ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else None)
                or (ast.unparse(node.target) if isinstance(node, ast.AnnAssign) else None)
            )
            if named == name:
                relative = path.relative_to(HERE.parent).with_suffix("")
                return ".".join(part for part in relative.parts if part != "__init__")
    return module


def endpoint_page() -> None:
    """Write the table of the API: method, path, limit, replay class."""
    lines = [
        "# Endpoints",
        "",
        "What each method calls, how many requests a second the vendor's table allows the",
        "organisation, and whether the client may repeat it by itself. `unsent`: only when the",
        "first request provably had no effect.",
        "",
        "| Method | Request | Limit a second | Counted together as | Repeated |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in ENDPOINTS:
        limit = DEFAULT_LIMITS.get(row.bucket)
        lines.append(
            f"| `client.{row.name}` | `{row.template}` | {'–' if limit is None else f'{limit:g}'} "
            f"| `{row.bucket.replace('|', '&#124;')}` | {row.replay} |".replace(
                "`" + row.bucket.replace("|", "&#124;") + "`",
                "<code>" + row.bucket.replace("|", "&#124;") + "</code>",
            )
        )
    write("endpoints", "\n".join(lines) + "\n")


def command_page() -> None:
    """Write every command with its help."""
    root = typer.main.get_command(app)
    parts = ["# Command line", "", EXIT_CODES, ""]

    def walk(command: click.Command, path: list[str]) -> None:
        context = click.Context(command, info_name=" ".join(path))
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                child = command.get_command(context, name)
                if child is not None:
                    walk(child, [*path, name])
            return
        parts.extend([f"## {' '.join(path)}", "", inspect.cleandoc(command.help or ""), ""])
        rows = [
            (", ".join(param.opts), getattr(param, "help", None) or "")
            for param in command.params
            if not getattr(param, "hidden", False)
        ]
        if rows:
            parts.extend(["| Argument | |", "| --- | --- |"])
            parts.extend(f"| `{names}` | {text.replace('|', '&#124;')} |" for names, text in rows)
            parts.append("")

    walk(root, ["respondio"])
    write("command-line", "\n".join(parts))


def main() -> None:
    """Write all pages."""
    OUT.mkdir(exist_ok=True)
    public_pages()
    resource_pages()
    module_pages()
    endpoint_page()
    command_page()
    for plot in ("peers", "simulation"):
        shutil.copy(HERE.parent / f"benchmarks/results/{plot}.svg", OUT)
    write("changelog", (HERE.parent / "CHANGELOG.md").read_text(encoding="utf-8"))
    write(
        "contributing",
        (HERE.parent / "CONTRIBUTING.md")
        .read_text(encoding="utf-8")
        .replace("](docs/", "](../")
        .replace("](CHANGELOG.md)", "](changelog.md)"),
    )
    write("security", (HERE.parent / "SECURITY.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
