"""What Windows does otherwise, played: the fallbacks of the package are used, and suffice.

`nox -s windows` runs the tests of all files and of the command so.
"""

import asyncio
import os
from pathlib import Path

import pytest

from respondio_async.bulk import Bulk
from respondio_async.files import create_private, is_private, replace_private
from respondio_async.webhooks._progress import Note, ProgressLog
from respondio_async.webhooks._store import HandlingStep
from tests.support import windows

pytestmark = pytest.mark.skipif(os.name == "nt", reason="here it need not be played")


@pytest.fixture(autouse=True)
def _windows(monkeypatch: pytest.MonkeyPatch) -> None:
    windows.play(monkeypatch)


def test_a_file_holds_the_bytes_that_were_written(tmp_path: Path) -> None:
    """No carriage return is put before a line feed: records would shift."""
    descriptor = create_private(tmp_path / "new")
    os.write(descriptor, b"\n\r\n\x0a")
    os.close(descriptor)
    assert (tmp_path / "new").read_bytes() == b"\n\r\n\x0a"


def test_what_it_plays_is_noticed(tmp_path: Path) -> None:
    """Without the flag the bytes differ, and an open file is not replaced."""
    descriptor = os.open(tmp_path / "new", os.O_CREAT | os.O_WRONLY)
    os.write(descriptor, b"\n")
    assert (tmp_path / "new").read_bytes() == b"\r\n"
    with pytest.raises(PermissionError):
        (tmp_path / "new").replace(tmp_path / "other")
    os.close(descriptor)


def test_notes_are_kept_in_a_file_that_is_replaced(tmp_path: Path) -> None:
    """Nothing is replaced while it is open; a row's number may hold the byte of a line feed."""
    path = tmp_path / "inbox-progress"
    first, second = Note(10, HandlingStep.STARTED), Note(2570, HandlingStep.HANDLED, 10)
    log = ProgressLog(path)
    log.open([first])
    log.write(second)
    log.open([second])
    log.write(first)
    log.close()
    assert [*ProgressLog(path).read()] == [second, first]


def test_a_file_needs_no_owner_and_no_mode_to_be_private(tmp_path: Path) -> None:
    """A folder of the user's hands its rights down; a folder is no file there either."""
    descriptor = replace_private(tmp_path / "new")
    assert is_private(os.fstat(descriptor))
    os.close(descriptor)
    assert not is_private(tmp_path.stat())


def test_a_run_goes_on_without_signal_handlers(tmp_path: Path) -> None:
    """The journal is locked, and its lock is gone when the run has ended."""

    async def work(item: int) -> int:
        return item

    async def run() -> int:
        async with Bulk(work, range(20), key=str, journal=tmp_path / "run.sqlite") as running:
            return len([outcome async for outcome in running])

    assert asyncio.run(run()) == 20
    assert asyncio.run(run()) == 0
    assert [file.name for file in tmp_path.iterdir()] == ["run.sqlite"]
