"""Every optional part says what to install where it is asked for, and its extra brings it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.support.use_extra import USES

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
MODULES = {"opentelemetry-api": "opentelemetry"}
"""Where a distribution's module has another name."""

NEEDS_AT_IMPORT = {
    "respondio_async.limits.redis": "redis",
    "respondio_async.telemetry": "otel",
    "respondio_async.webhooks.aiohttp": "aiohttp",
    "respondio_async.webhooks.fastapi": "fastapi",
}
"""Public modules that are nothing without a package; the rest asks for it when it is used."""

# Imports every public module in an interpreter without the packages that it is told, and prints
# what each failure says. The core must do its work there.
IMPORT_ALL = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    sys.modules[name] = None
import respondio_async
respondio_async.AsyncRespond("token")
for module in pkgutil.walk_packages(respondio_async.__path__, "respondio_async."):
    if any(part.startswith("_") for part in module.name.split(".")):
        continue
    if module.name.startswith(("respondio_async.cli.", "respondio_async.sandbox.")):
        continue  # parts of a program, which the package around them imports when it runs
    try:
        importlib.import_module(module.name)
    except Exception as error:
        print(module.name, "|", error)
"""


def packages(extra: str) -> list[str]:
    """What an extra brings by itself."""
    return [
        re.split(r"[<>=\[ ]", each)[0]
        for each in EXTRAS[extra]
        if not each.startswith("respondio-async")
    ]


def test_all_holds_every_extra() -> None:
    """One that is forgotten there is not installed by those who want everything."""
    (everything,) = EXTRAS["all"]
    named = everything.partition("[")[2].rstrip("]").split(",")
    assert sorted(named) == sorted(set(EXTRAS) - {"all"})


def test_every_extra_is_used_alone() -> None:
    """`nox -s extras` installs each by itself: one that is added says here how it is used."""
    assert sorted(USES) == sorted({"core", *EXTRAS} - {"all"})


def test_what_is_missing_is_named_with_its_extra() -> None:
    """Without any optional package the client works, and a module that cannot says what to
    install.
    """
    optional = [MODULES.get(each, each) for extra in EXTRAS for each in packages(extra)]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *optional],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    failed = dict(line.split(" | ") for line in done.stdout.splitlines())
    named = {
        module: re.findall(r"pip install 'respondio-async\[(\w+)\]'", text)
        for module, text in failed.items()
    }
    assert named == {module: [extra] for module, extra in NEEDS_AT_IMPORT.items()}


def test_every_command_to_install_names_an_extra_that_is_there() -> None:
    """Every command to install names an extra that is there in the package's messages and in
    everything that is written for users.
    """
    texts = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    texts += [*(ROOT / "respondio_async").rglob("*.py"), *(ROOT / "examples").glob("*.py")]
    named = {
        extra.strip()
        for path in texts
        for extras in re.findall(r"respondio-async\[([\w, ]+)\]", path.read_text("utf-8"))
        for extra in extras.split(",")
    }
    assert named <= set(EXTRAS)
    assert len(named) > 3
