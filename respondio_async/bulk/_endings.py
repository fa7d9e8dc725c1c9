"""How far a run is, and how the work of an item ends."""

from enum import IntEnum
from typing import Any, Final

import msgspec

from respondio_async.discreet import Discreet

from ._entries import Entry
from ._execution import Execution


class Phase(IntEnum):
    """How far a run is; it only goes on."""

    NEW = 0
    RUNNING = 1
    STOPPING = 2
    """No more items are taken; those in progress go on."""
    REFUSING = 3
    """Neither does a send begin that must not be repeated."""
    ENDED = 4


class RunningItem(Discreet, msgspec.Struct, frozen=True):
    """An item that a worker has."""

    entry: Entry
    execution: Execution
    started: float


class Returned(Discreet, msgspec.Struct, frozen=True):
    """The work returned."""

    value: Any


class Failed(Discreet, msgspec.Struct, frozen=True):
    """The work raised, or what it did is unknown."""

    error: Exception


class StoppedBy(Discreet, msgspec.Struct, frozen=True):
    """The work met what ends the run: the consumer sees why, and the item stays unfinished."""

    error: Exception


class Interrupted(msgspec.Struct, frozen=True):
    """The run ended before the work did: there is no outcome."""


INTERRUPTED: Final = Interrupted()
Ending = Returned | Failed | StoppedBy | Interrupted
