"""The interface between a router and its inbox: what a store of acknowledged events must do.

There are two: a SQLite file of one process (`_inbox`), and a PostgreSQL database that any number of
processes share (`_postgres`). Neither router nor handlers know which.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from enum import IntEnum
from typing import Any, Final, NamedTuple

import msgspec

from respondio_async.errors import ConfigurationError

CAUGHT_UP: Final = "catch-up:"
"""Prefix of the ids of events that `catch_up` made; the message's id follows."""
MOST_REMEMBERED: Final = 100_000
"""Contacts and messages that are kept in memory."""
NOWHERE: Final = 0
"""The row of an event while there is no inbox."""
NONE_STARTED: Final = 0
"""Stands for a handler's key where no handler was started."""


class HandlingStep(IntEnum):
    """How far an event has come."""

    STARTED = 1
    HANDLED = 2
    """One of its handlers has ended."""
    FINISHED = 3


class ContactState(NamedTuple):
    """What is remembered of one contact; see `_contact_states`."""

    handed_over_since: int = 0
    """Since when the bot is silent, by the server's clock, in seconds since 1970; 0: it is not."""
    human_since: int = 0
    """When a person wrote the last message to the contact, likewise; 0: it was not a person."""
    watermark: int = 0

    def __repr__(self) -> str:
        return "ContactState()"


class NewEvent(NamedTuple):
    """An event to be stored."""

    event_id: str
    body: bytes
    message_id: int | None = None
    """Of the message that was received, if it was about one."""
    contact_id: int | None = None
    trace_context: str | None = None
    """Of the span that stores it, for the one that handles it; see `WebhookTracer`."""

    def __repr__(self) -> str:
        return "NewEvent()"  # the body holds a contact's data


class Unfinished(NamedTuple):
    """An event that was acknowledged, and is to be handled."""

    row: int
    """The store's number for it; it is given back with each step."""
    body: bytes
    started: int = NONE_STARTED
    """Key of the handler that was started last in an earlier process; `NONE_STARTED`: none."""
    handled: frozenset[int] = frozenset()
    """Keys of its handlers that have ended."""
    contact: ContactState | None = None
    """What the store knows of its contact now; None: what the router remembers is right."""
    trace_context: str | None = None
    """Of the span that stored it."""

    @property
    def redelivered(self) -> bool:
        """Whether a handler was running when an earlier process ended."""
        return self.started != NONE_STARTED

    def __repr__(self) -> str:
        return "Unfinished()"  # the body holds a contact's data


class InboxStatistics(msgspec.Struct, frozen=True):
    """What waits in an inbox, whichever process took it in."""

    waiting: int
    """Events that were acknowledged and are not finished."""
    running: int
    """Events that are being handled."""
    processes: int
    """Processes that have the inbox open."""


class InboxUnavailableError(ConfigurationError):
    """The store is out of reach. It has said so in the log, once."""


class InboxFullError(Exception):
    """As many events as may be held wait in the store."""


class EventLostError(Exception):
    """An event belongs to another process by now, which took this one for dead."""


class StoredState(NamedTuple):
    """What a store holds when a process starts."""

    contacts: dict[int, ContactState]
    newest: list[tuple[int, str]]
    """Messages that were received, newest first, up to `MOST_REMEMBERED`: message and event id."""

    def __repr__(self) -> str:
        return "StoredState()"


Deliver = Callable[[Unfinished, "asyncio.Future[bool] | None"], Awaitable[None]]
"""Takes in an event to be handled; the future ends as `EventJob.ended` does."""


class InboxStore(ABC):
    """Keeps acknowledged events until they are handled, and what is known of contacts.

    A store of one process needs the abstract methods only; the others are for one that processes
    share.
    """

    is_shared: bool = False
    """Whether any process may handle what `accept` stores: the store delivers it, to one."""

    @abstractmethod
    async def open(self) -> StoredState:
        """Open the store; `ConfigurationError` when that cannot be."""

    @abstractmethod
    async def deliver(self, take: Deliver) -> None:
        """Begin to give *take* events: those that were left, and where shared those that come."""

    @abstractmethod
    async def accept(self, arrival: NewEvent) -> int | None:
        """Store an event; returns once it outlives the process, with its row, or None if it was
        here before. `InboxFullError` where shared: the store counts what waits in it.
        """

    @abstractmethod
    async def note(self, row: int, step: HandlingStep, handler: int = 0) -> None:
        """Note a step, so that it survives a kill; `EventLostError` if the event was taken away."""

    @abstractmethod
    def save_contact(
        self,
        contact_id: int,
        handed_over_since: int | None,
        human_since: int | None,
        watermark: int,
    ) -> "asyncio.Future[Any]":
        """Store what has changed; None leaves as is, and a watermark only rises."""

    @abstractmethod
    async def aclose(self) -> None:
        """Give back what was delivered and not finished, and close."""

    @abstractmethod
    async def abandon(self) -> None:
        """Let go of what an event loop that has ended left open, as if its process had ended."""

    def watch_end(self, row: int, ended: "asyncio.Future[bool]") -> None:
        """Complete *ended* once the event of this row is finished, by any process. Where not
        shared, the router itself knows the end.
        """
        raise NotImplementedError

    def lock(self, contact_id: int) -> AbstractAsyncContextManager[None]:  # noqa: ARG002
        """Keep a contact's events from being handled in any process. Where not shared, the router's
        own locks do.
        """
        return nullcontext()

    async def statistics(self) -> InboxStatistics | None:
        """Count over all processes; None when not shared: the router itself can count."""
        return None

    async def drain(self, timeout: float | None) -> int:  # noqa: ARG002
        """Wait until what this process accepted is finished, *timeout* seconds at most, and deliver
        nothing more; returns how many events were not. Where not shared, the router waits: 0.
        """
        return 0
