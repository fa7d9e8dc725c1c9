"""Outages: what is waited out, for how long, and how often a server that is down is asked."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

from respondio_async import (
    AsyncRespond,
    BadGatewayError,
    ConnectionFailedError,
    DeadlineExceededError,
    NotFoundError,
    RetryPolicy,
    ServerError,
    ServiceUnavailableError,
    WaitStarted,
)
from respondio_async._engine.breaker import LONGEST_PAUSE, TRIPPING, Breaker
from tests.support.scripted import LOST, UNSENT, answer, error_answer, scripted
from tests.support.virtual import VIRTUAL

GOOD = answer(200, b'{"id": 7, "firstName": "Ada"}')


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL


pytestmark = pytest.mark.anyio


def now() -> float:
    return asyncio.get_running_loop().time()


def down_for(seconds: float, failure: Any) -> Callable[[Any], Any]:
    """A server that fails for the first *seconds* of a test and then answers."""
    until = None

    def step(_: object) -> Any:
        nonlocal until
        if until is None:
            until = now() + seconds
        return failure if now() < until else GOOD

    return step


async def gather(client: AsyncRespond, calls: int) -> list[Any]:
    return await asyncio.gather(
        *(client.contacts.get(n + 1) for n in range(calls)), return_exceptions=True
    )


@pytest.mark.parametrize("failure", [UNSENT, error_answer(503)])
async def test_an_outage_is_waited_out_within_the_deadline(failure: Any) -> None:
    """A lone call outlasts it, and goes on within the longest pause."""
    client, transport, _ = scripted(down_for(90.0, failure))
    began = now()
    assert (await client.contacts.get(7)).id == 7
    assert 90.0 <= now() - began <= 90.0 + LONGEST_PAUSE
    assert len(transport.requests) < 30


async def test_a_write_that_never_left_is_waited_for_too() -> None:
    """Nothing was done, so even a message is sent when the server is back."""
    sent = answer(200, b'{"messageId": 1, "contactId": 7}')
    until = now() + 90.0
    client, transport, _ = scripted(lambda _: UNSENT if now() < until else sent)
    assert (await client.messages.send(7, "hi")).message_id == 1
    assert len(transport.requests) < 30


@pytest.mark.parametrize("failure", [UNSENT, LOST, error_answer(503), error_answer(502)])
async def test_a_total_outage_costs_little_more_than_one_request_a_call(failure: Any) -> None:
    """A total outage costs little more than one request a call: 1,000 calls at once, all of which
    fail within their deadline of a minute.
    """
    client, transport, _ = scripted(failure, deadline=60.0)
    began = now()
    results = await gather(client, 1000)
    assert all(isinstance(each, DeadlineExceededError) for each in results)
    assert now() - began <= 60.001
    assert len(transport.requests) <= 1200


@pytest.mark.parametrize("failure", [UNSENT, LOST, *map(error_answer, (500, 502, 503, 504))])
async def test_half_a_minute_of_failures_fails_no_call_among_many(failure: Any) -> None:
    """The probes rotate, so no call uses up its attempts; at most some are asked of the server."""
    client, transport, _ = scripted(down_for(30.0, failure))
    began = now()
    results = await gather(client, 20)
    assert [each for each in results if isinstance(each, BaseException)] == []
    assert now() - began <= 30.0 + LONGEST_PAUSE
    assert len(transport.requests) <= 2 * 20 + 12


async def test_a_lone_read_under_a_server_that_always_fails_makes_its_attempts_and_no_more() -> (
    None
):
    """A 5xx that stays may be the request's own fault."""
    client, transport, _ = scripted(error_answer(502))
    for _ in range(2):
        transport.requests.clear()
        with pytest.raises(BadGatewayError) as caught:
            await client.contacts.get(7)
        assert caught.value.attempts == len(transport.requests) == 5


async def test_a_route_that_always_fails_does_not_stop_the_others() -> None:
    """Each route has a breaker of its own."""
    client, _, _ = scripted(lambda request: error_answer(500) if "/tag" in request.target else GOOD)
    with pytest.raises(ServerError):
        await client.contacts.add_tags(7, "vip")
    began = now()
    await client.contacts.get(7)
    assert now() == began


async def test_the_error_of_an_outage_says_since_when_and_how_often_it_was_asked() -> None:
    """A call that was sent has its last failure as the cause; one that never was says so."""
    client, _, _ = scripted(error_answer(503), deadline=30.0)
    with pytest.raises(DeadlineExceededError) as caught:
        await client.contacts.get(7)
    text = (
        r"GET /contact/\{identifier\}: the server has not answered since \d\d:\d\d:\d\d "
        r"\(status 503, \d+ probes\); the deadline of 30 s ended the wait"
    )
    assert re.fullmatch(text + r" after \d+ attempts", str(caught.value))
    assert isinstance(caught.value.__cause__, ServiceUnavailableError)
    assert caught.value.attempts > TRIPPING
    with pytest.raises(DeadlineExceededError, match="nothing was sent") as unsent:
        await client.with_options(deadline=0.1).contacts.get(7)
    assert (unsent.value.attempts, unsent.value.sent) == (0, False)


async def test_a_call_that_is_not_to_wait_fails_at_once_while_the_server_is_down() -> None:
    """Now and then one of them is the probe that finds the server again."""
    client, transport, _ = scripted(down_for(60.0, UNSENT))
    fast = client.with_options(retry=RetryPolicy(outage="fail"))
    began = now()
    with pytest.raises(ConnectionFailedError, match="no connection"):
        await fast.contacts.get(7)
    assert len(transport.requests) == 5
    assert now() - began < 8
    with pytest.raises(ConnectionFailedError, match=r"since .* \(0 probes\); nothing was sent"):
        await fast.contacts.get(7)
    said: list[str] = []
    while now() < began + 60:
        with pytest.raises(ConnectionFailedError) as caught:
            await fast.contacts.get(7)
        said.append(str(caught.value))
        await asyncio.sleep(0.1)
    assert any("(1 probe)" in text for text in said)
    assert any("(2 probes)" in text for text in said)
    assert len(transport.requests) < 25
    await asyncio.sleep(LONGEST_PAUSE)
    assert (await fast.contacts.get(7)).id == 7


async def test_any_answer_about_the_request_closes_the_breaker() -> None:
    """A 404 comes from a server that works."""
    client, transport, _ = scripted(*[UNSENT] * 5, error_answer(404))
    with pytest.raises(NotFoundError):
        await client.contacts.get(7)
    began = now()
    with pytest.raises(NotFoundError):
        await client.contacts.get(8)
    assert now() == began
    assert len(transport.requests) == 7


async def test_a_failure_here_and_there_stops_nobody() -> None:
    """Failures with an answer among them open nothing."""
    client, transport, _ = scripted(*[*[LOST] * (TRIPPING - 1), GOOD] * 3)
    for _ in range(3):
        await client.contacts.get(7)
    assert len(transport.requests) == 3 * TRIPPING


async def test_a_wait_for_the_server_is_told_to_the_hooks() -> None:
    """A hook is told the seconds until the server is asked again."""
    waits: list[WaitStarted] = []
    client, _, _ = scripted(
        down_for(20.0, UNSENT),
        hooks=[lambda event: waits.append(event) if isinstance(event, WaitStarted) else None],
    )
    await gather(client, 3)
    assert {each.reason for each in waits} == {"outage"}
    assert all(0 <= each.seconds <= LONGEST_PAUSE for each in waits)


async def test_a_probe_that_is_cancelled_makes_room_for_the_next() -> None:
    """The others need not wait for a verdict that will not come."""
    client, transport, _ = scripted(*[UNSENT] * TRIPPING, GOOD, seconds=1.0)
    calls = [asyncio.ensure_future(client.contacts.get(n + 1)) for n in range(TRIPPING)]
    while len(transport.requests) == TRIPPING or not transport.requests:
        await asyncio.sleep(0.01)
    for call in calls:  # the one that is on its way is the probe
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert (await client.contacts.get(7)).id == 7


# ── the breaker alone ─────────────────────────────────────────────────────────────────────────────


def opened(rng: float = 0.0) -> Breaker:
    breaker = Breaker(rng=lambda: rng)
    assert [breaker.failed(is_probe=False) for _ in range(TRIPPING)] == [False] * 4 + [True]
    return breaker


async def test_the_pauses_double_up_to_a_longest() -> None:
    """The pauses double up to a longest, each less a random fifth."""
    breaker = opened()
    pauses = []
    for _ in range(6):
        began = now()
        assert await breaker.wait()
        pauses.append(round(now() - began, 3))
        breaker.failed(is_probe=True)
    assert pauses == [0.5, 1.0, 2.0, 4.0, 6.0, 6.0]
    assert opened(rng=1.0).next_probe - now() == pytest.approx(0.4)


async def test_a_retry_after_postpones_the_next_probe_for_a_minute_at_most() -> None:
    """A server that is down and names a day is asked nevertheless."""
    breaker = opened()
    for named, pause in ((20.0, 20.0), (86_400.0, 60.0)):
        assert await breaker.wait()
        breaker.failed(is_probe=True, retry_after=named)
        assert breaker.next_probe - now() == pytest.approx(pause)


async def test_one_at_a_time_asks_in_the_order_in_which_they_came() -> None:
    """A failed probe waits behind the others."""
    breaker, probes = opened(), []

    async def ask(name: str) -> None:
        while await breaker.wait():
            probes.append(name)
            breaker.failed(is_probe=True)

    async with asyncio.TaskGroup() as group:
        for name in "abc":
            group.create_task(ask(name))
        await asyncio.sleep(40)
        breaker.succeeded()
    assert "".join(probes).startswith("abcabc")


async def test_a_closed_breaker_says_how_long_it_was_open_and_wakes_everybody() -> None:
    """Late failures of requests that were on their way do not open it at once."""
    breaker = opened()
    waiting = [asyncio.ensure_future(breaker.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    assert breaker.succeeded() is not None
    assert await asyncio.gather(*waiting) == [False] * 3
    assert not breaker.is_open
    assert breaker.succeeded() is None
    assert not breaker.failed(is_probe=False)


async def test_a_waiting_call_that_is_cancelled_is_passed_over() -> None:
    """A waiting call that is cancelled is passed over, also in the very turn in which it was to be
    the probe.
    """
    breaker = opened()
    first, second = (asyncio.ensure_future(breaker.wait()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second
    breaker.failed(is_probe=True)
    third, fourth = (asyncio.ensure_future(breaker.wait()) for _ in range(2))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_at(breaker.next_probe, third.cancel)
    assert await fourth
