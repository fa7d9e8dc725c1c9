"""Files that are their owner's alone: they hold customers' names, numbers and messages.

A file gets its mode when it is made, not after, so that there is no moment at which others can open
it. A name that leads elsewhere (a link that somebody planted in a shared folder) is refused.
"""

import logging
import os
import stat
import threading
from pathlib import Path
from typing import Final

from ..errors import ConfigurationError, InvalidArgumentError

_OWNER_ONLY: Final = 0o600
_OTHERS: Final = 0o077
IS_POSIX: Final = os.name == "posix"

AS_IT_IS: Final = getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
"""Flags to open a file with: Windows puts no carriage return before a line feed. The other one
means nothing for a file on a disk, but tells tools that watch the event loop that what is written
to it is meant to be.
"""

_log: Final = logging.getLogger("respondio_async.storage")
_making: Final = threading.Lock()


def create_private(path: str | os.PathLike[str], flags: int = os.O_RDWR) -> int:
    """Make a file that only its owner may read or write, under any umask, and open it.

    Returns the descriptor. Raises `FileExistsError` when there is something of that name, a link
    included.
    """
    descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL | AS_IT_IS, _OWNER_ONLY)
    if IS_POSIX and stat.S_IMODE(os.fstat(descriptor).st_mode) != _OWNER_ONLY:
        try:
            os.fchmod(descriptor, _OWNER_ONLY)  # the umask took a right from the owner
        except OSError:
            _log.warning("%s is on a file system without permissions", Path(path).name)
    return descriptor


def database_path(path: str | os.PathLike[str], argument: str) -> Path:
    """Take *path* for that of a SQLite file, which outlives the process.

    `InvalidArgumentError` for what SQLite would take for something else: memory, a URI, a name that
    is empty; and for a folder.
    """
    name = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(name, str) or "\0" in name:
        raise InvalidArgumentError(f"{argument} must be the path of a file", argument=argument)
    if not name.strip() or name.startswith((":", "file:")):
        raise InvalidArgumentError(
            f"{argument} must be the path of a file on the disk, so that it outlives the process; "
            "not :memory:, a URI or an empty name",
            argument=argument,
        )
    if Path(name).is_dir() or name.endswith(("/", os.sep)):
        raise InvalidArgumentError(
            f"{argument} must be the path of a file, not of a folder", argument=argument
        )
    return Path(name)


def make_private(path: str | os.PathLike[str]) -> None:
    """Make an empty file as `create_private` does, or see to it that the one there is as private.

    Rights that others have on it are taken away, with a warning in the log. `ConfigurationError`
    when it is a link or no regular file, belongs to another user, or cannot be made private.

    A file that exists is not opened: closing it would end the locks that SQLite holds on it in this
    process. For the same reason one thread makes a file at a time.
    """
    with _making:
        try:
            os.close(create_private(path))
        except FileExistsError:
            tighten(path)


def is_private(found: os.stat_result) -> bool:
    """Whether this is a regular file that nobody but its owner, this user, can read or write.

    On Windows rights are lists that a folder hands down, and a regular file counts as private.
    """
    if not IS_POSIX:
        return stat.S_ISREG(found.st_mode)
    is_ours = found.st_uid == os.geteuid() and not found.st_mode & _OTHERS
    return is_ours and stat.S_ISREG(found.st_mode)


def replace_private(path: str | os.PathLike[str], flags: int = os.O_RDWR) -> int:
    """Make a file as `create_private` does, in the place of what has that name."""
    Path(path).unlink(missing_ok=True)
    return create_private(path, flags)


def tighten(path: str | os.PathLike[str]) -> None:
    """See to it that a file is as private as `make_private` says, if there is one."""
    path = Path(path)
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        raise ConfigurationError(
            f"{path.name} is a link, a folder or a device: name a regular file, or remove it"
        )
    if not IS_POSIX:  # rights are lists there, which a folder hands down
        return
    if found.st_uid not in {0, os.geteuid()}:
        raise ConfigurationError(
            f"{path.name} belongs to another user, who could read what is written to it: "
            "name another file, or remove it"
        )
    if not found.st_mode & _OTHERS:
        return
    try:
        path.chmod(_OWNER_ONLY)
    except OSError as error:
        raise ConfigurationError(
            f"{path.name} can be read by others, and that cannot be changed ({error.strerror}): "
            "move it to a folder of your own"
        ) from error
    _log.warning(
        "%s could be used by others (mode %o); it is its owner's alone from now on",
        path.name,
        stat.S_IMODE(found.st_mode),
    )
