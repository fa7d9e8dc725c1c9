"""One transport of every kind, and a server that misbehaves."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from respondio_async._transport import Transport, open_transport
from tests.faults.server import FaultServer
from tests.transport.support import KINDS, LIBRARIES, Connect


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with FaultServer() as server:
        yield server


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
async def connect(kind: str) -> AsyncIterator[Connect]:
    """Open transports of one kind; afterwards all are closed, and no task and no unclosed socket may be left."""
    async with AsyncExitStack() as stack:

        def connect(url: str, max_connections: int = 10, **settings: Any) -> Transport:
            if kind in LIBRARIES:
                client = LIBRARIES[kind].AsyncClient(**settings)
                stack.push_async_callback(client.aclose)
                transport = open_transport(base_url=url, http_client=client, max_connections=max_connections)
            else:
                transport = open_transport(base_url=url, backend=kind, max_connections=max_connections)
            stack.push_async_callback(transport.aclose)
            return transport

        yield connect
    foreign = ("TestRunner", "FaultServer", "_gone")
    assert not [task for task in asyncio.all_tasks() if not any(name in repr(task) for name in foreign)]
    gc.collect()  # an unclosed socket would warn now, and warnings are errors
