"""Why an item failed, for the journal."""

from typing import Final

from .._wire import mask

_LONGEST: Final = 500


def reason_of(error: Exception | None) -> tuple[str | None, str | None]:
    """Give the error's class name and its text, cut to a length, with what could be personal data
    masked.
    """
    if error is None:
        return None, None
    return type(error).__name__, mask(str(error)[:_LONGEST])
