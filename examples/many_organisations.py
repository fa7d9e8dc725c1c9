"""A bulk run for each of many organisations, on a queue in PostgreSQL: `python
examples/many_organisations.py start`, and `… work` on as many machines as you like.

organisations.json holds each organisation's token: {"acme": "…"}. A run is a task of Procrastinate,
and its journal makes it resumable: a worker that is killed leaves it to another, which goes on
where it stopped and greets nobody twice. So the journals lie on a disk that all workers see. Each
organisation has limits of its own, and a run uses its own organisation's fully: two runs of
different organisations do not slow one another, and a worker does many at a time.

From the environment: DATABASE, as postgresql://user@host/name. Needs `pip install
'respondio-async[postgres]'`.
"""

import argparse
import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

from procrastinate import App, PsycopgConnector, RetryStrategy
from procrastinate.exceptions import AlreadyEnqueued

from respondio_async import AsyncRespond, Contact
from respondio_async.bulk import inspect

STALLED = float(os.environ.get("STALLED", "30"))
"""Seconds without a heartbeat after which a worker is taken for dead."""

app = App(connector=PsycopgConnector(conninfo=os.environ.get("DATABASE", "")))


# A run whose machine has no network is tried again; one that was killed is taken up by `take_up`.
@app.task(
    name="greet_everybody", queue="runs", retry=RetryStrategy(max_attempts=20, exponential_wait=2)
)
async def greet_everybody(organisation: str) -> None:
    """Greet each contact of an organisation once."""
    # The token stays out of the queue: whoever reads its table reads no secrets.
    token = tokens()[organisation]
    async with AsyncRespond(token) as client:
        channel = await client.space.list_channels().first()
        if channel is None:
            raise LookupError(f"{organisation} has no channel")

        async def greet(contact: Contact) -> None:
            text = f"A happy new year from {organisation}!"
            await client.messages.send(contact.id, text, channel_id=channel.id)

        async with client.bulk(
            greet,
            client.contacts.list(),
            key=lambda contact: str(contact.id),
            journal=journal_of(organisation),
        ) as run:
            async for _ in run:
                pass


def tokens() -> dict[str, str]:
    """The token of each organisation."""
    found: dict[str, str] = json.loads(Path("organisations.json").read_text(encoding="utf-8"))
    return found


def journal_of(organisation: str) -> Path:
    """Where a run's progress is kept."""
    return Path(f"{organisation}.sqlite")


# Every five seconds, in one worker: two that took up the same run would start it twice.
@app.periodic(cron="* * * * * */5")
@app.task(name="take_up", queue="runs", lock="take_up", queueing_lock="take_up")
async def take_up(timestamp: int) -> None:  # noqa: ARG001 - what periodic tasks are given
    """Give the runs of dead workers to others."""
    for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED):
        await app.job_manager.retry_job(job)


async def work() -> None:
    """Do runs until Ctrl-C."""
    async with app.open_async():
        await app.run_worker_async(
            queues=["runs"],
            concurrency=50,
            update_heartbeat_interval=STALLED / 4,
            stalled_worker_timeout=10 * STALLED,
            shutdown_graceful_timeout=5,
        )


async def start() -> None:
    """Make the tables if need be, and a task for each organisation."""
    async with app.open_async():
        if not await app.check_connection_async():  # the tables are missing
            await app.schema_manager.apply_schema_async()
        for name in tokens():
            # One run of an organisation at a time, and one that waits.
            runs = greet_everybody.configure(lock=name, queueing_lock=name)
            with suppress(AlreadyEnqueued):
                await runs.defer_async(organisation=name)


def report() -> int:
    """Say what became of each organisation; 1 if not everybody was greeted."""
    left = 0
    for path in sorted(Path().glob("*.sqlite")):
        total = inspect(path)
        left += total.failed + total.unknown + total.unfinished
        print(
            f"{path.stem}: {total.done} greeted, {total.failed} failed, {total.unknown} unknown, "
            f"{total.unfinished} unfinished"
        )
    return int(left > 0)


def main() -> None:
    """Read the command line, and do it."""
    parser = argparse.ArgumentParser(description="Bulk runs for many organisations.")
    parser.add_argument("what", choices=["start", "work", "report"])
    options = parser.parse_args()
    match options.what:
        case "start":
            asyncio.run(start())
        case "work":
            asyncio.run(work())
        case _:
            sys.exit(report())


if __name__ == "__main__":
    main()
