"""The handlers of a router, and what stands around them."""

import inspect
import re
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from hashlib import blake2b
from typing import Any, NamedTuple, TypedDict, TypeVar, Unpack, overload

from ._conditions import Conditions, OneOrMore, conditions
from ._context import Context
from .events import AnyEvent, Event

A = TypeVar("A", bound=AnyEvent)
B = TypeVar("B", bound=AnyEvent)
F = TypeVar("F", bound=Callable[..., object])

CallNext = Callable[[Context[Any]], Awaitable[None]]
Middleware = Callable[[Context[Any], CallNext], Awaitable[None]]


class HandlerOptions(TypedDict, total=False):
    """Which events a handler wants besides their class; all of it must hold."""

    channel: int | str | Collection[int | str] | None
    """The channel's id or source ("whatsapp_cloud"), or several."""
    message_type: OneOrMore | None
    """The kind of message ("text", "attachment"), or several."""
    sender: OneOrMore | None
    """The source of the message ("contact", "user", "workflow"), or several; `event.sender`."""
    text: str | re.Pattern[str] | None
    """A pattern that is found in the message's text; `context.match` is what it found."""
    when: Callable[[Context[Any]], bool | Awaitable[bool]] | None
    """A condition on the context, plain or `async def`: `no_human_active`, or one of yours."""
    always: bool
    """Also for contacts that were handed over to a person."""


class Handler(NamedTuple):
    """One registered function."""

    function: Callable[[Context[Any]], object]
    name: str
    key: int
    """The same in the next process, as long as name and order of the handlers are."""
    conditions: Conditions
    always: bool


async def call_function(function: Callable[[Context[Any]], object], context: Context[Any]) -> None:
    """Call a user's function; a plain one runs on the event loop."""
    result = function(context)
    if inspect.isawaitable(result):
        await result


class Handlers:
    """The registry that `WebhookRouter` inherits."""

    def __init__(self) -> None:
        self.handlers: list[Handler] = []
        self._middleware: list[Middleware] = []

    @overload
    def on(
        self, **wanted: Unpack[HandlerOptions]
    ) -> Callable[[Callable[[Context[Event]], object]], Any]: ...
    @overload
    def on(
        self, kind: type[A], /, **wanted: Unpack[HandlerOptions]
    ) -> Callable[[Callable[[Context[A]], object]], Callable[[Context[A]], object]]: ...
    @overload
    def on(
        self, kind: type[A], other: type[B], /, **wanted: Unpack[HandlerOptions]
    ) -> Callable[[Callable[[Context[A | B]], object]], Callable[[Context[A | B]], object]]: ...
    @overload
    def on(
        self,
        kind: type[AnyEvent],
        other: type[AnyEvent],
        /,
        *more: type[AnyEvent],
        **wanted: Unpack[HandlerOptions],
    ) -> Callable[[Callable[[Context[Any]], object]], Callable[[Context[Any]], object]]: ...
    def on(self, *kinds: type[Any], **wanted: Unpack[HandlerOptions]) -> Callable[[F], F]:
        """Register a handler for events of these classes (none: of all), decorated as `async def
        handler(context)`.

        The handlers of an event run one after the other, in the order of registration; an error in
        one goes to `on_error` and keeps no other from running.

        Fields:
            - channel (`int | str | Collection[int | str]`): The channel's id or source
              ("whatsapp_cloud"), or several.
            - message_type (`OneOrMore`): The kind of message ("text", "attachment"), or several.
            - sender (`OneOrMore`): The source of the message ("contact", "user", "workflow"), or
              several; `event.sender`.
            - text (`str | re.Pattern[str]`): A pattern that is found in the message's text;
              `context.match` is what it found.
            - when (`Callable[[Context[Any]], bool | Awaitable[bool]]`): A condition on the context,
              plain or `async def`: `no_human_active`, or one of yours.
            - always (`bool`): Also for contacts that were handed over to a person.
        """
        always = wanted.pop("always", False)
        wants = conditions(
            kinds,
            channel=wanted.pop("channel", None),
            message_type=wanted.pop("message_type", None),
            sender=wanted.pop("sender", None),
            text=wanted.pop("text", None),
            when=wanted.pop("when", None),
        )
        if wanted:
            raise TypeError(f"on() knows no {', '.join(wanted)}")

        def register(function: F) -> F:
            module = getattr(function, "__module__", "")
            name = f"{module}.{getattr(function, '__qualname__', repr(function))}"
            number = sum(handler.name == name for handler in self.handlers)
            # 63 bits: the integers of databases are signed.
            key = int.from_bytes(blake2b(f"{name}#{number}".encode(), digest_size=8).digest()) >> 1
            self.handlers.append(Handler(function, name, key, wants, always))
            return function

        return register

    def middleware(self, function: Middleware) -> Middleware:
        """Wrap every run of a handler in `async def function(context, call_next)`; the first
        registered is the outermost.
        """
        self._middleware.append(function)
        return function

    def wrapped(self, handler: Handler) -> CallNext:
        """Return the handler within all middleware."""
        call: CallNext = partial(call_function, handler.function)
        for middleware in reversed(self._middleware):
            call = _around(middleware, call)
        return call


def _around(middleware: Middleware, call_next: CallNext) -> CallNext:
    def call(context: Context[Any]) -> Awaitable[None]:
        return middleware(context, call_next)

    return call
