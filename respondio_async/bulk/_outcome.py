"""What a bulk run tells: one `Outcome` an item, and `Progress` over all of them."""

from collections.abc import Iterable
from typing import Generic, TypeVar

import msgspec

from respondio_async.discreet import Discreet

from ..errors import OutcomeUnknownError

Item = TypeVar("Item")
T = TypeVar("T")


class Outcome(Discreet, msgspec.Struct, Generic[Item, T], frozen=True):
    """What became of one item."""

    _shown = ("error", "attempts", "started", "elapsed")

    key: str
    item: Item
    value: T | None
    """What the work returned; None when it failed."""
    error: Exception | None
    """Why it failed; None when it did not. An `OutcomeUnknownError`: it may have been done."""
    attempts: int
    """How often this run has started the work for the item. Above 1 only with
    ``on_unknown="repeat"``; 0 when it reports what an earlier run met.
    """
    started: float
    """Unix time in seconds."""
    elapsed: float
    """Seconds from the start of the work to its end, waits for the limits included."""

    @property
    def ok(self) -> bool:
        """Whether the work returned."""
        return self.error is None

    @property
    def unknown(self) -> bool:
        """Whether a write of this item may or may not have happened."""
        return isinstance(self.error, OutcomeUnknownError)

    def unwrap(self) -> T:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # without an error it is a T, and T may be None


def unknown_outcome(steps: Iterable[str], reason: str) -> OutcomeUnknownError:
    """Say that these steps may or may not have happened."""
    named = [step for step in steps if step]
    where = f" in step {', '.join(named)}" if named else ""
    return OutcomeUnknownError(
        f"{reason} after something that must not be repeated may have been sent{where}: look "
        "before you repeat it",
        endpoint="",
        reason=reason,
    )


class Outage(msgspec.Struct, frozen=True):
    """The server does not answer, and the calls of a run wait for it."""

    since: float
    """Unix time in seconds."""
    probes: int
    """How often it has been asked since then."""
    next_probe: float
    """Seconds until it is asked again; 0 while the answer is awaited."""


class Progress(msgspec.Struct, frozen=True):
    """A snapshot of a run."""

    done: int
    """Items whose work returned."""
    failed: int
    """Items whose work raised; with ``failed="skip"`` also those that failed in an earlier run."""
    unknown: int
    """Items with a write that may or may not have happened; not among the failed."""
    skipped: int
    """Items that the journal knew as done in an earlier run."""
    unfinished: int
    """Items that were begun and have no final outcome because the run was stopped, those that
    stopped it (`stop_on`) included; a journal does them next time.
    """
    in_progress: int
    workers: int
    """Items that may be in progress at once, as found from the limits or given."""
    total: int | None
    """How many items there are, where the source knows its length."""
    elapsed: float
    """Seconds since the run began."""
    outage: Outage | None = None
    """Why the run is paused: the server does not answer. None: it does."""
    paused: float = 0.0
    """Seconds of *elapsed* for which the run was paused."""

    @property
    def finished(self) -> int:
        """Items that this run has an outcome for."""
        return self.done + self.failed + self.unknown

    @property
    def rate(self) -> float:
        """Outcomes a second since the run began, pauses left out."""
        active = self.elapsed - self.paused
        return self.finished / active if active > 0 else 0.0

    @property
    def remaining(self) -> float | None:
        """Seconds that the rest will take at this rate; None while that cannot be said, in an
        outage for instance.
        """
        if self.total is None or not self.rate or self.outage is not None:
            return None
        return max(0, self.total - self.finished - self.skipped) / self.rate
