"""The schema `respondio_webhooks`: Procrastinate's tables and ours, made and upgraded together."""
# ruff: noqa: S608 - what is put into the statements are constants of this package

from importlib import resources
from typing import Any, Final, LiteralString, cast

import psycopg
from procrastinate.schema import SchemaManager

from respondio_async.errors import ConfigurationError

from .._store import InboxUnavailableError

SCHEMA: Final = "respondio_webhooks"
VERSION: Final = 2
"""Of our tables; raised with each entry of `_STEPS`."""
QUEUE: Final = SCHEMA
"""Of Procrastinate. Its name is also that of a channel, which all schemas of a database share."""
CONNECT: Final[dict[str, Any]] = {
    "connect_timeout": 2,
    "application_name": "respondio-webhooks",
    # A PostgreSQL whose machine is down sends nothing: notice within seconds.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
PREPARE_SESSION: Final = (
    f"SET search_path TO {SCHEMA}; "
    # Acknowledged means stored, also where the database says that a commit need not wait.
    "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') = 'off'"
)
_MIGRATING: Final = 0x7265737061696F  # any number that nobody else locks

_STEPS: Final = (
    f"""
CREATE TABLE event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id text NOT NULL UNIQUE,         -- kept when the event has finished, to know it again
    message_id bigint,                     -- of the message that was received
    contact_id bigint,
    body bytea,                            -- NULL once finished
    attempt integer NOT NULL DEFAULT 0,    -- raised when the event is taken from a process
    started bigint NOT NULL DEFAULT 0,     -- key of the handler that was started last
    handled bigint[] NOT NULL DEFAULT '{{}}' -- keys of the handlers that have ended
);
CREATE INDEX unfinished ON event (id) WHERE body IS NOT NULL;
CREATE INDEX event_message ON event (message_id) WHERE message_id IS NOT NULL;
CREATE TABLE contact (
    contact_id bigint PRIMARY KEY,
    handed_over_since bigint NOT NULL DEFAULT 0,
    human_since bigint NOT NULL DEFAULT 0,
    watermark bigint NOT NULL DEFAULT 0
);
-- Processes that have the inbox open, each with a heart of its own beside its worker's.
CREATE TABLE process (id bigint PRIMARY KEY REFERENCES procrastinate_workers ON DELETE CASCADE);
-- A job that has ended may free the next one of its contact: without a word, workers would find it
-- only when they look by themselves.
CREATE FUNCTION wake_next() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.lock IS NOT NULL AND EXISTS (
        SELECT FROM {SCHEMA}.procrastinate_jobs WHERE lock = OLD.lock AND status = 'todo'
    ) THEN
        PERFORM pg_notify('procrastinate_queue_v1#{QUEUE}', '{{"type":"job_inserted","job_id":0}}');
    END IF;
    RETURN NULL;
END;
$$;
CREATE TRIGGER wake_next AFTER DELETE ON procrastinate_jobs
    FOR EACH ROW EXECUTE PROCEDURE wake_next();
-- The engine's history of each job, which nobody reads here, would double what is written.
DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT tgname FROM pg_trigger WHERE tgrelid = 'procrastinate_jobs'::regclass
        AND tgname LIKE 'procrastinate_trigger_status_events%'
    LOOP
        EXECUTE format('ALTER TABLE procrastinate_jobs DISABLE TRIGGER %I', name);
    END LOOP;
END;
$$;
-- Whoever fetches a job asks for others of its contact: without an index, of each job there is.
CREATE INDEX job_lock ON procrastinate_jobs (lock, priority DESC, id)
    WHERE status IN ('todo', 'doing');
-- Rows come and go by the thousand: old statistics make a plan that reads them all.
ALTER TABLE procrastinate_jobs SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02,
    autovacuum_analyze_threshold = 200);
ALTER TABLE procrastinate_events SET (autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE event SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02,
    autovacuum_analyze_threshold = 200);
""",
    "ALTER TABLE event ADD COLUMN trace_context text -- W3C's, of the span that stored it",
)


async def migrate(url: str, *, may_migrate: bool = True) -> bool:
    """Make or upgrade the schema; False when there was nothing to do. `ConfigurationError` when
    there was, and may not be.
    """
    try:
        async with await psycopg.AsyncConnection.connect(
            url, autocommit=True, **CONNECT
        ) as connection:
            if await _is_current(connection):
                return False
            if not may_migrate:
                raise ConfigurationError(
                    "the inbox's tables are missing or older than this release: run "
                    "`respondio webhooks migrate --inbox URL`"
                )
            await connection.execute("SELECT pg_advisory_lock(%s)", (_MIGRATING,))
            # A transaction that began before might not see what another process made meanwhile.
            async with connection.transaction():
                if await _is_current(connection):
                    return False
                await _upgrade(connection)
            return True
    except psycopg.errors.InsufficientPrivilege as error:
        raise ConfigurationError(
            "the inbox's tables cannot be made with this user's rights: let a user who may create "
            "a schema run `respondio webhooks migrate --inbox URL`"
        ) from error
    except psycopg.Error as error:
        raise out_of_reach(error) from error


def out_of_reach(error: BaseException | None) -> InboxUnavailableError:
    """Say that PostgreSQL cannot be used, without the URL: it may hold a password."""
    reason = (str(error or "").strip().splitlines() or ["it does not answer"])[0]
    return InboxUnavailableError(f"the inbox's PostgreSQL is out of reach: {reason}")


async def _is_current(connection: "psycopg.AsyncConnection[Any]") -> bool:
    """Whether nothing has to be done; refuses a schema that a newer release made."""
    version, applied = await _found(connection)
    if version > VERSION:
        raise ConfigurationError(
            f"the inbox's tables are of version {version}, which a newer release made; this one "
            f"knows {VERSION}: upgrade respondio-async in every process"
        )
    return version == VERSION and _engine_steps() <= applied


async def _found(connection: "psycopg.AsyncConnection[Any]") -> tuple[int, set[str]]:
    there = await connection.execute("SELECT to_regclass(%s)", (f"{SCHEMA}.version",))
    if await there.fetchone() == (None,):
        return 0, set()
    await connection.execute(PREPARE_SESSION)
    row = await (await connection.execute("SELECT number, engine FROM version")).fetchone()
    return (row[0], set(row[1])) if row is not None else (0, set())


async def _upgrade(connection: "psycopg.AsyncConnection[Any]") -> None:
    version, applied = await _found(connection)
    if version == 0:
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        await connection.execute(PREPARE_SESSION)
        await connection.execute(SchemaManager.get_schema())
        await connection.execute("CREATE TABLE version (number integer, engine text[])")
        await connection.execute("INSERT INTO version VALUES (0, '{}')")
    else:
        for name in sorted(_engine_steps() - applied):
            text = _engine_folder().joinpath(name).read_text(encoding="utf-8")
            await connection.execute(cast("LiteralString", text))
    for step in _STEPS[version:]:
        await connection.execute(step)
    await connection.execute(
        "UPDATE version SET number = %s, engine = %s", (VERSION, sorted(_engine_steps() | applied))
    )
    for table in ("procrastinate_jobs", "procrastinate_events", "event", "contact"):
        await connection.execute(f"ANALYZE {table}")


def _engine_folder() -> Any:
    return resources.files("procrastinate.sql").joinpath("migrations")


def _engine_steps() -> set[str]:
    """Names of Procrastinate's own migrations, which sort in their order."""
    return {each.name for each in _engine_folder().iterdir() if each.name.endswith(".sql")}
