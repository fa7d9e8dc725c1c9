"""What SQLite or the disk refused, in words that say what to do."""

import sqlite3
from pathlib import Path
from typing import Final

from ..errors import ConfigurationError

_REMEDIES: Final = {
    "full": "make room on the disk, then start again",
    "no space left": "make room on the disk, then start again",
    "readonly": "the process needs the right to write the file and its folder",
    "read-only": "the process needs the right to write the file and its folder",
    "permission": "the process needs the right to write the file and its folder",
    "locked": "it is in use by another process: wait for it to end, or use a file of its own",
    "unable to open": "its folder must be there, and the process needs the right to write in it",
    "no such file": "its folder must be there, and the process needs the right to write in it",
    "malformed": "it is damaged: take a copy from before, or name another file",
    "not a database": "it is another kind of file, or damaged: name another file",
    "no such table": "it is damaged, or another program's: name another file",
    "no such column": "it is damaged, or another program's: name another file",
}
"""By a part of the message, which is all that every version of SQLite and every system gives."""


def explained(path: Path, error: BaseException) -> Exception:
    """Make an error for the user of what ended an act or a thread; an ordinary error stays."""
    if isinstance(error, sqlite3.Error | OSError):
        reason = error.strerror if isinstance(error, OSError) else str(error)
        lowered = str(reason).lower()
        remedy = next((f": {text}" for part, text in _REMEDIES.items() if part in lowered), "")
        made = ConfigurationError(f"{path.name} cannot be used: {reason}{remedy}")
    elif isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    else:  # not for others to raise: it would end them as if it were their own
        made = ConfigurationError(f"the work on {path.name} was ended by {type(error).__name__}")
    made.__cause__ = error
    return made
