"""What the inbox asks of PostgreSQL. Each statement is a transaction of its own.

A number of the engine's, a job's id, is what entitles a process to an event: when another process
takes the event, it gets a job of its own and a higher `attempt`, and what the first one still says
of it finds no row.
"""
# ruff: noqa: S608 - what is put into the statements are constants of this package

from typing import Final, LiteralString

from .._store import HandlingStep
from ._schema import QUEUE

TASK: Final = "respondio_async.webhook"
LOCK_TASK: Final = "respondio_async.lock"

ACCEPT: Final[LiteralString] = f"""
WITH arrived AS (
    SELECT * FROM unnest(
        %(event_ids)s::text[], %(bodies)s::bytea[], %(message_ids)s::bigint[],
        %(contact_ids)s::bigint[], %(trace_contexts)s::text[]
    ) WITH ORDINALITY AS a (event_id, body, message_id, contact_id, trace_context, number)
), stored AS (
    INSERT INTO event (event_id, body, message_id, contact_id, trace_context)
    SELECT event_id, body, message_id, contact_id, trace_context FROM arrived
    -- A message that was caught up with and its late event are one, in whichever order they come.
    WHERE NOT EXISTS (SELECT FROM event e WHERE e.event_id = arrived.event_id) AND NOT EXISTS (
        SELECT FROM event e WHERE e.message_id = arrived.message_id
        AND (starts_with(e.event_id, %(caught_up)s)
             OR starts_with(arrived.event_id, %(caught_up)s)))
    ORDER BY number
    ON CONFLICT DO NOTHING
    RETURNING id, event_id, contact_id
), jobs AS (
    SELECT procrastinate_defer_jobs_v1(array_agg(
        ROW('{QUEUE}', '{TASK}', 0, contact_id::text, NULL,
            jsonb_build_object('row', id, 'attempt', 0), NULL)::procrastinate_job_to_defer_v1
        ORDER BY id))
    FROM stored HAVING count(*) > 0
)
SELECT event_id, id FROM stored, jobs
"""
"""Stores the new ones of a batch, and a job for each."""

CLAIM: Final[LiteralString] = """
WITH claimed AS (
    SELECT body, message_id, contact_id, started, handled, trace_context
    FROM event WHERE id = %(row)s AND attempt = %(attempt)s AND body IS NOT NULL
), known AS (
    -- The contact's newest message whose event was about to be handled.
    INSERT INTO contact AS c (contact_id, watermark)
    SELECT contact_id, message_id FROM claimed
    WHERE contact_id IS NOT NULL AND message_id IS NOT NULL
    ON CONFLICT (contact_id) DO UPDATE SET watermark = greatest(c.watermark, excluded.watermark)
    RETURNING contact_id, handed_over_since, human_since, watermark
)
SELECT e.body, e.started, e.handled, e.trace_context,
    coalesce(k.handed_over_since, c.handed_over_since, 0),
    coalesce(k.human_since, c.human_since, 0), coalesce(k.watermark, c.watermark, 0)
FROM claimed e LEFT JOIN known k USING (contact_id) LEFT JOIN contact c USING (contact_id)
"""

_NOTE: Final[LiteralString] = "(bigint, int, bigint) AS UPDATE event SET"
_OWNED: Final[LiteralString] = "WHERE id = $1 AND attempt = $2"
STEPS: Final[dict[HandlingStep, LiteralString]] = {
    HandlingStep.STARTED: f"PREPARE started{_NOTE} started = $3 {_OWNED}",
    HandlingStep.HANDLED: f"PREPARE handled{_NOTE} handled = handled || $3 {_OWNED}",
    HandlingStep.FINISHED: f"PREPARE finished{_NOTE} body = NULL, handled = '{{}}', "
    f"trace_context = NULL {_OWNED}",
}
"""Each is named as its step. A repeat, after an answer that was lost, changes nothing."""

_REQUEUE: Final[LiteralString] = """
, kept AS (
    UPDATE event SET attempt = attempt + 1 FROM taken
    WHERE event.id = (taken.args->>'row')::bigint AND event.attempt = (taken.args->>'attempt')::int
        AND event.body IS NOT NULL
    RETURNING event.id, event.attempt, taken.queue_name, taken.task_name, taken.lock
)
-- Before the contact's later events.
INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, args)
SELECT queue_name, task_name, 1, lock, jsonb_build_object('row', id, 'attempt', attempt) FROM kept
"""
RELEASE: Final[LiteralString] = f"""
WITH taken AS (
    DELETE FROM procrastinate_jobs WHERE id = ANY(%(jobs)s::bigint[]) AND status = 'doing'
    RETURNING queue_name, task_name, lock, args
) {_REQUEUE}
"""
"""Gives back events that this process holds."""

REQUEUE_STRAYS: Final[LiteralString] = f"""
WITH kept AS (
    UPDATE event SET attempt = attempt + 1
    WHERE body IS NOT NULL AND NOT EXISTS (
        SELECT FROM procrastinate_jobs AS job
        WHERE job.task_name = '{TASK}' AND (job.args->>'row')::bigint = event.id)
    RETURNING id, attempt, contact_id
)
INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, args)
SELECT '{QUEUE}', '{TASK}', 1, contact_id::text,
    jsonb_build_object('row', id, 'attempt', attempt)
FROM kept
"""
"""Whatever became of its job, an event that was acknowledged is handled."""

_DEAD: Final[LiteralString] = """
    SELECT id FROM procrastinate_workers WHERE last_heartbeat < now() - %(stalled)s::interval
"""
TAKE_UP: Final[LiteralString] = f"""
WITH dead AS ({_DEAD}), taken AS (
    DELETE FROM procrastinate_jobs
    WHERE status = 'doing' AND task_name = '{TASK}'
        AND (worker_id IS NULL OR worker_id IN (SELECT id FROM dead))
        -- While PostgreSQL was down, no heartbeat could arrive.
        AND pg_postmaster_start_time() < now() - %(stalled)s::interval
    RETURNING queue_name, task_name, lock, args
) {_REQUEUE}
RETURNING id
"""
"""Gives the events of dead processes to others."""

FORGET_LOCKS: Final[LiteralString] = f"""
DELETE FROM procrastinate_jobs WHERE task_name = '{LOCK_TASK}'
    AND pg_postmaster_start_time() < now() - %(stalled)s::interval
    AND (args->>'owner')::bigint NOT IN (
        SELECT id FROM procrastinate_workers WHERE last_heartbeat >= now() - %(stalled)s::interval)
"""
"""Frees what dead processes locked."""

FORGET_OWN_LOCKS: Final[LiteralString] = f"""
DELETE FROM procrastinate_jobs
WHERE task_name = '{LOCK_TASK}' AND (args->>'owner')::bigint = %(owner)s
"""

FORGET_WORKERS: Final[LiteralString] = """
DELETE FROM procrastinate_workers WHERE last_heartbeat < now() - interval '1 day'
"""

MY_JOBS: Final[LiteralString] = f"""
SELECT id FROM procrastinate_jobs
WHERE worker_id = %(worker)s AND status = 'doing' AND task_name = '{TASK}'
"""

PRUNE: Final[LiteralString] = """
DELETE FROM event WHERE body IS NULL AND id <= (SELECT max(id) FROM event) - %(remember)s
"""

COUNT: Final[LiteralString] = f"""
SELECT (SELECT count(*) FROM event WHERE body IS NOT NULL),
    (SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing' AND task_name = '{TASK}'),
    (SELECT count(*) FROM process JOIN procrastinate_workers USING (id)
     WHERE last_heartbeat >= now() - %(stalled)s::interval)
"""

BACKLOG: Final[LiteralString] = """
SELECT count(*) FROM (SELECT FROM event WHERE body IS NOT NULL LIMIT %(most)s) AS unfinished
"""

LEFT: Final[LiteralString] = """
SELECT count(*) FROM event WHERE body IS NOT NULL AND id <= %(last)s
"""

UNFINISHED: Final[LiteralString] = """
SELECT id FROM event WHERE id = ANY(%(rows)s::bigint[]) AND body IS NOT NULL
"""

SAVE_CONTACT: Final[LiteralString] = """
INSERT INTO contact VALUES (
    %(contact_id)s, coalesce(%(handed_over_since)s, 0), coalesce(%(human_since)s, 0),
    %(watermark)s)
ON CONFLICT (contact_id) DO UPDATE SET
    handed_over_since = coalesce(%(handed_over_since)s, contact.handed_over_since),
    human_since = coalesce(%(human_since)s, contact.human_since),
    watermark = greatest(contact.watermark, %(watermark)s)
"""

CONTACTS: Final[LiteralString] = (
    "SELECT contact_id, handed_over_since, human_since, watermark FROM contact"
)

RECEIVED: Final[LiteralString] = """
SELECT message_id, event_id FROM event WHERE message_id IS NOT NULL ORDER BY id DESC LIMIT %(most)s
"""
