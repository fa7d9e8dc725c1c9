"""What the user passes: the work, in either of its two forms, and the options."""

import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeGuard, cast

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
    second = positional[1] if len(positional) > 1 else None
    if second is not None and second.default is second.empty:
        return lambda item, execution: work(item, execution.step)
    if any(p.name == "step" for p in parameters[1:]):
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
    wants = {
        "concurrency": (
            concurrency is None or (_is_count(concurrency) and concurrency >= 1),
            "must be an int of at least 1, or None",
        ),
        "key": (
            key is None or callable(key),
            "must be a function of an item that returns a text",
        ),
        "progress": (
            progress is None or callable(progress),
            "must be a function of a Progress",
        ),
        "total": (
            total is None or (_is_count(total) and total >= 0),
            "must be a count of items, or None",
        ),
        "max_outage": (
            max_outage is None or (_is_seconds(max_outage) and max_outage > 0),
            "must be a number of seconds above 0, or None",
        ),
        "grace": (
            isinstance(grace, int | float) and grace >= 0,
            "must be a number of seconds",
        ),
        "on_unknown": (on_unknown in {"report", "repeat"}, 'must be "report" or "repeat"'),
        "failed": (failed in {"retry", "skip"}, 'must be "retry" or "skip"'),
    }
    for argument, (is_fit, wanted) in wants.items():
        if not is_fit:
            raise InvalidArgumentError(f"{argument} {wanted}", argument=argument)
    if has_journal and key is None:
        raise InvalidArgumentError(
            "a journal needs a key: a function that names each item, the same in every run",
            argument="key",
        )


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_seconds(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
