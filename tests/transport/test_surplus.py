"""Bytes beyond an answer: no request ever takes them for its own answer.

HTTP/1.1 pairs answers with requests by their order alone; a server, or whoever stands before it,
that sends one too many would give a customer another one's contact.
"""

import asyncio
import contextlib
import gzip
import ssl
from pathlib import Path

import httpx
import httpx2
import pytest

from respondio_async._transport import SendError, Transport, open_transport
from tests.faults import server as faults
from tests.faults.server import Exchange, Fault, FaultServer
from tests.support.virtual import VIRTUAL_NO_DEBUG
from tests.transport.support import KINDS, LIBRARIES, Connect, backend_of, call


@pytest.fixture
def anyio_backend() -> object:
    """A family of hundreds of cases."""
    return VIRTUAL_NO_DEBUG


OWN = b'{"id":2}'
FOREIGN = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" + b'{"id":777}'
ONE = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n" + b'{"id":1}'
CHUNKED = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{"id":1}\r\n0\r\n\r\n'
PACKED = gzip.compress(b'{"id":1}')
ZIPPED = (
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(PACKED)
) + PACKED

ANSWERS = {"stated": ONE, "chunked": CHUNKED, "gzip": ZIPPED}
BODILESS = {
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "304": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "error": b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
    "long": b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b" " * 300_000,
}
SURPLUS = {
    "answer": FOREIGN,
    "answers": FOREIGN * 20,
    "head": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
    "body": b'{"id":777}',
    "line": b"\r\n",
    "long": FOREIGN + b" " * 200_000,
}


def with_surplus(answer: bytes, surplus: bytes, how: str, sent: asyncio.Event) -> Fault:
    """Answer, and send more: in one piece, in two, or a moment later; *sent* is set at the end."""

    async def fault(exchange: Exchange) -> None:
        await exchange.process()
        if how == "at once":
            await exchange.write(answer + surplus)
        else:
            await exchange.write(answer)
            await asyncio.sleep(0.02 if how == "later" else 0)
            await exchange.write(surplus)
        sent.set()

    return fault


async def own_answers(
    transport: Transport, server: FaultServer, answer: bytes, surplus: bytes, how: str
) -> None:
    """Make a call that is answered with surplus, and see that the next ones get their own."""
    sent = asyncio.Event()
    server.plan(faults.answer(), with_surplus(answer, surplus, how, sent))
    await call(transport)
    with contextlib.suppress(SendError):  # aiohttp believes nothing of it
        assert b"777" not in (await call(transport)).content
    await sent.wait()
    for _ in range(2):
        assert (await call(transport)).content == OWN
    # Line ends before an answer have no meaning, and aiohttp's parser skips them.
    assert server.connections == 2 or surplus == b"\r\n"


@pytest.mark.parametrize("how", ["at once", "in two pieces", "later"])
@pytest.mark.parametrize("answer", [*ANSWERS, *BODILESS])
async def test_surplus_is_not_believed(
    server: FaultServer, connect: Connect, answer: str, how: str
) -> None:
    """Whatever form the answer has and whenever the surplus comes, the connection is thrown
    away.
    """
    server.default = faults.answer(200, OWN)
    content = {**ANSWERS, **BODILESS}[answer]
    await own_answers(connect(server.url), server, content, FOREIGN, how)


@pytest.mark.parametrize("how", ["at once", "later"])
@pytest.mark.parametrize("surplus", SURPLUS)
async def test_forms_of_surplus(
    server: FaultServer, connect: Connect, surplus: str, how: str
) -> None:
    """A whole answer, several, a part of one, or anything else."""
    server.default = faults.answer(200, OWN)
    await own_answers(connect(server.url), server, ONE, SURPLUS[surplus], how)


@pytest.mark.parametrize("how", ["at once", "in two pieces", "later"])
@pytest.mark.parametrize("kind", KINDS)
async def test_surplus_under_tls(
    server_tls: ssl.SSLContext,
    certificate: tuple[Path, Path],
    contexts: dict[object, ssl.SSLContext],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    how: str,
) -> None:
    """Bytes that the TLS layer holds back count as well."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[1]))
    trusting = ssl.create_default_context(cafile=str(certificate[1]))
    async with (
        FaultServer(default=faults.answer(200, OWN), tls=server_tls) as server,
        LIBRARIES.get(kind, httpx).AsyncClient(verify=trusting) as client,
    ):
        options = {"http_client": client} if kind in LIBRARIES else {"backend": backend_of(kind)}
        transport = open_transport(base_url=server.url, **options)
        await own_answers(transport, server, ONE, FOREIGN, how)
        await transport.aclose()


@pytest.mark.parametrize("library", [httpx, httpx2])
async def test_the_next_in_the_pool_of_a_borrowed_client(
    server: FaultServer, library: type[httpx]
) -> None:
    """A request that waits in the client's own pool gets another connection, although it gets the
    place the moment that the answer ends.
    """
    server.default = faults.answer(200, OWN)
    server.plan(with_surplus(ONE, FOREIGN, "at once", asyncio.Event()))
    async with library.AsyncClient(limits=library.Limits(max_connections=1)) as client:
        transport = open_transport(base_url=server.url, http_client=client)
        answers = await asyncio.gather(*(call(transport) for _ in range(4)))
        await transport.aclose()
    assert [answer.content for answer in answers] == [b'{"id":1}', OWN, OWN, OWN]


@pytest.mark.parametrize("library", [httpx, httpx2])
async def test_an_answer_that_a_hook_has_read(server: FaultServer, library: type[httpx]) -> None:
    """A hook of a borrowed client may read the answer before we do."""
    server.default = faults.answer(200, OWN)
    server.plan(with_surplus(ONE, FOREIGN, "at once", asyncio.Event()))

    async def read(response: httpx.Response) -> None:
        await response.aread()

    async with library.AsyncClient(event_hooks={"response": [read]}) as client:
        transport = open_transport(base_url=server.url, http_client=client)
        answers = [(await call(transport)).content for _ in range(3)]
        await transport.aclose()
    assert answers == [b'{"id":1}', OWN, OWN]


async def test_a_clean_connection_is_kept(server: FaultServer, connect: Connect) -> None:
    """The look at what is left finds nothing after plain answers of every form."""
    transport = connect(server.url)
    for content in (*ANSWERS.values(), *BODILESS.values()):
        server.plan(faults.raw(content, close=False))
        await call(transport)
    assert server.connections == 1
    assert transport.statistics().discarded == 0
