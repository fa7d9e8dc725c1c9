"""Keep all contacts in a local SQLite file: `python examples/local_mirror.py mirror.sqlite`.

The API cannot be asked what has changed since yesterday: its filters know the time of creation
alone. So webhooks tell of changes as they happen, and a listing once a night finds what they
missed, deletions included. Point a webhook of respond.io (Settings > Integrations > Webhooks) at
https://<your host>/webhook, for the events of contacts and of their tags, lifecycle and assignee;
run `--list-once` from cron. From the environment: RESPONDIO_API_TOKEN and RESPONDIO_WEBHOOK_KEYS.
Needs `pip install respondio-async uvicorn`.
"""

import argparse
import asyncio
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from time import time_ns

import uvicorn

from respondio_async import AsyncRespond, Contact
from respondio_async.webhooks import (
    ContactAssigneeUpdated,
    ContactCreated,
    ContactLifecycleUpdated,
    ContactTagUpdated,
    ContactUpdated,
    Context,
    WebhookRouter,
)

CHANGES = (
    ContactAssigneeUpdated,
    ContactCreated,
    ContactLifecycleUpdated,
    ContactTagUpdated,
    ContactUpdated,
)


class Mirror:
    """The file: a row a contact, as JSON, and when it was read from the API."""

    def __init__(self, path: Path) -> None:
        self.file = sqlite3.connect(path, isolation_level=None)
        self.file.execute(
            "CREATE TABLE IF NOT EXISTS contacts (id INTEGER PRIMARY KEY, read INTEGER, data TEXT)"
        )

    def put(self, contact: Contact, asked: int) -> None:
        """Keep a contact as it was when it was *asked* for, unless a later answer is there."""
        self.file.execute(
            "INSERT INTO contacts VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
            "read = excluded.read, data = excluded.data WHERE excluded.read >= read",
            (contact.id, asked, json.dumps(contact.to_dict(), default=str)),
        )

    def remove(self, contact_id: int) -> None:
        """Forget a contact."""
        self.file.execute("DELETE FROM contacts WHERE id = ?", (contact_id,))

    def unseen_since(self, asked: int) -> list[int]:
        """Name the contacts that no answer since then has told of."""
        rows = self.file.execute("SELECT id FROM contacts WHERE read < ?", (asked,))
        return [number for (number,) in rows]


async def refresh(client: AsyncRespond, mirror: Mirror, contact_id: int) -> None:
    """Read one contact, which may be gone."""
    asked = time_ns()  # before the answer: what changes meanwhile has an event of its own
    contact = await client.contacts.find(contact_id)
    if contact is None:
        mirror.remove(contact_id)
    else:
        mirror.put(contact, asked)


async def list_all(client: AsyncRespond, mirror: Mirror) -> int:
    """List every contact, ask for those that the list lacks, and return how many there are."""
    began = time_ns()
    async for contact in client.contacts.list():
        mirror.put(contact, began)
    # Deleted, or too new for the list, which lags behind: asking each tells which.
    async with client.bulk(
        lambda number: refresh(client, mirror, number), mirror.unseen_since(began)
    ) as run:
        async for outcome in run:
            outcome.unwrap()
    count: int = mirror.file.execute("SELECT count(*) FROM contacts").fetchone()[0]
    return count


def router_of(client: AsyncRespond | None, mirror: Mirror, keys: list[str]) -> WebhookRouter:
    """Make the router. An event's contact lacks tags and custom fields, so each is read anew."""
    router = WebhookRouter(keys, client=client)

    @router.on(*CHANGES)
    async def changed(context: Context[ContactUpdated]) -> None:
        await refresh(context.client, mirror, context.contact_id)

    return router


async def run(path: Path, port: int, *, list_once: bool) -> None:
    """List once, or serve webhooks until Ctrl-C."""
    async with AsyncRespond() as client:
        mirror = Mirror(path)
        with closing(mirror.file):
            if list_once:
                print(f"{await list_all(client, mirror)} contacts in {path}")
                return
            router = router_of(client, mirror, os.environ["RESPONDIO_WEBHOOK_KEYS"].split())
            async with router:
                await uvicorn.Server(uvicorn.Config(router.asgi(), port=port)).serve()


def main() -> None:
    """Read the command line, and keep the mirror."""
    parser = argparse.ArgumentParser(description="Keep all contacts in a local SQLite file.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--list-once", action="store_true", help="list all contacts, and end")
    options = parser.parse_args()
    asyncio.run(run(options.file, options.port, list_once=options.list_once))


if __name__ == "__main__":
    main()
