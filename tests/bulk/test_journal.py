"""A journal makes a run resumable: what ended is skipped, what did not is done, and what nobody
knows is said.
"""

import asyncio
import multiprocessing
import sqlite3
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from respondio_async import models
from respondio_async.bulk import Bulk, failures, inspect
from respondio_async.bulk._journal import Journal
from respondio_async.bulk._lock import journal_lock
from respondio_async.bulk._store import encode_result
from respondio_async.errors import (
    ConfigurationError,
    InvalidArgumentError,
    OutcomeUnknownError,
    RespondError,
    UnauthorizedError,
)
from tests.bulk.fakes import each, echo, outcomes, unsafe_send
from tests.support.platforms import posix_only


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.sqlite"


def journalled(work: Any, items: Any, path: Path, **options: Any) -> Bulk[Any, Any]:
    return Bulk(work, items, key=str, journal=path, **options)


@pytest.mark.parametrize("make", [range, each])
async def test_items_that_are_done_are_skipped_by_the_next_run(path: Path, make: Any) -> None:
    """Each is done once, whatever the number of runs."""
    calls: list[int] = []

    async def work(item: int) -> int:
        calls.append(item)
        return item

    run = journalled(work, make(200), path)
    assert len(await outcomes(run)) == 200
    again = journalled(work, make(250), path)
    assert sorted(o.item for o in await outcomes(again)) == list(range(200, 250))
    assert sorted(calls) == list(range(250))
    assert again.statistics.skipped == 200
    assert again.statistics.done == 50
    assert not path.with_name("run.sqlite.lock").exists()


def away(down: set[int], calls: list[tuple[int, str]]) -> Any:
    """Make a work of two steps whose second one fails for the items that are *down*."""

    async def work(item: int, step: Any) -> int:
        async def first() -> None:
            calls.append((item, "first"))

        async def second() -> int:
            calls.append((item, "second"))
            if item in down:
                raise ConnectionError(f"no server for {item}")
            return item * 2

        await step("first", first)
        return int(await step("second", second))

    return work


def counts(summary: Any) -> tuple[int, int, int, int]:
    """What a run and a summary of its journal both count."""
    return summary.done, summary.failed, summary.unknown, summary.unfinished


@pytest.mark.parametrize("make", [range, each])
async def test_a_failed_item_is_tried_again_by_the_next_run(path: Path, make: Any) -> None:
    """Only what is done is skipped, an item's finished steps included; run, resume and `inspect`
    count alike.
    """
    calls: list[tuple[int, str]] = []
    down = {3, 70, 71}
    run = journalled(away(down, calls), make(100), path)
    await outcomes(run)
    assert counts(run.statistics) == counts(inspect(path)) == (97, 3, 0, 0)

    calls.clear()
    down.clear()
    run = journalled(away(down, calls), make(100), path)
    assert sorted(o.value for o in await outcomes(run)) == [6, 140, 142]
    assert sorted(calls) == [(3, "second"), (70, "second"), (71, "second")]
    assert (run.statistics.done, run.statistics.failed, run.statistics.skipped) == (3, 0, 97)
    assert counts(inspect(path)) == (100, 0, 0, 0)

    run = journalled(away(down, calls), make(100), path)
    assert await outcomes(run) == []
    assert run.statistics.skipped == 100


async def test_an_item_that_fails_again_keeps_its_last_reason(path: Path) -> None:
    """A corrected item takes the place of the one that failed."""

    async def work(item: dict[str, Any]) -> None:
        raise ValueError(f"try {item['try']}")

    for number in (1, 2):
        await outcomes(Bulk(work, [{"try": number}], key=lambda _: "a", journal=path))
        (failed,) = failures(path)
        assert failed.item == {"try": number}
        assert failed.reason == f"try {number}"


async def test_failed_items_are_left_alone_and_reported_when_asked(path: Path) -> None:
    """`failed="skip"` does nothing again and hides nothing, run after run."""
    calls: list[tuple[int, str]] = []
    down = {1, 4}
    await outcomes(journalled(away(down, calls), range(6), path))
    calls.clear()
    down.clear()
    for _ in range(2):
        run = journalled(away(down, calls), range(6), path, failed="skip")
        found = await outcomes(run)
        assert sorted(o.item for o in found) == [1, 4]
        assert all("ConnectionError: no server for" in str(o.error) for o in found)
        assert not any(o.ok or o.unknown or o.attempts for o in found)
        assert (run.statistics.failed, run.statistics.skipped) == (2, 4)
        assert counts(inspect(path)) == (4, 2, 0, 0)
    assert not calls
    assert len(await outcomes(journalled(away(down, calls), range(6), path))) == 2


@pytest.mark.parametrize("failed", ["retry", "skip"])
async def test_a_failure_is_told_though_its_item_is_given_no_longer(
    path: Path, failed: Any
) -> None:
    """Nobody can do it again, so it stays failed, with the item from the journal."""
    await outcomes(journalled(away({2}, []), range(4), path))
    run = journalled(away(set(), []), [], path, failed=failed)
    (outcome,) = await outcomes(run)
    assert outcome.item == 2
    assert "no server for 2" in str(outcome.error)
    assert run.statistics.failed == inspect(path).failed == 1


async def test_a_failed_item_whose_send_must_not_be_repeated_is_in_doubt_next_time(
    path: Path,
) -> None:
    """What failed after its message had left is not sent again by trying again."""
    sent: list[int] = []

    async def work(item: int) -> None:
        await unsafe_send(lambda: sent.append(item))
        if len(sent) == 1:
            raise KeyError("after the send")

    (outcome,) = await outcomes(journalled(work, [1], path))
    assert isinstance(outcome.error, KeyError)
    assert inspect(path).failed == 1
    run = journalled(work, [1], path)
    (outcome,) = await outcomes(run)
    assert outcome.unknown
    assert sent == [1]
    assert counts(run.statistics) == counts(inspect(path)) == (0, 0, 1, 0)
    (outcome,) = await outcomes(journalled(work, [1], path, on_unknown="repeat"))
    assert outcome.ok
    assert sent == [1, 1]


async def test_a_failure_that_the_consumer_did_not_read_is_told_by_the_next_run(
    path: Path,
) -> None:
    """Leaving the block early hides nothing."""
    async with journalled(away(set(range(20)), []), range(20), path, concurrency=4) as run:
        async for _ in run:
            break
    taken = run.statistics.failed
    assert taken > 1
    again = journalled(away(set(), []), range(20), path, failed="skip")
    found = await outcomes(again)
    assert sum(not o.ok for o in found) == taken
    assert len(found) == 20


async def test_an_item_that_was_left_is_done_by_the_next_run(path: Path) -> None:
    """Items in progress when the block was left are unfinished; every item is done once in the
    end.
    """
    done: list[int] = []

    async def slow(item: int) -> None:
        if item % 2:
            await asyncio.sleep(1000)
        done.append(item)

    async with journalled(slow, range(20), path, concurrency=4, grace=0.01) as run:
        async for _ in run:
            break

    async def quick(item: int) -> None:
        done.append(item)

    await outcomes(journalled(quick, range(20), path))
    assert sorted(done) == list(range(20))
    assert inspect(path).done == 20


async def test_an_outcome_is_on_record_before_it_is_seen(path: Path) -> None:
    """Whatever the consumer has seen, another connection finds in the file."""
    async with journalled(echo, range(100), path, concurrency=5) as run:
        async for outcome in run:
            with sqlite3.connect(path) as connection:
                (state,) = connection.execute(
                    "SELECT state FROM items WHERE key = ?", (outcome.key,)
                ).fetchone()
            connection.close()
            assert state == 1


async def test_a_doubled_key_is_an_error_of_the_second_item(path: Path) -> None:
    """Only the first is worked on; in the next run, too, the second is no silent skip."""
    for _ in range(2):
        run = Bulk(echo, ["a", "b", "A"], key=str.lower, journal=path, ordered=True)
        found = await outcomes(run)
        assert isinstance(found[-1].error, InvalidArgumentError)
        assert found[-1].item == "A"
    assert run.statistics.skipped == 2
    assert inspect(path).done == 2


async def test_a_resumed_item_continues_at_its_step(path: Path) -> None:
    """Steps that returned are not done again; their results come from the journal, models and named
    types as themselves.
    """
    calls: list[str] = []

    class Own(msgspec.Struct):
        number: int

    results: dict[str, Any] = {
        "model": models.ContactRef(contact_id=5),
        "plain": {"a": [1, None]},
        "own": Own(3),
        "opaque": object(),
    }

    def doing(name: str) -> Any:
        async def fn() -> Any:
            calls.append(name)
            return results[name]

        return fn

    hang = True

    async def work(item: int, step: Any) -> list[Any]:
        found = [
            await step(name, doing(name), **({"type": Own} if name == "own" else {}))
            for name in results
        ]
        if hang:
            await asyncio.sleep(1000)
        return found

    async with journalled(work, [1], path, grace=0) as run:
        while len(calls) < 4:
            await asyncio.sleep(0.001)
    assert run.statistics.unfinished == 1
    hang = False
    (outcome,) = await outcomes(journalled(work, [1], path))
    assert outcome.value == [results["model"], results["plain"], results["own"], None]
    assert isinstance(outcome.value[0], models.ContactRef)
    assert isinstance(outcome.value[2], Own)
    assert calls == list(results)


async def test_the_intent_is_on_record_before_the_send(path: Path) -> None:
    """When the request leaves, the file says so already."""
    seen: list[Any] = []

    def look() -> None:
        with sqlite3.connect(path) as connection:
            seen.extend(connection.execute("SELECT name, state FROM steps"))
        connection.close()

    async def work(item: int, step: Any) -> None:
        await step("hello", lambda: unsafe_send(look))

    await outcomes(journalled(work, [1], path))
    assert seen == [("hello", 0)]


async def test_an_unsent_request_takes_its_intent_back(path: Path) -> None:
    """A refusal that had no effect leaves no doubt, so the next run does the step again."""
    tries = 0

    async def refused() -> None:
        await unsafe_send(unsent=True)
        if tries == 1:
            await asyncio.sleep(1000)

    async def work(item: int, step: Any) -> None:
        nonlocal tries
        tries += 1
        await step("hello", refused)

    async with journalled(work, [1], path, grace=0) as run:
        while not tries:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
    assert run.statistics.unfinished == 1
    (outcome,) = await outcomes(journalled(work, [1], path))
    assert outcome.ok
    assert tries == 2


async def leave_in_doubt(path: Path, items: Any, *, sent: list[Any] | None = None) -> None:
    """Make a journal as a process leaves it that is killed while it sends: intents and no
    outcome.
    """

    async def work(item: Any, step: Any) -> None:
        await step("before", lambda: echo(1))
        await step(
            "send", lambda: unsafe_send(lambda: sent.append(item) if sent is not None else None)
        )

    await outcomes(journalled(work, items, path))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE items SET state = 0, error = NULL")
        connection.execute("UPDATE steps SET state = 0, value = NULL WHERE name = 'send'")
    connection.close()


async def test_a_send_in_doubt_is_reported_by_every_run_until_it_is_repeated(path: Path) -> None:
    """`on_unknown="report"` never repeats it; `"repeat"` does, from its step on, and settles it."""
    sent: list[Any] = []
    await leave_in_doubt(path, range(3), sent=sent)
    calls: list[str] = []

    async def note(name: str) -> None:
        calls.append(name)

    async def work(item: int, step: Any) -> int:
        await step("before", lambda: note("before"))
        await step("send", lambda: unsafe_send(lambda: sent.append(item)))
        return item

    for _ in range(2):
        run = journalled(work, range(3), path)
        found = await outcomes(run)
        assert len(found) == run.statistics.unknown == 3
        assert all(o.unknown and o.attempts == 0 and "step send" in str(o.error) for o in found)
        assert inspect(path).unknown == 3
    assert sorted(sent) == [0, 1, 2]
    assert all(o.ok for o in await outcomes(journalled(work, range(3), path, on_unknown="repeat")))
    assert sorted(sent) == [0, 0, 1, 1, 2, 2]
    assert not calls
    summary = inspect(path)
    assert (summary.done, summary.unknown) == (3, 0)
    assert await outcomes(journalled(work, range(3), path)) == []


@pytest.mark.parametrize("in_one_run", [True, False])
async def test_a_repeat_that_was_not_sent_takes_no_earlier_intent_back(
    path: Path, in_one_run: bool
) -> None:
    """The one that may have landed stays in doubt: only a run that may repeat it sends it again."""
    landed: list[int] = []

    async def torn(item: int) -> None:
        if landed:
            await not_sent(item)
        await unsafe_send(lambda: landed.append(item))
        raise OutcomeUnknownError("torn", endpoint="POST /x", reason="reset")

    async def not_sent(item: int) -> None:
        await unsafe_send(unsent=True)
        raise RespondError("no connection")

    async def sent(item: int) -> None:
        await unsafe_send(lambda: landed.append(item))

    if not in_one_run:
        await outcomes(Bulk(torn, [1], key=str, journal=path))
    await outcomes(Bulk(torn, [1], key=str, journal=path, on_unknown="repeat"))
    (outcome,) = await outcomes(Bulk(sent, [1], key=str, journal=path))
    assert outcome.unknown
    assert landed == [1]
    (outcome,) = await outcomes(Bulk(sent, [1], key=str, journal=path, on_unknown="repeat"))
    assert outcome.ok
    assert landed == [1, 1]


@pytest.mark.parametrize("unknown", ["report", "repeat"])
async def test_a_send_in_doubt_is_reported_though_its_item_is_given_no_longer(
    path: Path, unknown: Any
) -> None:
    """The item then comes from the journal, as plain values; it is not worked on, since it may not
    be what the work expects.
    """
    await leave_in_doubt(path, [{"id": n} for n in range(150)])
    found = await outcomes(journalled(echo, [], path, on_unknown=unknown))
    assert sorted(o.item["id"] for o in found) == list(range(150))
    assert all(o.unknown for o in found)


async def test_an_item_that_is_no_json_is_journalled_without_its_content(path: Path) -> None:
    """Such an item is known by its key alone."""
    thing = object()
    found = await outcomes(Bulk(echo, [thing], key=lambda _: "thing", journal=path))
    assert found[0].value is thing
    await leave_in_doubt(path.with_name("b"), [thing])
    (outcome,) = await outcomes(journalled(echo, [], path.with_name("b")))
    assert outcome.item is None


async def test_a_live_unknown_outcome_is_on_record(path: Path) -> None:
    """An `OutcomeUnknownError` of the work keeps its reason in the file, run after run."""

    async def work(item: int) -> None:
        raise OutcomeUnknownError("the connection broke", endpoint="POST /x", reason="reset")

    await outcomes(journalled(work, [1], path))
    (outcome,) = await outcomes(journalled(echo, [1], path))
    assert outcome.unknown
    await outcomes(journalled(echo, [], path))
    assert inspect(path).reasons == {"OutcomeUnknownError: the connection broke": 1}


async def test_an_item_that_a_revoked_token_refused_is_done_by_the_next_run(path: Path) -> None:
    """401 is no outcome of the item."""

    async def work(item: int) -> None:
        raise UnauthorizedError("no", status=401, endpoint="GET /x")

    with pytest.raises(UnauthorizedError):
        await outcomes(journalled(work, range(100), path))
    found = await outcomes(journalled(echo, range(100), path))
    assert len(found) == 100
    assert all(o.ok for o in found)


@pytest.mark.parametrize("failed", ["retry", "skip"])
@pytest.mark.parametrize("doubtful", [False, True])
async def test_items_that_stopped_the_run_are_done_by_the_next_one(
    path: Path, failed: Any, doubtful: bool
) -> None:
    """`stop_on` leaves them unfinished, also for a run that leaves failures alone; what may have
    been sent is unknown.
    """

    async def work(item: int) -> None:
        if doubtful:
            await unsafe_send()
        if item >= 3:
            raise ConnectionError("away")

    run = journalled(work, range(10), path, concurrency=1, stop_on=ConnectionError)
    with pytest.raises(ConnectionError):
        await outcomes(run)
    assert counts(run.statistics) == (3, 0, int(doubtful), int(not doubtful))
    summary = inspect(path)
    assert (summary.done, summary.failed, summary.unknown) == (3, 0, int(doubtful))
    found = await outcomes(journalled(echo, range(10), path, failed=failed))
    assert sorted(o.item for o in found if o.ok) == list(range(3 + doubtful, 10))
    assert [o.item for o in found if o.unknown] == [3] * doubtful


async def test_a_send_that_is_given_up_leaves_the_intent_of_the_one_beside_it(path: Path) -> None:
    """Two sends of one step are announced at once, and one of them is cancelled before it leaves:
    the other is on its way, and the journal must say so if the process is killed now.
    """
    sent = asyncio.Event()

    async def work(item: str) -> None:
        if item == "later":  # what is asked of a journal is done in order
            await sent.wait()
            return
        sends = [asyncio.create_task(unsafe_send(sent.set, seconds=60)) for _ in range(2)]
        await asyncio.sleep(0)
        sends[1].cancel()
        await asyncio.wait(sends)

    async with journalled(work, ["now", "later"], path) as run:
        assert (await anext(run)).item == "later"
        assert inspect(path).unknown == 1


async def test_a_second_run_on_the_journal_is_refused_and_can_look_on(path: Path) -> None:
    """The refusal says what to do; the file can still be inspected."""
    async with journalled(echo, range(5), path) as run:
        await anext(run)
        with pytest.raises(ConfigurationError, match="in use by another run"):
            await outcomes(journalled(echo, range(5), path))
        assert inspect(path).sessions == 1
        await run.drain()
    await outcomes(journalled(echo, range(5), path))


def _hold(path: Path, connection: Any) -> None:
    with journal_lock(path):
        connection.send("held")
        connection.recv()


def test_a_lock_of_a_killed_process_frees_itself(path: Path) -> None:
    """The operating system takes it back; nobody has to delete a file."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_hold, args=(path, theirs))
    process.start()
    assert ours.recv() == "held"
    with pytest.raises(ConfigurationError, match="in use"), journal_lock(path):
        pass
    process.kill()
    process.join()
    with journal_lock(path):
        pass
    ours.close()
    theirs.close()


@posix_only
def test_a_lock_on_a_file_that_its_owner_has_just_removed_is_taken_again(
    path: Path, monkeypatch: Any
) -> None:
    """Between opening the lock's file and locking it, its last owner may remove it: then a lock on
    it guards nothing.
    """
    file, opened = path.with_name("run.sqlite.lock"), []

    class Connection(sqlite3.Connection):
        def execute(self, *arguments: Any) -> sqlite3.Cursor:
            if len(opened) == 1 and "BEGIN EXCLUSIVE" in arguments:
                file.unlink()
            return super().execute(*arguments)

    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        opened.append(arguments)
        return real(*arguments, **options, factory=Connection)

    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", connect)
    with journal_lock(path):
        assert len(opened) == 2
        assert file.exists()


def test_a_lock_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    """A directory that is not there is not taken for another run."""
    missing = journal_lock(tmp_path / "missing" / "run.sqlite")
    with pytest.raises(ConfigurationError, match="its folder must be there"), missing:
        pass


@pytest.mark.parametrize(
    "content", [b"this is no database, but a text of some length" * 100, "sqlite", "version"]
)
async def test_a_file_that_is_no_journal_is_refused_and_left_alone(
    path: Path, content: Any
) -> None:
    """Somebody else's file is never written to."""
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE mine (x)")
            if content == "version":
                connection.execute(f"PRAGMA application_id = {0x72696F42}")
                connection.execute("PRAGMA user_version = 99")
        connection.close()
    before = path.read_bytes()
    with pytest.raises(
        ConfigurationError, match="format 99" if content == "version" else "not the journal"
    ):
        await outcomes(journalled(echo, [1], path))
    assert path.read_bytes() == before
    with pytest.raises(ConfigurationError):
        inspect(path)


async def test_a_journal_whose_maker_was_killed_at_once_is_made_again(path: Path) -> None:
    """A file without any table, written or empty, is a new journal."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    assert len(await outcomes(journalled(echo, [1], path))) == 1


async def test_a_journal_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    """Its folder has to be there."""
    with pytest.raises(ConfigurationError, match="cannot be used: .*its folder must be there"):
        await outcomes(journalled(echo, [1], tmp_path / "missing" / "run.sqlite"))


@pytest.mark.parametrize("name", [":memory:", "", "file:run.sqlite", "file::memory:?cache=shared"])
def test_a_journal_that_would_not_outlive_the_process_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Both are refused before anything happens: no file of that name is made; a folder is refused
    too.
    """
    monkeypatch.chdir(tmp_path)
    for refused in (name, tmp_path):
        with pytest.raises(InvalidArgumentError) as caught:
            Bulk(echo, [1], key=str, journal=refused)
        assert caught.value.argument == "journal"
    assert list(tmp_path.iterdir()) == []


async def test_a_journal_is_for_its_owners_eyes(path: Path) -> None:
    """It holds the items: nobody else may read it, nor what SQLite keeps beside it."""
    async with journalled(echo, range(5), path) as run:
        await run.drain()
        for file in path.parent.glob("run.sqlite*"):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


async def test_another_work_on_the_same_journal_is_warned_of(path: Path, caplog: Any) -> None:
    """A journal that is used for a second job would skip its items: the log says whose it is."""

    async def other(item: int) -> None: ...

    await outcomes(journalled(echo, [1], path))
    assert not [record for record in caplog.records if record.name == "respondio_async"]
    await outcomes(journalled(other, [1], path))
    assert "begun by the work echo" in caplog.text
    assert inspect(path).work == "echo"


async def test_a_journal_that_cannot_be_written_any_more_stops_the_run(
    path: Path, monkeypatch: Any
) -> None:
    """A full disk ends the run with one error, before anything more is sent."""
    from respondio_async.bulk._store import Store

    sent: list[int] = []
    real = Store.intend

    def full(self: Store, number: int, step: str) -> None:
        if len(sent) >= 5:
            raise sqlite3.OperationalError("database or disk is full")
        real(self, number, step)

    monkeypatch.setattr(Store, "intend", full)

    async def work(item: int) -> None:
        await unsafe_send(lambda: sent.append(item))

    seen = []
    run = journalled(work, range(1000), path, concurrency=2)
    with pytest.raises(ConfigurationError, match="disk is full"):
        async with run:
            async for outcome in run:
                seen.append(outcome)
    assert len(sent) <= 6  # one may be on its way already
    assert sorted(outcome.item for outcome in seen) == sorted(sent)
    assert run.statistics.unfinished <= 2


async def test_a_failed_journal_answers_every_later_request_with_its_failure(
    path: Path, monkeypatch: Any
) -> None:
    """Nobody is left waiting for a thread that cannot write."""
    from respondio_async.bulk._store import Store

    def full(*_: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Store, "leftovers", full)
    errors: list[Any] = []
    journal = Journal(path, "work", on_failure=errors.append)
    await journal.open()
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="disk is full"):
            await journal.submit(lambda store: store.leftovers(0, 1))
    journal.post(lambda store: store.retract(1, "x"))
    assert len(errors) == 1
    await journal.aclose()


async def test_an_opening_that_is_cancelled_lets_the_file_go(path: Path) -> None:
    """The next run can have it at once."""
    task = asyncio.create_task(Journal(path, "work", on_failure=print).open())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await outcomes(journalled(echo, [1], path))

    path = path.with_name("none")
    path.mkdir()
    task = asyncio.create_task(Journal(path, "work", on_failure=print).open())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_caller_that_is_cancelled_harms_no_other(path: Path) -> None:
    """An answer to nobody is dropped."""
    journal = Journal(path, "work", on_failure=print)
    await journal.open()
    future = journal.submit(lambda store: store.intend(1, "x"))
    await asyncio.sleep(0)
    future.cancel()
    assert await journal.submit(lambda store: store.leftovers(0, 5)) == []
    await journal.aclose()


def test_a_run_that_is_abandoned_with_its_loop_ends_its_thread(path: Path) -> None:
    """Even without leaving the block, nothing waits for a loop that is closed."""
    journal: Journal | None = None

    async def abandon() -> None:
        nonlocal journal
        journal = Journal(path, "work", on_failure=print)
        await journal.open()

    asyncio.run(abandon())
    assert journal is not None
    asyncio.run(journal.aclose())
    with journal_lock(path):
        pass


async def test_thousands_of_requests_are_committed_in_bounded_batches(path: Path) -> None:
    """More requests than a batch holds are all carried out, in their order."""
    journal = Journal(path, "work", on_failure=print)
    await journal.open()
    known = await journal.submit(lambda store: store.claim("a", None, retry_failed=True))
    assert known is not None
    item, one = known.id, encode_result(1)
    for number in range(2_500):
        journal.post(lambda store, n=number: store.step_returned(item, f"s{n:04}", one))
    await journal.aclose()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM steps").fetchone() == (2_500,)
    connection.close()
