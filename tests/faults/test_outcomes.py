"""Every fault against every backend and replay class: what was done, what the caller is told, and
how the pool is afterwards.
"""

import asyncio
from email.utils import formatdate
from typing import Any

import msgspec
import pytest

from respondio_async import (
    APIError,
    BadRequestError,
    BlockedAtEdgeError,
    ConflictError,
    ConnectionFailedError,
    DeadlineExceededError,
    DecodeError,
    ForbiddenError,
    NotFoundError,
    NotReadyError,
    OutcomeUnknownError,
    RateLimitError,
    RequestTimeoutError,
    RespondError,
    RetryPolicy,
    ServerError,
    ServiceUnavailableError,
    TransportError,
    UnauthorizedError,
)
from respondio_async._transport import _body
from tests.faults import server as faults
from tests.faults.server import Fault, FaultServer
from tests.faults.support import (
    ALWAYS,
    GOOD,
    KINDS,
    QUICK,
    UNSENT,
    Operation,
    check_health,
    check_ledger,
    connected,
    outcome,
)
from tests.support.ports import free_port, nobody
from tests.support.scripted import OpenLimiter

AGAIN = None
"""Sent again, and then it succeeds."""

UNKNOWN = OutcomeUnknownError

# fault · what becomes of a write that must not be doubled · what becomes of anything else
MAY_HAVE_LANDED: dict[str, tuple[Fault, type[Exception]]] = {
    # the second is what the last attempt raises when the fault stays
    "reset before reading": (faults.reset_unread(), ConnectionFailedError),
    "reset within the request": (faults.reset_midway(), ConnectionFailedError),
    "reset, processed": (faults.reset(), ConnectionFailedError),
    "reset, not processed": (faults.reset(processed=False), ConnectionFailedError),
    "hang up, processed": (faults.hang_up(), ConnectionFailedError),
    "hang up, not processed": (faults.hang_up(processed=False), ConnectionFailedError),
    "hang, processed": (faults.hang(), RequestTimeoutError),
    "hang, not processed": (faults.hang(processed=False), RequestTimeoutError),
    "close within the head": (faults.reset_in_head(), ConnectionFailedError),
    "reset after the head": (faults.reset_after_head(), ConnectionFailedError),
    "hang in the body": (faults.hang_in_body(), RequestTimeoutError),
    "slow drip": (faults.drip(), RequestTimeoutError),
    "torn length": (faults.torn(GOOD), ConnectionFailedError),
    "torn chunks": (faults.torn_chunked(GOOD), ConnectionFailedError),
    "bad chunk": (faults.bad_chunk(), ConnectionFailedError),
    "torn gzip": (faults.gzipped(GOOD, missing=9), ConnectionFailedError),
    "garbage": (faults.garbage(), ConnectionFailedError),
    "torn 404": (faults.torn(b"{}", status=404), ConnectionFailedError),
    **{
        f"{status}": (faults.answer(status, b"{}"), ServerError)
        for status in (500, 502, 504, 507, 520, 522, 524)
    },
    "500 in HTML": (faults.answer(500, b"<html>oops"), ServerError),
}

LANDED_NAMES = [
    pytest.param(name, marks=pytest.mark.slow)
    if name in ("504", "507", "520", "522", "524", "500 in HTML")
    else name
    for name in MAY_HAVE_LANDED
]
"""One gateway error is like another: two in the default suite."""

REFUSED: dict[str, Fault] = {
    "429": faults.refuse(429),
    "429 with Retry-After": faults.refuse(429, headers=(("Retry-After", "0"),)),
    "429 with a date": faults.refuse(429, headers=(("Retry-After", formatdate(0, usegmt=True)),)),
    "429 with nonsense": faults.refuse(429, headers=(("Retry-After", "soon"),)),
    "449": faults.refuse(449),
    "449 with Retry-After": faults.refuse(449, headers=(("Retry-After", "0"),)),
}

DEFINITE: dict[str, tuple[Fault, type[Exception]]] = {
    "400": (faults.refuse(400, b'{"code":400,"message":"Validation error."}'), BadRequestError),
    "401": (faults.refuse(401), UnauthorizedError),
    "403": (faults.refuse(403, b'{"code":403,"message":"no"}'), ForbiddenError),
    "403 at the edge": (faults.refuse(403, b"<html>Request blocked"), BlockedAtEdgeError),
    "404": (faults.refuse(404), NotFoundError),
    "409": (faults.refuse(409), ConflictError),
    "413": (faults.refuse(413), APIError),
    "418": (faults.refuse(418), APIError),
    "501": (faults.refuse(501), ServerError),
    "redirect": (faults.refuse(302, b"", (("Location", "https://evil.example/"),)), APIError),
    "redirect that keeps the method": (
        faults.refuse(307, b"", (("Location", "/v2/elsewhere"),)),
        APIError,
    ),
    "429 for days": (faults.refuse(429, headers=(("Retry-After", "259200"),)), RateLimitError),
    "449 for days": (faults.refuse(449, headers=(("Retry-After", "259200"),)), NotReadyError),
}


def options(name: str) -> dict[str, Any]:
    # A refusal pauses its route for a second; what the pause does is the limiter's own test.
    return {"timeout": 0.15, **({"limiter": OpenLimiter()} if "429" in name else {})}


def operations(table: dict[str, Any]) -> list[Any]:
    """The first for the default suite, all of them for the slow one."""
    first, *others = table
    return [pytest.param(first), *(pytest.param(name, marks=pytest.mark.slow) for name in others)]


TWO_KINDS = pytest.mark.parametrize(
    "kind",
    [
        kind if kind in ("httpx", "aiohttp") else pytest.param(kind, marks=pytest.mark.slow)
        for kind in KINDS
    ],
    indirect=True,
)
"""Where an answer is whole, the backends hardly differ: two in the default suite, all in the slow
one.
"""


# ── writes that must not be doubled ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize("operation", operations(UNSENT))
@pytest.mark.parametrize("name", LANDED_NAMES)
async def test_a_write_that_may_have_landed_is_sent_once_and_its_caller_told(
    server: FaultServer, kind: str, name: str, operation: Operation
) -> None:
    """Whether or not it did land: nobody here can know."""
    async with connected(kind, server.url, **options(name)) as client:
        server.plan(MAY_HAVE_LANDED[name][0])
        error = await outcome(UNSENT[operation](client))
        assert type(error) is UNKNOWN
        assert isinstance(error.__cause__, TransportError | APIError)
        check_ledger(server, error)
        assert len(server.requests) <= 1
        await check_health(client, server)


@pytest.mark.parametrize("operation", operations(UNSENT))
@pytest.mark.parametrize(
    "name",
    ["200 that is not JSON", "200 that is huge", "200 that is huge, in chunks", "200 of no form"],
)
async def test_a_write_whose_answer_cannot_be_read_is_not_repeated(
    server: FaultServer, kind: str, name: str, operation: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has most likely happened, and the caller is told so."""
    monkeypatch.setattr(_body, "MAX_ANSWER", 100_000)
    bad = {
        "200 that is not JSON": faults.answer(200, b"<html>hello"),
        "200 that is huge": faults.huge(1_000_000),
        "200 that is huge, in chunks": faults.huge(1_000_000, stated=False),
        "200 of no form": faults.answer(200, b"[1,2]"),
    }
    async with connected(kind, server.url) as client:
        server.plan(bad[name])
        error = await outcome(UNSENT[operation](client))
        assert error is None or type(error) is UNKNOWN
        assert (error is None) == (name == "200 of no form" and operation == "unknown POST")
        assert server.processed == 1
        await check_health(client, server)


@TWO_KINDS
@pytest.mark.parametrize("operation", operations(UNSENT))
@pytest.mark.parametrize("name", REFUSED)
async def test_a_write_that_was_refused_is_sent_again(
    server: FaultServer, kind: str, name: str, operation: Operation
) -> None:
    """429 and 449 are answered before any work is done."""
    async with connected(kind, server.url, **options(name)) as client:
        server.plan(REFUSED[name], REFUSED[name])
        error = await outcome(UNSENT[operation](client))
        assert error is None
        assert len(server.requests) == 3
        check_ledger(server, error)
        await check_health(client, server)


@TWO_KINDS
@pytest.mark.parametrize("operation", operations(UNSENT))
@pytest.mark.parametrize("name", [*DEFINITE, "503"])
async def test_a_write_that_was_answered_no_is_not_done_and_not_repeated(
    server: FaultServer, kind: str, name: str, operation: Operation
) -> None:
    """The caller gets the answer as it is."""
    fault, expected = DEFINITE.get(name, (faults.refuse(503), ServiceUnavailableError))
    async with connected(kind, server.url, **options(name)) as client:
        server.plan(fault)
        error = await outcome(UNSENT[operation](client))
        assert isinstance(error, expected)
        assert len(server.requests) == 1
        check_ledger(server, error)
        await check_health(client, server)


# ── everything else ───────────────────────────────────────────────────────────────────────────────


@TWO_KINDS
@pytest.mark.parametrize("operation", operations(ALWAYS))
@pytest.mark.parametrize("name", [*LANDED_NAMES, *REFUSED, "503"])
async def test_what_may_be_repeated_is(
    server: FaultServer, kind: str, name: str, operation: Operation
) -> None:
    """Any passing fault is worth another try."""
    fault = (
        MAY_HAVE_LANDED[name][0]
        if name in MAY_HAVE_LANDED
        else REFUSED.get(name, faults.refuse(503))
    )
    async with connected(kind, server.url, **options(name)) as client:
        server.plan(fault)
        assert await outcome(ALWAYS[operation](client)) is None
        assert len(server.requests) <= 2
        assert server.processed >= 1
        await check_health(client, server)


@TWO_KINDS
@pytest.mark.parametrize("operation", operations(ALWAYS))
@pytest.mark.parametrize("name", LANDED_NAMES)
async def test_a_fault_that_stays_ends_the_call_in_its_own_error(
    server: FaultServer, kind: str, name: str, operation: Operation
) -> None:
    """After `max_attempts` the last failure is raised, with the number of attempts."""
    fault, expected = MAY_HAVE_LANDED[name]
    async with connected(kind, server.url, **options(name)) as client:
        server.default = fault
        error = await outcome(ALWAYS[operation](client))
        assert isinstance(error, expected)
        assert error.attempts == QUICK.max_attempts
        if isinstance(error, TransportError):
            assert error.sent
        await check_health(client, server)


@TWO_KINDS
@pytest.mark.parametrize("operation", operations(ALWAYS))
@pytest.mark.parametrize("name", DEFINITE)
async def test_a_no_is_not_argued_with(
    server: FaultServer, kind: str, name: str, operation: Operation
) -> None:
    """4xx, a redirect and a wait beyond the deadline are raised at once."""
    fault, expected = DEFINITE[name]
    async with connected(kind, server.url, **options(name)) as client:
        server.plan(fault)
        assert isinstance(await outcome(ALWAYS[operation](client)), expected)
        assert len(server.requests) == 1
        await check_health(client, server)


async def test_a_read_that_cannot_be_decoded_is_not_repeated(
    server: FaultServer, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same answer would come again: not JSON, or more than memory should hold."""
    monkeypatch.setattr(_body, "MAX_ANSWER", 100_000)
    async with connected(kind, server.url) as client:
        server.plan(faults.answer(200, b"<html>"), faults.huge(1_000_000))
        assert isinstance(await outcome(client.contacts.get(7)), DecodeError)
        assert isinstance(await outcome(client.contacts.get(7)), TransportError)
        assert len(server.requests) == 2
        await check_health(client, server)


async def test_a_delete_whose_answer_was_lost_is_done(server: FaultServer, kind: str) -> None:
    """The repeat meets 404, because the first try has done it."""
    async with connected(kind, server.url) as client:
        server.plan(faults.reset(), faults.refuse(404))
        assert await outcome(client.contacts.delete(7)) is None
        server.plan(faults.refuse(404))
        assert isinstance(await outcome(client.contacts.delete(7)), NotFoundError)


# ── connections ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("operation", ["message", "get"])
async def test_a_refused_connection_is_tried_again_and_certainly_not_sent(
    kind: str, operation: str
) -> None:
    """Nobody listens: even a write may be tried again, and its failure is a definite one."""
    async with connected(kind, nobody(), deadline=0.3) as client:
        call = {**UNSENT, **ALWAYS}[operation]
        impatient = client.with_options(retry=msgspec.structs.replace(QUICK, outage="fail"))
        error = await outcome(call(impatient))
        assert type(error) is ConnectionFailedError
        assert (error.sent, error.attempts) == (False, QUICK.max_attempts)
        error = await outcome(call(client))
        assert type(error) is DeadlineExceededError
        assert not error.sent


@pytest.mark.parametrize("operation", ["message", "get"])
async def test_a_server_that_comes_back_is_found(kind: str, operation: str) -> None:
    """A write whose connection was refused is sent once the server listens again, exactly once."""
    port = free_port()
    back = FaultServer(default=faults.answer(200, GOOD), port=port)
    retry = RetryPolicy(max_attempts=1000, backoff=0.01, max_backoff=0.01, budget=1000)
    async with connected(kind, f"http://127.0.0.1:{port}/v2", retry=retry) as client:
        task = asyncio.ensure_future({**UNSENT, **ALWAYS}[operation](client))
        while not client.statistics().routes or not any(
            use.retried for use in client.statistics().routes.values()
        ):
            await asyncio.sleep(0.005)
        async with back:
            await task
            assert back.processed == 1
            await check_health(client, back)


@pytest.mark.parametrize("operation", ["message", "get"])
@pytest.mark.parametrize("say_so", [True, False])
async def test_a_connection_that_was_closed_while_idle_is_not_used(
    server: FaultServer, kind: str, operation: str, say_so: bool
) -> None:
    """The server closed it after the last answer: the next write goes out on a new one, once, and
    succeeds.
    """
    async with connected(kind, server.url) as client:
        for _ in range(4):
            server.plan(faults.close_after(200, GOOD, say_so=say_so))
            await client.contacts.get(7)
            await server.no_connections()
        server.requests.clear()
        error = await outcome({**UNSENT, **ALWAYS}[operation](client))
        assert error is None
        check_ledger(server, error)
        await check_health(client, server)


async def test_a_connection_that_breaks_under_a_kept_write_leaves_its_outcome_unknown(
    server: FaultServer, kind: str
) -> None:
    """The race that no client can win: the server resets a kept connection just as the request
    arrives.
    """
    async with connected(kind, server.url) as client:
        await client.contacts.get(7)
        server.requests.clear()
        server.plan(faults.reset(processed=False))
        error = await outcome(client.messages.send(7, "hi"))
        assert type(error) is UNKNOWN
        check_ledger(server, error)
        await check_health(client, server)


# ── time ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("fault", [faults.hang(), faults.hang_in_body(), faults.drip()])
async def test_the_deadline_ends_what_has_no_timeout(
    server: FaultServer, kind: str, fault: Fault
) -> None:
    """A write then has an unknown outcome; a read has simply run out of time."""
    async with connected(kind, server.url, timeout=None, deadline=0.2) as client:
        server.plan(fault, fault)
        error = await outcome(client.messages.send(7, "hi"))
        assert type(error) is UNKNOWN
        assert isinstance(error.__cause__, DeadlineExceededError)
        assert isinstance(await outcome(client.contacts.get(7)), DeadlineExceededError)
        await check_health(client, server)


async def test_a_handshake_that_hangs_ends_unsent(kind: str) -> None:
    """The connection is there, the TLS handshake is not: a definite error, for a write too."""
    async with (
        FaultServer(deaf=True) as deaf,
        connected(kind, deaf.url.replace("http:", "https:"), timeout=0.1, deadline=0.5) as client,
    ):
        error = await outcome(client.messages.send(7, "hi"))
        assert isinstance(error, RespondError)
        assert isinstance(
            error, RequestTimeoutError | ConnectionFailedError | DeadlineExceededError
        )
        assert not error.sent


async def test_a_request_that_was_given_up_unsent_is_never_sent_after_all(
    server: FaultServer, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connecting outlasts the attempt: it counts as unsent and is tried again, so the first try
    must not arrive later.
    """
    loop = asyncio.get_running_loop()
    resolve, slow = loop.getaddrinfo, [0.2, 0.2]

    async def getaddrinfo(*args: Any, **options: Any) -> Any:
        await asyncio.sleep(slow.pop() if slow else 0)
        return await resolve(*args, **options)

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    async with connected(kind, server.url.replace("127.0.0.1", "localhost"), timeout=0.1) as client:
        error = await outcome(client.messages.send(7, "hi"))
        await asyncio.sleep(0.4)  # what was given up would have arrived by now
        check_ledger(server, error)
        await check_health(client, server)
