"""The mocks that people know play the server for our client: given to it in an `AsyncClient`, where
they see full URLs, or beneath its own connections.
"""

import asyncio
import functools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import aiohttp
import httpx
import pytest
import respx
import vcr
from pytest_httpx import HTTPXMock
from vcr.errors import CannotOverwriteExistingCassetteException

from respondio_async import (
    AsyncRespond,
    NotFoundError,
    OutcomeUnknownError,
    TransportError,
)
from respondio_async.sandbox import Quirks, Sandbox
from tests.support.virtual import REAL, VIRTUAL

API = "https://api.respond.io/v2"
CONTACT = {"id": 7, "firstName": "Ada"}
TOKEN = "canary-token-7f3a"


@pytest.fixture
def anyio_backend() -> object:
    """A server that cannot be reached is waited for."""
    return VIRTUAL


@pytest.fixture(params=["injected", "own connections"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[AsyncRespond]:
    """A client that is mocked either way."""
    async with httpx.AsyncClient() as http:
        given: Any = {"http_client": http} if request.param == "injected" else {}
        async with AsyncRespond(TOKEN, base_url=API, **given) as client:
            yield client


async def test_respx(client: AsyncRespond) -> None:
    """Its routes match full URLs either way, since it plays the part below the transport."""
    with respx.mock(base_url=API) as router:
        get = router.get("/contact/id:7").respond(json=CONTACT)
        router.get("/contact/id:8").respond(404, json={"code": 404, "message": "not found"})
        send = router.post("/contact/id:7/message").respond(json={"messageId": 1})
        assert (await client.contacts.get(7)).first_name == "Ada"
        with pytest.raises(NotFoundError):
            await client.contacts.get(8)
        await client.messages.send(7, "hi")
    assert get.called
    assert b'"text":"hi"' in send.calls.last.request.content


async def test_respx_that_knows_no_answer(client: AsyncRespond) -> None:
    """Its own error comes through at once: it names the request."""
    with respx.mock(base_url=API), pytest.raises(AssertionError, match="not mocked"):
        await client.messages.send(7, "hi")


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (httpx.ConnectError, TransportError),
        (httpx.ConnectTimeout, TransportError),
        (httpx.ReadTimeout, OutcomeUnknownError),
        (httpx.ReadError, OutcomeUnknownError),
        (httpx.RemoteProtocolError, OutcomeUnknownError),
    ],
)
async def test_failures_that_a_mock_plays(
    client: AsyncRespond, failure: type[httpx.TransportError], error: type[Exception]
) -> None:
    """What they say of the request holds: no connection means not sent, a read that fails means
    that nobody knows.
    """
    with respx.mock(base_url=API) as router:
        route = router.post("/contact/id:7/message").mock(side_effect=failure("played"))
        with pytest.raises(error):
            await client.messages.send(7, "hi")
    assert (route.call_count > 1) == (error is TransportError), "sent again only if it was not"


async def test_pytest_httpx_injected(httpx_mock: HTTPXMock) -> None:
    """It plays the transport of the client that it is given, and matches full URLs."""
    httpx_mock.add_response(url=f"{API}/contact/id:7", json=CONTACT)
    async with httpx.AsyncClient() as http, AsyncRespond(TOKEN, http_client=http) as client:
        assert (await client.contacts.get(7)).first_name == "Ada"


async def test_pytest_httpx_beneath_own_connections(httpx_mock: HTTPXMock) -> None:
    """There it sees what tracing sees: templates."""
    httpx_mock.add_response(url=f"{API}/contact/{{identifier}}", json=CONTACT)
    async with AsyncRespond(TOKEN, base_url=API) as client:
        assert (await client.contacts.get(7)).first_name == "Ada"


@pytest.mark.httpx_mock(assert_all_requests_were_expected=False)
async def test_pytest_httpx_that_knows_no_answer(
    client: AsyncRespond, httpx_mock: HTTPXMock
) -> None:
    """Its own error comes through, after one request: it says what was asked."""
    for call in (client.contacts.get(7), client.messages.send(7, "hi")):
        with pytest.raises(httpx.TimeoutException, match="No response can be found"):
            await call
    assert len(httpx_mock.get_requests()) == 2


async def test_a_timeout_of_another_mock(client: AsyncRespond) -> None:
    """A plain TimeoutException is a timeout, of a request that may have been sent."""
    with respx.mock(base_url=API) as router:
        router.post("/contact/id:7/message").mock(side_effect=httpx.TimeoutException("played"))
        with pytest.raises(OutcomeUnknownError):
            await client.messages.send(7, "hi")


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(contacts=2, quirks=Quirks.calm()) as sandbox:
        yield sandbox


@pytest.mark.parametrize("anyio_backend", [REAL], ids=["real time"])
async def test_vcrpy(sandbox: Sandbox, tmp_path: Path) -> None:
    """What was recorded of a server is played without it; token and bodies stay out of the file."""
    cassette = tmp_path / "contacts.yaml"

    def without_bodies(request: Any) -> Any:
        request.body = b""
        return request

    recorder = vcr.VCR(
        filter_headers=["authorization"],
        before_record_request=without_bodies,
        match_on=["method", "uri"],
    )
    [first, second] = sorted(each.id for each in sandbox.contacts)

    async def talk(token: str) -> list[int]:
        async with (
            httpx.AsyncClient() as http,
            AsyncRespond(token, base_url=sandbox.url, http_client=http) as client,
        ):
            await client.messages.send(first, "canary-words")
            return [(await client.contacts.get(each)).id for each in (first, second)]

    with recorder.use_cassette(str(cassette)):
        recorded = await talk(sandbox.token)
    with recorder.use_cassette(str(cassette), record_mode="none") as played:
        assert await talk("other") == recorded == [first, second]
        assert played.play_count == 3
        with pytest.raises(CannotOverwriteExistingCassetteException):
            await talk("other")
    text = await asyncio.to_thread(cassette.read_text, encoding="utf-8")
    assert sandbox.token not in text
    assert "canary-words" not in text


@pytest.mark.parametrize("anyio_backend", [REAL], ids=["real time"])
@pytest.mark.parametrize("backend", ["httpx", "httpx2", "aiohttp"])
async def test_vcrpy_beneath_own_connections(
    sandbox: Sandbox, tmp_path: Path, backend: Literal["httpx", "httpx2", "aiohttp"]
) -> None:
    """On each backend it sees templates; what it does not know never reaches the server."""
    recorder = vcr.VCR(filter_headers=["authorization"])
    contact = sandbox.contacts[0].id

    async def talk(token: str) -> int:
        async with AsyncRespond(token, base_url=sandbox.url, backend=backend) as client:
            return (await client.contacts.get(contact)).id

    with recorder.use_cassette(str(tmp_path / "contact.yaml")):
        assert await talk(sandbox.token) == contact
    sandbox.fault(status=500)
    with recorder.use_cassette(str(tmp_path / "contact.yaml"), record_mode="none") as played:
        assert await talk("other") == contact
        with pytest.raises(CannotOverwriteExistingCassetteException):
            await talk("other")
    assert played.play_count == 1
    text = await asyncio.to_thread((tmp_path / "contact.yaml").read_text, encoding="utf-8")
    assert "%7Bidentifier%7D" in text
    assert sandbox.token not in text


@pytest.mark.parametrize("anyio_backend", [REAL], ids=["real time"])
@pytest.mark.parametrize("kind", ["function", "object"])
async def test_what_stands_in_the_place_of_aiohttps_method_sees_requests(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Monitors put a function there, or an object that claims to be aiohttp's."""
    seen: list[str] = []
    real = vars(aiohttp.ClientSession)["_request"]

    @functools.wraps(real)
    async def monitor(session: Any, method: str, url: Any, **options: Any) -> Any:
        seen.append(f"{method} {url.path}")
        return await real(session, method, url, **options)

    class Wrapper(functools.partialmethod):  # type: ignore[type-arg]
        __code__ = real.__code__

    stands_in = monitor if kind == "function" else Wrapper(monitor)
    monkeypatch.setattr(aiohttp.ClientSession, "_request", stands_in)
    async with AsyncRespond(sandbox.token, base_url=sandbox.url, backend="aiohttp") as client:
        await client.contacts.get(sandbox.contacts[0].id)
        await client.contacts.update(sandbox.contacts[0].id, first_name="Ada")
    assert seen == ["GET /v2/contact/{identifier}", "PUT /v2/contact/{identifier}"]
