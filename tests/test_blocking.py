"""No call blocks the event loop: blockbuster raises wherever something that can block is called on
it.

Each test makes its client inside, so that first calls count too: the TLS context, the name lookup,
lazy imports.
"""

import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from blockbuster import BlockBuster

from respondio_async import AsyncRespond, F, OutcomeUnknownError
from respondio_async._transport import _tls
from respondio_async._transport._library import load
from respondio_async.sandbox import Quirks, Sandbox
from tests.faults import server as faults
from tests.faults.server import FaultServer
from tests.faults.support import ALWAYS, GOOD, KINDS, QUICK, UNSENT, connected, outcome
from tests.support.ports import nobody
from tests.support.virtual import REAL, VIRTUAL_NO_DEBUG


@pytest.fixture
def anyio_backend() -> object:
    """Server and client share a loop."""
    return VIRTUAL_NO_DEBUG


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def guard() -> Iterator[BlockBuster]:
    """Blocking calls on the loop raise from here on, in the client and in what it calls."""
    # Importing a library reads files, as every import does; that is once a process, when a client
    # of its backend is made.
    for backend in ("httpx", "aiohttp", "httpx2"):
        load(backend)
    buster = BlockBuster(excluded_modules=["tests"])
    # Our own sandbox runs in a thread with a loop of its own; it is the server, and is watched as
    # well.
    buster.activate()
    yield buster
    buster.deactivate()


@pytest.mark.parametrize("operation", [*ALWAYS, *UNSENT])
async def test_no_operation_blocks(guard: BlockBuster, kind: str, operation: str) -> None:
    """No operation blocks: the first call of a client and the ones after it."""
    async with (
        FaultServer(default=faults.answer(200, GOOD)) as server,
        connected(kind, server.url) as client,
    ):
        for _ in range(3):
            await {**ALWAYS, **UNSENT}[operation](client)


@pytest.mark.parametrize(
    "fault",
    [
        faults.reset(),
        faults.hang(),
        faults.torn(),
        faults.garbage(),
        faults.gzipped(GOOD),
        faults.answer(500),
        faults.refuse(449),
    ],
)
async def test_no_failure_blocks(guard: BlockBuster, kind: str, fault: Callable[..., Any]) -> None:
    """No failure blocks: an error is read, a connection thrown away, and the call waits and tries
    again.
    """
    async with (
        FaultServer(default=faults.answer(200, GOOD)) as server,
        connected(kind, server.url, timeout=0.1) as client,
    ):
        server.plan(fault)
        assert await outcome(client.contacts.get(7)) is None
        server.plan(fault)
        error = await outcome(client.messages.send(7, "hi"))
        assert error is None or isinstance(error, OutcomeUnknownError)


async def test_a_refused_connection_does_not_block(guard: BlockBuster, kind: str) -> None:
    """The look-up of a name does not block either."""
    async with connected(kind, nobody().replace("127.0.0.1", "localhost")) as client:
        assert await outcome(client.contacts.get(7)) is not None


@pytest.mark.parametrize("backend", ["httpx", "aiohttp", "httpx2"])
async def test_the_tls_context_is_built_off_the_loop(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading the certificates of the system takes 17 ms and a file: it happens in a thread, once a
    process.
    """
    contexts: dict[object, ssl.SSLContext] = {}
    monkeypatch.setattr(_tls, "_contexts", contexts)
    load(backend)
    buster = BlockBuster(excluded_modules=["tests"])
    async with FaultServer(deaf=True) as server:
        buster.activate()
        try:
            async with connected(
                backend, server.url.replace("http:", "https:"), timeout=0.2
            ) as client:
                error = await outcome(client.messages.send(7, "hi"))
                assert not error.sent
                assert len(contexts) == 1
        finally:
            buster.deactivate()


@pytest.mark.parametrize("anyio_backend", [REAL], ids=["real time"])
@pytest.mark.parametrize("backend", ["httpx", "aiohttp", "httpx2"])
async def test_a_day_s_work_on_the_sandbox_does_not_block(guard: BlockBuster, backend: str) -> None:
    """A day's work on the sandbox does not block: writing, paging with prefetch, filters, helpers
    and views, with the limiter of the vendor's table in between.
    """
    async with (
        Sandbox(
            contacts=25,
            messages=5,
            quirks=Quirks.calm(),
            delivery=(0.0, 0.0, 0.0),
            limits_factor=20,
        ) as sandbox,
        AsyncRespond(sandbox.token, base_url=sandbox.url, backend=backend, retry=QUICK) as client,
    ):
        contact = await client.contacts.ensure("+60123456789", first_name="Ada")
        assert len(await client.contacts.list(page_size=10).collect()) == 26
        async for _ in client.contacts.list(page_size=10, filter=F.tags.any_of("vip")):
            break
        sent = await client.messages.send(contact.id, "hi", channel_id=2001)
        await client.messages.wait_for_status(contact.id, sent.message_id, "read")
        await client.messages.list_new(contact.id, 1).collect()
        await client.conversations.hand_over(contact.id, 1003)
        await client.with_options(priority="bulk").raw.contacts.get(contact.id)
        client.statistics()


async def test_the_guard_is_awake(guard: BlockBuster) -> None:
    """A blocking call from a module that is not a test's is caught."""
    import time

    from blockbuster import BlockingError

    namespace = {"__name__": "respondio_async.probe", "time": time}
    exec(compile("def probe():\n    time.sleep(0.001)", "/elsewhere/probe.py", "exec"), namespace)
    with pytest.raises(BlockingError):
        namespace["probe"]()
