"""The example that keeps a local mirror, from webhooks and a listing."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from examples import local_mirror
from respondio_async import AsyncRespond
from respondio_async.sandbox import Quirks, Sandbox
from respondio_async.webhooks import WebhookRouter

Run = Callable[[WebhookRouter], Any]
EXAMPLE = Path(local_mirror.__file__)


def _names(mirror: local_mirror.Mirror) -> dict[int, str]:
    rows = mirror.file.execute("SELECT id, data FROM contacts")
    return {number: json.loads(data)["first_name"] for number, data in rows}


@pytest.mark.respondio_sandbox(contacts=5, limits_factor=20)
async def test_it_follows_what_happens(
    respondio_sandbox: Sandbox, respondio_client: AsyncRespond, respondio_bot: Run, tmp_path: Path
) -> None:
    """Events bring changes and new contacts; the nightly listing finds what was missed, deletions
    too.
    """
    client, contacts = respondio_client, respondio_sandbox.contacts
    mirror = local_mirror.Mirror(tmp_path / "mirror.sqlite")
    with closing(mirror.file):
        assert await local_mirror.list_all(client, mirror) == 5
        bot = respondio_bot(local_mirror.router_of(None, mirror, ["key"]))
        await client.contacts.update(contacts[0].id, first_name="Changed")
        await client.contacts.add_tags(contacts[1].id, "new")
        await client.contacts.create("phone:+60123456789", first_name="New")
        await bot.settle(timeout=300)
        names = _names(mirror)
        assert names[contacts[0].id] == "Changed"
        assert "New" in names.values()
        (row,) = mirror.file.execute(
            "SELECT data FROM contacts WHERE id = ?", (contacts[1].id,)
        ).fetchone()
        assert "new" in json.loads(row)["tags"]
        await bot.aclose()
        await client.contacts.update(contacts[3].id, first_name="Missed")
        await client.contacts.delete(contacts[4].id)
        assert await local_mirror.list_all(client, mirror) == 5
        assert _names(mirror)[contacts[3].id] == "Missed"
        assert contacts[4].id not in _names(mirror)


def test_an_older_answer_does_not_replace_a_newer_one(tmp_path: Path) -> None:
    """A listing takes minutes, in which events come."""
    from respondio_async import Contact

    mirror = local_mirror.Mirror(tmp_path / "mirror.sqlite")
    with closing(mirror.file):
        mirror.put(Contact(id=1, first_name="later"), 20)
        mirror.put(Contact(id=1, first_name="earlier"), 10)
        assert _names(mirror) == {1: "later"}


def test_the_listing_is_a_command(tmp_path: Path) -> None:
    """The listing is a command, as cron runs it."""
    with Sandbox(contacts=7, limits_factor=20, quirks=Quirks.calm()) as sandbox:
        ended = subprocess.run(
            [sys.executable, str(EXAMPLE), "m.sqlite", "--list-once"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
            env={
                "RESPONDIO_API_TOKEN": sandbox.token, "RESPONDIO_BASE_URL": sandbox.url,
                "PYTHONPATH": str(EXAMPLE.parents[1]),
            },
        )  # fmt: skip
    assert ended.stdout == "7 contacts in m.sqlite\n", ended.stderr
