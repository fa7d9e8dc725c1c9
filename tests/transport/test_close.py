"""Closing, the event loop that a transport belongs to, and how long idle connections live."""

import asyncio
from typing import Any

import pytest

from respondio_async import errors
from respondio_async._transport import SendError, _pool, _slots, open_transport
from tests.faults import server as faults
from tests.faults.server import FaultServer
from tests.transport.support import GET, LIBRARIES, Connect, backend_of, call, failed


async def test_nothing_is_left(server: FaultServer, connect: Connect, kind: str) -> None:
    """No socket and no lent connection after closing; a second closing does nothing."""
    transport = connect(server.url)
    await asyncio.gather(*(call(transport) for _ in range(4)))
    await transport.aclose()
    await transport.aclose()
    assert transport.statistics().busy == 0
    if kind not in LIBRARIES:
        assert transport.statistics().open == 0
        await server.no_connections()


async def test_unused_is_closed_without_work(connect: Connect) -> None:
    """A client that never called anything closes too."""
    transport = connect("https://api.respond.io/v2")
    await transport.aclose()
    with pytest.raises(SendError, match="closed"):
        await transport.acquire()


async def test_calls_in_flight_are_awaited(server: FaultServer, connect: Connect) -> None:
    """Closing lets a call that is under way end well."""
    server.default = faults.answer(delay=0.1)
    transport = connect(server.url)
    task = asyncio.create_task(call(transport))
    await server.arrival.wait()
    await transport.aclose()
    assert (await task).status == 200


async def test_calls_that_last_too_long_are_ended(
    server: FaultServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is still under way after the grace is ended and says so; who waited in the queue is
    turned away, provably unsent.
    """
    monkeypatch.setattr(_pool, "GRACE", 0.05)
    server.default = faults.hang()
    transport = connect(server.url, max_connections=1)
    sending = asyncio.create_task(failed(transport))
    waiting = asyncio.create_task(failed(transport))
    await server.arrival.wait()
    await transport.aclose()
    assert ((await sending).failure, (await sending).sent) == ("closed", True)
    assert ((await waiting).failure, (await waiting).sent) == ("closed", False)
    assert transport.statistics().busy == 0


async def test_closing_that_is_cancelled(server: FaultServer, connect: Connect) -> None:
    """Who closes may lose patience: what is under way is ended at once, and nothing is left."""
    server.default = faults.hang()
    transport = connect(server.url)
    sending = asyncio.create_task(failed(transport))
    await server.arrival.wait()
    closing = asyncio.create_task(transport.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert ((await sending).failure, (await sending).sent) == ("closed", True)
    assert transport.statistics().busy == 0


async def test_lent_before_sent_after(
    server: FaultServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that was lent before the closing sends nothing after it."""
    monkeypatch.setattr(_pool, "GRACE", 0.01)
    transport = connect(server.url)
    connection = await transport.acquire()
    await transport.aclose()
    with pytest.raises(SendError) as caught:
        await connection.send(GET, timeout=1.0)
    connection.release()
    assert (caught.value.failure, caught.value.sent) == ("closed", False)
    assert server.requests == []


def test_second_event_loop(kind: str) -> None:
    """Connections belong to the loop they were made on; another one gets an error that says what to
    do.
    """

    async def first() -> Any:
        async with FaultServer() as server:
            if kind in LIBRARIES:
                transport = open_transport(
                    base_url=server.url, http_client=LIBRARIES[kind].AsyncClient()
                )
            else:
                transport = open_transport(base_url=server.url, backend=backend_of(kind))
            await call(transport)
            return transport

    async def second(transport: Any) -> None:
        for use in (transport.acquire, transport.aclose):
            with pytest.raises(errors.ConfigurationError, match="one client per loop"):
                await use()

    with asyncio.Runner() as runner, asyncio.Runner() as other:
        transport = runner.run(first())
        other.run(second(transport))
        runner.run(transport.aclose())
        if kind in LIBRARIES:
            runner.run(transport.client.aclose())


@pytest.mark.parametrize("kind", ["httpx", "httpx2"])
async def test_idle_connections_come_of_age(
    server: FaultServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that nobody has used for a while is closed, the oldest first, without any
    call.
    """
    monkeypatch.setattr(_slots, "KEEPALIVE", 0.1)
    transport = connect(server.url)
    await asyncio.gather(*(call(transport) for _ in range(3)))
    assert transport.statistics().open == 3
    for _ in range(4):
        await call(transport)
        await asyncio.sleep(0.04)
    assert transport.statistics().open == 1
    await asyncio.sleep(0.15)
    assert transport.statistics().open == 0
    await server.no_connections()


@pytest.mark.parametrize("kind", ["httpx", "httpx2", "aiohttp"])
@pytest.mark.parametrize("say_so", [True, False])
async def test_connection_closed_by_the_server(
    server: FaultServer, connect: Connect, say_so: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kept connection that the server has closed meanwhile is noticed and replaced before
    anything is sent on it.
    """
    monkeypatch.setattr(_slots, "_SURELY_ALIVE", 0.0)
    server.plan(faults.close_after(say_so=say_so))
    transport = connect(server.url)
    await call(transport)
    await server.no_connections()
    await asyncio.sleep(0.02)
    assert (await call(transport)).status == 200
    assert transport.statistics().opened == 2
