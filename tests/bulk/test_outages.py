"""Runs through outages: nothing fails, nothing is sent twice, and a run says what it waits for."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from respondio_async import (
    AsyncRespond,
    BadGatewayError,
    ConnectionFailedError,
    DeadlineExceededError,
    InvalidArgumentError,
    LocalRateLimiter,
    RetryPolicy,
    ServiceUnavailableError,
)
from respondio_async._engine.breaker import LONGEST_PAUSE
from respondio_async.bulk import Progress, inspect
from tests.support.ledger import ledger_server
from tests.support.scripted import LOST, UNSENT, answer, error_answer, scripted
from tests.support.virtual import REAL, VIRTUAL

GOOD = answer(200, b'{"id": 7, "messageId": 1, "contactId": 7, "firstName": "Ada"}')


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return REAL if "real" in request.node.name else VIRTUAL


def now() -> float:
    return asyncio.get_running_loop().time()


def down_between(begin: float, end: float, failure: Any) -> Callable[[Any], Any]:
    """A server that fails between two times of a test."""
    start = now()
    return lambda _: failure if start + begin <= now() < start + end else GOOD


@pytest.mark.parametrize("seconds", [30.0, 120.0, 1800.0])
@pytest.mark.parametrize("failure", [UNSENT, error_answer(503)])
@pytest.mark.parametrize("operation", ["get", "send"])
async def test_an_outage_pauses_a_run_and_fails_nothing(
    seconds: float, failure: Any, operation: str
) -> None:
    """However long it is, it costs its own time and that of the last pause; deadlines do not
    count.
    """
    client, transport, _ = scripted(
        down_between(10.0, 10.0 + seconds, failure),
        limiter=LocalRateLimiter(),
        deadline=5.0,
        queue_timeout=5.0,
    )
    sent: Counter[int] = Counter()

    async def work(number: int) -> None:
        if operation == "get":
            await client.contacts.get(number)
        else:
            await client.messages.send(number, "hi")
        sent[number] += 1

    began = now()
    async with client.bulk(work, range(1, 151)) as run:
        told = await run.drain()
    assert (told.done, told.failed, told.unknown, told.unfinished) == (150, 0, 0, 0)
    assert set(sent.values()) == {1}
    assert now() - began <= 150 / 5 + seconds + LONGEST_PAUSE + 2
    assert len(transport.requests) <= 150 * 1.2 + seconds / 4.5
    assert seconds - 1 <= told.paused <= seconds + LONGEST_PAUSE


@pytest.mark.parametrize("seconds", [30.0, 120.0])
@pytest.mark.parametrize("failure", [LOST, error_answer(500), error_answer(502)])
async def test_a_server_that_answers_5xx_for_a_while_fails_no_read(
    seconds: float, failure: Any
) -> None:
    """The probes rotate, so that no item uses up its attempts."""
    client, transport, _ = scripted(
        down_between(10.0, 10.0 + seconds, failure), limiter=LocalRateLimiter()
    )
    async with client.bulk(client.contacts.get, range(1, 151)) as run:
        told = await run.drain()
    assert (told.done, told.failed) == (150, 0)
    assert len(transport.requests) <= 150 * 1.2 + seconds / 4.5


async def test_a_write_that_may_have_landed_is_not_repeated_in_an_outage() -> None:
    """The first failures and the probes end unknown; the others wait."""
    client, transport, _ = scripted(
        down_between(10.0, 40.0, error_answer(502)), limiter=LocalRateLimiter()
    )
    async with client.bulk(lambda n: client.messages.send(n, "hi"), range(1, 151)) as run:
        told = await run.drain()
    assert told.failed == 0
    assert told.done + told.unknown == len(transport.requests) == 150
    assert told.unknown <= 20


async def test_an_item_that_always_fails_ends_as_failed_and_holds_nobody_up() -> None:
    """A 500 that stays is the item's own."""
    client, _, _ = scripted(
        lambda request: error_answer(500) if request.target.endswith(":7") else GOOD
    )
    began = now()
    async with client.bulk(client.contacts.get, range(1, 21), concurrency=4) as run:
        told = await run.drain()
    assert (told.done, told.failed) == (19, 1)
    assert now() - began < 60


async def test_after_max_outage_the_run_stops_and_what_waited_is_unfinished(
    tmp_path: Path,
) -> None:
    """Not failed: the next run on the journal does it."""
    journal = tmp_path / "run.sqlite"
    client, _, _ = scripted(down_between(10.0, 1000.0, UNSENT), limiter=LocalRateLimiter())

    async def work(number: int) -> None:
        await client.messages.send(number, "hi")

    began = now()
    run = client.bulk(work, range(1, 151), key=str, journal=journal, max_outage=300)
    with pytest.raises(DeadlineExceededError, match=r"max_outage=300 s: the run stopped"):
        async with run:
            await run.drain()
    assert 310 <= now() - began <= 325
    told = run.statistics
    assert (told.failed, told.unknown) == (0, 0)
    assert told.unfinished > 0
    summary = inspect(journal)
    assert (summary.failed, summary.unknown) == (0, 0)
    await asyncio.sleep(1000)
    # Without a bound: time may jump to it while the journal's thread writes.
    unbound = client.bulk(work, range(1, 151), key=str, journal=journal, max_outage=None)
    async with unbound as again:
        told = await again.drain()
    assert told.done + told.skipped == 150


async def test_an_outage_that_nobody_asked_about_since_does_not_end_a_new_run() -> None:
    """The server was down when a call was last made, hours before: the run asks first."""
    client, transport, _ = scripted(
        down_between(0.0, 60.0, UNSENT), limiter=LocalRateLimiter(), deadline=30
    )
    with pytest.raises(DeadlineExceededError):
        await client.contacts.get(1)
    await asyncio.sleep(7200)
    transport.seconds = 0.2
    async with client.bulk(client.contacts.get, range(1, 51), max_outage=300) as run:
        told = await run.drain()
    assert (told.done, told.failed, told.unfinished) == (50, 0, 0)


async def test_each_outage_has_its_own_limit_and_none_lasts_for_ever() -> None:
    """Two of a minute pass where one of two minutes would not."""

    def step(request: object) -> Any:
        return UNSENT if 10 <= now() % 100 < 70 else GOOD

    await asyncio.sleep(100 - now() % 100)
    client, _, _ = scripted(step, limiter=LocalRateLimiter({"GET /contact/{identifier}": 1.0}))
    async with client.bulk(client.contacts.get, range(1, 91), max_outage=90) as run:
        assert (await run.drain()).done == 90
    client, _, _ = scripted(down_between(1.0, 10_000.0, UNSENT), limiter=LocalRateLimiter())
    async with client.bulk(client.contacts.get, range(1, 51), max_outage=None) as run:
        assert (await run.drain()).done == 50


async def test_a_run_says_that_it_is_paused_since_when_and_when_it_looks_again() -> None:
    """Its rate and what it takes for the rest leave the pause out."""
    seen: list[Progress] = []
    client, _, _ = scripted(down_between(10.0, 70.0, UNSENT), limiter=LocalRateLimiter())
    async with client.bulk(
        client.contacts.get, range(1, 151), progress=seen.append, max_outage=None
    ) as run:
        told = await run.drain()
    during = [each for each in seen if each.outage is not None]
    assert 50 <= len(during) / 2 <= 70
    for each in during:
        assert each.outage is not None
        assert 0 <= each.outage.next_probe <= LONGEST_PAUSE
        assert each.remaining is None
    assert during[-1].outage is not None
    assert during[-1].outage.probes >= 8
    assert told.outage is None
    assert told.paused == pytest.approx(60, abs=LONGEST_PAUSE)
    assert told.rate == pytest.approx(10, abs=0.5)
    after = seen[seen.index(during[-1]) + 2]
    left = 150 - after.finished
    assert after.remaining == pytest.approx(left / 10, rel=0.2)


@pytest.mark.parametrize("failure", [UNSENT, error_answer(503)])
async def test_a_run_waits_also_with_a_client_that_does_not(failure: Any) -> None:
    """`outage="fail"` is for calls that somebody waits for; a client without repeats has none."""
    retry = RetryPolicy(outage="fail")
    client, _, _ = scripted(
        down_between(1.0, 31.0, failure), retry=retry, limiter=LocalRateLimiter()
    )
    async with client.bulk(client.contacts.get, range(1, 51)) as run:
        assert (await run.drain()).done == 50
    client, _, _ = scripted(failure, retry=RetryPolicy(max_attempts=1))
    async with client.bulk(client.contacts.get, range(1, 21)) as run:
        errors = [outcome.error async for outcome in run]
    assert len(errors) == 20
    assert {type(each) for each in errors} <= {ConnectionFailedError, ServiceUnavailableError}


async def test_a_view_that_waits_shares_the_breaker_with_one_that_does_not() -> None:
    """A 502 that one meets counts for the other too."""
    client, transport, _ = scripted(error_answer(502))
    with pytest.raises(BadGatewayError):
        await client.contacts.get(7)
    assert len(transport.requests) == 5
    fast = client.with_options(retry=RetryPolicy(outage="fail"))
    with pytest.raises(ConnectionFailedError, match="nothing was sent"):
        await fast.contacts.get(7)
    assert len(transport.requests) == 5


@pytest.mark.parametrize("wrong", [0, -1, True, "1h"])
async def test_max_outage_is_a_number_of_seconds(wrong: Any) -> None:
    """Or None, for ever."""
    client, _, _ = scripted(GOOD)
    with pytest.raises(InvalidArgumentError, match="max_outage"):
        client.bulk(client.contacts.get, [1], max_outage=wrong)


async def test_a_real_server_that_is_killed_and_started_again_loses_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    """kill -9 in the middle of sixty sends: those that were on their way are unknown, the others
    are done, once.
    """
    limiter = LocalRateLimiter({"POST /contact/{identifier}/message": 60.0}, bounds=None)
    with ledger_server(tmp_path / "ledger") as server:
        server.start()
        async with AsyncRespond("token", base_url=server.url, limiter=limiter) as client:

            async def work(number: int) -> None:
                await client.messages.send(7, f"text-{number}-")

            async with client.bulk(work, range(60)) as run:
                draining = asyncio.ensure_future(run.drain())
                while len(server.bodies()) < 20:
                    await asyncio.sleep(0.01)
                server.kill()
                while run.statistics.outage is None:
                    await asyncio.sleep(0.01)
                server.start()
                told = await draining
        bodies = b"\n".join(server.bodies())
    arrived = [bodies.count(b"text-%d-" % number) for number in range(60)]
    assert told.failed == told.unfinished == 0
    assert told.done + told.unknown == 60
    assert max(arrived) == 1
    assert sum(arrived) >= told.done
