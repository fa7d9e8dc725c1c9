"""What the user passes: the work, in either of its two forms, and the options."""

import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast

from ..errors import InvalidArgumentError
from ._execution import Execution

Call = Callable[[Any, Execution], Awaitable[Any]]


def adapt(work: Callable[..., Awaitable[Any]]) -> Call:
    """Make one form of `work(item)` and `work(item, step)`.

    It takes the step when a second argument is required, or when any argument is called "step"; a
    second argument with a default is the user's own.
    """
    if not callable(work):
        raise InvalidArgumentError(
            "work must be an async function of one item, or of an item and a step", argument="work"
        )
    try:
        parameters = list(inspect.signature(work).parameters.values())
    except (TypeError, ValueError):  # some callables written in C have none
        parameters = []
    positional = [p for p in parameters if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}]
    if any(p.name == "step" and p.kind is p.KEYWORD_ONLY for p in parameters):
        return lambda item, execution: work(item, step=execution.step)
    second = positional[1] if len(positional) > 1 else None
    if second is not None and second.default is second.empty:
        return lambda item, execution: work(item, execution.step)
    if any(p.name == "step" for p in positional[1:]):
        return lambda item, execution: work(item, step=execution.step)
    return lambda item, _: work(item)


def name_of(work: Callable[..., Any]) -> str:
    """Name it for the journal."""
    inner: Any = work
    while hasattr(inner, "func"):  # functools.partial
        inner = inner.func
    return getattr(inner, "__qualname__", type(inner).__qualname__)


def matcher(stop_on: Any) -> Callable[[Exception], bool]:
    """Make a question of `stop_on`: exception types, or a predicate of the error."""
    if stop_on is None:
        return lambda _: False
    kinds = (stop_on,) if isinstance(stop_on, type) else stop_on
    if isinstance(kinds, tuple | list | set | frozenset):
        types = tuple(cast("Iterable[Any]", kinds))
        if all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in types):
            return lambda error: isinstance(error, types)
    elif callable(kinds):
        return lambda error: bool(kinds(error))
    raise InvalidArgumentError(
        "stop_on must be exception types, or a function of the error", argument="stop_on"
    )


def check_options(
    *,
    key: object,
    concurrency: object,
    has_journal: bool,
    on_unknown: object,
    failed: object,
    progress: object,
    total: object,
    max_outage: object,
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
    if total is not None and (not isinstance(total, int) or isinstance(total, bool) or total < 0):
        raise InvalidArgumentError("total must be a count of items, or None", argument="total")
    if has_journal and key is None:
        raise InvalidArgumentError(
            "a journal needs a key: a function that names each item, the same in every run",
            argument="key",
        )
    if max_outage is not None and not (
        isinstance(max_outage, int | float) and not isinstance(max_outage, bool) and max_outage > 0
    ):
        raise InvalidArgumentError(
            "max_outage must be a number of seconds above 0, or None", argument="max_outage"
        )
    if not isinstance(grace, int | float) or not grace >= 0:
        raise InvalidArgumentError("grace must be a number of seconds", argument="grace")
    if on_unknown not in {"report", "repeat"}:
        raise InvalidArgumentError('on_unknown must be "report" or "repeat"', argument="on_unknown")
    if failed not in {"retry", "skip"}:
        raise InvalidArgumentError('failed must be "retry" or "skip"', argument="failed")
