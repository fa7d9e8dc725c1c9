"""One item at work: its steps, what it has sent, and what that means if it does not end.

A step is *in doubt* from the moment one of its calls is about to send something that must not be
repeated until the step has returned. Which calls those are is the client's knowledge (the
endpoint's replay class), reported by `context.before_unsafe_send`: steps that only read or
set a state are simply done again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar, cast, overload

import msgspec

from respondio_async.discreet import Discreet

from .._engine import context
from ..errors import InvalidArgumentError, OutcomeUnknownError
from ._entries import Entry
from ._journal import Journal
from ._outcome import unknown_outcome
from ._store import StoredResult, check_name, decode_result, encode_result

T = TypeVar("T")
E = TypeVar("E", bound=BaseException)


class Step(Protocol):
    """What a work with two arguments is given: `await step("upsert", fn)`.

    *fn* takes nothing and returns an awaitable. Its result is remembered, in the journal if there
    is one: when the item is resumed, the step is not done again and its result is given once more,
    decoded as *type* if that is named (the client's own models need no naming; without it, anything
    else comes back as plain JSON values, and what msgspec cannot encode as None). Names are unique
    within an item.

    *repeatable* None: the step is repeatable unless one of the client's calls in it is not. False:
    *fn* writes elsewhere and must not run twice. True: it may run twice whatever it calls.
    """

    @overload
    async def __call__(
        self,
        name: str,
        fn: Callable[[], Awaitable[T]],
        *,
        type: type[T],
        repeatable: bool | None = None,
    ) -> T: ...
    @overload
    async def __call__(
        self, name: str, fn: Callable[[], Awaitable[T]], *, repeatable: bool | None = None
    ) -> T: ...


class Ending(Discreet, msgspec.Struct, frozen=True):
    """How the work of an item ended. None in its place: the run ended before the work did, and
    there is no outcome.
    """

    value: Any = None
    """What the work returned."""
    error: Exception | None = None
    """What it raised, or that what it did is unknown; None: it returned."""
    is_final: bool = True
    """False: the work met what ends the run, so the consumer sees why, and the item stays
    unfinished.
    """


class Stopping(asyncio.CancelledError):
    """Ends an item at the first unsafe send that would begin after the run was asked to stop."""


class Execution:
    """One item in the hands of a worker, from its start to its outcome."""

    __slots__ = (
        "_doubted",
        "_in_doubt",
        "_journal",
        "_names",
        "_refuse",
        "_returned",
        "_sends",
        "attempts",
        "began",
        "entry",
        "refused",
        "started",
    )

    def __init__(self, entry: Entry, journal: Journal | None, refuse: Callable[[], bool]) -> None:
        self.entry = entry
        self.attempts = 0
        """How often the work was called."""
        self.started = time.time()
        self.began = asyncio.get_running_loop().time()
        self._journal = journal
        self._returned: dict[str, Any] = dict(entry.returned)
        self._refuse = refuse
        self._sends: dict[str, int] = {}
        """By step, how many sends are announced, or being announced, and not taken back."""
        self._in_doubt: set[str] = set()
        """Steps of which one may have left; the intent is in the journal, if there is one."""
        self._doubted: set[str] = set(entry.sent)
        """Steps that an earlier attempt may have sent: what becomes of this one takes no intent of
        theirs back.
        """
        self._names: set[str] = set()
        self.refused = False
        """Whether a send was held back because the run is to stop: even a work that returns is then
        unfinished.
        """

    @property
    def in_doubt(self) -> tuple[str, ...]:
        """Steps that may have sent something and have not returned."""
        return tuple(name for name in self._sends if name in self._in_doubt)

    @property
    def left_in_doubt(self) -> tuple[str, ...]:
        """Steps that an earlier attempt may have sent, and that have not returned since."""
        return tuple(sorted(self._doubted - self._returned.keys()))

    def begin(self) -> None:
        """Prepare for an attempt: the steps that returned stay so."""
        self.attempts += 1
        self._doubted |= self._in_doubt
        self._sends.clear()
        self._in_doubt.clear()
        self._names.clear()
        self._watch("")

    def unknown(self, cause: BaseException) -> OutcomeUnknownError | None:
        """Make the error of an unknown outcome, if what ended the work leaves it open; also when
        the work raised something else of it.
        """
        if isinstance(cause, OutcomeUnknownError):
            return cause
        ending = (
            find(cause, (OutcomeUnknownError, TimeoutError, asyncio.CancelledError, GeneratorExit))
            if self.in_doubt
            else None
        )
        if ending is None:
            return None
        if isinstance(ending, OutcomeUnknownError):
            reason = ending.reason
        elif isinstance(ending, TimeoutError):
            reason = "the work's own time ran out"
        else:
            reason = "the work was cancelled"
        error = unknown_outcome(self.in_doubt, reason)
        error.__cause__ = cause
        return error

    def _watch(self, name: str) -> None:
        context.before_unsafe_send.set(lambda: self._before_send(name))
        context.after_unsent.set(lambda: self._after_unsent(name))

    async def _before_send(self, name: str) -> None:
        # Counted before it is written: another send of this step may be taken back meanwhile.
        self._sends[name] = self._sends.get(name, 0) + 1
        try:
            self._stop_here_if_asked()
            if self._journal is not None and name not in self._in_doubt:
                number = self.entry.number
                await self._journal.submit(lambda store: store.intend(number, name))
                self._stop_here_if_asked()  # asked while that was written
            self._in_doubt.add(name)
        except BaseException:
            self._after_unsent(name)
            raise

    def _stop_here_if_asked(self) -> None:
        if self._refuse():
            self.refused = True
            raise Stopping

    def _after_unsent(self, name: str) -> None:
        self._sends[name] = max(0, self._sends.get(name, 0) - 1)
        if self._sends[name]:
            return
        self._in_doubt.discard(name)
        if self._journal is not None and name not in self._doubted:
            number = self.entry.number
            self._journal.post(lambda store: store.retract(number, name))

    async def step(
        self,
        name: str,
        fn: Callable[[], Awaitable[Any]],
        *,
        type: Any = None,  # noqa: A002 - the public name
        repeatable: bool | None = None,
    ) -> Any:
        """Do a step, or give the result that it had."""
        check_name(name, "a step's name", "name")
        if name in self._names:
            raise InvalidArgumentError("this item has a step of that name already", argument="name")
        self._names.add(name)
        if name in self._returned:
            result = self._returned[name]
            return (
                decode_result(result.value, result.model, type)
                if isinstance(result, StoredResult)
                else result
            )
        before, after = context.before_unsafe_send.get(), context.after_unsent.get()
        try:
            if repeatable:
                context.before_unsafe_send.set(None)
                context.after_unsent.set(None)
            else:
                self._watch(name)
                if repeatable is False:
                    await self._before_send(name)
            value = await fn()
        finally:
            context.before_unsafe_send.set(before)
            context.after_unsent.set(after)
        self._in_doubt.discard(name)
        self._returned[name] = value
        if self._journal is not None:
            number, result = self.entry.number, encode_result(value)
            self._journal.post(lambda store: store.step_returned(number, name, result))
        return value


def find(error: BaseException | None, kind: type[E] | tuple[type[E], ...]) -> E | None:
    """Find an error of a kind: the error itself, one in a group of them, or one behind it."""
    seen: set[int] = set()
    queue = [error]
    while queue:
        error = queue.pop()
        if error is None or id(error) in seen:
            continue
        if isinstance(error, kind):
            return error
        seen.add(id(error))
        queue += [error.__context__, error.__cause__]
        if isinstance(error, BaseExceptionGroup):
            queue += cast("tuple[BaseException, ...]", error.exceptions)
    return None
