"""The stores behind a router, so that what holds of one is tried of both."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import PostgresServer, postgres_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server whose databases are gone with the session."""
    with postgres_server() as server:
        yield server


def make(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    match request.param:
        case "memory":
            return None
        case "sqlite":
            return str(tmp_path / "inbox")
        case _:
            server: PostgresServer = request.getfixturevalue("postgres")
            return server.migrated()


@pytest.fixture(params=["sqlite", "postgresql"])
def inbox(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    """An inbox that nobody has used yet."""
    return make(request, tmp_path)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def inbox_or_none(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    """The same, or no inbox."""
    return make(request, tmp_path)
