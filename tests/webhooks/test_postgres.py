"""One inbox for many processes: what holds between them, and while PostgreSQL is not well."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import psycopg_pool
import pytest

from benchmarks.webhooks_postgres import BOT, under_kills
from benchmarks.webhooks_verify import KEY as BOT_KEY
from respondio_async.errors import ConfigurationError, InvalidArgumentError
from respondio_async.webhooks import (
    Context,
    InboxStatistics,
    MemoryDeduplicator,
    MessageReceived,
    WebhookRouter,
    migrate_inbox,
)
from respondio_async.webhooks._postgres import _connection, _schema
from respondio_async.webhooks._postgres import _inbox as inbox_module
from respondio_async.webhooks._postgres._connection import InboxDatabase
from tests.cli.command import respondio
from tests.support.postgres import PostgresServer
from tests.webhooks.payloads import KEY, message, signed


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """A database that has the tables."""
    return postgres.migrated()


async def deliver(router: WebhookRouter, event: Any) -> int:
    status, _ = await router.receive(*signed(event))
    return status


async def done_with(router: WebhookRouter) -> None:
    """Wait until nothing waits in the inbox."""
    while (await router.inbox_statistics()).waiting:
        await asyncio.sleep(0.01)


async def until(holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    while not holds():
        await asyncio.sleep(0.01)


def query(url: str, statement: str) -> Any:
    """The first value of a statement's answer."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(f"SET search_path TO {_schema.SCHEMA};")
        cursor = connection.execute(statement)  # type: ignore[call-overload]
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def bot(url: str, seen: list[tuple[str, str]], name: str, **options: Any) -> WebhookRouter:
    """A router whose handler says which one it was."""
    router = WebhookRouter(KEY, inbox=url, **options)

    @router.on(MessageReceived)
    async def handle(context: Context[MessageReceived]) -> None:
        seen.append((name, context.event.event_id))

    return router


# Between processes


@pytest.mark.long("starts six interpreters")
async def test_workers_are_killed_and_nothing_is_lost_repeated_or_out_of_order(
    tmp_path: Path, url: str
) -> None:
    """Four uvicorn workers on a real socket, three of which are killed under load."""
    verdict, sender = await under_kills(tmp_path, url, events=240, contacts=20, kills=3, STALLED=6)
    assert len(sender.acknowledged) == 240
    assert verdict == (0, 0, 0, 0, 0)


async def test_an_event_is_handled_once_whichever_process_it_reaches(url: str) -> None:
    """A repeat is recognised by every process, also in the moment in which both come."""
    seen: list[tuple[str, str]] = []
    async with bot(url, seen, "one") as one, bot(url, seen, "other") as other:
        for number in range(20):
            assert await asyncio.gather(
                deliver(one, message(number)), deliver(other, message(number))
            ) == [200, 200]
        await done_with(one)
        counts = [one.statistics(), other.statistics()]
    assert sorted(event for _, event in seen) == sorted(f"event-{n}" for n in range(20))
    assert sum(each.accepted for each in counts) == 20
    assert sum(each.duplicates for each in counts) == 20


async def test_a_contacts_events_keep_their_order_over_processes(url: str) -> None:
    """One after another, in the order of their arrival, wherever each arrived."""
    seen: list[str] = []
    running = 0

    def make() -> WebhookRouter:
        router = WebhookRouter(KEY, inbox=url)

        @router.on(MessageReceived)
        async def handle(context: Context[MessageReceived]) -> None:
            nonlocal running
            running += 1
            assert running == 1
            await asyncio.sleep(0.005)
            running -= 1
            seen.append(context.event.event_id)

        return router

    async with make() as one, make() as other:
        for number in range(20):
            assert await deliver((one, other)[number % 2], message(number)) == 200
        await done_with(one)
    assert seen == [f"event-{number}" for number in range(20)]


async def test_some_processes_receive_and_others_work(url: str) -> None:
    """`workers=False` handles nothing; `work()` handles until it is cancelled, and drains."""
    seen: list[tuple[str, str]] = []
    web, worker = bot(url, seen, "web", workers=False), bot(url, seen, "worker")
    async with web:
        assert await deliver(web, message(1)) == 200
        counts = await web.inbox_statistics()
        assert counts == InboxStatistics(waiting=1, running=0, processes=1)
        assert seen == []
        working = asyncio.create_task(worker.work())
        await done_with(web)
        assert (await web.inbox_statistics()).processes == 2
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        assert (await web.inbox_statistics()).processes == 1
    assert seen == [("worker", "event-1")]
    for router in (WebhookRouter(KEY), bot(url, seen, "web", workers=False)):
        with pytest.raises(ConfigurationError, match="work"):
            await router.work()


async def test_a_hand_over_in_one_process_silences_the_others(url: str) -> None:
    """What a process notes of a contact, every process knows with its next event."""
    silent: list[bool] = []

    def make() -> WebhookRouter:
        router = WebhookRouter(KEY, inbox=url)

        @router.on(MessageReceived, text="human")
        async def quiet(context: Context[MessageReceived]) -> None:
            await context.hand_over()

        @router.on(MessageReceived, text="bot", always=True)
        async def loud(context: Context[MessageReceived]) -> None:
            await context.take_back()

        @router.on(MessageReceived, text="asked", always=True)
        async def ask(context: Context[MessageReceived]) -> None:
            silent.append(context.is_handed_over)

        return router

    async with make() as one:
        await deliver(one, message(1, text="human"))
        await done_with(one)
        async with make() as other:
            await one.aclose()
            await deliver(other, message(2, text="asked"))
            await deliver(other, message(3, text="bot"))
            await deliver(other, message(4, text="human"))
            await done_with(other)
            async with one:
                await other.aclose()
                await deliver(one, message(5, text="asked"))
                await deliver(one, message(6, text="bot"))
                await deliver(one, message(7, text="asked"))
                await done_with(one)
    assert silent == [True, True, False]


async def test_a_lock_holds_over_processes(url: str) -> None:
    """While one process has a contact's lock, no other handles an event of it or gets the lock; a
    handler has it already.
    """
    seen: list[tuple[str, str]] = []
    one, other = bot(url, seen, "one"), bot(url, seen, "other")

    @other.on(MessageReceived)
    async def again(context: Context[MessageReceived]) -> None:
        async with context.lock():
            seen.append(("locked", context.event.event_id))

    async def wait_for_lock() -> None:
        async with one.lock(1):
            seen.append(("lock", "one"))

    async with other:
        async with other.lock(1):
            async with one:
                assert await deliver(one, message(1, 1)) == 200
                assert await deliver(one, message(2, 2)) == 200
                waiting = asyncio.create_task(wait_for_lock())
                await until(lambda: any(event == "event-2" for _, event in seen))
                await one.aclose(timeout=0)  # what waits is for the other
                assert ("lock", "one") not in seen
                waiting.cancel()
                await asyncio.wait([waiting])
            assert not any(event == "event-1" for _, event in seen)
        await done_with(other)
    assert seen[-2:] == [("other", "event-1"), ("locked", "event-1")]
    assert query(url, "SELECT count(*) FROM procrastinate_jobs") == 0


async def test_what_waits_anywhere_fills_every_process(url: str) -> None:
    """`queue_size` counts the events of all processes; those that end make room."""
    seen: list[tuple[str, str]] = []
    one, other = (bot(url, seen, "web", workers=False, queue_size=5) for _ in range(2))
    async with one, other:
        answers = await asyncio.gather(*[deliver(one, message(number)) for number in range(8)])
        assert sorted(answers) == [200] * 5 + [503] * 3
        assert one.statistics().turned_away == 3
        async with bot(url, seen, "worker"):
            await done_with(one)
            assert await deliver(one, message(9)) == 200
            await done_with(one)
    assert len(seen) == 6


async def test_a_process_that_closes_leaves_the_rest_to_others(url: str) -> None:
    """Cancelled handlers' events are given back at once, marked; those not begun are not."""
    hang = asyncio.Event()
    one = WebhookRouter(KEY, inbox=url)

    @one.on(MessageReceived)
    async def handle(context: Context[MessageReceived]) -> None:
        hang.set()
        await asyncio.Event().wait()

    handle.__qualname__ = "handle"
    seen: list[tuple[str, bool]] = []
    async with one:
        for number in (1, 2):
            assert await deliver(one, message(number)) == 200
        await hang.wait()
        assert await one.aclose(timeout=0.01) == 2
    other = WebhookRouter(KEY, inbox=url, on_interrupted=lambda c: aside.append(c.event.event_id))
    aside: list[str] = []

    @other.on(MessageReceived)
    async def handle_too(context: Context[MessageReceived]) -> None:
        seen.append((context.event.event_id, context.redelivered))

    async with other:
        await done_with(other)
    assert aside == ["event-1"]
    assert seen == [("event-2", False)]


async def test_old_events_are_pruned(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as are to be remembered stay, and no body outlives its handling."""
    monkeypatch.setattr(inbox_module, "MAINTAIN_EVERY", 0.01)
    monkeypatch.setattr(inbox_module, "_PRUNE_EVERY", 1)
    async with bot(url, [], "one", remember=3) as router:
        for number in range(10):
            assert await deliver(router, message(number)) == 200
        await done_with(router)
        await until(lambda: query(url, "SELECT count(*) FROM event") == 3)
        assert query(url, "SELECT count(*) FROM event WHERE body IS NOT NULL") == 0
        # A job ends after its event.
        await until(lambda: query(url, "SELECT count(*) FROM procrastinate_jobs") == 0)
        await until(lambda: query(url, "SELECT count(*) FROM procrastinate_events") == 0)
        assert (await router.receive(*signed(message(0)))).body == b'{"status":"accepted"}'


async def test_a_contact_is_erased_as_the_documentation_says(url: str) -> None:
    """Nothing of it is left, what others have stays, and a repeated event is still recognised."""
    page = (Path(__file__).parents[2] / "docs/explanation/privacy.md").read_text("utf-8")
    statements = page.partition("```sql\n")[2].partition("```")[0]
    async with bot(url, [], "one") as router:
        for number, contact in ((1, 123), (2, 456)):
            assert await deliver(router, message(number, contact)) == 200
        await done_with(router)
        query(url, statements)
        for table in ("contact", "event"):
            assert query(url, f"SELECT count(*) FROM {table} WHERE contact_id = 123") == 0
            assert query(url, f"SELECT count(*) FROM {table} WHERE contact_id = 456") == 1
        assert (await router.receive(*signed(message(1, 123)))).body == b'{"status":"duplicate"}'


async def test_a_commit_is_waited_for_whatever_the_database_says(
    url: str, postgres: PostgresServer
) -> None:
    """Acknowledged means stored, also where an administrator chose speed."""
    name = url.rpartition("/")[2]
    postgres.run(f"ALTER DATABASE {name} SET synchronous_commit TO off")
    database = InboxDatabase(url)
    await database.open_async()
    try:
        assert await database.rows("SHOW synchronous_commit") == [("on",)]
    finally:
        await database.close_async()


async def test_an_event_without_a_job_is_handled(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever became of the engine's job, the event was acknowledged."""
    monkeypatch.setattr(inbox_module, "MAINTAIN_EVERY", 0.05)
    monkeypatch.setattr(inbox_module, "_PRUNE_EVERY", 1)
    seen: list[tuple[str, str]] = []
    async with bot(url, seen, "web", workers=False) as web:
        assert await deliver(web, message(1)) == 200
        query(url, "DELETE FROM procrastinate_jobs")
        async with bot(url, seen, "worker"):
            await done_with(web)
    assert seen == [("worker", "event-1")]


async def test_a_note_that_postgresql_refuses_is_reported(url: str) -> None:
    """The event goes to `on_error`, holds no capacity and nobody up, and is handled later."""
    seen: list[tuple[str, str]] = []
    errors: list[Exception] = []
    async with bot(url, seen, "bot", on_error=lambda error, _: errors.append(error)) as router:
        query(
            url,
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '22023'; END $$; "
            "CREATE TRIGGER refuse BEFORE UPDATE OF started ON event "
            "FOR EACH ROW EXECUTE PROCEDURE refuse()",
        )
        assert await deliver(router, message(1)) == 200
        await until(lambda: errors)
        query(url, "DROP TRIGGER refuse ON event")
        await done_with(router)
    assert isinstance(errors[0], psycopg.DataError)
    assert seen == [("bot", "event-1")]
    assert router.statistics().waiting == 0


async def test_handling_within_the_request(url: str) -> None:
    """`handle` returns once another process has ended the event."""
    seen: list[tuple[str, str]] = []
    async with bot(url, seen, "web", workers=False) as web, bot(url, seen, "worker"):
        assert (await web.handle(*signed(message(1)))).status == 200
        assert seen == [("worker", "event-1")]


async def test_one_task_waits_for_all_ends(url: str) -> None:
    """However often `handle` is called, PostgreSQL is asked by one at a time."""
    async with bot(url, [], "web") as web:
        for number in range(5):
            assert (await web.handle(*signed(message(number)))).status == 200
        watching = [task for task in asyncio.all_tasks() if "_watch_ends" in str(task.get_coro())]
        assert len(watching) <= 1


def test_no_heart_beats_for_a_loop_that_has_ended(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others take up what it held, though its process lives and nobody closed the inbox."""
    monkeypatch.setattr(_connection, "BEAT_EVERY", 0.01)

    async def begin() -> None:
        _connection.Heartbeat(url, list).start()

    asyncio.run(begin())
    while any(thread.name == "respondio-heartbeat" for thread in threading.enumerate()):
        time.sleep(0.01)


@contextmanager
def cancelled_with_each_answer() -> Generator[None]:
    """Have each task that asks PostgreSQL be cancelled as its answer comes, and not hear of it, as
    `asyncio.wait_for` has it before Python 3.12.
    """
    connection = psycopg_pool.AsyncConnectionPool.connection

    @asynccontextmanager
    async def late(*arguments: Any, **options: Any) -> AsyncGenerator[Any]:
        async with connection(*arguments, **options) as found:
            yield found
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg_pool.AsyncConnectionPool, "connection", late)
        yield


def inbox_tasks() -> list[str]:
    names = [task.get_name() for task in asyncio.all_tasks()]
    return [name for name in names if name.startswith("respondio-inbox")]


async def test_an_opening_hears_that_it_is_cancelled(url: str) -> None:
    """Nothing begins to work then that nobody would cancel again."""
    with cancelled_with_each_answer(), pytest.raises(asyncio.CancelledError):
        await WebhookRouter(KEY, inbox=url).start()
    assert inbox_tasks() == []


async def test_what_works_for_ever_hears_that_it_is_cancelled(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the end of its event loop would wait for it for ever."""
    monkeypatch.setattr(inbox_module, "MAINTAIN_EVERY", 0.01)
    async with WebhookRouter(KEY, inbox=url):
        assert "respondio-inbox-maintenance" in inbox_tasks()
        with cancelled_with_each_answer():
            while "respondio-inbox-maintenance" in inbox_tasks():
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("steps", range(0, 30, 5))
async def test_a_wait_for_a_lock_that_is_cancelled_leaves_the_contact_free(
    url: str, steps: int
) -> None:
    """Also when PostgreSQL has the lock by then, and its answer is on the way."""

    async def hold(router: WebhookRouter) -> None:
        async with router.lock(1):
            await asyncio.Event().wait()

    async with bot(url, [], "web") as router:
        for _ in range(2):
            waiting = asyncio.create_task(hold(router))
            for _ in range(steps):
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
        assert (await router.handle(*signed(message(1)))).status == 200


def test_what_makes_no_sense_is_refused(url: str) -> None:
    """A second de-duplication, an address that is none, options of the other store."""
    with pytest.raises(ConfigurationError, match="no deduplicator"):
        WebhookRouter(KEY, inbox=url, deduplicator=MemoryDeduplicator())
    with pytest.raises(ConfigurationError, match="no address"):
        WebhookRouter(KEY, inbox="postgresql://host/?no_such_option=1")
    with pytest.raises(ConfigurationError, match="for an inbox on PostgreSQL"):
        WebhookRouter(KEY, inbox="file", workers=False)
    with pytest.raises(InvalidArgumentError, match="postgresql://user@host") as caught:
        WebhookRouter(KEY, inbox="postgresql+asyncpg://me:secret-word@host/db")
    assert "secret-word" not in str(caught.value)
    assert url not in repr(vars(WebhookRouter(KEY, inbox=url)))


# Processes that die or stand still

TWO_HANDLERS = (
    BOT
    + """
@router.on()
async def second(context):
    note("second", context)
"""
)


@asynccontextmanager
async def process(
    folder: Path, url: str, log: str, **variables: object
) -> AsyncGenerator["subprocess.Popen[bytes]"]:
    """A process that only works."""
    (folder / "two.py").write_text(TWO_HANDLERS, encoding="utf-8")
    settings = {"INBOX": url, "KEY": BOT_KEY, "LOG": folder / log, "STALLED": 3, **variables}
    (folder / log).touch()
    working = subprocess.Popen(
        [sys.executable, "-m", "respondio_async", "webhooks", "work", "two:router"],
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": str(Path(__file__).parents[2])}
        | {name: str(value) for name, value in settings.items()},
        stderr=subprocess.PIPE,
    )
    try:
        yield working
    finally:
        working.kill()
        working.wait()
        assert working.stderr is not None
        working.stderr.close()


@pytest.mark.long("starts three interpreters")
async def test_a_process_that_stood_still_is_fenced(tmp_path: Path, url: str) -> None:
    """Its events go to another, marked; when it goes on, its running handler ends, and nothing
    after that runs or is noted.
    """
    web = WebhookRouter(BOT_KEY, inbox=url, workers=False)
    async with web, process(tmp_path, url, "paused", HANDLER=8) as paused:
        body, headers = signed(message(1, event_id="1-0"), key=BOT_KEY)
        assert (await web.receive(body, headers)).status == 200
        await until(lambda: "begin" in (tmp_path / "paused").read_text())
        paused.send_signal(signal.SIGSTOP)
        async with process(tmp_path, url, "other", HANDLER=0.1):
            await done_with(web)
            paused.send_signal(signal.SIGCONT)
            await until(lambda: "end" in (tmp_path / "paused").read_text())
            assert paused.stderr is not None
            while b"another one handles" not in await asyncio.to_thread(paused.stderr.readline):
                pass
        lines = [line.split()[:3] for line in (tmp_path / "other").read_text().splitlines()]
    assert lines == [["begin", "1-0", "1"], ["end", "1-0", "1"], ["second", "1-0", "1"]]
    assert "second" not in (tmp_path / "paused").read_text()


@pytest.mark.long("starts two interpreters")
async def test_what_a_killed_process_held_is_taken_up(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its event, marked, and the lock that it had; SIGTERM drains, by contrast."""
    monkeypatch.setattr(inbox_module, "STALLED", 3.0)
    monkeypatch.setattr(inbox_module, "MAINTAIN_EVERY", 0.2)
    monkeypatch.setattr(_connection, "BEAT_EVERY", 0.2)
    router = WebhookRouter(BOT_KEY, inbox=url, workers=False)
    async with router:
        async with process(tmp_path, url, "killed", HANDLER=600) as killed:
            body, headers = signed(message(1, event_id="1-0"), key=BOT_KEY)
            assert (await router.receive(body, headers)).status == 200
            await until(lambda: "begin" in (tmp_path / "killed").read_text())
            killed.kill()
        async with process(tmp_path, url, "next", HANDLER=0.5) as following:
            await until(lambda: "begin 1-0 1" in (tmp_path / "next").read_text())
            following.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(following.wait) == 0
        assert "second 1-0 1" in (tmp_path / "next").read_text()
        assert (await router.inbox_statistics()).waiting == 0


# The schema


async def test_two_that_start_at_once_do_not_collide(postgres: PostgresServer) -> None:
    """One makes the tables, the others wait and find them."""
    fresh = postgres.database()
    assert sorted(await asyncio.gather(*[migrate_inbox(fresh) for _ in range(4)])) == [
        *[False] * 3,
        True,
    ]
    another = postgres.database()
    async with bot(another, [], "one") as one, bot(another, [], "other"):
        assert await deliver(one, message()) == 200


async def test_a_schema_of_another_version(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer one is refused; a missing or older one is made unless that is not allowed."""
    fresh = postgres.database()
    with pytest.raises(ConfigurationError, match="respondio webhooks migrate"):
        await WebhookRouter(KEY, inbox=fresh, migrate=False).start()
    assert respondio("webhooks", "migrate", "--inbox", fresh).returncode == 0
    again = respondio("webhooks", "migrate", env={"RESPONDIO_INBOX": fresh})
    assert "nothing to do" in again.stderr
    async with WebhookRouter(KEY, inbox=fresh, migrate=False):
        pass
    query(fresh, "UPDATE version SET number = 99")
    for started in (WebhookRouter(KEY, inbox=fresh).start, lambda: migrate_inbox(fresh)):
        with pytest.raises(ConfigurationError, match="newer release"):
            await started()
    refused = respondio("webhooks", "migrate", "--inbox", fresh)
    assert refused.returncode == 2
    assert "newer release" in refused.stderr
    query(fresh, f"UPDATE version SET number = {_schema.VERSION}")
    monkeypatch.setattr(_schema, "VERSION", _schema.VERSION + 1)
    monkeypatch.setattr(
        _schema, "_STEPS", (*_schema._STEPS, "ALTER TABLE event ADD COLUMN later text")
    )
    assert await migrate_inbox(fresh) is True
    assert query(fresh, "SELECT count(later) FROM event") == 0


async def test_a_user_who_may_not_make_a_schema(postgres: PostgresServer) -> None:
    """The error says what to do, and holds no password."""
    fresh = postgres.database()
    query_as = fresh.replace("tests@", "weak:secret-word@")
    postgres.run("DROP ROLE IF EXISTS weak")
    postgres.run("CREATE ROLE weak LOGIN")
    with pytest.raises(ConfigurationError, match="rights") as caught:
        await WebhookRouter(KEY, inbox=query_as).start()
    assert "secret-word" not in str(caught.value)


def test_the_commands_say_what_is_wrong(tmp_path: Path) -> None:
    """A router that is not there, or is none."""
    for target, words in (
        ("nothing", "module:router"),
        ("nothing_here:router", "no module"),
        ("json:loads", "no WebhookRouter"),
    ):
        ended = respondio("webhooks", "work", target)
        assert (ended.returncode, words in ended.stderr) == (2, True), ended.stderr
    ended = respondio("webhooks", "migrate", "--inbox", str(tmp_path / "file"))
    assert (ended.returncode, "PostgreSQL" in ended.stderr) == (2, True)


# PostgreSQL is not well


@pytest.fixture
def own_server(request: pytest.FixtureRequest) -> PostgresServer:
    """A server that no other test needs; it is started again."""
    server: PostgresServer = request.getfixturevalue("postgres")
    return server


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What a user reads in the log of our package and its engine, warnings and worse."""
    names = ("respondio_async", "procrastinate", "psycopg")
    return [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith(names) and record.levelno >= logging.WARNING
    ]


async def answers_503(router: WebhookRouter, number: int) -> None:
    """An event is refused within two seconds, and a little more where the machine is busy."""
    async with asyncio.timeout(60):
        began = time.monotonic()
        assert await deliver(router, message(number)) == 503
    logging.getLogger("tests").info("answered after %.2f s", time.monotonic() - began)


@pytest.mark.long("PostgreSQL is killed and starts again")
async def test_a_killed_postgresql_loses_nothing(
    url: str, own_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    """503 while it is away; what was acknowledged is handled, a running handler's end noted; one
    line tells of it, and one that it is over.
    """
    seen: list[tuple[str, str]] = []
    router = bot(url, seen, "one")
    hold, running = asyncio.Event(), asyncio.Event()

    @router.on(MessageReceived)
    async def slow(context: Context[MessageReceived]) -> None:
        running.set()
        await hold.wait()

    async with router:
        assert await deliver(router, message(1, 1, text="canary words")) == 200
        assert await deliver(router, message(2, 1)) == 200
        await running.wait()
        await asyncio.to_thread(own_server.kill)
        try:
            for number in (3, 4):
                await answers_503(router, number)
            hold.set()
            await answers_503(router, 5)
        finally:
            await asyncio.to_thread(own_server.start)
        await done_with(router)
        assert await deliver(router, message(3, 2)) == 200
        await done_with(router)
        await until(lambda: any("PostgreSQL is back" in line for line in told(caplog)))
        assert router.statistics().errors == 0
    assert seen == [("one", "event-1"), ("one", "event-2"), ("one", "event-3")]
    lines = told(caplog)
    assert ["out of reach" in line for line in lines] == [True, False]
    assert "PostgreSQL is back" in lines[1]
    assert own_server.url() not in caplog.text
    assert "canary" not in caplog.text


async def test_a_postgresql_that_does_not_answer(url: str, own_server: PostgresServer) -> None:
    """A process that stands still holds no request up."""
    seen: list[tuple[str, str]] = []
    late = bot(url, seen, "late")
    async with bot(url, seen, "one") as router:
        assert await deliver(router, message(1)) == 200
        await done_with(router)
        own_server.pause(paused=True)
        try:
            await asyncio.gather(answers_503(router, 2), answers_503(late, 2))
        finally:
            own_server.pause(paused=False)
        while await deliver(router, message(3)) != 200:
            pass
        await done_with(router)
        while await deliver(late, message(4)) != 200:
            pass
        await late.aclose()
    assert seen[0] == ("one", "event-1")
    assert {event for _, event in seen} >= {"event-3", "event-4"}


@pytest.mark.long("PostgreSQL is killed and starts again")
@pytest.mark.parametrize("state", ["killed", "paused"])
async def test_closing_needs_no_postgresql(
    url: str, own_server: PostgresServer, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A process can end while there is none, and without a storm in the log; what it held is
    handled by the next.
    """
    seen: list[tuple[str, str]] = []
    router = bot(url, seen, "one")

    @router.on(MessageReceived)
    async def hang(_: Context[MessageReceived]) -> None:
        running.set()
        await asyncio.Event().wait()

    running = asyncio.Event()
    async with router:
        assert await deliver(router, message(1)) == 200
        await running.wait()
        if state == "killed":
            await asyncio.to_thread(own_server.kill)
        else:
            own_server.pause(paused=True)
        try:
            assert await router.aclose(timeout=0.1) == 1
        finally:
            if state == "killed":
                await asyncio.to_thread(own_server.start)
            else:
                own_server.pause(paused=False)
    assert query(url, "SELECT count(*) FROM event WHERE body IS NOT NULL") == 1
    assert len([line for line in told(caplog) if "out of reach" in line]) <= 1
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_full_disk(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """What PostgreSQL has no room for is answered with 503, and the reason stands in the log."""
    seen: list[tuple[str, str]] = []
    async with bot(url, seen, "one") as router:
        query(
            url,
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE "
            "EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; "
            "END $$; CREATE TRIGGER full_disk BEFORE INSERT ON event FOR EACH ROW "
            "EXECUTE PROCEDURE full_disk()",
        )
        await answers_503(router, 1)
        query(url, "DROP TRIGGER full_disk ON event")
        while await deliver(router, message(2)) != 200:
            pass
        await done_with(router)
    assert ("one", "event-2") in seen
    assert len([line for line in told(caplog) if "No space left" in line]) == 1


async def test_connections_that_are_used_up(
    url: str, postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A router that gets none answers 503 and says why; it starts by itself once there are some."""
    name = url.rpartition("/")[2]
    postgres.run(f"ALTER DATABASE {name} CONNECTION LIMIT 0")
    seen: list[tuple[str, str]] = []
    limited = url.replace("tests@", "limited@")
    postgres.run("DO $$ BEGIN CREATE ROLE limited LOGIN; EXCEPTION WHEN OTHERS THEN NULL; END $$")
    postgres.run(f"GRANT ALL ON SCHEMA {_schema.SCHEMA} TO limited", url)
    postgres.run(f"GRANT ALL ON ALL TABLES IN SCHEMA {_schema.SCHEMA} TO limited", url)
    postgres.run(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA {_schema.SCHEMA} TO limited", url)
    router = bot(limited, seen, "one")
    for number in (1, 2):
        await answers_503(router, number)
    assert len([line for line in told(caplog) if "too many connections" in line]) == 1
    postgres.run(f"ALTER DATABASE {name} CONNECTION LIMIT -1")
    assert await deliver(router, message(3)) == 200
    await done_with(router)
    await router.aclose()
    assert seen == [("one", "event-3")]
