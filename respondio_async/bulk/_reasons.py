"""Texts on their way into the journal."""

from typing import Final

from .._wire import mask

_LONGEST: Final = 500


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
