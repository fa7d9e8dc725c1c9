"""What became of a run's messages after the server accepted them, noted in its journal."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from respondio_async import DEFAULT_LIMITS, AsyncRespond, LocalRateLimiter
from respondio_async.bulk import DeliverySummary, deliveries, inspect, results
from respondio_async.errors import (
    ConfigurationError,
    InvalidArgumentError,
    NotFoundError,
    UnauthorizedError,
)
from respondio_async.sandbox import Quirks, Sandbox

GET = "/contact/{identifier}/message/{messageId}"
SLOWLY = (0.0, 300.0, 1_000.0)
"""Seconds until sent, delivered and read: so far apart that a slow machine confuses none."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(contacts=20, limits_factor=20, quirks=Quirks.calm(), delivery=SLOWLY) as running:
        yield running


def connect(sandbox: Sandbox) -> AsyncRespond:
    limiter = LocalRateLimiter({route: 20 * limit for route, limit in DEFAULT_LIMITS.items()})
    return AsyncRespond(sandbox.token, base_url=sandbox.url, limiter=limiter)


async def send_all(sandbox: Sandbox, journal: Path, *, in_step: bool = False) -> None:
    """Send a message to every contact, its result kept by a step or by the work."""
    async with connect(sandbox) as client:

        async def work(number: int, step: Any) -> Any:
            async def send() -> Any:
                return await client.messages.send(number, "hi", channel_id=2001)

            return await (step("message", send) if in_step else send())

        ids = [contact.id for contact in sandbox.contacts]
        async with client.bulk(work, ids, key=lambda n: f"id:{n}", journal=journal) as run:
            await run.drain()


@pytest.mark.parametrize("in_step", [False, True])
async def test_every_message_gets_its_status(
    sandbox: Sandbox, tmp_path: Path, *, in_step: bool
) -> None:
    journal = tmp_path / "run.sqlite"
    failing = {contact.id for contact in sandbox.contacts[::4]}
    sandbox.fail_messages(lambda contact, _: contact.id in failing, reason="no +60123456789")
    await send_all(sandbox, journal, in_step=in_step)
    before = Counter(each.messages[0].status for each in results(journal))
    assert before == {"accepted": 20}
    sandbox.advance(600.0)
    async with connect(sandbox) as client:
        summary = await deliveries(client, journal)
    assert summary.statuses == {"delivered": 15, "failed": 5}
    assert summary.reasons == {"no ***": 5}
    assert (summary.total, summary.failed, summary.open, summary.ok) == (20, 5, 0, False)
    for result in results(journal):
        (message,) = result.messages
        assert result.status == "done"
        assert message.status == ("failed" if int(result.key[3:]) in failing else "delivered")
        assert message.at is not None
    assert "+60" not in repr(list(results(journal)))


async def test_it_goes_on_where_it_was(sandbox: Sandbox, tmp_path: Path) -> None:
    """What was read or has failed is not looked at again; an error leaves what was known."""
    journal = tmp_path / "run.sqlite"
    await send_all(sandbox, journal)
    sandbox.advance(2_000.0)
    async with connect(sandbox) as client:
        sandbox.fault("status", path=GET, status=400, after=8)
        halted = await deliveries(client, journal)
        assert halted.statuses == {"accepted": 12, "read": 8}
        assert sum(halted.unreadable.values()) == 12
        assert not halted.ok
        sandbox.clear_faults()
        sandbox.forget()
        seen: list[DeliverySummary] = []
        ended = await deliveries(client, journal, progress=seen.append)
    assert ended.statuses == {"read": 20}
    assert ended.ok
    assert sandbox.count() == 12
    assert seen[-1] == ended


async def test_it_waits_for_what_is_on_its_way(tmp_path: Path) -> None:
    """It waits for what is on its way, as long as it was told to, and no longer than there is
    something to wait for.
    """
    journal = tmp_path / "run.sqlite"
    with Sandbox(contacts=3, quirks=Quirks.calm(), delivery=(0.0, 5_000.0, 9_000.0)) as sandbox:
        await send_all(sandbox, journal)
        async with connect(sandbox) as client:
            assert (await deliveries(client, journal)).statuses == {"sent": 3}
            waiting = asyncio.create_task(deliveries(client, journal, wait=600.0))
            while sandbox.count("GET /contact/{identifier}/message/{messageId}") < 6:
                await asyncio.sleep(0.01)
            sandbox.advance(7_000.0)
            assert (await waiting).statuses == {"delivered": 3}


async def test_a_message_that_is_gone_is_not_waited_for(sandbox: Sandbox, tmp_path: Path) -> None:
    """A message whose contact cannot be named is not waited for either; both are reported."""
    journal = tmp_path / "run.sqlite"
    await send_all(sandbox, journal)
    for contact in sandbox.contacts:
        contact.messages.clear()
    async with connect(sandbox) as client:
        summary = await deliveries(client, journal, wait=600.0)
    assert summary.statuses == {"accepted": 20}
    assert sum(summary.unreadable.values()) == 20
    assert all(NotFoundError.__name__ in reason for reason in summary.unreadable)


async def test_contacts_can_be_named_otherwise(sandbox: Sandbox, tmp_path: Path) -> None:
    """A key need not be an identifier."""
    journal = tmp_path / "run.sqlite"
    await send_all(sandbox, journal)
    with sqlite3.connect(journal) as connection:
        connection.execute("UPDATE items SET key = 'row ' || id")
    connection.close()
    sandbox.advance(2_000.0)
    async with connect(sandbox) as client:
        async with asyncio.timeout(60):  # nothing to wait for: no look would name them
            assert not (await deliveries(client, journal, wait=600.0)).ok
        assert (await deliveries(client, journal, identifier=lambda r: int(r.item))).ok


async def test_what_stops_it_is_raised(sandbox: Sandbox, tmp_path: Path) -> None:
    """A journal that is none or in use, a wait that is none, a refused token."""
    journal = tmp_path / "run.sqlite"
    async with connect(sandbox) as client:
        with pytest.raises(ConfigurationError, match="there is no journal"):
            await deliveries(client, journal)
        with pytest.raises(InvalidArgumentError, match="wait"):
            await deliveries(client, journal, wait=-1)
        await send_all(sandbox, journal)
        async with client.bulk(client.contacts.get, [], key=str, journal=journal):
            with pytest.raises(ConfigurationError, match="in use"):
                await deliveries(client, journal)
        sandbox.revoke(sandbox.token)
        with pytest.raises(UnauthorizedError):
            await deliveries(client, journal)
    assert inspect(journal).done == 20
