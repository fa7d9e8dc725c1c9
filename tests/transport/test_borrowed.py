"""A client that the user made is used as it is, and nothing of it leaks into our requests."""

import asyncio
from typing import Any

import aiohttp
import pytest

from respondio_async import errors
from respondio_async._transport import Transport, open_transport
from tests.faults import server as faults
from tests.faults.server import FaultServer
from tests.transport.support import LIBRARIES, TARGET, call, failed


@pytest.fixture(params=LIBRARIES.values(), ids=lambda library: library.__name__)
def library(request: pytest.FixtureRequest) -> Any:
    return request.param


def borrow(client: Any, url: str) -> Transport:
    return open_transport(base_url=url, http_client=client)


async def test_settings_of_the_client_stay_out(server: FaultServer, library: Any) -> None:
    """Its base URL, headers, cookies, auth, parameters and redirects do not touch our requests; it
    is not closed.
    """
    server.default = faults.redirect("/elsewhere")
    settings = {
        "base_url": "https://else.example/",
        "headers": {"X-Theirs": "1"},
        "cookies": {"theirs": "1"},
    }
    async with library.AsyncClient(
        **settings, auth=("u", "p"), params={"q": "1"}, follow_redirects=True
    ) as client:
        transport = borrow(client, server.url)
        assert (await call(transport)).status == 302
        await transport.aclose()
        assert not client.is_closed
    (request,) = server.requests
    assert request.target == f"/v2{TARGET}"
    assert request.headers["authorization"].startswith("Bearer ")
    assert not {"cookie", "x-theirs"} & request.headers.keys()


@pytest.mark.parametrize("read", [False, True])
async def test_hook_that_raises_for_status(server: FaultServer, library: Any, read: bool) -> None:
    """The user's hook may call raise_for_status(): the server has answered all the same, and its
    headers are known.
    """

    async def hook(response: Any) -> None:
        if read:
            await response.aread()
        response.raise_for_status()

    server.plan(faults.answer(429, b'{"code":429}', (("Retry-After", "3"),)), faults.answer())
    async with library.AsyncClient(event_hooks={"response": [hook]}) as client:
        transport = borrow(client, server.url)
        answer = await call(transport)
        assert (answer.status, answer.content) == (429, b'{"code":429}' if read else b"")
        assert (b"retry-after", b"3") in answer.headers
        assert (await call(transport)).content == b"{}"
        await transport.aclose()


async def test_closed_client(server: FaultServer, library: Any) -> None:
    """A client that its owner closed is named as the cause, and takes no place in the queue."""
    client = library.AsyncClient()
    transport = borrow(client, server.url)
    await client.aclose()
    with pytest.raises(errors.ConfigurationError, match="http_client"):
        await transport.acquire()
    assert transport.statistics().busy == 0
    await transport.aclose()


async def test_mock_transport(library: Any) -> None:
    """Tests of users put a mock below: its answers are read like any other, its own errors come
    through.
    """

    def handler(request: Any) -> Any:
        if request.method == "GET":
            return library.Response(200, json={"path": request.url.path})
        raise KeyError("of the test itself")

    async with library.AsyncClient(transport=library.MockTransport(handler)) as client:
        transport = borrow(client, "https://api.respond.io/v2")
        assert b"phone:+60123456789" in (await call(transport)).content
        with pytest.raises(KeyError):
            await failed(transport)
        assert transport.statistics().busy == 0
        await transport.aclose()


async def test_no_connection_for_no_known_reason(library: Any) -> None:
    """A transport that is not the library's own may give no reason."""

    def handler(request: Any) -> Any:
        raise library.ConnectError("to a host that must not be named")

    async with library.AsyncClient(transport=library.MockTransport(handler)) as client:
        transport = borrow(client, "https://api.respond.io/v2")
        error = await failed(transport)
        assert (error.failure, error.sent) == ("connect", False)
        assert "named" not in str(error)
        await transport.aclose()


async def test_abandoned_request_is_never_interrupted(server: FaultServer, library: Any) -> None:
    """The caller leaves at once; the request runs to its end, its place is free only then."""
    server.plan(faults.answer(delay=0.1))
    async with library.AsyncClient() as client:
        transport = borrow(client, server.url)
        task = asyncio.create_task(call(transport))
        await server.arrival.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert transport.statistics().busy == 1
        await transport.aclose()
        assert transport.statistics().busy == 0
        assert not client.is_closed


async def test_what_had_not_left_with_its_caller_is_not_sent(
    server: FaultServer, library: Any
) -> None:
    """A hook may hold a request up until its caller, who may repeat it, has gone."""
    held = asyncio.Event()

    async def hold(request: Any) -> None:
        await held.wait()

    async with library.AsyncClient(event_hooks={"request": [hold]}) as client:
        transport = borrow(client, server.url)
        assert (await failed(transport, timeout=0.05)).failure == "timeout"
        held.set()
        while transport.statistics().busy:
            await asyncio.sleep(0.01)
        assert server.requests == []
        assert (await call(transport)).status == 200
        await transport.aclose()


async def test_client_over_aiohttp(library: Any) -> None:
    """A server that hangs up is not taken for one that never heard: httpx-aiohttp calls it a
    ConnectTimeout, and only the cause of its error tells.
    """

    class Transport(library.AsyncBaseTransport):  # type: ignore[misc,name-defined]
        async def handle_async_request(self, request: Any) -> Any:
            try:
                raise aiohttp.ServerDisconnectedError
            except aiohttp.ServerDisconnectedError as error:
                raise library.ConnectTimeout("", request=request) from error

    async with library.AsyncClient(transport=Transport()) as client:
        transport = borrow(client, "https://api.respond.io/v2")
        error = await failed(transport)
        assert (error.failure, error.sent) == ("reset", True)
        await transport.aclose()
