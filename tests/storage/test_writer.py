"""Whatever ends the writer, or an act of it, ends nobody's waiting but with an answer."""

import asyncio
import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from respondio_async._storage import SIDECARS, Writer, database_path
from respondio_async._storage import _writer as module
from respondio_async.errors import ConfigurationError, InvalidArgumentError

Connection = sqlite3.Connection


def prepare(connection: Connection) -> Connection:
    connection.executescript(
        "PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS t (x UNIQUE ON CONFLICT ABORT)"
    )
    return connection


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.sqlite"


def insert(value: int) -> Callable[[Connection], int]:
    return lambda connection: connection.execute("INSERT INTO t VALUES (?)", (value,)).rowcount


def stored(path: Path) -> list[int]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return [x for (x,) in connection.execute("SELECT x FROM t ORDER BY x")]


class Fatal(BaseException):
    """What no `except Exception` catches."""


ENDINGS: list[type[BaseException]] = [
    ValueError,
    UnicodeError,
    MemoryError,
    RecursionError,
    StopIteration,
    sqlite3.ProgrammingError,
    Fatal,
    SystemExit,
    GeneratorExit,
    KeyboardInterrupt,
    asyncio.CancelledError,
]


async def test_acts_are_done_in_order_and_are_in_the_file_when_answered(path: Path) -> None:
    """More acts than a group holds are all done."""
    writer = Writer(path, prepare)
    await writer.open()
    order: list[int] = []
    count = module.LARGEST_GROUP * 2 + 1
    futures = [writer.submit(insert(number)) for number in range(count)]
    for number, future in enumerate(futures):
        future.add_done_callback(lambda _, number=number: order.append(number))
    assert await futures[0] == 1
    assert stored(path)[0] == 0
    await asyncio.wait(futures)
    await asyncio.sleep(0)
    assert order == list(range(count))
    await writer.aclose()
    assert len(stored(path)) == count


async def test_an_act_that_fails_fails_alone(path: Path) -> None:
    """What shares a commit with it is done all the same."""
    writer = Writer(path, prepare)
    await writer.open()
    futures = [writer.submit(insert(x)) for x in (1, 1, 2)]
    results = await asyncio.gather(*futures, return_exceptions=True)
    await writer.aclose()
    assert [type(result) for result in results] == [int, ConfigurationError, int]
    assert stored(path) == [1, 2]


@pytest.mark.parametrize("ending", ENDINGS)
async def test_an_act_that_raises_anything_is_answered(
    path: Path, ending: type[BaseException]
) -> None:
    """An ordinary error is the act's own, and the next act is done; any other ends the writer, and
    everybody hears of it.
    """
    failures: list[Exception] = []
    writer = Writer(path, prepare, on_failure=failures.append)
    await writer.open()

    def act(_: Connection) -> None:
        raise ending

    futures: list[asyncio.Future[Any]] = [writer.submit(insert(1)), writer.submit(act)]
    futures.append(writer.submit(insert(2)))
    async with asyncio.timeout(60):
        results = await asyncio.gather(*futures, return_exceptions=True)
        late = await asyncio.gather(writer.submit(insert(3)), return_exceptions=True)
        await writer.aclose()
    assert isinstance(results[1], Exception)
    if issubclass(ending, Exception):
        assert (results[0], results[2], late, failures) == (1, 1, [1], [])
    else:
        assert results[0] == 1 or isinstance(results[0], ConfigurationError)  # an earlier group
        assert all(isinstance(each, ConfigurationError) for each in [*results[1:], *late])
        assert len(failures) == 1
        assert ending.__name__ in str(failures[0])
        assert results[1].__cause__ is not None


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("place", ["lock", "_connect", "prepare", "_gather", "_commit"])
async def test_a_thread_that_ends_anywhere_ends_its_user_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, place: str, ending: type[BaseException]
) -> None:
    """Neither opening, nor what was asked for, nor what is asked for later, waits for ever."""

    def fail(*_: object) -> Any:
        raise ending

    failures: list[Exception] = []
    writer = Writer(
        path,
        fail if place == "prepare" else prepare,
        on_failure=failures.append,
        **({"lock": fail} if place == "lock" else {}),
    )
    opens = place in {"_gather", "_commit"}
    if place.startswith("_"):
        monkeypatch.setattr(module if place == "_commit" else writer, place, fail)
    async with asyncio.timeout(60):
        if opens:
            await writer.open()
        else:
            with pytest.raises(Exception):  # noqa: B017, PT011 - that it is one is the point
                await writer.open()
        with pytest.raises(Exception):  # noqa: B017, PT011 - likewise
            await writer.submit(insert(1))
        await writer.aclose()
    assert len(failures) == opens


async def test_a_file_that_is_damaged_full_or_locked_says_what_to_do(path: Path) -> None:
    """No error of SQLite's own reaches the user."""
    writer = Writer(path, prepare, busy_timeout=0.01)
    await writer.open()
    await writer.submit(insert(1))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ConfigurationError, match=r"file\.sqlite .*locked: .*file of its own"):
            await writer.submit(insert(2))
    await writer.submit(lambda connection: connection.execute("PRAGMA max_page_count = 3") and None)
    with pytest.raises(ConfigurationError, match="full: make room"):
        await writer.submit(
            lambda connection: connection.execute("INSERT INTO t VALUES (zeroblob(99999))")
        )
    given_up = writer.submit(insert(3))
    given_up.cancel()
    assert await writer.submit(insert(4)) == 1
    await writer.aclose()
    assert stored(path) == [1, 3, 4]

    path.write_bytes(b"no database" * 100)
    with pytest.raises(ConfigurationError, match="not a database: .*name another file"):
        await Writer(path, prepare).open()
    with pytest.raises(ConfigurationError, match="its folder must be there"):
        await Writer(path.with_name("missing") / "file", prepare).open()


async def test_the_file_and_what_sqlite_keeps_beside_it_are_private(path: Path) -> None:
    """The file and what SQLite keeps beside it are private under a umask that takes nothing; older
    files with more rights are tightened.
    """
    for suffix in SIDECARS:
        path.with_name(path.name + suffix).touch(0o644)
    before = os.umask(0)
    try:
        writer = Writer(path, prepare)
        await writer.open()
        await writer.submit(insert(1))
    finally:
        os.umask(before)
    found = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert len(found) > 2
    assert set(found.values()) == {0o600}
    await writer.aclose()


async def test_an_opening_that_is_cancelled_lets_the_file_go(path: Path) -> None:
    """The next one can have it at once."""
    held = threading.Lock()
    task = asyncio.create_task(Writer(path, prepare, lock=lambda: held).open())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert held.acquire(blocking=False)


async def test_what_is_asked_after_closing_is_refused(path: Path) -> None:
    """Nobody waits for a thread that has ended in order either."""
    writer = Writer(path, prepare)
    await writer.aclose()
    await writer.open()
    await writer.aclose()
    with pytest.raises(ConfigurationError, match="is closed"):
        await writer.submit(insert(1))
    await writer.aclose()


def test_two_loops_at_once_are_refused(path: Path) -> None:
    """An answer that reached a loop from another's thread might not wake it."""
    writer = Writer(path, prepare)
    with asyncio.Runner() as first:
        first.run(writer.open())
        with asyncio.Runner() as other:

            async def ask() -> None:
                with pytest.raises(ConfigurationError, match="another event loop"):
                    writer.submit(insert(1))

            other.run(ask())
        first.run(writer.aclose())


def test_a_loop_that_ends_first_holds_no_thread(path: Path) -> None:
    """An act that is done after its event loop was closed is done all the same; it can be closed
    from another loop.
    """
    go = threading.Event()
    writer = Writer(path, prepare)

    async def leave() -> None:
        await writer.open()
        writer.submit(lambda connection: go.wait() and insert(1)(connection))

    asyncio.run(leave())
    go.set()
    asyncio.run(writer.aclose())
    assert stored(path) == [1]


@pytest.mark.parametrize(
    "name", ["", " ", ":memory:", "file:run?mode=memory", "file::memory:", "a\0b", b"run", 3, None]
)
def test_what_sqlite_takes_for_something_else_is_no_path(name: Any) -> None:
    """A file that is not one would forget all, and say nothing."""
    with pytest.raises(InvalidArgumentError) as caught:
        database_path(name, "journal")
    assert caught.value.argument == "journal"


def test_a_folder_is_no_path_of_a_file(tmp_path: Path) -> None:
    """Neither one that is there nor one that is named as such."""
    for name in (tmp_path, f"{tmp_path}/new/", "."):
        with pytest.raises(InvalidArgumentError, match="folder"):
            database_path(name, "inbox")
    assert database_path(f"{tmp_path}/new", "inbox") == tmp_path / "new"
