"""Which store the `inbox` argument of a router means."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from respondio_async._storage import database_path
from respondio_async.errors import ConfigurationError, InvalidArgumentError

from ._inbox import EventInbox
from ._store import InboxStore


def is_postgres(inbox: str | Path | None) -> bool:
    """Whether an inbox is in a PostgreSQL database, and not a SQLite file."""
    return isinstance(inbox, str) and inbox.startswith(("postgresql://", "postgres://"))


def choose_inbox(
    inbox: str | Path | None,
    *,
    remember: int,
    most: int,
    concurrency: int,
    workers: bool,
    migrate: bool,
) -> Callable[[], InboxStore] | None:
    """Return a function that makes the store; None when there is to be none."""
    if inbox is not None and is_postgres(inbox):
        made = _postgres().PostgresInbox(
            str(inbox),
            remember=remember,
            most=most,
            concurrency=concurrency,
            is_worker=workers,
            may_migrate=migrate,
        )
        return lambda: made
    if not workers or not migrate:
        raise ConfigurationError("workers and migrate are for an inbox on PostgreSQL")
    if inbox is None:
        return None
    if "://" in str(inbox):  # without the address itself: it may hold a password
        raise InvalidArgumentError(
            "inbox must be the path of a file, or postgresql://user@host/database",
            argument="inbox",
        )
    path = database_path(inbox, "inbox")
    return lambda: EventInbox(path, remember=remember)


async def migrate_inbox(url: str) -> bool:
    """Make or upgrade the tables of an inbox on PostgreSQL; False when there was nothing to do.

    Repeating it is safe, also from several processes at once. `ConfigurationError` when a newer
    release made them, or the user's rights do not suffice.
    """
    if not is_postgres(url):
        raise ConfigurationError("only an inbox on PostgreSQL has tables to make: postgresql://…")
    migrated: bool = await _postgres().migrate(url)
    return migrated


def _postgres() -> ModuleType:
    try:
        from . import _postgres
    except ImportError as error:
        raise ConfigurationError(
            "an inbox on PostgreSQL needs the extra: pip install 'respondio-async[postgres]'"
        ) from error
    return _postgres
