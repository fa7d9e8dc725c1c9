"""One transport of every kind, and a server that misbehaves."""

import asyncio
import gc
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from respondio_async._transport import Transport, _tls, open_transport
from tests.faults.server import FaultServer
from tests.support.virtual import VIRTUAL
from tests.transport.support import KINDS, LIBRARIES, Connect, backend_of

_TRUSTING_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients that only speak plain http: a full context costs tens of milliseconds each."""


@pytest.fixture
def anyio_backend() -> object:
    """Server and client share a loop, so that a timeout is reached where the server stays silent,
    and not where the machine is slow.
    """
    return VIRTUAL


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with FaultServer() as server:
        yield server


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 and api.test that vouches for itself."""
    folder = tmp_path_factory.mktemp("tls")
    key, chain = folder / "key.pem", folder / "chain.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=test",
        ]
        + [
            "-addext",
            "subjectAltName=IP:127.0.0.1,DNS:api.test",
            "-keyout",
            str(key),
            "-out",
            str(chain),
        ],
        check=True,
        capture_output=True,
    )
    return key, chain


@pytest.fixture
def server_tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    key, chain = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context


@pytest.fixture
def contexts(monkeypatch: pytest.MonkeyPatch) -> dict[Any, ssl.SSLContext]:
    contexts: dict[Any, ssl.SSLContext] = {}
    monkeypatch.setattr(_tls, "_contexts", contexts)
    return contexts


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(autouse=True)
def traced(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Watch the sessions of a kind that is traced, in the way of those who instrument aiohttp."""
    if "kind" in request.fixturenames and request.getfixturevalue("kind") == "aiohttp-traced":
        make = aiohttp.ClientSession.__init__

        def watched(session: aiohttp.ClientSession, **options: Any) -> None:
            make(session, trace_configs=[aiohttp.TraceConfig()], **options)

        monkeypatch.setattr(aiohttp.ClientSession, "__init__", watched)


@pytest.fixture
async def connect(kind: str) -> AsyncIterator[Connect]:
    """Open transports of one kind; afterwards all are closed, and no task and no unclosed socket
    may be left.
    """
    async with AsyncExitStack() as stack:

        def connect(url: str, max_connections: int = 10, **settings: Any) -> Transport:
            if kind in LIBRARIES:
                client = LIBRARIES[kind].AsyncClient(verify=_TRUSTING_NOBODY, **settings)
                stack.push_async_callback(client.aclose)
                transport = open_transport(
                    base_url=url, http_client=client, max_connections=max_connections
                )
            else:
                transport = open_transport(
                    base_url=url, backend=backend_of(kind), max_connections=max_connections
                )
            stack.push_async_callback(transport.aclose)
            return transport

        yield connect
    foreign = ("TestRunner", "FaultServer", "_gone")
    assert not [
        task for task in asyncio.all_tasks() if not any(name in repr(task) for name in foreign)
    ]
    gc.collect()  # an unclosed socket would warn now, and warnings are errors
