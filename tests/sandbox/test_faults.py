"""Faults: each kind, and which requests they strike."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import Api, serving

SEND = "/contact/id:100000001/message"
TEXT = {"message": {"type": "text", "text": "hi"}}


async def test_a_status_with_or_without_the_work(api: Api) -> None:
    """The answer is an error either way; `processed` says whether the work was done."""
    api.sandbox.fault(status=502, times=1)
    api.sandbox.fault(status=503, times=1, processed=True, retry_after=7, message="Down")
    assert await api.refused("POST", SEND, TEXT) == (502, "Unexpected error occurred")
    assert len(api.sandbox.sent_messages) == 0
    answer = await api.call("POST", SEND, TEXT)
    assert (answer.status_code, answer.headers["Retry-After"], answer.json()["message"]) == (
        503,
        "7",
        "Down",
    )
    assert len(api.sandbox.sent_messages) == 1
    await api.ok("POST", SEND, TEXT)
    assert [(each.status, each.processed, each.fault) for each in api.sandbox.requests] == [
        (502, False, "status"), (503, True, "status"), (200, True, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "error", "sent"),
    [("reset", httpx.ReadError, 0), ("reset_after", httpx.ReadError, 1),
    ("close", httpx.RemoteProtocolError, 0),
     ("torn", httpx.RemoteProtocolError, 1)],
)  # fmt: skip
async def test_a_broken_connection(api: Api, kind: str, error: type[Any], sent: int) -> None:
    api.sandbox.fault(kind, times=1)
    with pytest.raises(error):
        await api.call("POST", SEND, TEXT)
    assert len(api.sandbox.sent_messages) == sent
    assert api.sandbox.requests[0].status == (200 if kind == "torn" else None)
    await api.ok("POST", SEND, TEXT)


async def test_a_torn_answer_begins_well(api: Api) -> None:
    """Head and half of the body arrive."""
    api.sandbox.fault("torn")
    seen = b""
    with pytest.raises(httpx.RemoteProtocolError):
        async with api.http.stream("GET", "/space/user") as answer:
            assert answer.status_code == 200
            async for piece in answer.aiter_raw():
                seen += piece
    assert seen.startswith(b'{"items":[')


@pytest.mark.parametrize("processed", [False, True])
async def test_a_request_can_hang(api: Api, processed: bool) -> None:
    """A request can hang until the client gives up."""
    api.sandbox.fault("hang", processed=processed)
    with pytest.raises(httpx.ReadTimeout):
        await api.call("POST", SEND, TEXT, timeout=httpx.Timeout(300, read=0.05))
    while not api.sandbox.requests:  # a busy machine may be later than the client
        await asyncio.sleep(0.005)
    assert len(api.sandbox.sent_messages) == processed


@pytest.mark.parametrize("kind", ["slow", "delay"])
async def test_a_slow_answer_is_whole(api: Api, kind: str) -> None:
    """A slow answer is whole in pieces, or late."""
    plain = await api.ok("GET", "/space/user")
    api.sandbox.fault(kind, seconds=0.02)
    assert await api.ok("GET", "/space/user") == plain
    assert api.sandbox.requests[-1].fault == kind


async def test_the_edge_can_block(api: Api) -> None:
    """A 403 that is not JSON."""
    api.sandbox.fault("edge")
    assert (await api.call("GET", "/space/user")).headers["content-type"] == "text/html"


async def test_rules_choose_their_requests(api: Api) -> None:
    sandbox = api.sandbox
    rules = [
        sandbox.fault(method="DELETE"),
        sandbox.fault(path="/contact/{identifier}/tag"),
        sandbox.fault(path="GET /space/user/{id}"),
        sandbox.fault(path="POST|PUT|DELETE /space/tag"),
        sandbox.fault(when=lambda arrival: arrival.query.get("limit") == "7"),
        sandbox.fault(path="/space/closing_notes", after=1, times=2),
    ]
    for method, path in [
        ("DELETE", "/contact/id:100000001"), ("POST", "/contact/id:100000001/tag"),
        ("GET", "/space/user/1001"),
        ("POST", "/space/tag"), ("GET", "/space/channel?limit=7"),
    ]:  # fmt: skip
        assert (await api.call(method, path)).status_code == 503
    await api.ok("GET", "/space/channel")
    assert [rule.struck for rule in rules] == [1, 1, 1, 1, 1, 0]
    statuses = [(await api.call("GET", "/space/closing_notes")).status_code for _ in range(4)]
    assert statuses == [200, 503, 503, 200]
    sandbox.clear_faults()
    await api.ok("DELETE", "/contact/id:100000001")


async def test_a_rule_may_strike_by_chance() -> None:
    """A rule may strike by chance: the same ones for the same seed."""
    outcomes = []
    for _ in range(2):
        async with serving(seed=3) as api:
            api.sandbox.fault(probability=0.5)
            outcomes.append([(await api.call("GET", "/space/user")).status_code for _ in range(20)])
    assert outcomes[0] == outcomes[1]
    assert set(outcomes[0]) == {200, 503}


async def test_refused_requests_meet_no_fault() -> None:
    """The limit comes first, so that a rule's count is of requests that would have worked."""
    async with serving(limits={"GET /space/user": 0.01}) as api:
        await api.ok("GET", "/space/user")
        fault = api.sandbox.fault()
        assert (await api.call("GET", "/space/user")).status_code == 429
        assert fault.seen == 0


@pytest.mark.parametrize("options", [{"kind": "explode"}, {"path": "/space/users"}])
async def test_a_misspelt_rule_is_refused(api: Api, options: dict[str, Any]) -> None:
    """It would never strike."""
    with pytest.raises(ValueError, match=r"unknown kind|no operation"):
        api.sandbox.fault(**options)
