"""A sandbox, and the command run in this process against it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import keyring
import keyring.backend
import keyring.backends.fail
import pytest
from typer.testing import CliRunner, Result

from respondio_async.cli._app import app
from respondio_async.sandbox import Quirks, Sandbox

Respondio = Callable[..., Result]


@pytest.fixture(autouse=True)
def no_profiles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the profiles and the keyring of whoever runs the tests out of them."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    monkeypatch.delenv("RESPONDIO_PROFILE", raising=False)
    keyring.set_keyring(keyring.backends.fail.Keyring())


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Quick: twenty times the limits (what the client takes from the headers ends at 100), and no
    waiting after a create.
    """
    with Sandbox(contacts=12, messages=2, limits_factor=20, quirks=Quirks.calm()) as running:
        yield running


@pytest.fixture
def respondio(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Respondio:
    """Run the command in an empty directory; its output never holds the token."""
    monkeypatch.setenv("RESPONDIO_API_TOKEN", sandbox.token)
    monkeypatch.setenv("RESPONDIO_BASE_URL", sandbox.url)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, code: int | None = 0) -> Result:
        result = CliRunner().invoke(app, arguments, prog_name="respondio")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert code in (None, result.exit_code), result.output
        assert sandbox.token not in result.output
        return result

    return run
