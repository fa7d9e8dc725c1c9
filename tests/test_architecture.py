"""The layers of the package: what may import what, and what is never written.

Read from the source by `ast`, so that a forbidden import is found wherever it hides, in a function
or under TYPE_CHECKING.
"""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.platforms import with_docstrings

ROOT = Path(__file__).parent.parent / "respondio_async"
FILES = {path.relative_to(ROOT).as_posix(): path for path in sorted(ROOT.rglob("*.py"))}


class Trees(dict[str, ast.Module]):
    """The source of each file, parsed when a test asks for it: collecting the tests does not."""

    def __missing__(self, name: str) -> ast.Module:
        tree = self[name] = ast.parse(FILES[name].read_text(encoding="utf-8"), name)
        return tree


TREES = Trees()

PUBLIC_API = {"__init__", "_client"}
BASE = {
    "models",
    "identifiers",
    "filters",
    "_values",
    "_filter_checks",
    "errors",
    "discreet",
    "hooks",
    "routes",
    "_rate_limit",
    "_version",
}
PARTS = {"_transport", "limits", "_wire"}
ENGINE = {"_engine", "checks"}
STORAGE = {"_storage", "files"}
SCRIPT = {"__main__"}  # `python -m respondio_async` is the command
TOP = {"resources", "bulk", "webhooks", "sandbox", "cli", "telemetry"}

LIBRARIES = {
    # library → where it may be imported
    "httpx": ("_transport/",),
    "httpx2": ("_transport/",),
    "httpcore": ("_transport/",),
    "aiohttp": (
        "_transport/",
        "webhooks/aiohttp.py",
    ),  # the latter serves: it is an adapter for aiohttp's server
    "aiolimiter": ("limits/",),
    "procrastinate": ("webhooks/_postgres/",),
    "psycopg": ("webhooks/_postgres/",),
    "psycopg_pool": ("webhooks/_postgres/",),
    "redis": ("limits/redis", "limits/_redis", "webhooks/"),
    "starlette": ("sandbox/", "webhooks/", "cli/"),
    "fastapi": ("webhooks/",),
    "uvicorn": ("sandbox/", "webhooks/", "cli/"),
    "typer": ("cli/",),
    "rich": ("cli/",),
    "opentelemetry": ("telemetry.py",),
    "pytest": ("sandbox/pytest_plugin.py",),
}


def package_of(name: str) -> str:
    """The module or package directly below `respondio_async` that a file belongs to."""
    return name.removesuffix(".py").split("/")[0]


def imports(name: str) -> Iterator[str]:
    """Every module that a file imports, absolute, once for each place."""
    package = ["respondio_async", *name.split("/")[:-1]]
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from (str(each.value) for each in node.args[:1] if isinstance(each, ast.Constant))


def packages_used(name: str) -> set[str]:
    """Our own packages that a file imports, its own left out."""
    ours = (module.split(".") for module in imports(name) if module.startswith("respondio_async."))
    return {parts[1] for parts in ours} & KNOWN - {package_of(name)}


KNOWN = PUBLIC_API | BASE | PARTS | ENGINE | STORAGE | TOP | SCRIPT


def test_every_package_has_a_layer() -> None:
    """A new module or package has to be given a layer, here."""
    assert {package_of(name) for name in FILES} == KNOWN


def test_a_library_is_imported_in_its_package_only() -> None:
    """One place knows each library, so that replacing it is work for one package."""
    assert not {
        (library, name)
        for name in FILES
        for library in LIBRARIES.keys() & {module.split(".")[0] for module in imports(name)}
        if not name.startswith(LIBRARIES[library])
    }


def test_the_base_layer_imports_nothing_above() -> None:
    """Models, identifiers, filters, errors and hooks can be used without the engine."""
    strays = {name: packages_used(name) - BASE for name in FILES if package_of(name) in BASE}
    assert not {name: used for name, used in strays.items() if used}


def test_models_import_no_more_than_they_need() -> None:
    """Models import msgspec, the standard library and the errors."""
    used = set[str]().union(
        *(packages_used(name) for name in FILES if package_of(name) == "models")
    )
    assert used <= {"errors", "_rate_limit", "_values", "discreet"}


def test_the_four_parts_never_import_one_another() -> None:
    """They are handed to the engine, which alone knows their order."""
    strays = {name: packages_used(name) - BASE for name in FILES if package_of(name) in PARTS}
    assert not {name: used for name, used in strays.items() if used}


def test_the_retry_decision_is_pure() -> None:
    """It has no clock and no sleep of its own."""
    used = {module.split(".")[0] for module in imports("_engine/retry.py")}
    assert used <= {"random", "collections", "typing", "msgspec", "respondio_async"}


def test_the_engine_imports_nothing_of_the_top_layer() -> None:
    """The engine knows no resource, no bulk run and no command."""
    strays = {
        name: packages_used(name) - BASE - PARTS - ENGINE
        for name in FILES
        if package_of(name) in ENGINE
    }
    assert not {name: used for name, used in strays.items() if used}


def test_storage_needs_errors_only() -> None:
    """Files and SQLite know nothing of the API; only packages at the top use them."""
    used = set[str]().union(*(packages_used(name) for name in FILES if package_of(name) in STORAGE))
    assert used - STORAGE <= {"errors"}


@pytest.mark.parametrize(
    ("who", "never"),
    [
        ("resources", TOP | STORAGE | PUBLIC_API),
        ("sandbox", ENGINE | PARTS | STORAGE | PUBLIC_API | {"bulk", "cli", "resources"}),
        (
            "webhooks",
            ENGINE | {"_transport", "limits", "_client", "resources", "bulk", "sandbox", "cli"},
        ),
        ("bulk", {"sandbox", "cli", "webhooks", "_transport"}),
        ("_client", {"webhooks", "sandbox", "cli"}),
    ],
)
def test_packages_of_the_top_layer_keep_apart(who: str, never: set[str]) -> None:
    """The server's stand-in shares no code with the client; receiving events does not load the HTTP
    client.
    """
    # What a type checker alone sees costs nothing at run time, and the sandbox's fixtures must hand
    # out a client.
    allowed = {"sandbox/pytest_plugin.py"}
    strays = {
        name: packages_at_run_time(name) & never
        for name in FILES
        if package_of(name) == who and name not in allowed
    }
    assert not {name: used for name, used in strays.items() if used - {who}}


def packages_at_run_time(name: str) -> set[str]:
    tree = TREES[name]
    guarded = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    bodies = [(node, node.body) for node in guarded]
    try:
        for node, _ in bodies:
            node.body = [ast.Pass()]
        return packages_used(name)
    finally:
        for node, body in bodies:
            node.body = body


def test_nothing_imports_the_command_line() -> None:
    """It is the topmost package."""
    below = [name for name in FILES if package_of(name) not in {"cli", *SCRIPT}]
    assert not [name for name in below if "cli" in packages_used(name)]


def private_names(tree: ast.AST, depth: int) -> Iterator[str]:
    """What a file imports of this package that begins with an underscore, its own package's left
    out: *depth* is how many packages below `respondio_async` it lies.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if "respondio_async" in alias.name]
        elif isinstance(node, ast.ImportFrom) and (
            node.level > depth or (node.module or "").split(".")[0] == "respondio_async"
        ):
            names = [f"{node.module or ''}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = [part for part in name.split(".") if part and part != "__version__"]
            yield from ([name] if any(part.startswith("_") for part in parts) else [])


EXAMPLES = sorted((ROOT.parent / "examples").glob("*.py"))
assert EXAMPLES


def test_the_command_uses_public_names_only() -> None:
    """What the command needs of the package, its users need too."""
    assert not {
        (name, private)
        for name in FILES
        if name.startswith("cli/")
        for private in private_names(TREES[name], len(name.split("/")) - 1)
    }


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_use_public_names_only(path: Path) -> None:
    """Readers copy the examples, and private names may change without notice."""
    assert not list(private_names(ast.parse(path.read_text(encoding="utf-8")), 0))


def test_a_private_name_is_seen() -> None:
    """A private name is seen, however it is imported."""
    for text in (
        "from .._engine.exchange import Response",
        "from .. import _engine",
        "from ..sandbox._serve import serve",
        "import respondio_async._wire",
        "def f():\n    from respondio_async.bulk import _store",
    ):
        assert list(private_names(ast.parse(text), 1)), text
    for text in ("from .. import __version__", "from ._exit import run", "from ..files import x"):
        assert not list(private_names(ast.parse(text), 1)), text


COMMANDS = ("cli/", "sandbox/_serve.py")  # the latter is `python -m respondio_async.sandbox`


def test_only_commands_print() -> None:
    """A library that prints spoils its user's output."""
    assert not [
        (name, node.lineno)
        for name in FILES
        if not name.startswith(COMMANDS)
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("print", "pprint", "sys.stdout.write")
    ]


def test_an_assert_tells_a_type_checker_what_we_know_and_nothing_else() -> None:
    """Asserts vanish under `python -O`: none checks what a user passed, and each says why it
    holds.
    """
    lines = {name: path.read_text(encoding="utf-8").splitlines() for name, path in FILES.items()}
    assert not [
        (name, node.lineno)
        for name in FILES
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.Assert) and "# noqa: S101 - " not in lines[name][node.lineno - 1]
    ]


PUBLIC_MODULES = (
    "respondio_async",
    *(
        f"respondio_async.{name}"
        for name in ("checks", "files", "limits", "limits.redis", "bulk", "webhooks", "sandbox")
    ),
)


def undocumented(public: str) -> Iterator[str]:
    """What can be reached from a module's `__all__` and says nothing about itself."""
    module = importlib.import_module(public)
    for name in getattr(
        module, "__all__", [name for name in vars(module) if not name.startswith("_")]
    ):
        value = getattr(module, name)
        if not (
            inspect.isclass(value) or inspect.isfunction(value)
        ) or not value.__module__.startswith("respondio_"):
            continue
        if "__doc__" not in vars(value) if inspect.isclass(value) else not value.__doc__:
            yield name
        for attribute, member in vars(value).items() if inspect.isclass(value) else ():
            function = getattr(member, "__func__", member)
            if (
                inspect.isfunction(function)
                and not attribute.startswith("_")
                and not inspect.getdoc(getattr(value, attribute))
            ):
                yield f"{name}.{attribute}"


@with_docstrings
@pytest.mark.parametrize("public", PUBLIC_MODULES)
def test_what_is_public_says_what_it_does(public: str) -> None:
    """Every public class, function and method has a docstring, its own or that of what it
    implements.
    """
    # A payload's way onto the wire is for the client; it is spelt without an underscore because
    # another package calls it.
    assert not [name for name in undocumented(public) if not name.endswith(".to_wire")]


def test_every_module_says_what_it_holds() -> None:
    """A newcomer reads the first line of each."""
    assert not [name for name in FILES if not ast.get_docstring(TREES[name])]


def test_a_finaliser_does_no_more_than_warn() -> None:
    """`__del__` runs anywhere, at any time: it closes nothing and awaits nothing."""
    finalisers = [
        (name, node)
        for name in FILES
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.FunctionDef) and node.name == "__del__"
    ]
    assert finalisers
    for name, node in finalisers:
        calls = {ast.unparse(call.func) for call in ast.walk(node) if isinstance(call, ast.Call)}
        assert calls <= {"_warn", "warnings.warn"}, name


def test_the_checks_of_this_module_see_what_they_look_for() -> None:
    """A relative import, a nested one and a guarded one are all found: a test that sees
    nothing proves nothing.
    """
    TREES["models/probe.py"] = ast.parse(
        "from .. import _engine\nfrom ..errors import RespondError\n"
        "def f():\n    import httpx.foo\n    from ..bulk._run import x\n"
    )
    try:
        assert {"httpx.foo", "respondio_async.errors", "respondio_async._engine"} <= set(
            imports("models/probe.py")
        )
        assert packages_used("models/probe.py") == {"_engine", "errors", "bulk"}
    finally:
        del TREES["models/probe.py"]


_MSGSPEC_CALLS = {"decode", "encode", "convert", "to_builtins"}


def _calls_msgspec(node: ast.AST) -> bool:
    if isinstance(node, ast.Try):
        return False  # looked at by itself
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _MSGSPEC_CALLS
        and ast.unparse(node.func).startswith("msgspec.")
    ):
        return True
    return any(map(_calls_msgspec, ast.iter_child_nodes(node)))


def test_errors_of_msgspec_are_caught_by_their_base() -> None:
    """Which builtin they also are has changed between releases, and EncodeError is none: a handler
    that names only ValueError lets them through.
    """
    narrow: list[str] = []
    for name in FILES:
        for block in ast.walk(TREES[name]):
            if not isinstance(block, ast.Try) or not any(map(_calls_msgspec, block.body)):
                continue
            caught = " ".join(ast.unparse(each.type) for each in block.handlers if each.type)
            known = ("MsgspecError", "msgspec.ValidationError", "Exception", "OSError")
            if block.handlers and not any(base in caught for base in known):
                narrow.append(f"{name}:{block.lineno} {caught}")
    assert not narrow


SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE)\b")


def statements(tree: ast.AST) -> Iterator[str]:
    """Every text of a file that holds SQL, the constant parts of f-strings included."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and SQL.search(node.value)
        ):
            yield node.value


def test_no_statement_numbers_its_placeholders() -> None:
    """SQLite binds `?1` to a sequence only in Python below 3.14, and 3.12 warns: a value that
    stands in a statement twice is bound by its name.
    """
    found = [text for tree in TREES.values() for text in statements(tree)]
    assert any("VALUES (?, ?, ?)" in text for text in found)
    assert not [text for text in found if re.search(r"\?[0-9]", text)]


SHARED_CLASS_NAMES = {
    # name → why two classes bear it
    "Conversation": "an event's part of a conversation, and the sandbox's record of one",
}


def classes() -> Iterator[tuple[str, str]]:
    """The name of every class with the file in which it is defined."""
    for file in FILES:
        nodes = ast.walk(TREES[file])
        yield from ((node.name, file) for node in nodes if isinstance(node, ast.ClassDef))


def test_a_class_name_stands_for_one_class() -> None:
    """A stranger who searches for a class finds one. The sandbox's records of what the API has are
    the models' counterparts, and share their names.
    """
    homes: dict[str, list[str]] = {}
    for name, file in classes():
        homes.setdefault(name, []).append(file)
    shared = {
        name
        for name, files in homes.items()
        if len(files) > 1
        and not (len(files) == 2 and "sandbox/state.py" in files and {*files} & MODEL_FILES)
    }
    assert shared == {*SHARED_CLASS_NAMES}


MODEL_FILES = {name for name in FILES if name.startswith("models/")}


def test_two_public_names_are_alike_only_if_they_are_the_same() -> None:
    """Importing a name from a second public module must not replace that of the first."""
    homes: dict[str, dict[int, str]] = {}
    for public in PUBLIC_MODULES:
        module = importlib.import_module(public)
        for name in getattr(module, "__all__", ()):
            homes.setdefault(name, {})[id(getattr(module, name))] = public
    assert not {name: sorted(where.values()) for name, where in homes.items() if len(where) > 1}
