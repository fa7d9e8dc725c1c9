"""Which events a handler wants."""

import inspect
import re
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Any, NamedTuple

from respondio_async.errors import ConfigurationError
from respondio_async.models import Channel

from .events import AnyEvent, EventMessage, MessageReceived, MessageSent

if TYPE_CHECKING:
    from ._context import Context

OneOrMore = str | Collection[str]


class Conditions(NamedTuple):
    """What must hold, all of it; None: whatever."""

    types: tuple[type[AnyEvent], ...]
    channel: frozenset[int | str] | None
    message_type: frozenset[str] | None
    sender: frozenset[str] | None
    text: re.Pattern[str] | None
    when: "Callable[[Context[Any]], bool | Awaitable[bool]] | None"

    async def hold(self, context: "Context[Any]") -> bool:
        """Whether the context's event is wanted; leaves the text's match in it."""
        event = context.event
        if self.types and not isinstance(event, self.types):
            return False
        if self.channel is not None and self.channel.isdisjoint(_channel(event)):
            return False
        asked = (self.message_type, self.sender, self.text) != (None, None, None)
        if asked and not self._hold_of_message(context):
            return False
        if self.when is None:
            return True
        verdict = self.when(context)
        return bool(await verdict) if inspect.isawaitable(verdict) else bool(verdict)

    def _hold_of_message(self, context: "Context[Any]") -> bool:
        message = getattr(context.event, "message", None)
        if not isinstance(message, EventMessage):
            return False
        if self.message_type is not None and message.content.type not in self.message_type:
            return False
        if self.sender is not None and _source(context.event) not in self.sender:
            return False
        if self.text is not None:
            context.match = (
                self.text.search(message.text or "") if message.text is not None else None
            )
            return context.match is not None
        return True


def conditions(
    types: tuple[Any, ...],
    *,
    channel: int | str | Collection[int | str] | None,
    message_type: OneOrMore | None,
    sender: OneOrMore | None,
    text: str | re.Pattern[str] | None,
    when: "Callable[[Context[Any]], bool | Awaitable[bool]] | None",
) -> Conditions:
    """Check what a handler was registered with."""
    if not all(isinstance(item, type) and issubclass(item, AnyEvent) for item in types):
        raise ConfigurationError("on() takes event classes: @router.on(MessageReceived)")
    channels = channel if channel is None or not isinstance(channel, int | str) else (channel,)
    return Conditions(
        types,
        None if channels is None else frozenset(channels),
        _names(message_type),
        _names(sender),
        re.compile(text) if isinstance(text, str) else text,
        when,
    )


def _source(event: AnyEvent) -> str | None:
    sender = event.sender if isinstance(event, MessageReceived | MessageSent) else None
    return sender.source if sender is not None else None


def _names(value: OneOrMore | None) -> frozenset[str] | None:
    return None if value is None else frozenset((value,) if isinstance(value, str) else value)


def _channel(event: AnyEvent) -> set[int | str]:
    """Name the event's channel in every way a handler may ask for it: its id, its source."""
    names: set[int | str] = set()
    channel, message = getattr(event, "channel", None), getattr(event, "message", None)
    if isinstance(channel, Channel):
        names |= {channel.id, channel.source or ""}
    if isinstance(message, EventMessage) and message.channel_id is not None:
        names.add(message.channel_id)
    return names
