"""Bulk runs with the real client, on the sandbox's real sockets."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from respondio_async import (
    DEFAULT_LIMITS,
    AsyncRespond,
    Contact,
    LocalRateLimiter,
    UnauthorizedError,
)
from respondio_async.bulk import inspect
from respondio_async.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Twenty times the vendor's limits: the rules are kept and the test is quick."""
    with Sandbox(contacts=250, limits_factor=20) as running:
        running.quirks.list_lag = 0.0
        yield running


def connect(sandbox: Sandbox) -> AsyncRespond:
    """A client that knows of the negotiated limits."""
    limiter = LocalRateLimiter({route: 20 * limit for route, limit in DEFAULT_LIMITS.items()})
    return AsyncRespond(sandbox.token, base_url=sandbox.url, limiter=limiter)


async def test_a_paginator_is_copied_while_it_is_listed(sandbox: Sandbox) -> None:
    """Each contact once, although its list goes on while the work is done."""
    async with connect(sandbox) as client:

        async def work(contact: Contact) -> int:
            return (await client.contacts.add_tags(contact.id, "copied")).contact_id

        async with client.bulk(
            work, client.contacts.list(page_size=40), key=lambda c: str(c.id)
        ) as run:
            done = [outcome.value async for outcome in run]
    assert sorted(done) == sorted(contact.id for contact in sandbox.contacts)
    assert all("copied" in contact.tags for contact in sandbox.contacts)


async def test_its_calls_use_the_bulk_priority(sandbox: Sandbox) -> None:
    """An interactive call of the same organisation goes first."""
    async with connect(sandbox) as client:
        order = []

        async def work(number: int) -> None:
            await client.contacts.get(100000001)
            order.append("bulk")

        async with client.bulk(work, range(400)) as run:
            outcomes = aiter(run)
            await anext(outcomes)
            await client.contacts.get(100000002)
            order.append("interactive")
            async for _ in outcomes:
                pass
    assert order.index("interactive") < 350


async def test_a_revoked_token_ends_the_run_with_one_error(sandbox: Sandbox) -> None:
    """A revoked token ends the run with one error, not with one for each item."""
    async with connect(sandbox) as client:
        seen = []

        async def work(number: int) -> Any:
            if number == 20:
                sandbox.revoke(sandbox.token)
            return await client.contacts.get(100000001)

        with pytest.raises(UnauthorizedError):
            async with client.bulk(work, range(10_000), concurrency=4) as run:
                async for outcome in run:
                    seen.append(outcome)
    assert len(seen) < 40
    assert sandbox.count("GET /contact/{identifier}") < 40


async def test_a_send_whose_answer_was_lost_is_reported_and_not_repeated(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """A send whose answer was lost is reported and not repeated in this run and in the next; every
    other item arrives once.
    """
    sandbox.fault("reset_after", path="/contact/{identifier}/message", times=1, after=7)
    numbers = [contact.id for contact in sandbox.contacts[:30]]
    journal = tmp_path / "run.sqlite"

    async def run_it() -> list[Any]:
        async with connect(sandbox) as client:

            async def work(number: int, step: Callable[..., Any]) -> Any:
                await step("tag", lambda: client.contacts.add_tags(number, "told"))
                return await step("send", lambda: client.messages.send(number, f"hello {number}"))

            async with client.bulk(work, numbers, key=str, journal=journal) as run:
                return [outcome async for outcome in run]

    first = await run_it()
    assert len(first) == 30
    lost = [outcome for outcome in first if outcome.error]
    assert [type(outcome.error).__name__ for outcome in lost] == ["OutcomeUnknownError"]
    again = await run_it()
    assert [outcome.key for outcome in again] == [lost[0].key]
    assert sandbox.duplicates() == []
    assert len(sandbox.sent_messages) == 30
    summary = inspect(journal)
    assert summary.done == 29
    assert summary.unknown == 1


async def test_break_leaves_nothing_running(sandbox: Sandbox) -> None:
    """Break leaves nothing running: no worker, no watcher, no call."""
    async with connect(sandbox) as client:
        async with client.bulk(lambda n: client.contacts.get(100000001), range(100_000)) as run:
            async for _ in run:
                break
        before = sandbox.count("GET /contact/{identifier}")
        await asyncio.sleep(0.2)
        assert sandbox.count("GET /contact/{identifier}") == before
        assert client.statistics().pool.busy == 0
