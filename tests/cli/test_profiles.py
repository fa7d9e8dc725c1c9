"""Tokens of several workspaces, by name."""

import json
import os
import stat
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import keyring
import keyring.backend
import keyring.errors
import pytest
from typer.testing import CliRunner

from respondio_async.cli import _app
from respondio_async.cli._app import Lazy
from respondio_async.cli._client import profiles_path
from respondio_async.sandbox import Quirks, Sandbox
from tests.cli.conftest import Respondio
from tests.support.platforms import posix_only


class Memory(keyring.backend.KeyringBackend):
    """A keyring that forgets."""

    priority = 5  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}
        self.locked = False

    def _check(self) -> None:
        if self.locked:
            raise keyring.errors.KeyringLocked("locked")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._check()
        self.kept[service, username] = password

    def get_password(self, service: str, username: str) -> str | None:
        self._check()
        return self.kept.get((service, username))

    def delete_password(self, service: str, username: str) -> None:
        self._check()
        del self.kept[service, username]


@pytest.fixture
def memory() -> Memory:
    made = Memory()
    keyring.set_keyring(made)
    return made


@pytest.fixture
def other() -> Iterator[Sandbox]:
    """Another workspace, of another server."""
    with Sandbox(limits_factor=20, quirks=Quirks.calm()) as running:
        next(iter(running.state.users.values())).first_name = "Otherwise"
        yield running


@pytest.fixture
def typed(respondio: Respondio, monkeypatch: pytest.MonkeyPatch) -> None:
    """No token in the environment."""
    monkeypatch.delenv("RESPONDIO_API_TOKEN")
    monkeypatch.delenv("RESPONDIO_BASE_URL")


def _login(sandbox: Sandbox, *arguments: str, code: int = 0) -> str:
    """Log in with the token that comes from a pipe."""
    result = CliRunner().invoke(
        _app.app, ["login", "--base-url", sandbox.url, *arguments], input=f"{sandbox.token}\n"
    )
    assert result.exit_code == code, result.output
    assert sandbox.token not in result.output
    return result.output


@pytest.mark.usefixtures("typed")
def test_a_token_is_kept_in_a_file_of_its_owners(
    monkeypatch: pytest.MonkeyPatch, respondio: Respondio, sandbox: Sandbox, other: Sandbox
) -> None:
    """A token is kept in a file of its owners where there is no keyring; each profile goes to its
    own server.
    """
    _login(sandbox)
    said = _login(other, "--profile", "other")
    assert str(profiles_path()) in said
    assert stat.S_IMODE(profiles_path().stat().st_mode) == 0o600
    assert stat.S_IMODE(profiles_path().parent.stat().st_mode) == 0o700
    assert "Otherwise" not in respondio("users").stdout
    assert "Otherwise" in respondio("users", "--profile", "other").stdout
    monkeypatch.setenv("RESPONDIO_PROFILE", "other")
    assert "Otherwise" in respondio("users").stdout
    shown = json.loads(respondio("profiles", "--json").stdout)
    assert [(each["name"], each["token"], each["base_url"]) for each in shown] == [
        ("default", "file", sandbox.url),
        ("other", "file", other.url),
    ]
    respondio("profiles", "--remove", "other")
    assert "no profile other" in respondio("users", code=2).stderr
    assert list(json.loads(profiles_path().read_text())) == ["default"]


@pytest.mark.usefixtures("typed")
def test_a_token_is_kept_in_the_keyring(
    monkeypatch: pytest.MonkeyPatch, respondio: Respondio, sandbox: Sandbox, memory: Memory
) -> None:
    """A token is kept in the keyring where there is one; the file then holds names alone, and a
    locked keyring is said.
    """
    assert "keyring" in _login(sandbox, "--profile", "acme")
    assert memory.kept == {("respondio", "acme"): sandbox.token}
    assert sandbox.token not in profiles_path().read_text()
    assert "keyring" in respondio("profiles").stdout
    respondio("users", "--profile", "acme")
    memory.locked = True
    assert "login --profile acme" in respondio("users", "--profile", "acme", code=2).stderr
    memory.locked = False
    respondio("profiles", "--remove", "acme")
    assert memory.kept == {}


def test_the_environment_goes_before_the_file(
    monkeypatch: pytest.MonkeyPatch, respondio: Respondio, sandbox: Sandbox, other: Sandbox
) -> None:
    """The environment goes before the file, unless the command names a profile; the doctor says
    which it was.
    """
    _login(other, "--profile", "other")
    monkeypatch.setenv("RESPONDIO_PROFILE", "other")
    assert "Otherwise" not in respondio("users").stdout
    monkeypatch.delenv("RESPONDIO_BASE_URL")
    assert "Otherwise" in respondio("users", "--profile", "other").stdout
    said = respondio("doctor", "--seconds", "0", "--profile", "other").stdout
    assert "from the profile other (file)" in said
    monkeypatch.setenv("RESPONDIO_BASE_URL", sandbox.url)
    assert "from RESPONDIO_API_TOKEN" in respondio("doctor", "--seconds", "0").stdout
    missing = respondio("doctor", "--seconds", "0", "--profile", "none", code=1).stdout
    assert "respondio login --profile none" in missing


@posix_only
@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_that_others_can_read_is_refused(
    monkeypatch: pytest.MonkeyPatch, respondio: Respondio, sandbox: Sandbox, mode: int
) -> None:
    """A file that others can read is refused with the remedy; so is a link, and one that is no
    longer JSON.
    """
    _login(sandbox)
    path = profiles_path()
    path.chmod(mode)
    for command in (("users",), ("profiles",), ("login",), ("doctor", "--seconds", "0")):
        result = respondio(*command, code=None)
        assert result.exit_code in {1, 2}
        assert "chmod 600" in result.output
    path.chmod(0o600)
    respondio("users")
    path.write_text("{")
    assert "damaged" in respondio("users", code=2).stderr
    path.rename(path.with_name("real.json"))
    path.symlink_to("real.json")
    assert "cannot be read" in respondio("users", code=2).stderr


@pytest.mark.usefixtures("typed")
def test_a_refused_token_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, respondio: Respondio, sandbox: Sandbox
) -> None:
    """A token that could not be tried is not kept either."""
    sandbox.fault("status", status=401)
    assert "Nothing was kept" in _login(sandbox, code=4)
    sandbox.stop()
    assert "Nothing was kept" in _login(sandbox, code=1)
    assert not profiles_path().exists()
    monkeypatch.setattr(sys, "stdin", StringIO(""))
    assert "respondio login" in respondio("users", code=2).stderr
    assert "no profile" in respondio("profiles", "--remove", "x", code=2).stderr


def _commands(entries: dict[str, Lazy]) -> Iterator[tuple[str, ...]]:
    groups = {
        "contacts": _app.CONTACTS, "messages": _app.MESSAGES, "runs": _app.RUNS,
        "webhooks": _app.WEBHOOKS,
    }  # fmt: skip
    for name in entries:
        if name in groups:
            yield from ((name, each) for each in groups[name])
        else:
            yield (name,)


def test_every_command_with_a_server_takes_a_profile(respondio: Respondio) -> None:
    """What can be pointed at a server can be given its token."""
    seen = 0
    for words in _commands(_app.COMMANDS):
        text = respondio(*words, "--help").stdout
        assert ("--base-url" in text) == ("--profile" in text), words
        seen += "--profile" in text
    assert seen > 15


def test_the_file_lies_where_the_platform_keeps_such() -> None:
    """On Linux that is below XDG_CONFIG_HOME."""
    if sys.platform == "linux":
        home = Path(os.environ["XDG_CONFIG_HOME"])
        assert profiles_path() == home / "respondio" / "profiles.json"
