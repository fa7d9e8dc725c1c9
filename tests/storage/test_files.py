"""A file that holds personal data is its owner's alone, from its first moment on."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from respondio_async._storage import create_private, make_private, replace_private
from respondio_async.errors import ConfigurationError
from tests.support.platforms import posix_only


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o277, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every umask that people have, and two that nobody should have."""
    before = os.umask(request.param)
    yield
    os.umask(before)


@posix_only
@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("make", [create_private, make_private, replace_private])
def test_a_new_file_is_private_under_any_umask(
    tmp_path: Path, make: Callable[[Path], int | None]
) -> None:
    """Its owner can read and write it, and nobody else can, whatever the umask takes or leaves."""
    path = tmp_path / "new"
    descriptor = make(path)
    assert mode(path) == 0o600
    if descriptor is not None:
        assert stat.S_IMODE(os.fstat(descriptor).st_mode) == 0o600
        os.close(descriptor)


@posix_only
@pytest.mark.parametrize("lax", [0o644, 0o666, 0o640, 0o602, 0o755])
def test_a_laxer_file_is_tightened_with_a_warning(
    tmp_path: Path, lax: int, caplog: pytest.LogCaptureFixture
) -> None:
    """What it holds stays; the second time there is nothing to warn of."""
    path = tmp_path / "inbox.sqlite"
    path.write_text("kept")
    path.chmod(lax)
    make_private(path)
    assert mode(path) == 0o600
    assert path.read_text() == "kept"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "inbox.sqlite" in caplog.text
    make_private(path)
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "kind", ["link", "dangling", "folder", pytest.param("pipe", marks=posix_only)]
)
def test_what_is_no_regular_file_is_refused(tmp_path: Path, kind: str) -> None:
    """A planted link is not followed, neither to a file nor to a name that is free."""
    path, target = tmp_path / "run.sqlite", tmp_path / "victim"
    if kind == "link":
        target.write_text("theirs")
        target.chmod(0o644)
    if kind in {"link", "dangling"}:
        path.symlink_to(target)
    elif kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    with pytest.raises(ConfigurationError, match="regular file"):
        make_private(path)
    with pytest.raises(FileExistsError):
        create_private(path)
    assert target.exists() == (kind == "link")
    assert kind != "link" or mode(target) == 0o644


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """What it led to is left alone."""
    path, target = tmp_path / "export.csv", tmp_path / "victim"
    target.write_text("theirs")
    path.symlink_to(target)
    os.close(replace_private(path, os.O_WRONLY))
    assert path.is_file()
    assert not path.is_symlink()
    assert target.read_text() == "theirs"


@posix_only
def test_a_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner could read what we write, whatever its mode says."""
    path = tmp_path / "run.sqlite"
    make_private(path)
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 65534)
    with pytest.raises(ConfigurationError, match="another user"):
        make_private(path)


@posix_only
def test_a_file_that_cannot_be_made_private_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems keep no permissions: the message says what to do."""
    path = tmp_path / "run.sqlite"
    path.touch(0o644)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refuse)
    with pytest.raises(ConfigurationError, match="folder of your own"):
        make_private(path)
