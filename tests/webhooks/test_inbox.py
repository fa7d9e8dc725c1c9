"""What was acknowledged is handled, kill or no kill; and what was handled is not handled again."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from respondio_async._storage import Writer
from respondio_async.errors import ConfigurationError, DecodeError, InvalidArgumentError
from respondio_async.webhooks import (
    Context,
    Deduplicator,
    MemoryDeduplicator,
    MessageReceived,
    WebhookRouter,
)
from respondio_async.webhooks import _inbox as inbox_module
from respondio_async.webhooks._inbox import EventInbox
from respondio_async.webhooks._progress import Note, ProgressLog
from respondio_async.webhooks._store import HandlingStep, NewEvent, Unfinished
from tests.support.platforms import posix_only
from tests.webhooks.payloads import KEY, message, signed


async def deliver(router: WebhookRouter, event: Any) -> int:
    """Send one event as respond.io does."""
    status, _ = await router.receive(*signed(event))
    return status


async def done_with(router: WebhookRouter) -> None:
    """Wait until nothing waits in the inbox, whichever process brought it."""
    while (await router.inbox_statistics()).waiting:
        await asyncio.sleep(0.01)


async def left_in(inbox: EventInbox) -> list[Unfinished]:
    """Open an inbox, and return what an earlier process left in it."""
    left: list[Unfinished] = []

    async def take(unfinished: Unfinished, ended: object) -> None:
        left.append(unfinished)

    await inbox.open()
    await inbox.deliver(take)
    return left


async def interrupted(path: str | Path) -> None:
    """Leave an inbox as a killed process would: event 1 finished, 2 with one of two handlers ended,
    3 never begun.
    """
    router = WebhookRouter(KEY, inbox=path)
    hang, running = asyncio.Event(), asyncio.Event()

    async def first(context: Context[Any]) -> None:
        pass

    async def second(context: Context[Any]) -> None:
        if context.event.event_id != "event-1":
            running.set()
            await hang.wait()

    for function in (first, second):
        function.__qualname__ = function.__name__
        router.on()(function)
    await router.start()
    for number in (1, 2, 3):
        assert await deliver(router, message(number)) == 200
    await running.wait()
    assert await router.aclose(timeout=0.01) == 2


def restarted(
    path: str | Path, **options: Any
) -> tuple[WebhookRouter, list[tuple[str, str, bool]]]:
    """Make the router of the next process, and a list of what its handlers get."""
    router = WebhookRouter(KEY, inbox=path, **options)
    seen: list[tuple[str, str, bool]] = []

    async def first(context: Context[Any]) -> None:
        seen.append(("first", context.event.event_id, context.redelivered))

    async def second(context: Context[Any]) -> None:
        seen.append(("second", context.event.event_id, context.redelivered))

    for function in (first, second):
        function.__qualname__ = function.__name__
        router.on()(function)
    return router, seen


async def test_a_restart_goes_on_where_the_last_process_stopped(inbox: str) -> None:
    """Finished events and ended handlers do not run again; what ran is marked; what only waited is
    not.
    """
    await interrupted(inbox)
    router, seen = restarted(inbox)
    async with router:
        assert await deliver(router, message(1)) == 200
        assert await deliver(router, message(2)) == 200
        assert await deliver(router, message(4)) == 200
    assert seen == [
        ("second", "event-2", True),
        ("first", "event-3", False),
        ("second", "event-3", False),
        ("first", "event-4", False),
        ("second", "event-4", False),
    ]
    assert router.statistics().duplicates == 2
    again, seen = restarted(inbox)
    async with again:
        await done_with(again)
    assert seen == []


@pytest.mark.parametrize("gone", ["first", "second"])
async def test_a_handler_that_a_deployment_renamed_ends_in_on_error(inbox: str, gone: str) -> None:
    """Whether it had ended or was running: none of today's handlers can be told to be it, so none
    runs, and the event is finished.
    """
    await interrupted(inbox)
    errors: list[tuple[str, str]] = []

    def on_error(error: Exception, context: Context[Any] | None) -> None:
        assert context is not None
        errors.append((str(error), context.event.event_id))

    router, seen = restarted(inbox, on_error=on_error)
    router.handlers = [
        handler._replace(key=7) if handler.name.endswith(gone) else handler
        for handler in router.handlers
    ]
    async with router:
        await done_with(router)
    [(text, event)] = errors
    assert "registered no more" in text
    assert event == "event-2"
    assert [event for _, event, _ in seen] == ["event-3", "event-3"]
    again, seen = restarted(inbox, on_error=on_error)
    async with again:
        await done_with(again)
    assert seen == []
    assert len(errors) == 1


async def test_interrupted_events_can_be_taken_aside(inbox: str) -> None:
    """With on_interrupted, an event whose handlers were running goes there instead."""
    await interrupted(inbox)
    aside = []

    def on_interrupted(context: Context[Any]) -> None:
        aside.append(context.event.event_id)

    router, seen = restarted(inbox, on_interrupted=on_interrupted)
    async with router:
        await done_with(router)
    assert aside == ["event-2"]
    assert [event for _, event, _ in seen] == ["event-3", "event-3"]


async def test_an_inbox_has_one_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second router on the same file is refused: two would handle the same events.

    Later it may have it.
    """
    assert Writer.__init__.__kwdefaults__ is not None
    monkeypatch.setitem(Writer.__init__.__kwdefaults__, "busy_timeout", 0.05)
    second = WebhookRouter(
        KEY, inbox=tmp_path / "inbox", on_error=lambda error, _: errors.append(error)
    )
    errors: list[Exception] = []
    async with WebhookRouter(KEY, inbox=tmp_path / "inbox") as first:
        assert await deliver(first, message(1)) == 200
        with pytest.raises(ConfigurationError, match="file of its own"):
            await second.start()
        assert await deliver(second, message(2)) == 503
        assert isinstance(errors[0], ConfigurationError)
    async with second:
        assert await deliver(second, message(2)) == 200


async def test_what_cannot_be_stored_is_not_acknowledged(tmp_path: Path) -> None:
    """When the disk is full the answer is 503, and the next event finds room again."""
    errors: list[Exception] = []
    router, seen = restarted(tmp_path / "inbox", on_error=lambda error, _: errors.append(error))
    async with router:
        assert isinstance(router._dispatcher.inbox, EventInbox)
        full = (
            "CREATE TEMP TRIGGER full BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
        await router._dispatcher.inbox.database.submit(
            lambda connection: connection.execute(full).fetchall()
        )
        assert await deliver(router, message(1)) == 503
        await router._dispatcher.inbox.database.submit(
            lambda connection: connection.execute("DROP TRIGGER full").fetchall()
        )
        assert await deliver(router, message(1)) == 200
    assert len(errors) == 1
    assert isinstance(errors[0], ConfigurationError)
    assert "make room" in str(errors[0])
    assert len(seen) == 2
    assert router.statistics().waiting == 0


async def test_notes_outlast_a_disk_that_is_full(tmp_path: Path) -> None:
    """Steps that SQLite would not take are kept and stored later."""
    inbox = EventInbox(tmp_path / "inbox")
    assert await left_in(inbox) == []
    row = await inbox.accept(NewEvent("event", b"{}"))
    assert row is not None
    real = inbox.database.submit

    def full(work: Any) -> Any:
        inbox.database.submit = real  # type: ignore[method-assign]
        return real(lambda connection: connection.execute("INSERT INTO nowhere VALUES (1)"))

    inbox.database.submit = full  # type: ignore[assignment, method-assign]
    await inbox.note(row, HandlingStep.FINISHED)
    await inbox.aclose()
    again = EventInbox(tmp_path / "inbox")
    assert await left_in(again) == []
    assert await again.accept(NewEvent("event", b"{}")) is None
    await again.aclose()


async def test_notes_are_read_after_a_kill(tmp_path: Path) -> None:
    """A note that never reached SQLite counts all the same, up to one that was cut short."""
    inbox = EventInbox(tmp_path / "inbox")
    await inbox.open()
    rows = [await inbox.accept(NewEvent(str(number), b"{}")) for number in range(4)]
    await inbox.aclose()
    progress = ProgressLog(tmp_path / "inbox-progress")
    progress.open()
    for note in (
        Note(rows[0], HandlingStep.FINISHED),
        Note(rows[1], HandlingStep.STARTED, 2**63 - 1),
        Note(rows[1], HandlingStep.HANDLED, 2**64 - 1),
    ):  # type: ignore[arg-type]
        progress.write(note)
    progress.close()
    with (tmp_path / "inbox-progress").open("ab") as file:
        file.write(bytes(17) + b"\x01torn")
    again = EventInbox(tmp_path / "inbox")
    left = await left_in(again)
    await again.aclose()
    assert [(each.row, each.started, each.handled) for each in left] == [
        (rows[1], 2**63 - 1, {2**64 - 1}),
        (rows[2], 0, set()),
        (rows[3], 0, set()),
    ]


async def test_the_file_of_notes_stays_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Notes that SQLite has are dropped, and so are the ids of long finished events."""
    monkeypatch.setattr("respondio_async.webhooks._progress._ROTATE", 300)
    monkeypatch.setattr(inbox_module, "_FLUSH_AFTER", 0.0)
    monkeypatch.setattr(inbox_module, "_PRUNE_EVERY", 10)
    inbox = EventInbox(tmp_path / "inbox", remember=10)
    await inbox.open()
    for number in range(100):
        row = await inbox.accept(NewEvent(str(number), b"{}"))
        assert row is not None
        await inbox.note(row, HandlingStep.STARTED)
        await inbox.note(row, HandlingStep.FINISHED)
    assert (tmp_path / "inbox-progress").stat().st_size < 1000
    count = await inbox.database.submit(
        lambda connection: connection.execute("SELECT count(*) FROM event").fetchone()[0]
    )
    assert count < 30
    await inbox.aclose()
    assert await left_in(again := EventInbox(tmp_path / "inbox")) == []
    await again.aclose()


async def test_notes_go_on_in_the_old_file_when_a_new_one_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The disk may be full as the file of notes is to be replaced; notes go into SQLite as ever."""
    monkeypatch.setattr("respondio_async.webhooks._progress._ROTATE", 1)
    monkeypatch.setattr(inbox_module, "_FLUSH_AFTER", 0.0)
    inbox = EventInbox(tmp_path / "inbox")
    await inbox.open()
    (tmp_path / "inbox-progress.new").mkdir()
    rows = [await inbox.accept(NewEvent(str(number), b"{}")) for number in range(20)]
    for row in rows:
        await inbox.note(row or 0, HandlingStep.FINISHED)
        await inbox.database.submit(lambda connection: None)
    left = "SELECT count(*) FROM event WHERE body IS NOT NULL"
    while await inbox.database.submit(lambda connection: connection.execute(left).fetchone()[0]):
        await asyncio.sleep(0)
    await inbox.aclose()
    assert "Exception in callback" not in caplog.text


async def test_what_can_no_longer_be_read_goes_to_the_hook(inbox: str) -> None:
    """An event that was accepted under other bounds does not stop the start."""
    await interrupted(inbox)
    errors: list[Exception] = []
    router, seen = restarted(inbox, max_depth=1, on_error=lambda error, _: errors.append(error))
    async with router:
        await done_with(router)
    assert [type(error) for error in errors] == [DecodeError, DecodeError]
    assert seen == []


async def test_a_start_that_fails_can_be_tried_again(tmp_path: Path) -> None:
    """A directory that is missing today may be there tomorrow, and a broken file is closed
    again.
    """
    router, _ = restarted(tmp_path / "later" / "inbox")
    with pytest.raises(ConfigurationError, match="its folder must be there"):
        await router.start()
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "inbox-progress").mkdir()
    with pytest.raises(ConfigurationError, match="folder"):
        await router.start()
    (tmp_path / "later" / "inbox-progress").rmdir()
    async with router:
        assert await deliver(router, message()) == 200


def test_an_inbox_is_used_by_one_event_loop_after_another(tmp_path: Path) -> None:
    """The file is free for the next loop, which goes on with what the last one was handling; a
    repeat is recognised, and the router can be closed on any loop.
    """
    router = WebhookRouter(KEY, inbox=tmp_path / "inbox", queue_size=2)
    seen: list[tuple[str, bool]] = []
    hang = True

    @router.on()
    async def handle(context: Context[Any]) -> None:
        seen.append((context.event.event_id, context.redelivered))
        if hang:
            await asyncio.Event().wait()

    async def begin(number: int) -> int:
        status = await deliver(router, message(number))
        while not seen:
            await asyncio.sleep(0)
        return status

    assert asyncio.run(begin(1)) == 200
    hang = False
    for number in (1, 2, 3, 3):
        assert asyncio.run(router.handle(*signed(message(number)))).status == 200
    assert asyncio.run(router.aclose()) == 0
    expected = [("event-1", False), ("event-1", True), ("event-2", False), ("event-3", False)]
    assert seen == expected
    assert asyncio.run(deliver(router, message(4))) == 503
    with sqlite3.connect(tmp_path / "inbox") as connection:
        left = connection.execute("SELECT count(*) FROM event WHERE body IS NOT NULL").fetchone()
    connection.close()
    assert left == (0,)


async def test_starts_that_fail_together_are_tried_again_once(tmp_path: Path) -> None:
    """Whoever waited for the same failure does not undo the next try of another."""
    path = tmp_path / "later" / "inbox"
    router, _ = restarted(path)

    async def first() -> None:
        with pytest.raises(ConfigurationError, match="its folder must be there"):
            await router.start()
        path.parent.mkdir()
        await router.start()

    async def second() -> None:
        with pytest.raises(ConfigurationError, match="its folder must be there"):
            await router.start()

    await asyncio.gather(first(), second())
    async with router:
        assert await deliver(router, message()) == 200


async def test_a_shared_deduplicator_beside_an_inbox(tmp_path: Path) -> None:
    """What another process took is finished here without being handled."""
    shared: Deduplicator = MemoryDeduplicator()
    one, seen_by_one = restarted(tmp_path / "one", deduplicator=shared)
    other, seen_by_other = restarted(tmp_path / "other", deduplicator=shared)
    async with one, other:
        assert await deliver(one, message()) == 200
        assert await deliver(other, message()) == 200
    assert (len(seen_by_one), len(seen_by_other)) == (2, 0)


async def test_ids_that_no_database_takes(inbox: str) -> None:
    """An absurd number in one event costs neither it nor those that came with it."""
    router, seen = restarted(inbox)
    absurd = message(1, contact=10**25)
    absurd["message"]["messageId"] = 10**25
    async with router:
        answers = await asyncio.gather(
            *[router.receive(*signed(event)) for event in (message(2), absurd, message(3))]
        )
    assert [status for status, _ in answers] == [200] * 3
    assert len(seen) == 6


async def test_a_sender_that_hangs_up_changes_nothing(inbox: str) -> None:
    """An event that is being stored when its request is cancelled is handled all the same."""
    router, seen = restarted(inbox)
    async with router:
        request = asyncio.create_task(router.receive(*signed(message())))
        await asyncio.sleep(0)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
    assert len(seen) == 2


CHILD = """
import asyncio, json, os, sys
from respondio_async.webhooks import *

log = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
router = WebhookRouter("key", inbox=sys.argv[1])

@router.on(MessageReceived)
async def handle(context):
    number = int(context.event.event_id)
    os.write(log, f"begin {number} {int(context.redelivered)}\\n".encode())
    await asyncio.sleep(0.002)
    os.write(log, f"end {number}\\n".encode())

async def main():
    await router.start()
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async def one(line):
        body = line.strip()
        status, _ = await router.receive(body, {"X-Webhook-Signature": sign(body, "key")})
        if status == 200:
            os.write(1, json.loads(body)["event_id"].encode() + b"\\n")
    tasks = [asyncio.create_task(one(line)) async for line in reader]
    await asyncio.gather(*tasks)
    await router.aclose()

asyncio.run(main())
"""


def test_kill_9_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    """Over three kills, every acknowledged event is handled, and only what was running begins
    again, marked.
    """
    random = Random(5)
    numbers = list(range(200))
    pending = set(numbers)
    for round_ in range(4):
        batch = [*pending, *random.sample(numbers, 20)]
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path / "inbox"), str(tmp_path / "log")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(
            b"".join(
                [json.dumps(message(0, n % 7, event_id=str(n))).encode() + b"\n" for n in batch]
            )
        )
        child.stdin.flush()
        if round_ < 3:
            for _ in range(min(random.randint(5, 60), len(batch))):
                pending.discard(int(child.stdout.readline()))
            os.kill(child.pid, signal.SIGKILL)
        child.stdin.close()
        pending -= {int(line) for line in child.stdout.read().splitlines()}
        child.stdout.close()
        child.wait()
    assert not pending
    ended: dict[int, int] = {}
    begun: dict[int, int] = {}
    again = early = 0
    for line in (tmp_path / "log").read_text().splitlines():
        what, number, *redelivered = line.split()
        if what == "end":
            ended[int(number)] = ended.get(int(number), 0) + 1
        else:
            again += ended.get(int(number), 0)
            marked, repeat = redelivered == ["1"], int(number) in begun
            assert marked or not repeat, "a repeat is marked"
            early += marked and not repeat
            begun[int(number)] = 1
    assert sorted(ended) == numbers
    # The one handler that each kill may meet just before its first line, or between its last one
    # and its return, was running.
    assert again <= 3, "finished handlers ran again"
    assert early <= 3, "nothing but repeats is marked"


async def test_the_context_type(inbox: str) -> None:
    """A handler that is typed for its event reads its parts."""
    router = WebhookRouter(KEY, inbox=inbox)
    texts: list[str] = []

    @router.on(MessageReceived)
    async def handler(context: Context[MessageReceived]) -> None:
        assert context.event.message is not None
        texts.append(context.event.message.text or "")

    async with router:
        await deliver(router, message(text="typed"))
    assert texts == ["typed"]


async def test_notes_made_while_others_are_stored(tmp_path: Path) -> None:
    """Closing stores them too, those besides that the file of notes would not take."""
    inbox = EventInbox(tmp_path / "inbox")
    await inbox.open()
    rows = [await inbox.accept(NewEvent(str(number), b"{}")) for number in range(3)]
    assert None not in rows
    await inbox.note(rows[0] or 0, HandlingStep.FINISHED)
    inbox._flush()
    await inbox.note(rows[1] or 0, HandlingStep.FINISHED)
    inbox._flush()
    inbox._progress.close()
    await inbox.note(rows[2] or 0, HandlingStep.FINISHED)
    await inbox.aclose()
    again = EventInbox(tmp_path / "inbox")
    assert await left_in(again) == []
    await again.aclose()


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """The error says what to do, and the file is let go."""
    (tmp_path / "inbox").write_bytes(b"no database " * 100)
    with pytest.raises(ConfigurationError, match="not a database: .*name another file"):
        await WebhookRouter(KEY, inbox=tmp_path / "inbox").start()


def modes(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}


@posix_only
async def test_the_files_of_an_inbox_are_private(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They hold whole messages: nobody else may read them, whatever the umask; older ones that
    others could read are tightened, and a link is refused.
    """
    (tmp_path / "inbox-progress").touch(0o644)
    (tmp_path / "inbox").touch(0o644)
    before = os.umask(0)
    try:
        async with WebhookRouter(KEY, inbox=tmp_path / "inbox") as router:
            assert await deliver(router, message(1)) == 200
            assert {"inbox", "inbox-wal", "inbox-progress"} <= set(modes(tmp_path))
            assert set(modes(tmp_path).values()) == {0o600}
    finally:
        os.umask(before)
    assert "could be used by others" in caplog.text
    (tmp_path / "link").symlink_to(tmp_path / "inbox")
    with pytest.raises(ConfigurationError, match="link"):
        await WebhookRouter(KEY, inbox=tmp_path / "link").start()


@pytest.mark.parametrize("name", ["", ":memory:", "file:inbox?mode=memory"])
def test_an_inbox_that_would_not_outlive_the_process_is_refused(name: str) -> None:
    """It would promise what it cannot keep."""
    with pytest.raises(InvalidArgumentError):
        WebhookRouter(KEY, inbox=name)


async def test_a_disk_that_stays_full_does_not_hold_the_closing(tmp_path: Path) -> None:
    """Notes that SQLite never takes are left in their own file for the next process."""
    inbox = EventInbox(tmp_path / "inbox")
    await inbox.open()
    row = await inbox.accept(NewEvent("event", b"{}"))
    assert row is not None
    await inbox.database.submit(lambda connection: connection.execute("PRAGMA query_only = ON"))
    with pytest.raises(ConfigurationError, match="right to write"):
        await inbox.accept(NewEvent("other", b"{}"))
    await inbox.note(row, HandlingStep.FINISHED)
    async with asyncio.timeout(60):
        await inbox.aclose()
    again = EventInbox(tmp_path / "inbox")
    assert await left_in(again) == []
    await again.aclose()
