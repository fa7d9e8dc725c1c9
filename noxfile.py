"""Every check of the project: `nox -l` lists them, `nox` runs what CI runs."""

import tempfile
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.error_on_missing_interpreters = False
PYTHONS = ["3.11", "3.12", "3.13"]
SUITE = ("-e", ".[all]", "--group", "test")
"""What the tests need: the package with every extra, and the group of pyproject.toml."""


@nox.session
def lint(session: nox.Session) -> None:
    """Style, and that the code is formatted."""
    session.install("--group", "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Both type checkers at their strictest, for us and for our users."""
    # Not -e: pyright verifies only a package that is truly installed.
    session.install(".[all]", "--group", "types", "--group", "test")
    session.run("mypy")
    session.run("pyright")
    # From elsewhere: with our pyproject.toml in sight, pyright does not find the installed package.
    with tempfile.TemporaryDirectory() as away, session.chdir(away):
        session.run("pyright", "--ignoreexternal", "--verifytypes", "respondio_async")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The whole suite, with branch coverage: processes that it starts are measured too."""
    session.install(*SUITE)
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", "-n", "auto", *session.posargs)
    session.run("coverage", "combine", "-q")
    session.run("coverage", "report")


@nox.session
def loaded(session: nox.Session) -> None:
    """The suite three times beside two busy loops; `nox -s loaded -- --one-core` on one core."""
    session.install(*SUITE)
    session.run("python", "tests/support/loaded.py", *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """The misbehaving server against every backend, replay class and cancellation point, and the
    slow tests.
    """
    session.install(*SUITE)
    session.run(
        "pytest",
        "tests/faults",
        "tests/transport",
        "-m",
        "slow or not slow",
        "-n",
        "auto",
        *session.posargs,
    )


@nox.session(venv_backend="uv")
def lowest(session: nox.Session) -> None:
    """The core of the suite with the oldest releases that pyproject.toml allows, or what is named:
    `nox -s lowest -- tests` runs all of it.
    """
    session.install("--resolution", "lowest-direct", *SUITE)
    core = ("wire", "transport", "webhooks/test_parse.py", "test_pipeline.py")
    parts = session.posargs or [f"tests/{part}" for part in core]
    session.run("pytest", "-q", "-n", "auto", *parts)


@nox.session
def thorough(session: nox.Session) -> None:
    """The properties, fifty times as often: what is written with hypothesis, or what is named."""
    session.install(*SUITE)
    parts = session.posargs or sorted(
        f"{file}" for file in Path("tests").rglob("test_*.py") if "@given(" in file.read_text()
    )
    session.run("pytest", "-q", "-n", "auto", *parts, env={"HYPOTHESIS_PROFILE": "thorough"})


@nox.session
def grid(session: nox.Session) -> None:
    """The rest of the limiter's grid in virtual time: 2,218 cells."""
    session.install(*SUITE)
    session.run("pytest", "tests/simulation", "-m", "slow", "-n", "auto", *session.posargs)


@nox.session
def optimised(session: nox.Session) -> None:
    """The core of the suite without the asserts and docstrings of the package: `python -OO`.

    pytest rewrites the asserts of the tests, so that these still count, and warns that it cannot
    know.
    """
    session.install(*SUITE)
    quiet = "-Wignore::pytest.PytestConfigWarning"
    parts = session.posargs or ["tests/wire", "tests/transport", "tests/test_pipeline.py"]
    session.run("python", "-OO", "-m", "pytest", "-q", "-n", "auto", quiet, *parts)


@nox.session
def leaks(session: nox.Session) -> None:
    """100,000 calls: no memory, task or socket is left behind."""
    session.install(*SUITE)
    session.run("python", "-m", "benchmarks.leaks", *session.posargs)


@nox.session
def simulation(session: nox.Session) -> None:
    """The limiter against every server model, delay, limit and load: the full grid, in virtual
    time.
    """
    session.install(*SUITE)
    session.run("python", "-m", "benchmarks.simulation", "--full", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Every claim of the README, measured; or those named: `nox -s bench -- calls decode`."""
    session.install("-e", ".[all]", "--group", "bench")
    session.run("python", "-m", "benchmarks.run", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build the wheel and install it on its own."""
    session.install("build", "hatchling")
    out = session.create_tmp()
    session.run("python", "-m", "build", "--outdir", f"{out}/dist")
    session.run("sh", "-c", f"pip install --force-reinstall {out}/dist/*.whl", external=True)
    session.run("python", "-c", "import respondio_async; print(respondio_async.__version__)")


@nox.session
def demo(session: nox.Session) -> None:
    """The main job on the built-in sandbox."""
    session.install(".[cli]")
    session.run("respondio", "demo", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site into site/, strictly: a warning fails."""
    session.install("-e", ".[all]", "--group", "docs")
    session.run("python", "docs/make_reference.py")
    session.run("mkdocs", "build", "--clean", env={"NO_MKDOCS_2_WARNING": "1"})
