"""What tests may know of the package that its users do not see.

A test of a package may import that package's private modules. Everything else that is private, an
import or an attribute, stands below with its reason.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent

OWN = {
    # test or folder → whose own test it is, beside the package that its folder is named after
    "support/scripted.py": "_transport",  # hands the engine a transport of its own
    "support/windows.py": "_storage webhooks",  # gives both the file system of Windows
    "test_blocking.py": "_transport",
    "test_checks.py": "_engine",
    "test_client.py": "_engine",
    "test_files.py": "_storage",
    "test_misuse.py": "_transport",
    "test_operations.py": "_engine",
    "test_outages.py": "_engine",
    "test_pagination.py": "_engine",
    "test_partitions.py": "_engine",
    "test_pipeline.py": "_engine",
    "test_platforms.py": "webhooks",
    "test_reprs.py": "discreet",
    "test_retry.py": "_engine",
    "docs": "_engine cli webhooks",  # compares the pages with all that there is
    "faults": "_transport",
    "transport": "_transport",
    "storage": "_storage",
    "wire": "_wire",
}

REASONS = {
    # file: what is private → why
    "bulk/fakes.py: _engine.context": "plays the part of a client's call",
    "bulk/test_outages.py: _engine.breaker.LONGEST_PAUSE": "measures a pause by its bound",
    "bulk/test_run.py: _engine.context": "reads what a client's call is told",
    "cli/test_outcomes.py: _engine.breaker": "shortens the pauses of an outage",
    "conformance/test_operations.py: _engine.endpoints.ENDPOINTS": "walks every row",
    "conformance/test_operations.py: _engine.endpoints.Endpoint": "the type of a row",
    "conformance/test_operations.py: sandbox._routes.match": "asks whether a row is served",
    "conformance/test_seen_in_answers.py: _wire.api_error": "reads answers without sending",
    "conformance/test_seen_in_answers.py: _wire.decode": "reads answers without sending",
    "conftest.py: ._calls": "pytest has no public way to drop a case before it is made",
    "faults/server.py: ._eof": "asyncio does not say whether a stream has ended",
    "sandbox/test_running.py: ._thread": "ends the thread behind the sandbox's back",
    "limits/test_redis_adversary.py: ._link": "asks whether Redis was ever taken to be away",
    "limits/test_shared.py: ._limiters": "tells whether an organisation's limiter was forgotten",
    "limits/test_shared.py: ._limits": "gives a client's default limiter another limit",
    "support/stalls.py: ._initrequest": "pytest has no public way to run a test again",
    "test_files.py: cli._screen.Screen": "opens a sink as the command line does",
    "test_identifiers.py: _wire.build_target": "looks at a whole target, without sending it",
    "transport/test_tls.py: ._build": "notes the thread in which a context is built",
    "webhooks/test_bot.py: ._dispatcher": "changes the file of a running router, counts its memory",
    "webhooks/test_inbox.py: ._flush": "stops an inbox between two of its steps",
    "webhooks/test_inbox.py: ._dispatcher": "fills the disk of a running router",
    "webhooks/test_inbox.py: ._progress": "stops an inbox between two of its steps",
    "webhooks/test_inbox.py: _storage.Writer": "shortens the wait for a locked file",
    "webhooks/test_postgres.py: ._STEPS": "adds a step to the migration",
    "wire/test_decode.py: _engine.endpoints.ENDPOINTS": "reads the answer type of every row",
}


def private_parts(path: Path) -> Iterator[str]:
    """Private names of another package that a test imports, and private attributes that it uses."""
    name = path.relative_to(TESTS)
    own = {name.parts[0], *OWN.get(name.as_posix(), OWN.get(name.parts[0], "")).split()}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            is_private = node.attr.startswith("_") and not node.attr.startswith("__")
            is_own = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
            if node.attr == "__class__" or (is_private and not is_own and node.attr != "_replace"):
                yield f".{node.attr}"
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names = [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{name}" for name in names]
            for name in names:
                parts = name.split(".")
                if parts[0] != "respondio_async" or parts[1:2] == ["__version__"]:
                    continue
                if any(part.startswith("_") for part in parts) and not own & {*parts}:
                    yield name.removeprefix("respondio_async.")


def test_what_is_private_is_used_for_a_reason() -> None:
    """Whatever a test reaches for that users cannot is listed, and nothing that no test needs."""
    found = {
        f"{path.relative_to(TESTS).as_posix()}: {part}"
        for path in TESTS.rglob("*.py")
        for part in private_parts(path)
    }
    assert found == {*REASONS}
