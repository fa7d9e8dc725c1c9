"""Every check of the project: `nox -l` lists them, `nox` runs what a change must pass."""

import json
import shutil
import tarfile
import tempfile
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.error_on_missing_interpreters = False
PYTHONS = ["3.11", "3.12", "3.13"]
PROJECT = nox.project.load_toml("pyproject.toml")["project"]
VERSION = Path("respondio_async/_version.py").read_text(encoding="utf-8").split('"')[-2]
EXTRAS = [each for each in PROJECT["optional-dependencies"] if each != "all"]
SUITE = ("-e", ".[all]", "--group", "test")
"""What the tests need: the package with every extra, and the group of pyproject.toml."""
CORE = tuple(
    f"tests/{part}" for part in ("wire", "transport", "webhooks/test_parse.py", "test_pipeline.py")
)
"""The tests that say most in least time, for the sessions that repeat them elsewhere."""


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


@nox.session
def slow(session: nox.Session) -> None:
    """What the default suite leaves out of the other parts: habits of the server one at a time,
    bots on every inbox with every form of event, the command line at length.
    """
    session.install(*SUITE)
    ignored = [f"--ignore=tests/{part}" for part in ("faults", "transport", "simulation", "docs")]
    session.run("pytest", "tests", "-m", "slow", "-n", "auto", *ignored, *session.posargs)


@nox.session(venv_backend="uv")
def lowest(session: nox.Session) -> None:
    """The core of the suite with the oldest releases that pyproject.toml allows, or what is named:
    `nox -s lowest -- tests` runs all of it.
    """
    session.install("--resolution", "lowest-direct", *SUITE)
    session.run("pytest", "-q", "-n", "auto", *(session.posargs or CORE))


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
    """The whole of the limiter's grid and scenes in virtual time, of which the default suite has
    every pair of properties.
    """
    session.install(*SUITE)
    session.run("pytest", "tests/simulation", "-m", "slow", "-n", "auto", *session.posargs)


@nox.session
def optimised(session: nox.Session) -> None:
    """The core of the suite without the asserts and docstrings of the package: `python -OO`.

    By the environment, which the workers and every process that a test starts inherit. pytest
    rewrites the asserts of the tests and of what they share, so that these still count, and warns
    that it cannot know. `nox -s optimised -- tests` runs all of it but what reads docstrings.
    """
    session.install(*SUITE)
    # The second: pytest looks for a word in a docstring of its own.
    quiet = ("-Wignore::pytest.PytestConfigWarning", "-Wignore::pytest.PytestAssertRewriteWarning")
    parts = session.posargs or CORE
    session.run("pytest", "-q", "-n", "auto", *quiet, *parts, env={"PYTHONOPTIMIZE": "2"})


@nox.session
def windows(session: nox.Session) -> None:
    """The tests of files and of the event loop, with what Windows does otherwise played."""
    session.install(*SUITE)
    parts = session.posargs or ["tests/storage", "tests/webhooks", "tests/bulk", "tests/cli"]
    session.run("pytest", "-q", "-n", "auto", "-p", "tests.support.windows", *parts)


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
    """Every claim of the figures page; or those named: `nox -s bench -- calls decode`."""
    session.install("-e", ".[all]", "--group", "bench")
    session.run("python", "-m", "benchmarks.run", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Make dist/, check it as an index does, and list in sbom.cdx.json what an installation of it
    with every extra brings.
    """
    session.install("--group", "release")
    shutil.rmtree("dist", ignore_errors=True)
    session.run("python", "-m", "build")
    session.run("twine", "check", "--strict", *map(str, Path("dist").iterdir()))
    session.run("check-wheel-contents", "dist")
    with tempfile.TemporaryDirectory() as away:
        python = f"{away}/bin/python"
        session.run("uv", "venv", "-q", away, external=True)
        everything = wheel("all")
        session.run("uv", "pip", "install", "-q", "--python", python, everything, external=True)
        options = ("--pyproject", "pyproject.toml", "--mc-type", "library", "--output-reproducible")
        session.run("cyclonedx-py", "environment", *options, "-o", "sbom.cdx.json", python)
    bom = json.loads(Path("sbom.cdx.json").read_text(encoding="utf-8"))
    bom["metadata"]["component"]["version"] = VERSION  # pyproject.toml does not hold it
    Path("sbom.cdx.json").write_text(json.dumps(bom, indent=2), encoding="utf-8")


def wheel(*extras: str) -> str:
    """The requirement for the wheel in dist/, with these *extras*."""
    (file,) = Path("dist").glob("*.whl")
    return f"{PROJECT['name']}[{','.join(extras)}] @ {file.resolve().as_uri()}"


@nox.session(venv_backend="uv", requires=["build"])
@nox.parametrize("versions", ["newest", "oldest"])
@nox.parametrize("extra", ["core", *EXTRAS])
def extras(session: nox.Session, extra: str, versions: str) -> None:
    """The wheel with one extra alone, installed away from the tree and used."""
    asked = [] if extra == "core" else [extra]
    if extra in {"keyring", "parquet"}:
        asked.append("cli")  # they add to the command, and are nothing without it
    script = Path("tests/support/use_extra.py").resolve()
    away = session.create_tmp()
    bounds: list[str] = []
    if versions == "oldest":
        bounds = ["-c", f"{away}/oldest.txt"]
        named = [f"--extra={each}" for each in asked]
        compiled = ("uv", "pip", "compile", "-q", "--resolution", "lowest-direct", "pyproject.toml")
        session.run(*compiled, *named, "-o", bounds[1], external=True)
    session.install(wheel(*asked), *bounds)
    with session.chdir(away):
        session.run("python", "-P", script, extra)  # -P: the tree is not to be seen


@nox.session(requires=["build"])
def sdist(session: nox.Session) -> None:
    """The core of the suite in the unpacked sdist, or what is named: `nox -s sdist -- tests`."""
    away = Path(session.create_tmp()).resolve()
    (file,) = Path("dist").glob("*.tar.gz")
    tree = away / file.name.removesuffix(".tar.gz")
    shutil.rmtree(tree, ignore_errors=True)
    with tarfile.open(file) as packed:
        packed.extractall(away, filter="data")
    with session.chdir(tree):
        session.install(*SUITE)
        session.run("pytest", "-q", "-n", "auto", *(session.posargs or CORE))


@nox.session
def release(session: nox.Session) -> None:
    """The release workflow's build job in a fresh clone of the last commit, up to the upload."""
    session.install("--group", "release")
    session.run("python", "tests/support/release.py")


@nox.session
def api(session: nox.Session) -> None:
    """The public names against those of the last release. What breaks a user is for a version that
    says so: before 1.0 a higher minor, then a higher major.
    """
    tag = session.run(
        "git", "describe", "--tags", "--abbrev=0", "--match=v*",
        external=True, silent=True, success_codes=[0, 128],
    ).strip()  # fmt: skip
    if not tag.startswith("v"):
        session.skip("nothing has been released yet")
    session.install("griffe>=1.7")
    length = 2 if VERSION.startswith("0.") else 1
    now, then = (version.split(".")[:length] for version in (VERSION, tag[1:]))
    says_so = [*map(int, now)] > [*map(int, then)]
    found: str = session.run(
        "griffe", "check", "respondio_async", "--against", tag, silent=True, success_codes=[0, 1]
    )
    # A public name is what `__all__` of a public module lists (CONTRIBUTING.md). The modules of the
    # command list none: its commands, options and outputs are what users have.
    broken = [line for line in found.splitlines() if not line.startswith("respondio_async/cli/")]
    session.log("\n".join(broken) or "no public name has changed")
    if broken and not says_so:
        session.error("this breaks users, and the version does not say so")


@nox.session
def demo(session: nox.Session) -> None:
    """The main job on the built-in sandbox."""
    session.install(".[cli]")
    session.run("respondio", "demo", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site into site/, strictly: a warning fails. Then read it in a real browser; the
    screenshots are in site/screenshots.
    """
    session.install("-e", ".[all]", "--group", "docs", "--group", "test")
    session.run("python", "docs/make_reference.py")
    session.run("mkdocs", "build", "--clean", env={"NO_MKDOCS_2_WARNING": "1"})
    site = "tests/docs/test_site.py"
    session.run("pytest", "-q", site, "-m", "slow or not slow", env={"SITE": "site"})
