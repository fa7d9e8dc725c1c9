"""The run: workers that take items, and a consumer that takes their outcomes.

At most a *window* of items is between the two, so a consumer that stops reading stops the intake,
an ordered run holds back no more than that, and memory stays flat however many items there are.
"""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import Final, Generic, Literal, Self, TypeVar, cast

import anyio

from .. import _context
from .._storage import database_path
from ..errors import (
    ConfigurationError,
    InvalidArgumentError,
    OutcomeUnknownError,
    RespondError,
    UnauthorizedError,
)
from ._execution import Execution, find
from ._intake import Entry, Intake
from ._journal import Journal
from ._outbox import Outbox
from ._outcome import Outcome, Progress
from ._reasons import reason_of
from ._signals import STATUS, TerminationGuard
from ._sizing import START, Route, Sizer
from ._source import Source
from ._store import DONE, FAILED, UNKNOWN, Ending
from ._work import adapt, matcher, name_of

Item = TypeVar("Item")
T = TypeVar("T")

_LOOK: Final = (0.1, 0.5)
"""Seconds between two looks at the routes, at first (high limits must not lose their first second)
and later.
"""
_SETTLED: Final = 10.0
_TELL: Final = 0.5
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
        grace: float = 5.0,
        routes: Callable[[], Mapping[str, Route]] | None = None,
    ) -> None:
        """*routes* tells the state of the limiter's routes, from which the number of workers
        follows.
        """
        self._journal_path = None if journal is None else database_path(journal, "journal")
        _check(
            key=key,
            concurrency=concurrency,
            journal=journal,
            on_unknown=on_unknown,
            failed=failed,
            progress=progress,
            grace=grace,
        )
        self._call = adapt(work)
        self._work_name = name_of(work)
        self._stops = matcher(stop_on)
        self._source = Source(items)
        self._repeat = on_unknown == "repeat"
        self._intake = Intake(
            self._source, key, repeat_unknown=self._repeat, retry_failed=failed == "retry"
        )
        self._journal: Journal | None = None
        self._tell = progress
        self._grace = grace
        self._routes = routes if concurrency is None else None
        self._sizer: Sizer | None = None
        self._target = concurrency or START
        self._guard = TerminationGuard()
        self._outbox = Outbox[Item, T](ordered=ordered)
        self._workers: dict[asyncio.Task[None], Execution | None] = {}
        self._watcher: asyncio.Task[None] | None = None
        self._began: float | None = None
        self._ended: float | None = None
        self._stopping = False
        self._refusing = False
        self._failure: Exception | None = None
        self._done = self._failed = self._unknown = self._unfinished = self._in_progress = 0

    # ── the block
    # ────────────────────────────────────────────────────────────────────────────────────

    async def __aenter__(self) -> Self:
        if self._began is not None:
            raise ConfigurationError("a bulk run is entered once: make another")
        loop = asyncio.get_running_loop()
        self._began = loop.time()
        if self._journal_path is not None:
            journal = Journal(self._journal_path, self._work_name, on_failure=self._fail)
            await journal.open()
            self._intake.journal = self._journal = journal
            if journal.earlier_work not in {None, self._work_name}:
                _log.warning(
                    "the journal %s was begun by the work %s and is continued by %s: items that "
                    "are done in it are skipped",
                    self._journal_path.name,
                    journal.earlier_work,
                    self._work_name,
                )
        if self._routes is not None:
            self._sizer = Sizer(self._began, self._routes())
        self._guard.install()
        self._source.start()
        self._hire()
        if self._sizer is not None or self._tell is not None:
            self._watcher = asyncio.create_task(self._watch(), name="respondio-bulk-watcher")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._refusing = self._refusing or kind is not None
        self._stop_intake()
        try:
            with anyio.CancelScope(shield=True):
                await self._end()
        finally:
            self._guard.remove()
        if self._guard.told and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise SystemExit(STATUS) from error

    async def _end(self) -> None:
        """Let the workers end, then cancel them; whatever happens, leave nothing running."""
        try:
            if self._workers:
                await asyncio.wait(self._workers, timeout=self._grace)
        finally:
            self._refusing = True
            tasks = [*self._workers, *([self._watcher] if self._watcher else [])]
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)
            try:
                await self._source.aclose()
            finally:
                if self._journal is not None:
                    await self._journal.aclose()
                self._ended = asyncio.get_running_loop().time()
                self._report()

    # ── the consumer
    # ─────────────────────────────────────────────────────────────────────────────────

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome[Item, T]:
        if self._began is None:
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
            skipped=self._intake.skipped,
            unfinished=self._unfinished,
            in_progress=self._in_progress,
            workers=self._target,
            total=self._source.total,
            elapsed=0.0 if now is None or self._began is None else now - self._began,
        )

    # ── the workers
    # ──────────────────────────────────────────────────────────────────────────────────

    def _hire(self) -> None:
        """Bring the workers up to their number; those above it leave after their item."""
        self._outbox.window = 2 * self._target + 8
        if self._intake.ended or self._stopping:
            return
        for _ in range(self._target - len(self._workers)):
            self._workers[asyncio.create_task(self._serve(), name="respondio-bulk-worker")] = None

    async def _serve(self) -> None:
        """Be a worker: take items and work on them, one after another."""
        task = cast("asyncio.Task[None]", asyncio.current_task())
        _context.current_priority.set("bulk")
        try:
            while not self._stopping and len(self._workers) <= self._target:
                if self._outbox.is_full:
                    await self._outbox.room()
                    continue
                entry = await self._intake.next()
                if entry is None:
                    break
                self._in_progress += 1
                self._outbox.expected += 1
                await self._run(entry, task)
                self._in_progress -= 1
        except Exception as error:  # noqa: BLE001 - the source's, or the journal's: the run's own error
            self._fail(error, at_once=False)
        finally:
            del self._workers[task]
            self._outbox.let_in()
            self._outbox.notify()

    async def _run(self, entry: Entry, task: asyncio.Task[None]) -> None:
        """Work on one item, to an outcome or to the end of the run."""
        clock = asyncio.get_running_loop().time
        started, begun = time.time(), clock()
        value: T | None = None
        error = entry.error
        attempts = 0
        if error is None:
            self._workers[task] = execution = Execution(
                self._journal, entry.number, entry.returned, self._refuses
            )
            is_retry = True
            while is_retry:
                attempts += 1
                value, error = await self._attempt(entry.item, execution, task)
                is_retry = (
                    self._repeat
                    and isinstance(error, OutcomeUnknownError)
                    and attempts < _MOST_ATTEMPTS
                )
                is_retry = is_retry and not self._stopping
            self._workers[task] = None
            refused = find(error, UnauthorizedError)
            if (
                refused is not None
            ):  # every other item would end so too, and a run with another token can do this one
                self._fail(refused, at_once=True)
            if refused is not None or error is _UNFINISHED:
                self._give_up(entry)
                return
        self._settle(
            entry, Outcome(entry.key, entry.item, value, error, attempts, started, clock() - begun)
        )

    async def _attempt(
        self, item: Item, execution: Execution, task: asyncio.Task[None]
    ) -> tuple[T | None, Exception | None]:
        """Do the work once; the error is `_UNFINISHED` when the run ended before the work did, and
        nothing is in doubt.
        """
        execution.begin()
        try:
            value = await self._call(item, execution)
        except asyncio.CancelledError as cancelled:
            if task.cancelling():  # by us, or by whoever shuts the event loop down
                self._stop_intake()
            unknown = execution.unknown(cancelled)
            if unknown is not None or self._stopping:
                return None, unknown or _UNFINISHED
            error = RespondError("the work was cancelled from within")
            error.__cause__ = cancelled
            return None, error
        except Exception as error:  # noqa: BLE001 - that is what an outcome is for
            return None, execution.unknown(error) or error
        if execution.refused:  # a group of tasks swallows the cancellation of one of them
            return None, _UNFINISHED
        return value, None

    def _settle(self, entry: Entry, outcome: Outcome[Item, T]) -> None:
        """Record the outcome, then hand it over: what the consumer has seen is not done again.

        If it cannot be recorded any more it is handed over all the same; a send in it is on record
        as an intent.
        """
        if outcome.error is not None and entry.error is None and self._stops(outcome.error):
            self._fail(outcome.error, at_once=False)
        if self._journal is None or not entry.number or entry.recorded:
            self._deliver(entry, outcome)
            return
        name, reason = reason_of(outcome.error)
        state = UNKNOWN if outcome.unknown else DONE if outcome.error is None else FAILED
        ending = Ending(
            entry.number, state, name, reason, outcome.attempts, outcome.started, outcome.elapsed
        )
        self._journal.end(ending, lambda: self._deliver(entry, outcome))

    def _deliver(self, entry: Entry, outcome: Outcome[Item, T]) -> None:
        if outcome.error is None:
            self._done += 1
        elif outcome.unknown:
            self._unknown += 1
        else:
            self._failed += 1
        self._outbox.expected -= 1
        self._outbox.push(entry.index, outcome)

    def _give_up(self, entry: Entry) -> None:
        self._unfinished += 1
        self._outbox.expected -= 1
        self._outbox.push(entry.index, None)

    # ── the end
    # ──────────────────────────────────────────────────────────────────────────────────────

    def _refuses(self) -> bool:
        return self._refusing

    def _stop_intake(self) -> None:
        self._stopping = True
        self._outbox.open()

    def _fail(self, error: Exception, *, at_once: bool = True) -> None:
        """Stop the run because of *error*; what is in progress ends, or is given up *at once*
        unless it is in doubt.
        """
        if self._failure is None:
            self._failure = error
        self._stop_intake()
        if at_once:
            self._refusing = True
            for task, execution in self._workers.items():
                if task is not asyncio.current_task() and not (execution and execution.in_doubt):
                    task.cancel()
        self._outbox.notify()

    # ── looking on
    # ───────────────────────────────────────────────────────────────────────────────────

    async def _watch(self) -> None:
        """Size the run, and tell how it goes."""
        clock = asyncio.get_running_loop().time
        begun = told = clock()
        while True:
            await asyncio.sleep(_LOOK[clock() - begun > _SETTLED])
            if self._sizer is not None and self._routes is not None:
                self._target = self._sizer.look(clock(), self._routes(), self._in_progress)
                self._hire()
            if clock() - told >= _TELL:
                told = clock()
                self._report()

    def _report(self) -> None:
        if self._tell is None:
            return
        try:
            self._tell(self.statistics)
        except Exception:  # noqa: BLE001 - a broken display must not break the run
            _log.exception("the progress callback of a bulk run failed")


_UNFINISHED: Final = RespondError("the run ended before the work did")
"""Stands for no outcome; never seen outside."""


def _check(
    *,
    key: object,
    concurrency: object,
    journal: object,
    on_unknown: object,
    failed: object,
    progress: object,
    grace: object,
) -> None:
    """Refuse arguments that cannot work, before anything is opened."""
    if concurrency is not None and (
        not isinstance(concurrency, int) or isinstance(concurrency, bool) or concurrency < 1
    ):
        raise InvalidArgumentError(
            "concurrency must be an int of at least 1, or None", argument="concurrency"
        )
    if key is not None and not callable(key):
        raise InvalidArgumentError(
            "key must be a function of an item that returns a text", argument="key"
        )
    if progress is not None and not callable(progress):
        raise InvalidArgumentError("progress must be a function of a Progress", argument="progress")
    if journal is not None and key is None:
        raise InvalidArgumentError(
            "a journal needs a key: a function that names each item, the same in every run",
            argument="key",
        )
    if not isinstance(grace, int | float) or not grace >= 0:
        raise InvalidArgumentError("grace must be a number of seconds", argument="grace")
    if on_unknown not in {"report", "repeat"}:
        raise InvalidArgumentError('on_unknown must be "report" or "repeat"', argument="on_unknown")
    if failed not in {"retry", "skip"}:
        raise InvalidArgumentError('failed must be "retry" or "skip"', argument="failed")
