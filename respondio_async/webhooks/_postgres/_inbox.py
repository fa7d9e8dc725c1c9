"""The inbox of many processes: stores, delivers, notes, and takes over the events of dead ones."""

import asyncio
import itertools
import logging
import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, TypeVar, cast

import psycopg
from procrastinate import App, JobContext
from procrastinate.jobs import Job, Status
from procrastinate.worker import Worker
from psycopg.conninfo import conninfo_to_dict

from respondio_async._storage import settle
from respondio_async.errors import ConfigurationError

from .._store import (
    MOST_REMEMBERED,
    ContactState,
    Deliver,
    EventLostError,
    HandlingStep,
    InboxStatistics,
    InboxStore,
    InboxUnavailableError,
    NewEvent,
    StoredState,
    Unfinished,
)
from . import _statements as sql
from ._batches import Batches
from ._connection import BEAT_EVERY, Heartbeat, InboxDatabase, cancellations, hear_cancellation
from ._notes import NoteConnection
from ._schema import QUEUE, migrate, out_of_reach

T = TypeVar("T")

STALLED: Final = 18.0
"""Seconds without a beat after which a process counts as dead."""
MAINTAIN_EVERY: Final = 3.0
"""Seconds between two rounds, each of which looks for events of dead processes."""
OPEN_WITHIN: Final = 10.0
"""Seconds to open or make the schema in."""
_ANSWER_WITHIN: Final = 1.0
_CLOSE_WITHIN: Final = 2.0
_PRUNE_EVERY: Final = 20
"""Rounds of maintenance."""
_POLL_EVERY: Final = 0.05
"""Seconds between two queries for a lock, or for the end of an event."""

_logger: Final = logging.getLogger("respondio_async.webhooks")


class PostgresInbox(InboxStore):
    """One process's part of the inbox in a database."""

    is_shared = True

    def __init__(
        self,
        url: str,
        *,
        remember: int,
        most: int,
        concurrency: int,
        is_worker: bool,
        may_migrate: bool,
    ) -> None:
        """*most*: events that may wait, whichever process took them in."""
        try:
            conninfo_to_dict(url)
        except psycopg.Error as error:
            raise ConfigurationError("inbox is no address of a PostgreSQL database") from error
        self._url = url
        self._remember = remember
        self._most = most
        self._concurrency = concurrency
        self._is_worker = is_worker
        self._may_migrate = may_migrate
        self._stopping = False
        self._is_unreachable = False
        self._take: Deliver
        self._database: InboxDatabase
        self._app: App
        self._heartbeat: Heartbeat
        self._batches: Batches
        self._notes: NoteConnection
        self._owner = 0
        """This process, as one of Procrastinate's workers: it owns locks."""
        self._worker: Worker | None = None
        self._held: dict[int, tuple[int, int]] = {}
        """Row and attempt of the events that are handled here, by job."""
        self._undelivered: set[int] = set()
        self._watched_ends: dict[int, asyncio.Future[bool]] = {}
        self._watching: asyncio.Future[None] | None = None
        self._maintaining: asyncio.Task[None]
        self._working: asyncio.Task[None] | None = None
        self._spawned: set[asyncio.Task[Any]] = set()

    # Lifecycle

    async def open(self) -> StoredState:
        """Connect, and make the schema if need be."""
        try:
            async with asyncio.timeout(OPEN_WITHIN):
                return await self._open()
        except (TimeoutError, psycopg.Error, InboxUnavailableError) as error:
            reported = error if isinstance(error, InboxUnavailableError) else out_of_reach(error)
            if not self._is_unreachable:
                self._is_unreachable = True
                _logger.error("%s", reported)  # noqa: TRY400 - once an outage, without a traceback
            raise reported from error

    async def _open(self) -> StoredState:
        await migrate(self._url, may_migrate=self._may_migrate)
        self._is_unreachable = self._stopping = False
        database = self._database = InboxDatabase(self._url)
        # Whoever lives beats twice in this time, even if all were cut off until now.
        database.last_failure -= STALLED - 2 * BEAT_EVERY
        self._notes = NoteConnection(self._url, database.note_outage)
        try:
            await database.open_async()
            await self._notes.open()
            self._app = App(connector=database)
            self._app.task(name=sql.TASK, queue=QUEUE, pass_context=True)(self._run)
            contacts = await database.rows(sql.CONTACTS)
            newest = await database.rows(sql.RECEIVED, most=MOST_REMEMBERED)
            self._owner = await self._app.job_manager.register_worker()
            await database.rows(
                "INSERT INTO process VALUES (%(id)s) ON CONFLICT DO NOTHING", id=self._owner
            )
            hear_cancellation()
        except BaseException:
            database.closing = True
            await self._notes.aclose(0)
            await database.close_async()
            raise
        self._heartbeat = Heartbeat(self._url, self._workers)
        self._heartbeat.start()
        self._batches = Batches(database, most=self._most)
        self._maintaining = asyncio.create_task(
            self._maintain(), name="respondio-inbox-maintenance"
        )
        return StoredState(
            {contact_id: ContactState(*known) for contact_id, *known in contacts},
            [(message_id, event_id) for message_id, event_id in newest],
        )

    async def deliver(self, take: Deliver) -> None:
        """Begin to work, if this process does."""
        self._take = take
        if self._is_worker:
            self._working = asyncio.create_task(self._work(), name="respondio-inbox-work")

    async def drain(self, timeout: float | None) -> int:
        """Fetch events until those that this process accepted are finished, by whichever process,
        and then no more.
        """
        left = 0
        ends_at = math.inf if timeout is None else time.monotonic() + timeout
        while self._is_worker:
            # Not cancelled when it is late: that would ask PostgreSQL, which does not answer.
            counting = self._spawn(self._database.rows(sql.LEFT, last=self._batches.last_row))
            max_wait = max(_ANSWER_WITHIN, ends_at - time.monotonic())
            await asyncio.wait([counting], timeout=None if timeout is None else max_wait)
            if not counting.done():
                break
            [[left]] = counting.result()
            if not left or time.monotonic() >= ends_at:
                break
            await asyncio.sleep(_POLL_EVERY)  # another process may finish them, and notifies nobody
        self._stopping = True
        if self._working is not None:
            self._working.cancel()  # Procrastinate waits for its running jobs all the same
        return left

    async def aclose(self) -> None:
        """Give back what is held, and close."""
        closing_heartbeat = asyncio.create_task(self._heartbeat.aclose())
        self._maintaining.cancel()
        ending = [self._maintaining, *self._spawned]
        if self._working is not None:
            ending.append(self._working)
        _, late = await asyncio.wait(ending, timeout=_CLOSE_WITHIN)
        await self._notes.aclose(0 if late else _CLOSE_WITHIN)
        self._database.closing = True  # what PostgreSQL does not take now, others will take up
        if late:
            self._database.abort_connections()
            await asyncio.wait(late, timeout=_CLOSE_WITHIN)
        await self._batches.aclose()
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, closing_heartbeat, return_exceptions=True)
        if not late:
            with suppress(InboxUnavailableError):  # it will be taken for dead
                await self._database.rows(sql.FORGET_OWN_LOCKS, owner=self._owner)
                await self._app.job_manager.unregister_worker(self._owner)
        for ended in self._watched_ends.values():
            settle(ended, False)
        self._watched_ends.clear()
        await self._database.close_async()

    async def abandon(self) -> None:
        """Do nothing: no heart beats for the loop that has ended, so its events are taken up."""

    def _workers(self) -> list[int]:
        worker = self._worker.worker_id if self._worker is not None else None
        return [self._owner] if worker is None else [self._owner, worker]

    # Storing

    async def accept(self, arrival: NewEvent) -> int | None:
        """Store an event and its job together; `InboxUnavailableError` after 1.2 seconds."""
        return await self._batches.accept(arrival)

    def watch_end(self, row: int, ended: "asyncio.Future[bool]") -> None:
        """Ask until the event is finished."""
        self._watched_ends[row] = ended
        if self._watching is None or self._watching.done():
            self._watching = self._spawn(self._watch_ends())

    async def _watch_ends(self) -> None:
        while self._watched_ends and not self._database.closing:
            rows = list(self._watched_ends)
            left = {row for (row,) in await self._database.rows(sql.UNFINISHED, rows=rows)}
            for row in rows:
                if row not in left:
                    settle(self._watched_ends.pop(row), True)
            await asyncio.sleep(_POLL_EVERY)

    # Handling

    async def _work(self) -> None:
        """Run Procrastinate's worker, and another one should it fail."""
        while not self._stopping and not cancellations():
            self._worker = Worker(
                self._app,
                queues=[QUEUE],
                name="respondio-webhooks",
                concurrency=self._concurrency,
                fetch_job_polling_interval=1.0,  # a notice may come as an earlier look ends
                delete_jobs="always",
                abort_job_polling_interval=86_400.0,  # jobs are never aborted
                install_signal_handlers=False,
                # Our own look is for what others left: it knows of outages.
                stalled_worker_timeout=86_400.0,
            )
            try:
                run: Callable[[], Awaitable[None]] = self._worker.run  # it has no types
                await run()
            except Exception:
                if self._database.closing:
                    return
                _logger.exception("webhook: the inbox's worker failed, and begins again")
                await asyncio.sleep(1)

    async def _run(self, context: JobContext, *, row: int, attempt: int) -> None:
        """Handle the event of one job."""
        job = cast("int", context.job.id)  # one that was fetched has it
        self._held[job] = (row, attempt)
        try:
            if self._stopping or not await self._handle(job, row, attempt):
                await self._release([job])
        except InboxUnavailableError:
            pass  # closing: it will be taken up
        except Exception:
            _logger.exception("webhook: an event could not be handed on, and is given back")
            await asyncio.sleep(_POLL_EVERY)
            await self._release([job])
        finally:
            del self._held[job]

    async def _handle(self, job: int, row: int, attempt: int) -> bool:
        """Have an event handled; False when it was not."""
        found = await self._database.rows(sql.CLAIM, row=row, attempt=attempt)
        if not found:
            return True  # finished, or another process's
        body, started, handled, trace, *contact = found[0]
        ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        unfinished = Unfinished(
            job, body, started, frozenset(handled), ContactState(*contact), trace
        )
        await self._take(unfinished, ended)
        return await ended

    async def note(self, row: int, step: HandlingStep, handler: int = 0) -> None:
        """Note a step of a job's event."""
        noted = self._notes.put(step, *self._held[row], handler)
        # Whether the event is still ours, the next step tells.
        if step is not HandlingStep.HANDLED and not await noted:
            raise EventLostError

    async def _release(self, jobs: list[int]) -> None:
        await self._database.rows(sql.RELEASE, jobs=jobs)

    # Contacts

    def save_contact(
        self,
        contact_id: int,
        handed_over_since: int | None,
        human_since: int | None,
        watermark: int,
    ) -> "asyncio.Future[Any]":
        """Store what has changed of a contact."""
        storing = self._database.rows(
            sql.SAVE_CONTACT,
            contact_id=contact_id,
            handed_over_since=handed_over_since,
            human_since=human_since,
            watermark=watermark,
        )
        return self._spawn(storing)

    @asynccontextmanager
    async def lock(self, contact_id: int) -> AsyncGenerator[None]:
        """Hold a job of one's own with the contact's lock, which no event's job then gets."""
        manager = self._app.job_manager
        mine = f"lock-{self._owner}-{contact_id}"
        job = Job(
            id=None,
            queue=mine,
            lock=str(contact_id),
            queueing_lock=None,
            task_name=sql.LOCK_TASK,
            task_kwargs={"owner": self._owner},
            priority=1,  # after the event that is being handled, before those that wait
        )
        # Both in tasks of their own: who is cancelled in between could not tell whether the job is
        # there, and it would keep the contact's events back for as long as this process lives.
        storing = self._spawn(manager.defer_job_async(job))
        try:
            stored = cast("int", (await asyncio.shield(storing)).id)
            while await manager.get_job_status_async(stored) is not Status.DOING:
                if await manager.fetch_job(queues=[mine], worker_id=self._owner) is None:
                    await asyncio.sleep(_POLL_EVERY)
            yield
        finally:
            await asyncio.shield(self._spawn(self._unlock(storing)))

    async def _unlock(self, storing: "asyncio.Task[Job]") -> None:
        """Delete the job of a lock, once it is there."""
        # Closed, with its locks, or out of reach: it will be taken for dead.
        with suppress(InboxUnavailableError):
            stored = cast("int", (await storing).id)
            manager = self._app.job_manager
            await manager.finish_job_by_id_async(stored, Status.SUCCEEDED, delete_job=True)

    # Maintenance

    async def statistics(self) -> InboxStatistics | None:
        """Count over all processes."""
        [counts] = await self._database.rows(sql.COUNT, stalled=f"{STALLED} seconds")
        return InboxStatistics(*counts)

    async def _maintain(self) -> None:
        for round_ in itertools.count():
            try:
                await self._take_up()
                await self._release_undelivered()
                if round_ % _PRUNE_EVERY == 0:
                    await self._database.rows(sql.PRUNE, remember=self._remember)
                    await self._database.rows(sql.REQUEUE_STRAYS)
                    await self._database.rows(sql.FORGET_WORKERS)
            except Exception:
                if self._database.closing:
                    return
                _logger.exception("webhook: the inbox cannot be maintained; it is tried again")
            await asyncio.sleep(MAINTAIN_EVERY)

    async def _take_up(self) -> None:
        """Give what dead processes held to others."""
        if time.monotonic() - self._database.last_failure < STALLED:
            return  # after an outage, first wait for heartbeats
        stalled = f"{STALLED} seconds"
        taken = await self._database.rows(sql.TAKE_UP, stalled=stalled)
        if taken:
            _logger.warning("took up %d events that dead processes left", len(taken))
        await self._database.rows(sql.FORGET_LOCKS, stalled=stalled)

    async def _release_undelivered(self) -> None:
        """Give back events that were given to this process in an answer that never came."""
        if self._worker is None or self._worker.worker_id is None:
            return
        rows = await self._database.rows(sql.MY_JOBS, worker=self._worker.worker_id)
        unknown = {job for (job,) in rows} - self._held.keys()
        if twice := unknown & self._undelivered:  # not only on their way
            await self._release(list(twice))
        self._undelivered = unknown - twice

    def _spawn(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = asyncio.create_task(work)
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)
        return task
