"""A cancelled call ends at once, wherever it is, and leaves the pool as good as new."""

import asyncio

import pytest

from respondio_async._transport import Transport, _borrowed
from tests.faults import server as faults
from tests.faults.server import FaultServer
from tests.support.virtual import REAL, VIRTUAL_NO_DEBUG
from tests.transport.support import GET, OWN_KINDS, POST, Connect, call, failed


@pytest.fixture
def anyio_backend() -> object:
    """A family of hundreds of cases."""
    return VIRTUAL_NO_DEBUG


async def cancel(task: "asyncio.Task[object]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def works(transport: Transport, times: int) -> None:
    """All of *times* calls at once succeed, and nothing is lent afterwards."""
    answers = await asyncio.gather(*(call(transport) for _ in range(times)))
    assert [answer.status for answer in answers] == [200] * times
    while transport.statistics().busy:  # a borrowed client's abandoned requests end by themselves
        await asyncio.sleep(0.005)
    statistics = transport.statistics()
    assert statistics.waiting == 0
    assert statistics.open <= 3


@pytest.mark.parametrize("fault", [faults.answer(delay=0.2), faults.hang_in_body(), faults.drip()])
async def test_cancelled_in_flight(
    server: FaultServer, connect: Connect, fault: faults.Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the answer, or in the middle of it."""
    monkeypatch.setattr(_borrowed, "ABANDONED", 0.1)
    transport = connect(server.url, max_connections=3)
    server.plan(fault, fault, fault)
    tasks = [asyncio.create_task(call(transport, POST)) for _ in range(3)]
    while len(server.requests) < 3:
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.02)
    for task in tasks:
        await cancel(task)
    await works(transport, 9)


@pytest.mark.parametrize("steps", range(0, 40, 3))
async def test_cancelled_at_any_step_of_the_loop(
    server: FaultServer, connect: Connect, steps: int
) -> None:
    """From before the connection to after the answer: no step is a bad one."""
    transport = connect(server.url, max_connections=3)
    tasks = [asyncio.create_task(call(transport)) for _ in range(6)]
    for _ in range(steps):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await works(transport, 6)


async def test_cancelled_while_waiting(server: FaultServer, connect: Connect) -> None:
    """A caller that leaves the queue delays nobody behind it."""
    transport = connect(server.url, max_connections=1)
    held = await transport.acquire()
    waiting = [asyncio.create_task(call(transport)) for _ in range(4)]
    await asyncio.sleep(0)
    assert transport.statistics().waiting == 4
    await cancel(waiting[1])
    assert transport.statistics().waiting == 3
    held.release()
    await asyncio.gather(waiting[0], *waiting[2:])
    await works(transport, 2)


async def test_first_come_first_served(server: FaultServer, connect: Connect) -> None:
    """Connections are lent in the order of asking."""
    transport = connect(server.url, max_connections=1)
    held = await transport.acquire()
    order: list[int] = []

    async def take(number: int) -> None:
        connection = await transport.acquire()
        order.append(number)
        connection.release()

    tasks = [asyncio.create_task(take(number)) for number in range(5)]
    await asyncio.sleep(0)
    held.release()
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("kind", OWN_KINDS)
async def test_time_ends_in_the_handshake(connect: Connect) -> None:
    """A TLS handshake that hangs ends in time, provably not sent, and no socket is left."""
    async with FaultServer(deaf=True) as server:
        transport = connect(server.url.replace("http:", "https:"))
        error = await failed(transport, timeout=0.1)
        assert (error.failure, error.sent) == ("timeout", False)
        task = asyncio.create_task(call(transport))
        while server.connections < 2:
            await asyncio.sleep(0.005)
        await cancel(task)
        await transport.aclose()
        await server.no_connections()


@pytest.mark.parametrize("anyio_backend", [REAL], ids=["real time"])
async def test_storm(server: FaultServer, connect: Connect) -> None:
    """After hundreds of cancelled calls every later one succeeds, on no more connections than
    allowed.
    """
    server.default = faults.answer(delay=0.01)
    transport = connect(server.url, max_connections=3)
    for round_ in range(30):
        tasks = [asyncio.create_task(call(transport, GET)) for _ in range(6)]
        await asyncio.sleep(0.001 * (round_ % 12))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await works(transport, 6)
