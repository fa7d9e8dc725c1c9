"""What a router's author wrote: its handlers, which events they want, the middleware around them,
and where what they raise goes.
"""

import inspect
import logging
import re
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from hashlib import blake2b
from typing import Any, Final, NamedTuple, TypedDict, TypeVar, Unpack, overload

from respondio_async.errors import ConfigurationError
from respondio_async.models import Channel

from ._context import Context
from .events import AnyEvent, Event, MessageReceived

A = TypeVar("A", bound=AnyEvent)
B = TypeVar("B", bound=AnyEvent)
F = TypeVar("F", bound=Callable[..., object])

CallNext = Callable[[Context[Any]], Awaitable[None]]
Middleware = Callable[[Context[Any], CallNext], Awaitable[None]]
OnError = Callable[[Exception, Context[Any] | None], object]
OneOrMore = str | Collection[str]

_logger: Final = logging.getLogger("respondio_async.webhooks")


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


class Conditions(NamedTuple):
    """What must hold for a handler to have an event, all of it; None: whatever."""

    kinds: tuple[type[AnyEvent], ...]
    channel: frozenset[int | str] | None
    message_type: frozenset[int | str] | None
    sender: frozenset[int | str] | None
    text: re.Pattern[str] | None
    when: Callable[[Context[Any]], bool | Awaitable[bool]] | None
    always: bool

    def hold(self, context: Context[Any]) -> bool:
        """Whether the context's event is wanted, but for `when`; leaves the text's match in it."""
        event = context.event
        context.match = None
        if self.kinds and not isinstance(event, self.kinds):
            return False
        if isinstance(event, MessageReceived) and context.is_handed_over and not self.always:
            return False
        if self.channel is not None and self.channel.isdisjoint(_channel_names(context)):
            return False
        asked = (self.message_type, self.sender, self.text) != (None, None, None)
        return not asked or self._hold_of_message(context)

    def _hold_of_message(self, context: Context[Any]) -> bool:
        message = context.message
        if message is None:
            return False
        if self.message_type is not None and message.content.type not in self.message_type:
            return False
        if self.sender is not None:
            sender = context.event.sender
            if sender is None or sender.source not in self.sender:
                return False
        if self.text is not None and message.text is not None:
            context.match = self.text.search(message.text)
        return self.text is None or context.match is not None


class Handler(NamedTuple):
    """One registered function."""

    function: Callable[[Context[Any]], object]
    name: str
    key: int
    """The same in the next process, as long as name and order of the handlers are."""
    conditions: Conditions


async def call_function(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a user's function, and return its result; a plain one runs on the event loop."""
    result = function(*arguments)
    return await result if inspect.isawaitable(result) else result


class ErrorReporter:
    """Passes errors to `on_error`, or to the log, and counts them; never to the sender."""

    def __init__(self, on_error: OnError | None) -> None:
        self.count = 0
        self._on_error = on_error or _log

    async def report(self, error: Exception, context: Context[Any] | None) -> None:
        """Report an error; one of the hook itself goes to the log."""
        self.count += 1
        try:
            await call_function(self._on_error, error, context)
        except Exception:
            _logger.exception("webhook: on_error failed")


def _log(error: Exception, context: Context[Any] | None) -> None:
    name = (context.handler if context is not None else "") or "the router"
    _logger.error("webhook: %s failed", name, exc_info=error)


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
        if strange := wanted.keys() - HandlerOptions.__optional_keys__:
            raise TypeError(f"on() knows no {', '.join(sorted(strange))}")
        if not all(isinstance(kind, type) and issubclass(kind, AnyEvent) for kind in kinds):
            raise ConfigurationError("on() takes event classes: @router.on(MessageReceived)")
        text = wanted.get("text")
        conditions = Conditions(
            kinds,
            _choices(wanted.get("channel")),
            _choices(wanted.get("message_type")),
            _choices(wanted.get("sender")),
            re.compile(text) if isinstance(text, str) else text,
            wanted.get("when"),
            wanted.get("always", False),
        )

        def register(function: F) -> F:
            module = getattr(function, "__module__", "")
            name = f"{module}.{getattr(function, '__qualname__', repr(function))}"
            number = sum(handler.name == name for handler in self.handlers)
            # 63 bits: the integers of databases are signed.
            key = int.from_bytes(blake2b(f"{name}#{number}".encode(), digest_size=8).digest()) >> 1
            self.handlers.append(Handler(function, name, key, conditions))
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


def _choices(value: int | str | Collection[int | str] | None) -> frozenset[int | str] | None:
    if value is None:
        return None
    return frozenset((value,) if isinstance(value, int | str) else value)


def _channel_names(context: Context[Any]) -> set[int | str]:
    """Name the event's channel in every way a handler may ask for it: its id, its source."""
    names: set[int | str] = set()
    channel, message = getattr(context.event, "channel", None), context.message
    if isinstance(channel, Channel):
        names |= {channel.id, channel.source or ""}
    if message is not None and message.channel_id is not None:
        names.add(message.channel_id)
    return names
