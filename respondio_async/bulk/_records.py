"""What is written into the journal, in a form that it can hold, and read back."""

from typing import Any, Final

import msgspec

from .. import models
from .._wire import mask
from ._outcome import Outcome
from ._store import DONE, FAILED, UNKNOWN, Record

_LONGEST: Final = 500
_MODELS: Final = models.__name__


def is_storable(text: str) -> bool:
    """Whether a text can be written as UTF-8: half of a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def reason_of(error: Exception | None) -> tuple[str | None, str | None]:
    """Give the error's class name and its text, cut to a length, with what could be personal data
    masked, and what cannot be written escaped.
    """
    if error is None:
        return None, None
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an error class of the user's
        text = "(its text cannot be made)"
    storable = text[:_LONGEST].encode(errors="backslashreplace").decode()
    return type(error).__name__, mask(storable)


def encode_result(value: object) -> tuple[bytes | None, str | None]:
    """Write a step's result for the journal: as JSON, with its class's name if it is one of the
    client's models.
    """
    try:
        encoded = msgspec.json.encode(value)
    except Exception:  # noqa: BLE001 - whatever the value's own class raises
        return None, None
    kind = type(value)
    is_ours = kind.__module__.startswith(_MODELS) and getattr(models, kind.__name__, None) is kind
    return encoded, kind.__name__ if is_ours else None


def decode_result(value: bytes | None, model: str | None, type: Any = None) -> Any:  # noqa: A002 - as the step's argument
    """Read a result back."""
    if value is None:
        return None
    kind = type if type is not None else getattr(models, model or "", Any)
    return msgspec.json.decode(value, type=kind, strict=False)


def record_of(number: int, outcome: Outcome[Any, Any]) -> Record:
    """Write down how an item ended."""
    name, reason = reason_of(outcome.error)
    value, model = encode_result(outcome.value)
    return Record(
        id=number,
        state=UNKNOWN if outcome.unknown else DONE if outcome.error is None else FAILED,
        error=name,
        reason=reason,
        attempts=outcome.attempts,
        started=outcome.started,
        elapsed=outcome.elapsed,
        value=value,
        model=model,
    )
