"""What a transport is made of, and what is refused before anything is sent."""

import logging
import subprocess
import sys
from typing import Any

import httpx
import httpx2
import pytest

from respondio_async import errors
from respondio_async._transport import SendError, open_transport
from respondio_async._transport._address import check_base_url
from respondio_async._transport._proxy import proxy_for
from tests.faults.server import FaultServer
from tests.transport.support import Connect, backend_of, call, failed

URL = "https://api.respond.io/v2"


@pytest.mark.parametrize("number", [0, -1, True, 1.5, "10", None])
def test_max_connections_is_a_positive_whole_number(number: Any) -> None:
    """Anything else would surface much later, as a client that waits for ever."""
    with pytest.raises(errors.ConfigurationError, match="max_connections"):
        open_transport(base_url=URL, max_connections=number)


@pytest.mark.parametrize(("backend", "module"), [("aiohttp", "aiohttp"), ("httpx2", "httpx2")])
def test_missing_extra_names_the_command(
    backend: Any, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backend that is not installed says how to install it."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        errors.ConfigurationError, match=rf'pip install "respondio-async\[{backend}\]"'
    ):
        open_transport(base_url=URL, backend=backend)


def test_unknown_backend() -> None:
    """A misspelt backend is refused."""
    backend: Any = "requests"
    with pytest.raises(errors.ConfigurationError, match="backend"):
        open_transport(base_url=URL, backend=backend)


def test_http_client_must_be_an_async_client() -> None:
    """A synchronous client, or anything else, is refused."""
    with httpx.Client() as client:
        for wrong in (client, object(), "httpx"):
            with pytest.raises(errors.ConfigurationError, match="http_client"):
                open_transport(base_url=URL, http_client=wrong)  # type: ignore[arg-type]


async def test_info_line_of_our_host_is_quiet(
    server: FaultServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """The line that httpx logs for every request shows its path: it is dropped for our host, and
    kept for others.
    """
    caplog.set_level(logging.DEBUG)
    await call(connect(server.url))
    assert not [record for record in caplog.records if "60123456789" in record.getMessage()]
    assert not [
        record for record in caplog.records if record.getMessage().startswith("HTTP Request")
    ]
    logger = logging.getLogger("httpx")
    logger.info("HTTP Request: %s %s", "GET", httpx.URL("https://elsewhere.example/"))
    logger.info("no request")
    assert [record.getMessage() for record in caplog.records if record.name == "httpx"] == [
        "HTTP Request: GET https://elsewhere.example/",
        "no request",
    ]


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_proxy_of_the_environment(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTPS_PROXY counts, NO_PROXY and loopback hosts are exempt, and a bad one is refused without
    showing it.
    """
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    address = check_base_url(URL)
    assert proxy_for(library, address) is None
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    assert str(proxy_for(library, address).url) == "http://proxy.example:3128"
    assert proxy_for(library, check_base_url("https://127.0.0.1")) is None
    monkeypatch.setenv("NO_PROXY", "respond.io")
    assert proxy_for(library, address) is None
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTPS_PROXY", "ftp://user:hunter2@proxy.example")
    with pytest.raises(errors.ConfigurationError, match="HTTPS_PROXY") as caught:
        proxy_for(library, address)
    assert "hunter2" not in str(caught.value)


FIRST_CALL = """
import asyncio, contextlib, sys
from respondio_async._transport import Request, SendError, open_transport

async def main():
    kind = sys.argv[1]
    if kind.startswith("injected"):
        library = __import__(kind.partition("-")[2])
        client = library.AsyncClient()
        transport = open_transport(base_url="https://localhost:1/v2", http_client=client)
    else:
        transport = open_transport(base_url="https://localhost:1/v2", backend=kind)
    before = set(sys.modules)
    connection = await transport.acquire()
    with contextlib.suppress(SendError):
        await connection.send(Request("GET", "/x", ()), timeout=5.0)
    print(*sorted(set(sys.modules) - before))

asyncio.run(main())
"""


def test_first_call_imports_nothing(kind: str) -> None:
    """What the libraries import late is there before the first call, which would stand still for
    it.
    """
    script = [sys.executable, "-W", "ignore", "-c", FIRST_CALL, backend_of(kind)]
    done = subprocess.run(script, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


async def test_phases_bound_each_step(connect: Connect) -> None:
    """A user's own httpx.Timeout is passed on to the library."""
    from tests.faults import server as faults

    async with FaultServer(default=faults.hang()) as server:
        transport = connect(server.url)
        error: SendError = await failed(
            transport, timeout=None, phases=httpx.Timeout(5.0, read=0.05)
        )
    assert (error.failure, error.sent) == ("timeout", True)
