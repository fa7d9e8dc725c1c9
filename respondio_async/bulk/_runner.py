"""The run: workers that take items, and a consumer that takes their outcomes.

At most a *window* of items is between the two, so a consumer that stops reading stops the intake,
an ordered run holds back no more than that, and memory stays flat however many items there are.
"""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Generic, Literal, Self, TypeVar, cast

import anyio

from .._engine import context
from .._storage import database_path
from ..errors import (
    ConfigurationError,
    OutcomeUnknownError,
    RespondError,
    UnauthorizedError,
)
from ._endings import (
    INTERRUPTED,
    Ending,
    Failed,
    Interrupted,
    Phase,
    Returned,
    RunningItem,
    StoppedBy,
)
from ._entries import Entries, Entry
from ._execution import Execution, find, unknown_outcome
from ._inspect import Results
from ._journal import Journal
from ._outage import LONGEST, OutageWatch
from ._outbox import Outbox
from ._outcome import Outcome, Progress
from ._records import record_of
from ._signals import STATUS, TerminationGuard
from ._source import ItemSource
from ._work import adapt, check_options, matcher, name_of

Item = TypeVar("Item")
T = TypeVar("T")

_MOST_WORKERS: Final = 1_024
"""Unless `concurrency` is given. The limiter decides what is sent; this many items reach every
limit up to about 500 calls a second that take two seconds each, and a worker that waits costs some
ten kilobytes and no work.
"""
_CLEANUP: Final = 2.0
"""Seconds that cancelled work, and a cancelled source, have to end."""
_REPORT_EVERY: Final = 0.5
"""Seconds between two calls of `progress`."""
_MOST_ATTEMPTS: Final = 3
"""With `on_unknown="repeat"`; each of them has waited out its own retries."""

_log: Final = logging.getLogger("respondio_async.bulk")


class Bulk(Generic[Item, T]):
    """Many operations at once: `async with` it, and iterate the outcomes.

    Leaving the block stops the intake, gives what is in flight *grace* seconds to end, and cancels
    the rest: an item with a write that may have landed counts as unknown, any other as unfinished.
    When the block is left by an error or a cancellation, no new send of a message, comment,
    creation or merge begins in those seconds.
    """

    def __init__(
        self,
        work: Callable[..., Awaitable[T]],
        items: Iterable[Item] | AsyncIterable[Item],
        *,
        key: Callable[[Item], str] | None = None,
        concurrency: int | None = None,
        journal: str | os.PathLike[str] | None = None,
        ordered: bool = False,
        stop_on: type[BaseException]
        | Iterable[type[BaseException]]
        | Callable[[Exception], bool]
        | None = None,
        on_unknown: Literal["report", "repeat"] = "report",
        failed: Literal["retry", "skip"] = "retry",
        progress: Callable[[Progress], object] | None = None,
        total: int | None = None,
        max_outage: float | None = LONGEST,
        grace: float = 5.0,
    ) -> None:
        self._journal_path = None if journal is None else database_path(journal, "journal")
        check_options(
            key=key,
            concurrency=concurrency,
            has_journal=journal is not None,
            on_unknown=on_unknown,
            failed=failed,
            progress=progress,
            total=total,
            max_outage=max_outage,
            grace=grace,
        )
        self._work = adapt(work)
        self._work_name = name_of(work)
        self._stops = matcher(stop_on)
        self._source = ItemSource(items, total)
        self._repeats_unknown = on_unknown == "repeat"
        self._entries = Entries(
            self._source, key, repeat_unknown=self._repeats_unknown, retry_failed=failed == "retry"
        )
        self._journal: Journal | None = None
        self._on_progress = progress
        self._grace = grace
        self._max_workers = concurrency or _MOST_WORKERS
        self._outages = OutageWatch(max_outage, self._fail)
        self._guard = TerminationGuard()
        self._outbox = Outbox[Item, T](ordered=ordered, window=2 * self._max_workers + 8)
        self._phase = Phase.NEW
        self._workers: dict[asyncio.Task[None], RunningItem | None] = {}
        self._watcher: asyncio.Task[None] | None = None
        self._began: float | None = None
        self._ended: float | None = None
        self._failure: BaseException | None = None
        self._done = self._failed = self._unknown = self._unfinished = self._in_progress = 0

    # ── the block ─────────────────────────────────────────────────────────────────────────────────

    async def __aenter__(self) -> Self:
        if self._phase is not Phase.NEW:
            raise ConfigurationError("a bulk run is entered once: make another")
        self._began = asyncio.get_running_loop().time()
        self._phase = Phase.RUNNING
        try:
            if self._journal_path is not None:
                await self._open_journal(self._journal_path)
            self._source.start()
        except BaseException:
            await self._end()
            raise
        self._guard.install()
        self._start_worker()
        if self._on_progress is not None:
            self._watcher = asyncio.create_task(self._watch(), name="respondio-bulk-watcher")
        return self

    async def _open_journal(self, path: Path) -> None:
        journal = Journal(path, self._work_name, on_failure=self._fail)
        await journal.open()
        self._entries.journal = self._journal = journal
        if journal.earlier_work not in {None, self._work_name}:
            _log.warning(
                "the journal %s was begun by the work %s and is continued by %s: items that are "
                "done in it are skipped",
                path.name,
                journal.earlier_work,
                self._work_name,
            )

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._advance(Phase.STOPPING if kind is None else Phase.REFUSING)
        try:
            with anyio.CancelScope(shield=True):
                await self._end()
        finally:
            self._guard.remove()
        if (
            self._guard.stop_requested
            and kind is not None
            and issubclass(kind, asyncio.CancelledError)
        ):
            raise SystemExit(STATUS) from error

    async def _end(self) -> None:
        """Let the workers end, then cancel them; close everything, whatever fails on the way."""
        async with AsyncExitStack() as stack:  # the last that was pushed is done first
            stack.callback(self._finish)
            if self._journal is not None:
                stack.push_async_callback(self._journal.aclose)
            stack.push_async_callback(self._source.aclose, _CLEANUP)
            stack.callback(self._abandon_rest)
            stack.push_async_callback(self._cancel_tasks)
            if self._workers:
                await asyncio.wait(self._workers, timeout=self._grace)

    async def _cancel_tasks(self) -> None:
        self._advance(Phase.REFUSING)
        tasks = [*self._workers, *([self._watcher] if self._watcher else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CLEANUP)

    def _abandon_rest(self) -> None:
        """Count the items whose work ignores its cancellation; it is not waited for."""
        for task, running in list(self._workers.items()):
            del self._workers[task]
            if running is None:
                continue
            _log.warning(
                "the work of an item goes on after it was cancelled, and is not waited for: a work "
                "must let CancelledError pass"
            )
            ending = _ending_of_unfinished(running.execution, "the work did not end when cancelled")
            self._record(running.entry, ending, attempts=1, started=running.started)

    def _finish(self) -> None:
        self._outages.close()
        self._phase = Phase.ENDED
        self._ended = asyncio.get_running_loop().time()
        self._report()

    # ── the consumer ──────────────────────────────────────────────────────────────────────────────

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome[Item, T]:
        if self._phase is Phase.NEW:
            raise ConfigurationError("enter the bulk run first: async with client.bulk(…) as run")
        while (outcome := self._outbox.pop()) is None:
            if self._workers or self._outbox.expected:
                await self._outbox.change()
            elif self._failure is not None:
                raise self._failure
            else:
                raise StopAsyncIteration
        return outcome

    async def drain(self) -> Progress:
        """Run to the end without looking at the outcomes, and say how it went."""
        async for _ in self:
            pass
        return self.statistics

    def results(self) -> Results:
        """Give every item of the run from its journal, earlier starts included: its value or error,
        and those of its steps. `ConfigurationError` without a journal.
        """
        if self._journal_path is None:
            raise ConfigurationError("a run keeps its results in a journal: name one")
        return Results(self._journal_path)

    @property
    def statistics(self) -> Progress:
        """How far the run is."""
        now = self._ended
        if now is None and self._began is not None:
            now = asyncio.get_running_loop().time()
        return Progress(
            done=self._done,
            failed=self._failed,
            unknown=self._unknown,
            skipped=self._entries.skipped,
            unfinished=self._unfinished,
            in_progress=self._in_progress,
            workers=self._max_workers,
            total=self._source.total,
            elapsed=0.0 if now is None or self._began is None else now - self._began,
            outage=self._outages.outage,
            paused=self._outages.paused,
        )

    # ── the workers ───────────────────────────────────────────────────────────────────────────────

    def _start_worker(self) -> None:
        """Add a worker, unless there are enough; each that gets an item calls for the next."""
        if len(self._workers) < self._max_workers:
            task = asyncio.create_task(self._run_worker(), name="respondio-bulk-worker")
            self._workers[task] = None
            # Not by the task itself: one that is cancelled before its first step does nothing.
            task.add_done_callback(self._worker_ended)

    def _worker_ended(self, worker: "asyncio.Task[None]") -> None:
        self._workers.pop(worker, None)
        self._outbox.let_in()
        self._outbox.notify()

    async def _run_worker(self) -> None:
        """Take items and work on them, one after another."""
        task = cast("asyncio.Task[None]", asyncio.current_task())
        context.current_priority.set("bulk")
        context.outage_watch.set(self._outages)
        try:
            while self._phase is Phase.RUNNING:
                if self._outbox.is_full:
                    await self._outbox.capacity()
                    continue
                entry = await self._entries.next()
                if entry is None:
                    break
                self._start_worker()
                await self._run_item(entry, task)
        except BaseException as error:  # noqa: BLE001 - the source's, or the journal's: the run's own error
            if isinstance(error, asyncio.CancelledError) and task.cancelling():
                self._advance(Phase.STOPPING)  # it had no item; or its loop is being shut down
            else:
                self._fail(error, at_once=False)

    async def _run_item(self, entry: Entry, task: "asyncio.Task[None]") -> None:
        """Run one item, until it has an outcome or the run ends."""
        started, attempts = time.time(), 0
        begun = asyncio.get_running_loop().time()
        self._outbox.expected += 1
        self._in_progress += 1
        ending: Ending = Failed(entry.error) if entry.error is not None else INTERRUPTED
        if entry.error is None:
            execution = Execution(self._journal, entry.number, entry.returned, self._refuses)
            self._workers[task] = RunningItem(entry, execution, started)
            try:
                while attempts == 0 or self._is_repeated(ending, attempts):
                    attempts += 1
                    ending = await self._call_work(entry.item, execution, task)
                ending = self._check_stop(ending, execution)
            except BaseException as error:  # noqa: BLE001 - meant for the run; or stop_on's own
                self._fail(error)
                ending = INTERRUPTED
            if task not in self._workers:
                return  # abandoned, and counted
            self._workers[task] = None
            if isinstance(ending, Interrupted):
                ending = _ending_of_unfinished(execution, "the run ended before the work did")
        elapsed = asyncio.get_running_loop().time() - begun
        self._record(entry, ending, attempts, started, elapsed)

    def _is_repeated(self, ending: Ending, attempts: int) -> bool:
        is_unknown = isinstance(ending, Failed) and isinstance(ending.error, OutcomeUnknownError)
        return (
            is_unknown
            and self._repeats_unknown
            and attempts < _MOST_ATTEMPTS
            and self._phase is Phase.RUNNING
        )

    async def _call_work(
        self, item: Item, execution: Execution, task: "asyncio.Task[None]"
    ) -> Ending:
        """Call the work once. Raises what ends the whole run, such as SystemExit."""
        execution.begin()
        try:
            value = await self._work(item, execution)
        except (asyncio.CancelledError, GeneratorExit) as error:
            if task.cancelling():  # by us, or by a shutdown of the event loop
                self._advance(Phase.STOPPING)
            unknown = execution.unknown(error)
            if unknown is None and self._phase is not Phase.RUNNING:
                return INTERRUPTED
            return Failed(unknown or _caused(error, "the work was cancelled from within"))
        except Exception as error:  # noqa: BLE001 - that is what an outcome is for
            return Failed(execution.unknown(error) or error)
        # A group of tasks swallows the cancellation of one of them.
        return INTERRUPTED if execution.refused else Returned(value)

    def _check_stop(self, ending: Ending, execution: Execution) -> Ending:
        """Stop the run when an item ended by what every other item would meet too: the item is not
        finished then, and a later run does it.
        """
        if not isinstance(ending, Failed):
            return ending
        refused = find(ending.error, UnauthorizedError)
        if refused is not None:  # a run with another token can do this one
            self._fail(refused)
            return INTERRUPTED
        if self._stops(ending.error):
            self._fail(ending.error, at_once=False)
            if not isinstance(ending.error, OutcomeUnknownError):
                return INTERRUPTED if execution.in_doubt else StoppedBy(ending.error)
        return ending

    def _record(
        self,
        entry: Entry,
        ending: Ending,
        attempts: int,
        started: float,
        elapsed: float = 0.0,
    ) -> None:
        """Record the outcome, then hand it over: what the consumer has seen is not done again.

        If it cannot be recorded any more it is handed over all the same; a send in it is on record
        as an intent.
        """
        self._in_progress -= 1
        if isinstance(ending, Interrupted):
            self._hand_over(entry, None, is_final=False)
            return
        value = cast("T", ending.value) if isinstance(ending, Returned) else None
        error = ending.error if isinstance(ending, Failed | StoppedBy) else None
        outcome: Outcome[Item, T] = Outcome(
            entry.key, entry.item, value, error, attempts, started, elapsed
        )
        is_final = not isinstance(ending, StoppedBy)
        if self._journal is None or not entry.number or entry.is_recorded or not is_final:
            self._hand_over(entry, outcome, is_final=is_final)
        else:
            self._journal.end(
                record_of(entry.number, outcome), lambda: self._hand_over(entry, outcome)
            )

    def _hand_over(
        self, entry: Entry, outcome: Outcome[Item, T] | None, *, is_final: bool = True
    ) -> None:
        if outcome is None or not is_final:
            self._unfinished += 1
        elif outcome.error is None:
            self._done += 1
        elif outcome.unknown:
            self._unknown += 1
        else:
            self._failed += 1
        self._outbox.expected -= 1
        self._outbox.push(entry.index, outcome)

    # ── the end ───────────────────────────────────────────────────────────────────────────────────

    def _refuses(self) -> bool:
        return self._phase >= Phase.REFUSING

    def _advance(self, phase: Phase) -> None:
        """Go on to a later phase; workers without an item end at once, whatever they wait for."""
        self._phase = max(self._phase, phase)
        self._outbox.open()
        self._cancel(lambda running: running is None)

    def _fail(self, error: BaseException, *, at_once: bool = True) -> None:
        """Stop the run because of *error*; what is in progress ends, or is given up *at once*
        unless it is in doubt.
        """
        if self._phase is Phase.ENDED:
            return
        if isinstance(error, asyncio.CancelledError | GeneratorExit):  # not the consumer's own
            error = _caused(error, f"the run was ended by {type(error).__name__}")
        if self._failure is None:
            self._failure = error
        self._advance(Phase.REFUSING if at_once else Phase.STOPPING)
        if at_once:
            self._cancel(lambda running: running is None or not running.execution.in_doubt)
        self._outbox.notify()

    def _cancel(self, chosen: "Callable[[RunningItem | None], bool]") -> None:
        for task, running in self._workers.items():
            if task is not asyncio.current_task() and chosen(running):
                task.cancel()

    # ── progress ────────────────────────────────────────────────────────────────────────────────

    async def _watch(self) -> None:
        """Call the progress callback now and then."""
        try:
            while True:
                await asyncio.sleep(_REPORT_EVERY)
                self._report()
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001 - as the work's: meant for the run
            self._fail(error)

    def _report(self) -> None:
        if self._on_progress is None:
            return
        try:
            self._on_progress(self.statistics)
        except Exception:  # noqa: BLE001 - a broken display must not break the run
            _log.exception("the progress callback of a bulk run failed")


def _ending_of_unfinished(execution: Execution, reason: str) -> Ending:
    """Say that an item is in doubt, if it is, when its work did not come to an end."""
    if not execution.in_doubt:
        return INTERRUPTED
    return Failed(unknown_outcome(execution.in_doubt, reason))


def _caused(cause: BaseException, text: str) -> RespondError:
    error = RespondError(text)
    error.__cause__ = cause
    return error
