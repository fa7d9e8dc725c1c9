"""The record of what arrived."""

import asyncio

from respondio_async.sandbox.record import RouteRecord
from tests.sandbox.conftest import Api, serving

SEND = "/contact/id:100000001/message"


async def test_each_request_is_recorded(api: Api) -> None:
    """What came, without the token, and what was answered."""
    await api.ok(
        "POST",
        f"{SEND}?a=1%202&b",
        {"message": {"type": "text", "text": "hi"}},
        headers={"X-Test": "1"},
    )
    await api.call("GET", "/nowhere")
    first, second = api.sandbox.requests
    assert (first.number, first.method, first.path, first.template) == (
        1,
        "POST",
        SEND,
        "POST /contact/{identifier}/message",
    )
    assert (first.query, first.body["message"]["text"], first.headers["x-test"]) == (
        {"a": "1 2", "b": ""},
        "hi",
        "1",
    )
    assert (first.status, first.processed, first.refused) == (200, True, False)
    assert not any(api.sandbox.token in value for value in first.headers.values())
    assert (second.template, second.status, second.processed, second.body) == ("", 404, False, None)
    assert first.time <= second.time
    assert first.at <= second.at


async def test_a_body_that_is_not_json_is_kept_as_bytes(api: Api) -> None:
    """A body that is not JSON is kept as bytes, so that an assertion can see what was sent."""
    for number, content in enumerate((b"{", b"[" * 50_000)):
        await api.call("PUT", "/contact/id:100000001", content=content)
        assert api.sandbox.requests[number].body == content


async def test_only_the_latest_are_kept_but_all_are_counted() -> None:
    """Memory stays flat over long runs."""
    async with serving(keep=2) as api:
        for _ in range(5):
            await api.ok("GET", "/space/user")
        assert [each.number for each in api.sandbox.requests] == [4, 5]
        assert (
            api.sandbox.count(),
            api.sandbox.count("GET /space/user"),
            api.sandbox.count("POST /contact/merge"),
        ) == (5, 5, 0)
        assert api.sandbox.routes["GET /space/user"].processed == 5
        assert 1 <= api.sandbox.rates("GET /space/user") <= 5
        api.sandbox.forget()
        assert (api.sandbox.requests, api.sandbox.count()) == ([], 0)


def test_the_most_in_any_second() -> None:
    """Refused ones are counted apart."""
    record = RouteRecord()
    for number in range(20):
        record.count(1000 + number * 0.1, refused=number % 2 == 1)
    assert (record.arrived, record.refused) == (20, 10)
    assert (record.most_in_a_second, record.most_admitted_in_a_second) in ((10, 5), (11, 5))


async def test_duplicates_are_found(api: Api) -> None:
    """Duplicates are found: the same message or comment to the same contact, twice."""
    message = {"message": {"type": "text", "text": "hi"}}
    await api.ok("POST", SEND, message)
    await api.ok("POST", "/contact/id:100000002/message", message)
    await api.ok("POST", "/contact/id:100000001/comment", {"text": "hi"})
    assert api.sandbox.duplicates() == []
    await api.ok("POST", SEND, message)
    await api.ok("POST", "/contact/id:100000001/comment", {"text": "hi"})
    assert [(each.kind, each.contact_id, each.count) for each in api.sandbox.duplicates()] == [
        ("message", 100000001, 2), ("comment", 100000001, 2),
    ]  # fmt: skip
    assert [each.contact_id for each in api.sandbox.sent_messages] == [
        100000001,
        100000002,
        100000001,
    ]


async def test_changes_are_told_to_listeners(api: Api) -> None:
    """A listener is called with the names of the webhook events; a silent 200 calls none."""
    seen = []
    api.sandbox.on_event.append(
        lambda event: seen.append((event.type, event.contact.id, event.data))
    )
    contact = f"/contact/id:{await api.contact()}"
    for method, path, body in [
        ("PUT", "", {"lastName": "B"}), ("POST", "/tag", ["a"]), ("POST", "/tag", ["a"]),
        ("DELETE", "/tag", ["a"]),
        ("POST", "/lifecycle/update", {"name": "Customer"}),
        ("POST", "/lifecycle/update", {"name": "Customer"}),
        ("POST", "/conversation/assignee", {"assignee": 1001}),
        ("POST", "/conversation/status", {"status": "open"}),
        ("POST", "/conversation/assignee", {"assignee": 1001}),
        ("POST", "/conversation/assignee", {"assignee": 1001}),
        ("POST", "/message", {"channelId": 2001, "message": {"type": "text", "text": "x"}}),
        ("POST", "/comment", {"text": "x"}),
        ("POST", "/conversation/status", {"status": "close"}),
    ]:  # fmt: skip
        await api.ok(method, contact + path, body)
    api.sandbox.receive_message("+60123456789", "hello")
    assert [kind for kind, _, _ in seen] == [
        "contact.created", "contact.updated", "contact.tag.updated", "contact.tag.updated",
        "contact.lifecycle.updated",
        "conversation.opened", "contact.assignee.updated", "message.sent", "comment.created",
        "conversation.closed",
        "conversation.opened", "message.received",
    ]  # fmt: skip
    assert [data["action"] for kind, _, data in seen if kind == "contact.tag.updated"] == [
        "add",
        "remove",
    ]


async def test_delays_change_no_answer() -> None:
    """Jitter is added on the way in, latency on the way out; both can be changed while it runs."""
    async with serving(contacts=1, latency=0.01, jitter=0.01) as api:
        answers = await asyncio.gather(*(api.ok("GET", "/contact/id:100000001") for _ in range(10)))
        assert all(each == answers[0] for each in answers)
        assert (api.sandbox.latency, api.sandbox.jitter) == (0.01, 0.01)
        api.sandbox.latency = api.sandbox.jitter = 0
        await api.ok("GET", "/contact/id:100000001")
