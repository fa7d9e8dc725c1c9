"""How far a run is, and how the work of an item ends."""

from enum import IntEnum
from typing import Any

import msgspec

from respondio_async.discreet import Discreet


class Phase(IntEnum):
    """How far a run is; it only goes on."""

    NEW = 0
    RUNNING = 1
    STOPPING = 2
    """No more items are taken; those in progress go on."""
    REFUSING = 3
    """Neither does a send begin that must not be repeated."""
    ENDED = 4


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
