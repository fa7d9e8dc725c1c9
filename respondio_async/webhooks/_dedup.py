"""Which events have been here before: delivery is at-least-once, so each is recognised by its
`event_id`.
"""

from functools import partial
from pathlib import Path
from sqlite3 import Connection
from typing import Any, Protocol, TypeVar, runtime_checkable

from respondio_async._storage import Writer, database_path
from respondio_async.errors import ConfigurationError

from ._order import KeyedLocks

K = TypeVar("K")


@runtime_checkable
class Deduplicator(Protocol):
    """Remembers events."""

    async def claim(self, event_id: str) -> bool:
        """Remember *event_id*; True the first time, False ever after."""
        ...

    async def aclose(self) -> None:
        """Let go of what is held; called once by the router."""
        ...


def is_new(key: K, seen: dict[K, None], limit: int) -> bool:
    """Whether *key* is among the last *limit* that were *seen*; it is from now on."""
    if key in seen:
        return False
    seen[key] = None
    if len(seen) > limit:
        del seen[next(iter(seen))]
    return True


class MemoryDeduplicator:
    """Remembers the last *limit* events, in this process, until it ends. About 150 bytes each.

    An event that is repeated, or replayed by somebody who recorded it, after as many others is
    taken for a new one.
    """

    def __init__(self, limit: int = 100_000) -> None:
        if limit < 1:
            raise ConfigurationError("limit must be at least 1")
        self._limit = limit
        self._seen: dict[str, None] = {}

    async def claim(self, event_id: str) -> bool:
        """Remember *event_id*, and forget the oldest beyond the limit."""
        return is_new(event_id, self._seen, self._limit)

    async def aclose(self) -> None:
        """Nothing is held open; what was seen stays seen."""


class SQLiteDeduplicator:
    """Remembers the last *limit* events in a SQLite file: over a restart, and between processes of
    one machine. One that is repeated after as many others is taken for a new one.

    A router with an inbox needs none: the inbox remembers.
    """

    def __init__(self, path: str | Path, limit: int = 1_000_000) -> None:
        if limit < 1:
            raise ConfigurationError("limit must be at least 1")
        self._path = database_path(path, "path")
        self._limit = limit
        self._database: Writer[Connection] | None = None
        self._opening = KeyedLocks()  # a lock that stays would belong to its first event loop

    async def claim(self, event_id: str) -> bool:
        """Remember *event_id* on the disk before returning."""
        async with self._opening.hold_here(self):
            database = self._database
            if database is None:
                database = Writer(self._path, _prepare)
                await database.open()
                self._database = database
        return await database.submit(partial(self._claim, event_id))

    async def aclose(self) -> None:
        """Close the file; a later claim opens it again."""
        database, self._database = self._database, None
        if database is not None:
            await database.aclose()

    def _claim(self, event_id: str, connection: Connection) -> bool:
        row = connection.execute(
            "INSERT OR IGNORE INTO seen (event_id) VALUES (?) RETURNING row", (event_id,)
        ).fetchone()
        if row is not None:
            connection.execute("DELETE FROM seen WHERE row <= ?", (row[0] - self._limit,))
        return row is not None


def _prepare(connection: Connection) -> Connection:
    connection.executescript(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; BEGIN IMMEDIATE;"
        "CREATE TABLE IF NOT EXISTS seen "
        "(row INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL UNIQUE); COMMIT;"
    )
    return connection


class RedisSet(Protocol):
    """The one command that is needed of `redis.asyncio.Redis`."""

    def set(self, name: str, value: str, *, nx: bool, ex: int) -> Any: ...


class RedisDeduplicator:
    """Remembers events in Redis, for many machines: each for *ttl* seconds, seven days by
    default. One that is repeated later is taken for a new one.

    The client stays the caller's to close.
    """

    def __init__(
        self, redis: RedisSet, *, prefix: str = "respondio:webhook:", ttl: int = 7 * 24 * 3600
    ) -> None:
        if ttl < 1:
            raise ConfigurationError("ttl must be at least one second")
        self._redis = redis
        self._prefix = prefix
        self._ttl = ttl

    async def claim(self, event_id: str) -> bool:
        """Remember *event_id* in one round trip."""
        return bool(await self._redis.set(self._prefix + event_id, "1", nx=True, ex=self._ttl))

    async def aclose(self) -> None:
        """The client is borrowed."""
