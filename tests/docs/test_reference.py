"""The reference is made from the code, and leaves nothing out."""

import importlib.util
import inspect
import pkgutil
import re
from types import ModuleType

import pytest

import respondio_async
from respondio_async import AsyncRespond, errors
from respondio_async._engine.endpoints import ENDPOINTS
from respondio_async.cli._app import EXIT_CODES, app
from tests.support.platforms import with_docstrings
from tests.support.snippets import DOCS, ROOT

CONFIGURATION = (DOCS / "configuration.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_reference", DOCS / "make_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(make: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Every page that the script writes."""
    out = tmp_path_factory.mktemp("reference")
    make.main(out)
    return {page.stem: page.read_text(encoding="utf-8") for page in out.glob("*.md")}


def public_modules() -> list[ModuleType]:
    """Every module that says what it exports, and is not private.

    What is public of the modules below `models` is what that package exports.
    """
    names = [
        each.name
        for each in pkgutil.walk_packages(respondio_async.__path__, "respondio_async.")
        if not re.search(r"\._|\.models\.", each.name)
    ]
    loaded = [respondio_async, *(importlib.import_module(name) for name in names)]
    return [module for module in loaded if hasattr(module, "__all__")]


def test_every_public_name_has_one_entry(make: ModuleType, pages: dict[str, str]) -> None:
    """Where it is defined, on one page."""
    entries = re.findall(r"^::: (\S+)$", "\n".join(pages.values()), re.MULTILINE)
    assert len(entries) == len(set(entries))
    for module in public_modules():
        assert {make.home(module.__name__, name) for name in module.__all__} <= set(entries)


def test_every_entry_leads_to_what_it_names(pages: dict[str, str]) -> None:
    """By import, as the documentation tool finds it in the source."""
    for path in re.findall(r"^::: (\S+)$", "\n".join(pages.values()), re.MULTILINE):
        module, _, name = path.rpartition(".")
        assert hasattr(importlib.import_module(module), name) or name in vars(
            importlib.import_module(module)
        ).get("__annotations__", {}), path


@with_docstrings
def test_every_public_class_and_function_says_what_it_is() -> None:
    """A docstring of its own, not that of a base."""
    for module in public_modules():
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                assert value.__doc__, f"{module.__name__}.{name}"


def test_every_error_has_cause_and_cure(pages: dict[str, str]) -> None:
    """The table of the how-to page names each; the reference repeats it at the entry."""
    for name in errors.__all__:
        entry = pages["errors"].partition(f".errors.{name}\n")[2].partition(":::")[0]
        assert re.search(r"\*Cause:\* .+ \*Do:\* .+", entry), name


def test_every_endpoint_has_its_row(pages: dict[str, str]) -> None:
    for row in ENDPOINTS:
        assert f"| `client.{row.name}` | `{row.template}` |" in pages["endpoints"]


def test_every_command_is_listed(make: ModuleType, pages: dict[str, str]) -> None:
    """With each of its options."""
    import typer.main

    listed = make.commands(typer.main.get_command(app), ("respondio",))
    assert len(listed) > 20
    for name, command in listed:
        section = pages["command-line"].partition(f"## {name}\n")[2].partition("\n## ")[0]
        for option in command.params:
            assert getattr(option, "hidden", False) or option.opts[0] in section, (name, option)


@with_docstrings
def test_every_metric_and_event_is_listed(pages: dict[str, str]) -> None:
    """The metrics that the hook makes stand in its docstring, which the reference shows."""
    from respondio_async import hooks, telemetry

    source = inspect.getsource(telemetry)
    made = set(re.findall(r'meter\.create_\w+\(\s*"([\w.]+)"', source))
    told = set(re.findall(r"- `([\w.]+)`", telemetry.OpenTelemetryHook.__doc__ or ""))
    assert made == told
    for name in hooks.__all__:
        assert f"::: respondio_async.hooks.{name}\n" in pages["hooks"]


def test_every_environment_variable_is_told() -> None:
    """Those of ours, in the whole package."""
    source = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "respondio_async").rglob("*.py")
    )
    read = set(re.findall(r"RESPONDIO_[A-Z_]+\b", source))
    assert read == set(re.findall(r"RESPONDIO_[A-Z_]+\b", CONFIGURATION))


def test_every_exit_code_is_told() -> None:
    """In the same words as `respondio --help`."""
    for code, meaning in re.findall(r"(\d+) ([^·.]+)", EXIT_CODES.partition(": ")[2]):
        [told] = re.findall(rf"^\| {code} \| (.*) \|$", CONFIGURATION, re.MULTILINE)
        assert re.sub(r"\W+", " ", told).strip() == re.sub(r"\W+", " ", meaning).strip()


def test_every_setting_is_told() -> None:
    """Which exist, and which `with_options` changes."""
    table = CONFIGURATION.partition("## What can be set")[2].partition("\n## ")[0]
    rows = {
        row[0]: row[-1]
        for row in (
            [cell.strip(" `") for cell in line.strip("|").split("|")]
            for line in table.splitlines()
            if line.startswith("| `")
        )
    }
    settings = set(inspect.signature(AsyncRespond).parameters)
    options = set(inspect.signature(AsyncRespond.with_options).parameters) - {"self"}
    assert set(rows) == settings | options
    assert {name for name, said in rows.items() if said != "no"} == options
