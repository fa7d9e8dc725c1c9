"""One exchange over every kind of transport: what goes out, what comes back, and what is said of
each failure.
"""

import asyncio
import zlib

import httpx
import pytest

from respondio_async import errors
from respondio_async._transport import Request, SendError, _body, _borrowed, _requests, _session
from tests.faults import server as faults
from tests.faults.server import FaultServer
from tests.support.ports import nobody
from tests.support.virtual import VIRTUAL_NO_DEBUG
from tests.transport.support import (
    GET,
    HEADERS,
    OWN_KINDS,
    POST,
    TARGET,
    TOKEN,
    Connect,
    call,
    failed,
)


@pytest.fixture
def anyio_backend() -> object:
    """A family of hundreds of cases."""
    return VIRTUAL_NO_DEBUG


async def test_request_arrives_as_it_was_given(server: FaultServer, connect: Connect) -> None:
    """Target, headers and body reach the server unchanged, the target behind the base URL's
    path.
    """
    await call(connect(server.url), POST)
    (request,) = server.requests
    assert (request.method, request.target, request.body) == (
        "POST",
        f"/v2{TARGET}",
        b'{"text":"hi"}',
    )
    request.headers.pop("connection", None)
    assert request.headers == {
        "host": f"127.0.0.1:{server.port}",
        "authorization": f"Bearer {TOKEN}",
        "user-agent": "test",
        "accept": "application/json",
        "accept-encoding": "gzip",
        "content-type": "application/json",
        "content-length": "13",
    }


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "POST"])
@pytest.mark.parametrize("content", [None, b"", b'{"tags":["vip"]}'])
async def test_every_method_with_and_without_a_body(
    server: FaultServer, connect: Connect, method: str, content: bytes | None
) -> None:
    """Any method carries a body, and stays in step on a kept connection."""
    transport = connect(server.url)
    for _ in range(2):
        await call(transport, Request(method, "/space/tag", HEADERS, content))
    assert [(request.method, request.body) for request in server.requests] == [
        (method, content or b"")
    ] * 2
    assert server.connections == 1


async def test_target_is_not_rewritten(server: FaultServer, connect: Connect) -> None:
    """What the path quotes stays quoted: an identifier may hold any character."""
    target = "/contact/email:a%2Fb%2B%23%3F@c.com/message?cursorId=-5&q=%26%3D"
    await call(connect(server.url), Request("GET", target, HEADERS))
    assert server.requests[0].target == f"/v2{target}"


async def test_answer_comes_back_whole(server: FaultServer, connect: Connect) -> None:
    """Status, headers (names in lower case) and content."""
    server.plan(faults.answer(429, b'{"code":429}', (("Retry-After", "3"),)))
    answer = await call(connect(server.url))
    assert (answer.status, answer.content) == (429, b'{"code":429}')
    assert (b"retry-after", b"3") in answer.headers


@pytest.mark.parametrize(
    ("fault", "status", "content"),
    [
        pytest.param(faults.answer(204), 204, b"", id="no content"),
        pytest.param(faults.gzipped(b'{"id":1}' * 9000), 200, b'{"id":1}' * 9000, id="gzip"),
        pytest.param(
            faults.answer(200, zlib.compress(b"{}"), (("Content-Encoding", "deflate"),)),
            200,
            b"{}",
            id="deflate",
        ),
        pytest.param(faults.redirect("https://evil.example/"), 302, b"", id="redirect"),
        pytest.param(faults.redirect("/v2/elsewhere", 307), 307, b"", id="relative redirect"),
        pytest.param(faults.redirect("https://[::1/"), 302, b"", id="malformed redirect"),
        pytest.param(
            faults.raw(
                b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
            ),
            200,
            b"{}",
            id="100",
        ),
        pytest.param(faults.raw(b"HTTP/1.1 200 OK\r\n\r\n{}"), 200, b"{}", id="until close"),
        pytest.param(
            faults.raw(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
            ),
            200,
            b"{}",
            id="chunked",
        ),
        pytest.param(faults.answer(200, b"x" * 300_000), 200, b"x" * 300_000, id="long"),
    ],
)
async def test_forms_of_an_answer(
    server: FaultServer, connect: Connect, fault: faults.Fault, status: int, content: bytes
) -> None:
    """Whatever form HTTP gives an answer, it is read once, decoded, and never followed."""
    server.plan(fault)
    answer = await call(connect(server.url))
    assert (answer.status, answer.content) == (status, content)
    assert len(server.requests) == 1


async def test_head_has_no_body(server: FaultServer, connect: Connect) -> None:
    """The length that an answer to HEAD states is not waited for."""
    transport = connect(server.url)
    server.plan(faults.answer(200, b"12345"))
    assert (await call(transport, Request("HEAD", "/x", HEADERS))).content == b""
    assert (await call(transport)).content == b"{}"


SENT = [
    pytest.param(faults.reset_unread(), "reset", None, id="reset unread"),
    pytest.param(faults.reset(), "reset", None, id="reset"),
    pytest.param(faults.hang_up(), "reset", None, id="hang up"),
    pytest.param(faults.hang(), "timeout", None, id="hang"),
    pytest.param(faults.garbage(), "torn", None, id="garbage"),
    pytest.param(faults.torn(), "torn", 200, id="torn"),
    pytest.param(faults.torn_chunked(), "torn", 200, id="torn chunked"),
    pytest.param(faults.bad_chunk(), "torn", 200, id="bad chunk"),
    pytest.param(faults.gzipped(b"{}" * 999, missing=6), "torn", 200, id="torn gzip"),
    pytest.param(
        faults.answer(200, b"{}", (("Content-Encoding", "gzip"),)), "torn", 200, id="not gzip"
    ),
    pytest.param(faults.reset_after_head(), "torn", 200, id="reset after the head"),
    pytest.param(faults.drip(), "timeout", 200, id="drip"),
    pytest.param(faults.hang_in_body(), "timeout", 200, id="hang in body"),
]


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize(("fault", "failure", "status"), SENT)
async def test_failure_after_the_request_left(
    server: FaultServer,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    fault: faults.Fault,
    failure: str,
    status: int | None,
    kept: bool,
) -> None:
    """Once any of it may have left, a request counts as sent; nothing is sent again; the pool works
    on.
    """
    monkeypatch.setattr(_borrowed, "ABANDONED", 0.05)
    transport = connect(server.url)
    if kept:
        await call(transport)
    before = len(server.requests)
    server.plan(fault)
    error = await failed(transport, timeout=0.15 if failure == "timeout" else 5.0)
    assert (error.failure, error.sent) == (failure, True)
    assert error.status == status or (failure == "torn" and error.status is None)
    assert len(server.requests) - before <= 1
    assert (await call(transport)).status == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
async def test_stale_connection_is_not_retried_within(
    server: FaultServer, connect: Connect, method: str
) -> None:
    """A kept connection that breaks under a request is reported: whether to send again is decided
    above, with a permit.
    """
    transport = connect(server.url)
    await call(transport)
    server.plan(faults.reset())
    error = await failed(transport, Request(method, "/x", HEADERS))
    assert (error.failure, error.sent) == ("reset", True)
    assert len(server.requests) == 2


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("kind", OWN_KINDS)
async def test_server_that_closes_without_a_word(
    server: FaultServer, connect: Connect, at_once: bool
) -> None:
    """A kept connection that the server closes behind an answer: what was not written when that
    was seen is not called sent, and is done once.
    """
    server.default = faults.close_after()
    transport = connect(server.url, max_connections=5)
    bodies = [b"%d" % number for number in range(30)]

    async def send(body: bytes) -> None:
        while True:
            try:
                await call(transport, Request("POST", "/x", HEADERS, body))
            except SendError as error:
                taken_for_sent.append(error.sent)
            else:
                return

    taken_for_sent: list[bool] = []
    if at_once:
        await asyncio.gather(*map(send, bodies))
    else:
        for body in bodies:
            await send(body)
    assert not any(taken_for_sent)
    assert sorted(request.body for request in server.requests) == sorted(bodies)


async def test_refused_connection_is_not_sent(connect: Connect) -> None:
    """Nobody listens: provably not sent."""
    error = await failed(connect(nobody()))
    assert (error.failure, error.sent) == ("connect", False)


async def test_no_time_left_is_not_sent(server: FaultServer, connect: Connect) -> None:
    """A deadline that has passed already sends nothing."""
    error = await failed(connect(server.url), timeout=0.0)
    assert (error.failure, error.sent) == ("timeout", False)
    assert server.requests == []


@pytest.mark.parametrize("stated", [True, False])
async def test_size_is_bounded(
    server: FaultServer, connect: Connect, monkeypatch: pytest.MonkeyPatch, stated: bool
) -> None:
    """An answer beyond the bound is given up, stated length or not, and the pool works on."""
    monkeypatch.setattr(_body, "MAX_ANSWER", 100_000)
    transport = connect(server.url)
    server.plan(faults.huge(400_000, stated=stated))
    error = await failed(transport)
    assert (error.failure, error.sent, error.status) == ("too_large", True, 200)
    assert (await call(transport)).status == 200


async def test_gzip_bomb_is_bounded(
    server: FaultServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound counts decoded bytes."""
    monkeypatch.setattr(_body, "MAX_ANSWER", 100_000)
    server.plan(faults.gzipped(b"\x00" * 50_000_000))
    assert (await failed(connect(server.url))).failure == "too_large"


@pytest.mark.parametrize("fault", [case.values[0] for case in SENT[:7]])
async def test_failures_hold_no_secret(
    server: FaultServer, connect: Connect, fault: faults.Fault
) -> None:
    """Neither text nor chained exceptions know the token or the path."""
    server.plan(fault)
    error = await failed(connect(server.url), timeout=0.25)
    assert error.__cause__ is None
    assert error.__context__ is None
    assert TOKEN not in str(error)
    assert "phone" not in str(error)


@pytest.mark.parametrize("kind", OWN_KINDS)
@pytest.mark.parametrize("target", ["/x y", "/x\r\ny: z", "/x\x00"])
async def test_path_that_http_cannot_carry(
    server: FaultServer, connect: Connect, target: str
) -> None:
    """A path that would end its line early is refused, and nothing is sent."""
    transport = connect(server.url)
    with pytest.raises(errors.ConfigurationError, match="path"):
        await call(transport, Request("GET", target, HEADERS))
    assert server.requests == []
    assert (await call(transport)).status == 200


@pytest.mark.parametrize("kind", ["injected-httpx", "injected-httpx2"])
async def test_path_that_the_library_refuses(server: FaultServer, connect: Connect) -> None:
    """A path that the library cannot parse is a matter of configuration, and nothing is sent."""
    transport = connect(server.url)
    with pytest.raises(errors.ConfigurationError, match="path"):
        await call(transport, Request("GET", f"/x?q={'a' * 70_000}", HEADERS))
    assert server.requests == []
    assert (await call(transport)).status == 200


@pytest.mark.parametrize("kind", OWN_KINDS)
async def test_time_of_connecting_ends(connect: Connect) -> None:
    """A user's own bound on connecting ends it: no connection, and why."""
    async with FaultServer(deaf=True) as server:
        transport = connect(server.url.replace("http:", "https:"))
        error = await failed(transport, timeout=None, phases=httpx.Timeout(5.0, connect=0.05))
    assert (error.failure, error.sent) == ("connect", False)
    assert "timed out" in str(error)


async def test_headers_of_many_callers(
    server: FaultServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many sets of headers come by, each request has its own, an Accept-Encoding of the
    caller's included.
    """
    for module in (_requests, _session):
        monkeypatch.setattr(module, "REMEMBERED", 4)
    transport = connect(server.url)
    for number in range(10):
        await call(
            transport,
            Request("GET", "/x", (("X-Number", str(number)), ("accept-encoding", "identity"))),
        )
    assert [request.headers["x-number"] for request in server.requests] == [
        str(number) for number in range(10)
    ]
    assert {request.headers["accept-encoding"] for request in server.requests} == {"identity"}


@pytest.mark.parametrize("value", ["two\r\nlines", "ünicode", "nul\x00"])
async def test_header_that_http_cannot_carry(
    server: FaultServer, connect: Connect, value: str
) -> None:
    """A token with a line break is refused before it is sent, and not shown."""
    transport = connect(server.url)
    with pytest.raises(errors.ConfigurationError) as caught:
        await call(transport, Request("GET", "/x", (("Authorization", f"Bearer {TOKEN}{value}"),)))
    assert TOKEN not in repr(caught.value)
    assert server.requests == []
    assert (await call(transport)).status == 200


async def test_cookies_are_not_kept(server: FaultServer, connect: Connect) -> None:
    """What the server sets is never sent back: calls share nothing but the connection."""
    server.default = faults.answer(200, b"{}", (("Set-Cookie", "session=1; Path=/"),))
    transport = connect(server.url)
    await call(transport)
    await call(transport, GET)
    assert "cookie" not in server.requests[1].headers
