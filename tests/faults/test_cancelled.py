"""A call that is cancelled, wherever it is: nothing is done twice, nothing that was not sent is
done, and the pool works on.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from respondio_async import DEFAULT_LIMITS, LocalRateLimiter, RetryPolicy
from respondio_async._transport import _borrowed
from tests.faults import server as faults
from tests.faults.server import Fault, FaultServer
from tests.faults.support import (
    ALWAYS,
    CONNECTIONS,
    GOOD,
    UNSENT,
    Operation,
    check_health,
    connected,
)

CALLS = {"message": UNSENT["message"], "get": ALWAYS["get"]}


@pytest.fixture(params=CALLS)
def call(request: pytest.FixtureRequest) -> Operation:
    return CALLS[request.param]


async def cancelled(task: asyncio.Task[Any]) -> None:
    """Cancel, and see that the caller gets just that."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def until(condition: Callable[[], Any]) -> None:
    while not condition():
        await asyncio.sleep(0.002)


async def test_while_waiting_for_a_connection(
    server: FaultServer, kind: str, call: Operation
) -> None:
    """All connections are taken: what never got one is never sent."""
    async with connected(kind, server.url) as client:
        server.default = faults.answer(200, GOOD, delay=0.15)
        holders = [asyncio.ensure_future(client.contacts.get(7)) for _ in range(CONNECTIONS)]
        await until(lambda: len(server.requests) == CONNECTIONS)
        waiting = [asyncio.ensure_future(call(client)) for _ in range(3)]
        await until(
            lambda: (
                client.statistics().pool.waiting
                + sum(r.waiting for r in client.statistics().routes.values())
                >= 1
            )
        )
        for task in waiting:
            await cancelled(task)
        await asyncio.gather(*holders)
        assert len(server.requests) == CONNECTIONS
        await check_health(client, server)


async def test_while_waiting_for_a_permit(server: FaultServer, kind: str, call: Operation) -> None:
    """The route is slow: what leaves the queue is never sent, and those behind it move up."""
    limiter = LocalRateLimiter(dict.fromkeys(DEFAULT_LIMITS, 20.0), bounds=None)
    async with connected(kind, server.url, limiter=limiter) as client:
        tasks = [asyncio.ensure_future(call(client)) for _ in range(26)]
        await until(lambda: server.requests)
        left = [task for task in tasks[1::2] if not task.done()]
        arrived = len(server.requests)
        for task in left:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        stayed = [
            outcome for outcome in outcomes if not isinstance(outcome, asyncio.CancelledError)
        ]
        assert not [each for each in stayed if isinstance(each, Exception)]
        # Those that had just been let go when they were cancelled may have arrived; nothing arrived
        # twice.
        assert len(stayed) <= len(server.requests) <= len(stayed) + arrived + CONNECTIONS
        await check_health(client.with_options(), server, calls=3)


async def test_while_connecting(
    kind: str, call: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handshake hangs: nothing was sent, and no socket stays behind."""
    # Cancelled in a handshake, httpcore forgets its socket; a borrowed client is left to its own
    # timeout, which closes it.
    monkeypatch.setattr(_borrowed, "ABANDONED", 30.0)
    async with FaultServer(deaf=True) as deaf:
        async with connected(kind, deaf.url.replace("http:", "https:"), timeout=0.2) as client:
            task = asyncio.ensure_future(call(client))
            await until(lambda: deaf.connections)
            await cancelled(task)
            await until(lambda: not client.statistics().pool.busy)
        await deaf.no_connections()
        assert deaf.requests == []


@pytest.mark.parametrize(
    ("fault", "pause"),
    [
        pytest.param(faults.hang(), 0.0, id="sent"),
        pytest.param(faults.hang(processed=False), 0.0, id="sent, not processed"),
        pytest.param(faults.answer(200, GOOD, delay=0.1), 0.0, id="before the answer"),
        pytest.param(faults.hang_in_body(), 0.03, id="in the body"),
        pytest.param(faults.drip(), 0.03, id="in a slow body"),
    ],
)
async def test_while_on_the_wire(
    server: FaultServer, kind: str, call: Operation, fault: Fault, pause: float
) -> None:
    """The request is there: it is not sent again, and the connection is not used again."""
    async with connected(kind, server.url) as client:
        server.plan(*[fault] * CONNECTIONS)
        tasks = [asyncio.ensure_future(call(client)) for _ in range(CONNECTIONS)]
        await until(lambda: len(server.requests) == CONNECTIONS)
        await asyncio.sleep(pause)
        for task in tasks:
            await cancelled(task)
        assert len(server.requests) == CONNECTIONS
        await check_health(client, server)


async def test_while_waiting_to_try_again(server: FaultServer, kind: str, call: Operation) -> None:
    """The back-off holds no connection, and cancelling it sends nothing."""
    patient = RetryPolicy(not_ready_wait=60.0, max_not_ready_wait=60.0)
    async with connected(kind, server.url, retry=patient, deadline=None) as client:
        server.plan(faults.refuse(449))
        task = asyncio.ensure_future(call(client))
        await until(lambda: any(route.retried for route in client.statistics().routes.values()))
        assert client.statistics().pool.busy == 0
        await cancelled(task)
        assert (len(server.requests), server.processed) == (1, 0)
        await check_health(client, server)


async def test_at_any_turn_of_the_loop(server: FaultServer, kind: str) -> None:
    """From before the permit to after the answer, by single steps of the event loop: no step is a
    bad one.
    """
    async with connected(kind, server.url) as client:
        for turns in range(0, 60, 2):
            tasks = [
                asyncio.ensure_future(client.messages.send(7, f"{turns}/{number}"))
                for number in range(4)
            ]
            for _ in range(turns):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        bodies = [request.body for request in server.requests if request.processed]
        assert len(bodies) == len(set(bodies))
        await check_health(client, server)


@pytest.mark.slow
async def test_a_storm_of_cancelled_calls(server: FaultServer, kind: str) -> None:
    """After 2,400 cancelled calls on ten connections, 30 of 30 later calls succeed."""
    async with connected(kind, server.url, max_connections=10) as client:
        server.default = faults.answer(200, GOOD, delay=0.01)
        for round_ in range(120):
            tasks = [asyncio.ensure_future(client.contacts.get(7)) for _ in range(20)]
            await asyncio.sleep(0.001 * (round_ % 14))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        server.default = faults.answer(200, GOOD)
        assert len(await asyncio.gather(*(client.contacts.get(7) for _ in range(30)))) == 30
