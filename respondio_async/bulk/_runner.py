"""The run: workers that take items, and a consumer that takes their outcomes.

At most a *window* of items is between the two, so a consumer that stops reading stops the intake,
an ordered run holds back no more than that, and memory stays flat however many items there are.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from enum import IntEnum
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
from ._entries import Entries, Entry
from ._execution import Ending, Execution, find
from ._inspect import Results
from ._journal import Journal
from ._outage import LONGEST, OutageWatch
from ._outbox import Outbox
from ._outcome import Outcome, Progress, unknown_outcome
from ._signals import STATUS, TerminationGuard
from ._source import ItemSource
from ._store import encode_result, reason_of
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


class Phase(IntEnum):
    """How far a run is; it only goes on."""

    NEW = 0
    RUNNING = 1
    STOPPING = 2
    """No more items are taken; those in progress go on."""
    REFUSING = 3
    """Neither does a send begin that must not be repeated."""
    ENDED = 4


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
        self._workers: dict[asyncio.Task[None], Execution | None] = {}
        """What each of them is at; None: it has no item."""
        self._watcher: asyncio.TimerHandle | None = None
        self._began = 0.0
        self._ended: float | None = 0.0
        """None while it runs."""
        self._failure: BaseException | None = None
        self._done = self._failed = self._unknown = self._unfinished = self._in_progress = 0

    # ── the block ─────────────────────────────────────────────────────────────────────────────────

    async def __aenter__(self) -> Self:
        if self._phase is not Phase.NEW:
            raise ConfigurationError("a bulk run is entered once: make another")
        loop = asyncio.get_running_loop()
        self._began, self._ended = loop.time(), None
        self._phase = Phase.RUNNING
        try:
            if self._journal_path is not None:
                journal = Journal(self._journal_path, self._work_name, on_failure=self._fail)
                await journal.open()
                self._entries.journal = self._journal = journal
            self._source.start()
        except BaseException:
            await self._end()
            raise
        self._guard.install()
        self._start_worker()
        if self._on_progress is not None:
            self._watcher = loop.call_later(_REPORT_EVERY, self._watch, self._on_progress)
        return self

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
        if self._guard.stop_requested and isinstance(error, asyncio.CancelledError):
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
        self._cancel(lambda _: True)
        if self._workers:
            await asyncio.wait(self._workers, timeout=_CLEANUP)

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
            self._record(running, _unfinished(running, "the work did not end when cancelled"))

    def _finish(self) -> None:
        self._outages.close()
        self._phase = Phase.ENDED
        self._ended = asyncio.get_running_loop().time()
        if self._watcher is not None:
            self._watcher.cancel()
        if self._on_progress is not None:
            self._report(self._on_progress)

    # ── the consumer ──────────────────────────────────────────────────────────────────────────────

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome[Item, T]:
        if self._phase is Phase.NEW:
            raise ConfigurationError("enter the bulk run first: async with client.bulk(…) as run")
        while (outcome := self._outbox.pop()) is None:
            if self._workers or self._in_progress:
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
        now = asyncio.get_running_loop().time() if self._ended is None else self._ended
        return Progress(
            done=self._done,
            failed=self._failed,
            unknown=self._unknown,
            skipped=self._entries.skipped,
            unfinished=self._unfinished,
            in_progress=self._in_progress,
            workers=self._max_workers,
            total=self._source.total,
            elapsed=now - self._began,
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
        self._outbox.notify()

    async def _run_worker(self) -> None:
        """Take items and work on them, one after another."""
        task = cast("asyncio.Task[None]", asyncio.current_task())
        context.current_priority.set("bulk")
        context.outage_watch.set(self._outages)
        try:
            while self._phase is Phase.RUNNING:
                await self._outbox.capacity.acquire()
                entry = await self._entries.next()
                if entry is None:
                    self._outbox.capacity.release()  # the next who waits for it ends likewise
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
        self._in_progress += 1
        running = Execution(entry, self._journal, self._refuses)
        ending: Ending | None = None
        if entry.error is not None:
            ending = Ending(error=entry.error)
        else:
            self._workers[task] = running
            try:
                while running.attempts == 0 or self._is_repeated(ending, running.attempts):
                    ending = await self._call_work(running, task)
                ending = _settled(self._check_stop(ending, running), running)
            except BaseException as error:  # noqa: BLE001 - meant for the run; or stop_on's own
                self._fail(error)
                ending = None
            if task not in self._workers:
                return  # abandoned, and counted
            self._workers[task] = None
        self._record(running, ending or _unfinished(running, "the run ended before the work did"))

    def _is_repeated(self, ending: Ending | None, attempts: int) -> bool:
        return (
            ending is not None
            and isinstance(ending.error, OutcomeUnknownError)
            and self._repeats_unknown
            and attempts < _MOST_ATTEMPTS
            and self._phase is Phase.RUNNING
        )

    async def _call_work(self, running: Execution, task: "asyncio.Task[None]") -> Ending | None:
        """Call the work once. Raises what ends the whole run, such as SystemExit."""
        running.begin()
        try:
            value = await self._work(running.entry.item, running)
        except (asyncio.CancelledError, GeneratorExit) as error:
            if task.cancelling():  # by us, or by a shutdown of the event loop
                self._advance(Phase.STOPPING)
            unknown = running.unknown(error)
            if unknown is None and self._phase is not Phase.RUNNING:
                return None
            return Ending(error=unknown or _caused(error, "the work was cancelled from within"))
        except Exception as error:  # noqa: BLE001 - that is what an outcome is for
            return Ending(error=running.unknown(error) or error)
        # A group of tasks swallows the cancellation of one of them.
        return None if running.refused else Ending(value)

    def _check_stop(self, ending: Ending | None, running: Execution) -> Ending | None:
        """Stop the run when an item ended by what every other item would meet too: the item is not
        finished then, and a later run does it.
        """
        if ending is None or ending.error is None:
            return ending
        refused = find(ending.error, UnauthorizedError)
        if refused is not None:  # a run with another token can do this one
            self._fail(refused)
            return None
        if self._stops(ending.error):
            self._fail(ending.error, at_once=False)
            if not isinstance(ending.error, OutcomeUnknownError):
                return None if running.in_doubt else Ending(error=ending.error, is_final=False)
        return ending

    def _record(self, running: Execution, ending: Ending | None) -> None:
        """Record the outcome, then hand it over: what the consumer has seen is not done again.

        If it cannot be recorded any more it is handed over all the same; a send in it is on record
        as an intent.
        """
        entry = running.entry
        if ending is None:
            self._hand_over(entry, None)
            return
        elapsed = asyncio.get_running_loop().time() - running.began
        outcome: Outcome[Item, T] = Outcome(
            entry.key,
            entry.item,
            cast("T", ending.value),
            ending.error,
            running.attempts,
            running.started,
            elapsed,
        )
        if self._journal is None or not entry.number or entry.is_recorded or not ending.is_final:
            self._hand_over(entry, outcome, is_final=ending.is_final)
        else:
            reason, result = reason_of(outcome.error), encode_result(outcome.value)
            self._journal.post(
                lambda store: store.end(entry.number, outcome, reason, result),
                lambda _, __: self._hand_over(entry, outcome),
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
        self._in_progress -= 1
        self._outbox.push(entry.index, outcome)

    # ── the end ───────────────────────────────────────────────────────────────────────────────────

    def _refuses(self) -> bool:
        return self._phase >= Phase.REFUSING

    def _advance(self, phase: Phase) -> None:
        """Go on to a later phase; workers without an item end at once, whatever they wait for."""
        self._phase = max(self._phase, phase)
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
            self._cancel(lambda running: running is None or not running.in_doubt)
        self._outbox.notify()

    def _cancel(self, chosen: Callable[[Execution | None], bool]) -> None:
        for task, running in self._workers.items():
            if task is not asyncio.current_task() and chosen(running):
                task.cancel()

    # ── progress ────────────────────────────────────────────────────────────────────────────────

    def _watch(self, tell: Callable[[Progress], object]) -> None:
        """Call the progress callback, now and in a while again."""
        loop = asyncio.get_running_loop()
        self._watcher = loop.call_later(_REPORT_EVERY, self._watch, tell)
        try:
            self._report(tell)
        except BaseException as error:  # noqa: BLE001 - as the work's: meant for the run
            self._fail(error)

    def _report(self, tell: Callable[[Progress], object]) -> None:
        try:
            tell(self.statistics)
        except Exception:  # noqa: BLE001 - a broken display must not break the run
            _log.exception("the progress callback of a bulk run failed")


def _unfinished(running: Execution, reason: str) -> Ending | None:
    """Say that an item is in doubt, if it is, when its work did not come to an end."""
    steps = dict.fromkeys([*running.in_doubt, *running.left_in_doubt])
    return Ending(error=unknown_outcome(steps, reason)) if steps else None


def _settled(ending: Ending | None, running: Execution) -> Ending | None:
    """Say that an item is in doubt, if it is, when a repeat of its work failed in another way."""
    if ending is None or ending.error is None or not ending.is_final:
        return ending
    if isinstance(ending.error, OutcomeUnknownError) or not running.left_in_doubt:
        return ending
    error = unknown_outcome(running.left_in_doubt, "an earlier attempt ended")
    error.__cause__ = ending.error
    return Ending(error=error)


def _caused(cause: BaseException, text: str) -> RespondError:
    error = RespondError(text)
    error.__cause__ = cause
    return error
