"""The sandbox sends webhooks as respond.io does: signed, once, on a budget, and no more after too
many errors.
"""

import asyncio
import io
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from respondio_async.sandbox import Quirks, Sandbox, serve
from tests.sandbox.conftest import Api, serving
from tests.sandbox.receiver import OK, Received, Receiver, receiving

PHONE = "+60123456789"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with serving() as api:
        yield api


async def test_a_webhook_is_signed_with_its_own_key(api: Api, receiver: Receiver) -> None:
    """A webhook is signed with its own key: base64(HMAC-SHA256(key, body)), flat compact JSON, one
    key a webhook.
    """
    first = api.sandbox.webhook(receiver.url, ["message.received"])
    second = api.sandbox.webhook(receiver.url, ["message.received"], key="secret")
    api.sandbox.customer(PHONE).says("grüß dich")
    await api.sandbox.webhooks.wait_settled(timeout=300)
    one, two = receiver.received
    assert first.key != second.key
    assert {(each.is_signed(first.key), each.is_signed("secret")) for each in (one, two)} == {
        (True, False),
        (False, True),
    }
    assert (
        one.body
        == two.body
        == json.dumps(one.event, separators=(",", ":"), ensure_ascii=False).encode()
    )
    assert one.target == "/hook?a=1"
    assert one.headers["content-type"] == "application/json"
    assert one.headers["host"] == f"127.0.0.1:{receiver.port}"


async def test_the_signature_of_the_published_example(api: Api, receiver: Receiver) -> None:
    webhook = api.sandbox.webhook(receiver.url, key="secret-key")
    api.sandbox.customer(PHONE).says("hi")
    await api.sandbox.webhooks.wait_settled(timeout=300)
    delivery = api.sandbox.webhooks.deliveries[0]
    assert delivery.event["event_type"] == delivery.event_type == "contact.created"
    delivery.body = b'{"some":"payload"}'
    assert webhook.key == "secret-key"
    assert delivery.signature == "Bq1g+eoWPzyDxcVsyqSfJaTHxwAIVJPuJ/kAf+Ef0QA="


async def test_a_webhook_gets_the_events_that_it_is_registered_for(
    api: Api, receiver: Receiver
) -> None:
    """The first message of somebody new is three events; a webhook without a choice gets all."""
    api.sandbox.webhook(receiver.url, ["conversation.opened", "call.ended"])
    async with receiving() as other:
        api.sandbox.webhook(other.url)
        api.sandbox.customer(PHONE).says("hi")
        await api.sandbox.webhooks.wait_settled(timeout=300)
        assert receiver.types == ["conversation.opened"]
        assert other.types == ["contact.created", "conversation.opened", "message.received"]
        assert len({each.event["event_id"] for each in other.received}) == 3
        assert receiver.received[0].event["event_id"] == other.received[1].event["event_id"]


CALLS: list[tuple[str, list[tuple[str, str, Any]]]] = [
    ("message.sent", [("POST", "message", {"message": {"type": "text", "text": "yo"}})]),
    ("contact.updated", [("PUT", "", {"firstName": "Ben"})]),
    ("contact.assignee.updated", [("POST", "conversation/assignee", {"assignee": 1003})]),
    ("contact.tag.updated", [("POST", "tag", ["vip"])]),
    ("contact.lifecycle.updated", [("POST", "lifecycle/update", {"name": "Customer"})]),
    ("comment.created", [("POST", "comment", {"text": "see {{@user.1003}}"})]),
    (
        "conversation.closed",
        [("POST", "conversation/status", {"status": "close", "category": "Done", "summary": "s"})],
    ),
]


async def happened(
    api: Api, receiver: Receiver, event_type: str, calls: list[tuple[str, str, Any]]
) -> Any:
    """Register for an event, make the calls about a customer who wrote, and return the event's
    body.
    """
    api.sandbox.customer(PHONE, name="Aina").says("hi")
    api.sandbox.webhook(receiver.url, [event_type])
    for method, path, body in calls:
        await api.ok(method, f"/contact/phone:{PHONE}/{path}".rstrip("/"), body)
    await api.sandbox.webhooks.wait_settled(timeout=300)
    (received,) = receiver.received
    assert received.event["event_type"] == event_type
    return received.event


@pytest.mark.parametrize(("event_type", "calls"), CALLS, ids=[name for name, _ in CALLS])
async def test_what_a_client_does_is_told(
    api: Api, receiver: Receiver, event_type: str, calls: Any
) -> None:
    """Every change has its event, with the contact in it, without tags and custom fields."""
    event = await happened(api, receiver, event_type, calls)
    assert event["contact"]["phone"] == PHONE
    assert not {"tags", "custom_fields"} & event["contact"].keys()


async def test_the_body_of_a_message(api: Api, receiver: Receiver) -> None:
    """Two levels deep, with its time in seconds; the channel of a sent one tells when each side
    last wrote.
    """
    sent = await happened(api, receiver, *CALLS[0])
    assert sent["message"]["message"] == {"type": "text", "text": "yo"}
    assert sent["message"]["timestamp"] == sent["message"]["messageId"] // 1_000_000
    assert (sent["message"]["traffic"], sent["message"]["sender"]) == (
        "outgoing",
        {"source": "api"},
    )
    assert sent["channel"]["lastIncomingMessageTime"] <= sent["channel"]["lastMessageTime"]
    api.sandbox.webhook(receiver.url, ["message.received"])
    api.sandbox.customer(PHONE).says("again")
    await api.sandbox.webhooks.wait_settled(timeout=300)
    received = receiver.received[-1].event
    assert (received["message"]["message"]["text"], received["channel"]["source"]) == (
        "again",
        "whatsapp_cloud",
    )
    assert "lastMessageTime" not in received["channel"]


async def test_the_body_of_an_assignment(api: Api, receiver: Receiver) -> None:
    """The contact's assignee is all there is."""
    event = await happened(api, receiver, *CALLS[2])
    assert event["contact"]["assignee"]["id"] == 1003
    assert event.keys() == {"event_type", "event_id", "contact"}


async def test_the_body_of_a_tag(api: Api, receiver: Receiver) -> None:
    """The tag and what was done with it."""
    event = await happened(api, receiver, *CALLS[3])
    assert (event["tag"], event["action"]) == ("vip", "add")


async def test_the_bodies_of_a_lifecycle(api: Api, receiver: Receiver) -> None:
    """The stage, the one before, and whether it was added, updated or removed."""
    await happened(api, receiver, *CALLS[4])
    for name in ("Payment", None):
        await api.ok("POST", f"/contact/phone:{PHONE}/lifecycle/update", {"name": name})
    await api.sandbox.webhooks.wait_settled(timeout=300)
    seen = [
        (e["oldLifecycle"], e["lifecycle"], e["action"])
        for e in (each.event for each in receiver.received)
    ]
    assert seen == [
        (None, "Customer", "add"),
        ("Customer", "Payment", "update"),
        ("Payment", None, "remove"),
    ]


async def test_the_body_of_a_comment(api: Api, receiver: Receiver) -> None:
    """Its text, and who is mentioned in it."""
    event = await happened(api, receiver, *CALLS[5])
    assert (event["comment"]["text"], event["mentions"]) == ("see {{@user.1003}}", [1003])


async def test_the_bodies_of_a_conversation(api: Api, receiver: Receiver) -> None:
    """An opened one tells who opened it; a closed one how it went."""
    closed = (await happened(api, receiver, "conversation.closed", CALLS[0][1] + CALLS[6][1]))[
        "conversation"
    ]
    assert (closed["category"], closed["summary"], closed["openedBySource"]) == (
        "Done",
        "s",
        "contact",
    )
    assert (closed["incomingMessageCount"], closed["outgoingMessageCount"]) == (1, 1)
    assert closed["resolutionTime"] == closed["closedTime"] - closed["openedTime"]
    assert closed["firstResponseTime"] >= 0
    api.sandbox.webhook(receiver.url, ["conversation.opened"])
    await api.ok("POST", f"/contact/phone:{PHONE}/conversation/status", {"status": "open"})
    await api.sandbox.webhooks.wait_settled(timeout=300)
    opened = receiver.received[-1].event["conversation"]
    assert opened["openedBySource"] == "api"
    assert "closedTime" not in opened


async def test_who_had_a_closed_conversation(api: Api, receiver: Receiver) -> None:
    """Closing unassigns; a conversation without an answer has no response time."""
    event = await happened(api, receiver, "conversation.closed", CALLS[2][1] + CALLS[6][1])
    assert event["conversation"]["lastAssignmentTime"] is not None
    assert event["conversation"]["firstResponseTime"] is None
    assert not event["contact"]["assignee"]


async def test_events_that_nothing_causes_are_sent_on_demand(api: Api, receiver: Receiver) -> None:
    """A webhook without a choice gets call.ended and unknown types, and no other webhook does."""
    contact = api.sandbox.customer(PHONE).says("hi") and api.sandbox.contact(PHONE)
    api.sandbox.webhook(receiver.url, ["message.received"])
    api.sandbox.webhook(receiver.url)
    api.sandbox.webhooks.send("call.ended", contact, call={"duration": 7})
    api.sandbox.webhooks.send("moon.risen", contact, phase=0.5)
    await api.sandbox.webhooks.wait_settled(timeout=300)
    assert receiver.types == ["call.ended", "moon.risen"]
    assert [each.event.get("call") or each.event["phase"] for each in receiver.received] == [
        {"duration": 7},
        0.5,
    ]


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ("null", None),
        ("empty", {}),
        ("nulls", dict.fromkeys(("id", "firstName", "lastName", "email"))),
    ],
)
async def test_nobody_is_assigned_in_several_ways(
    receiver: Receiver, form: Any, shown: Any
) -> None:
    quirks = Quirks(webhook_no_assignee=form, webhook_contact_lacks=frozenset())
    async with serving(quirks=quirks) as api:
        api.sandbox.webhook(receiver.url, ["contact.created"])
        api.sandbox.customer(PHONE).says("hi")
        await api.sandbox.webhooks.wait_settled(timeout=300)
    assert receiver.received[0].event["contact"]["assignee"] == shown
    assert receiver.received[0].event["contact"]["tags"] == []


async def test_half_a_surrogate_pair_is_escaped(api: Api, receiver: Receiver) -> None:
    """Half a surrogate pair is escaped, as JSON.stringify does; UTF-8 has no bytes for it."""
    api.sandbox.webhook(receiver.url, ["message.received"])
    api.sandbox.customer(PHONE).says("\ud83d")
    await api.sandbox.webhooks.wait_settled(timeout=300)
    assert b'"\\ud83d"' in receiver.received[0].body


async def test_events_of_one_contact_come_in_order(api: Api, receiver: Receiver) -> None:
    """Events of one contact come in order, however long each answer takes; another contact's do not
    wait for them.
    """
    gate = asyncio.Event()

    async def answer(request: Received) -> bytes:
        if request.event["contact"]["phone"] == PHONE:
            await gate.wait()
        return OK

    receiver.answer = answer
    api.sandbox.webhook(receiver.url, ["message.received"])
    slow, quick = api.sandbox.customer(PHONE), api.sandbox.customer("+60111111111")
    for number in range(3):
        slow.says(f"slow {number}")
    for number in range(3):
        quick.says(f"quick {number}")
    while len(receiver.received) < 4:
        await asyncio.sleep(0.002)
    gate.set()
    await api.sandbox.webhooks.wait_settled(timeout=300)
    texts = [each.event["message"]["message"]["text"] for each in receiver.received]
    assert sorted(texts, key=lambda text: text[:-1]) == [
        f"{who} {n}" for who in ("quick", "slow") for n in range(3)
    ]
    assert texts.index("quick 2") < texts.index("slow 1")


async def test_duplicates_on_demand(api: Api, receiver: Receiver) -> None:
    api.sandbox.webhook(receiver.url, ["message.received"])
    api.sandbox.webhooks.duplicate(1.0)
    api.sandbox.customer(PHONE).says("hi")
    await api.sandbox.webhooks.wait_settled(timeout=300)
    first, second = receiver.received
    assert first.body == second.body
    assert [each.repeated for each in api.sandbox.webhooks.deliveries] == [False, True]


async def test_reordering_on_demand(api: Api, receiver: Receiver) -> None:
    """Every other event is overtaken; the last, which nothing follows, is sent after the longest
    hold.
    """
    api.sandbox.webhook(receiver.url, ["message.received"])
    api.sandbox.webhooks.reorder(1.0, within=0.3)
    customer = api.sandbox.customer(PHONE)
    for number in range(5):
        customer.says(str(number))
        if number % 2:
            await api.sandbox.webhooks.wait_settled(timeout=300)
    await api.sandbox.webhooks.wait_settled(timeout=300)
    assert [each.event["message"]["message"]["text"] for each in receiver.received] == [
        "1",
        "0",
        "3",
        "2",
        "4",
    ]


@pytest.mark.parametrize("rate", [-0.1, 1.1])
async def test_a_share_is_between_none_and_all(rate: float) -> None:
    """Anything else is a mistake."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        Sandbox().webhooks.duplicate(rate)
    with pytest.raises(ValueError, match="between 0 and 1"):
        Sandbox().webhooks.reorder(rate)


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        (b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n", 500, "answered 500"),
        (b"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n", 302, "answered 302"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, None),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, None),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 70_000, 200, None),
        (b"SSH-2.0-OpenSSH\r\n\r\n", None, "no HTTP answer"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n", None, "no HTTP answer"),
        (b"", None, "no HTTP answer"),
    ],
    ids=[
        "500",
        "redirect",
        "204",
        "100 first",
        "to the end",
        "huge",
        "no HTTP",
        "endless head",
        "nothing",
    ],
)
async def test_what_counts_as_an_answer(
    api: Api, receiver: Receiver, answer: bytes, status: Any, error: Any
) -> None:
    """Any 2xx acknowledges; the rest is an error, on record, and never repeated."""
    receiver.answer = answer
    webhook = api.sandbox.webhook(receiver.url, ["message.received"])
    api.sandbox.customer(PHONE).says("hi")
    await api.sandbox.webhooks.wait_settled(timeout=300)
    (delivery,) = api.sandbox.webhooks.deliveries
    assert (delivery.status, delivery.error, delivery.ok) == (status, error, error is None)
    assert len(webhook.errors) == (error is not None)
    assert len(receiver.received) == 1


async def test_an_answer_has_five_seconds(api: Api, receiver: Receiver) -> None:
    """Here less, so that nobody waits."""
    assert api.sandbox.webhooks.budget == 5.0
    api.sandbox.webhooks.budget = 0.05
    hangs = asyncio.Event()

    async def answer(_: Received) -> bytes:
        await hangs.wait()
        return OK

    receiver.answer = answer
    api.sandbox.webhook(receiver.url, ["message.received"])
    api.sandbox.customer(PHONE).says("hi")
    await api.sandbox.webhooks.wait_settled(timeout=300)
    hangs.set()
    assert api.sandbox.webhooks.deliveries[0].error == "no answer within 0.05 s"


async def test_thirty_errors_in_thirty_minutes_disable_a_webhook(
    api: Api, receiver: Receiver
) -> None:
    """Errors of half an hour ago do not count; what happens while it is disabled is never sent; a
    person may enable it again.
    """
    receiver.answer = b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n"
    webhook = api.sandbox.webhook(receiver.url, ["message.received"])
    customer = api.sandbox.customer(PHONE)

    async def says(times: int) -> None:
        for _ in range(times):
            customer.says("hi")
        await api.sandbox.webhooks.wait_settled(timeout=300)

    await says(29)
    api.sandbox.advance(1_801)
    await says(29)
    assert webhook.enabled
    await says(1)
    assert not webhook.enabled
    await says(3)
    assert (len(receiver.received), webhook.missed) == (59, 3)
    receiver.answer = OK
    webhook.enabled = True
    await says(1)
    assert (len(receiver.received), webhook.missed, webhook.enabled) == (60, 3, True)


async def test_nobody_is_there(api: Api, receiver: Receiver) -> None:
    """Nobody is there: an error as well."""
    api.sandbox.webhook("http://127.0.0.1:1/hook", ["message.received"])
    api.sandbox.customer(PHONE).says("hi")
    await api.sandbox.webhooks.wait_settled(timeout=300)
    assert api.sandbox.webhooks.deliveries[0].error == "connection refused"


async def test_an_https_webhook_speaks_tls(api: Api) -> None:
    """To a server that does not, nothing of the event is sent."""
    received = asyncio.Queue[bytes]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.put_nowait(await reader.read(65_536))
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        api.sandbox.webhook(f"https://127.0.0.1:{port}/hook", ["message.received"])
        api.sandbox.customer(PHONE).says("hi")
        await api.sandbox.webhooks.wait_settled(timeout=300)
        assert (await received.get()).startswith(b"\x16\x03")  # a TLS handshake
    delivery = api.sandbox.webhooks.deliveries[0]
    assert (delivery.status, delivery.ok) == (None, False)
    assert "answer" not in (delivery.error or "")


async def test_only_the_first_organisation_has_webhooks(api: Api, receiver: Receiver) -> None:
    """The other's events are its own."""
    api.sandbox.webhook(receiver.url)
    other = api.sandbox.organisation(api.sandbox.add_organisation())
    contact = other.workspace.add_contact()
    other.workspace.emit("contact.created", contact)
    assert api.sandbox.webhooks.settled
    assert not api.sandbox.webhooks.deliveries


async def test_a_sandbox_that_does_not_run_sends_nothing(receiver: Receiver) -> None:
    """Neither before nor after; but it keeps its webhooks when it is started again."""
    sandbox = Sandbox(quirks=Quirks.calm())
    sandbox.webhook(receiver.url, ["message.received"])
    customer = sandbox.customer(PHONE)
    customer.says("before")
    async with sandbox:
        customer.says("while")
        await sandbox.webhooks.wait_settled(timeout=300)
    customer.says("after")
    async with sandbox:
        customer.says("again")
        await sandbox.webhooks.wait_settled(timeout=300)
    errors = [each.error for each in sandbox.webhooks.deliveries]
    assert errors == ["the sandbox is not running", None, "the sandbox is not running", None]
    assert len(receiver.received) == 2


async def test_stopping_waits_for_no_answer(receiver: Receiver) -> None:
    """A delivery that is under way is cut."""
    hangs = asyncio.Event()

    async def answer(_: Received) -> bytes:
        await hangs.wait()
        return b""

    receiver.answer = answer
    async with Sandbox(quirks=Quirks.calm()) as sandbox:
        sandbox.webhook(receiver.url, ["message.received"])
        sandbox.customer(PHONE).says("hi")
        while not receiver.received:
            await asyncio.sleep(0.002)
        with pytest.raises(TimeoutError):
            await sandbox.webhooks.wait_settled(timeout=0.01)
    hangs.set()
    assert not sandbox.webhooks.deliveries[0].ok


async def test_a_removed_webhook_is_sent_nothing(api: Api, receiver: Receiver) -> None:
    """A removed webhook is sent nothing, as if it had never been."""
    api.sandbox.webhooks.remove(api.sandbox.webhook(receiver.url))
    api.sandbox.customer(PHONE).says("hi")
    assert not api.sandbox.webhooks.deliveries


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1/hook",
        "ftp://h/",
        "http://",
        "http://h:99999/",
        "http://h/a b",
        "http://h/ü",
        "http://h/\r\nx: y",
        f"http://{'h' * 64}/",
        "http://h..example/",
    ],
)
def test_a_url_that_nothing_can_be_sent_to(url: str) -> None:
    """Such a URL is refused when it is registered."""
    with pytest.raises(ValueError, match=r"url|Port|port|label"):
        Sandbox().webhook(url)


@pytest.mark.parametrize("events", [[], ["message.recieved"], "message.received"])
def test_events_that_do_not_exist(events: Any) -> None:
    """A misspelt one would never fire."""
    with pytest.raises(ValueError, match=r"message\.received, message\.sent"):
        Sandbox().webhook("http://127.0.0.1/", events)


@pytest.mark.parametrize("keys", ["mine, other", None])
async def test_a_sandbox_of_the_command_line_sends_webhooks(
    receiver: Receiver, keys: str | None
) -> None:
    """A sandbox of the command line sends webhooks: signed with the key that the bot reads from the
    environment; without one it is printed, to be put there. Its page is named too.
    """
    environment = {
        name: value for name, value in os.environ.items() if name != "RESPONDIO_WEBHOOK_KEYS"
    }
    command = [
        sys.executable,
        "-m",
        "respondio_async.sandbox",
        "--webhook",
        receiver.url,
        "--contacts",
        "0",
    ]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=-1, stderr=-1,
        env=environment | ({"RESPONDIO_WEBHOOK_KEYS": keys} if keys else {})
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        names = ["RESPONDIO_BASE_URL", "RESPONDIO_API_TOKEN"] + ["RESPONDIO_WEBHOOK_KEYS"] * (
            keys is None
        )
        printed = dict(
            [(await process.stdout.readline()).decode().strip().split("=", 1) for _ in names]
        )
        inbox = (await process.stderr.readline()).decode().removeprefix("Inbox: ").strip()
        assert list(printed) == names
        assert inbox == printed["RESPONDIO_BASE_URL"].replace("/v2", "/inbox")
        async with httpx.AsyncClient(verify=False) as http:
            await http.post(f"{inbox}/say", json={"contact": PHONE, "text": "hi"})
        while len(receiver.received) < 3:
            await asyncio.sleep(0.005)
        assert all(
            each.is_signed(printed.get("RESPONDIO_WEBHOOK_KEYS", "mine"))
            for each in receiver.received
        )
    finally:
        process.terminate()
        await process.communicate()


@pytest.mark.parametrize("keys", ["mine other", ""])
def test_serve_registers_webhooks(monkeypatch: pytest.MonkeyPatch, keys: str) -> None:
    """The same within this process: a key is printed only when it was made up."""

    class Terminal(io.StringIO):
        def flush(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("RESPONDIO_WEBHOOK_KEYS", keys)
    serve(webhooks=["http://127.0.0.1:1/"])
    assert ("RESPONDIO_WEBHOOK_KEYS=" in sys.stdout.getvalue()) is not bool(keys)  # type: ignore[attr-defined]


def test_a_workspace_has_at_most_35_webhooks() -> None:
    """A workspace has at most 35 webhooks, and none with an empty key."""
    sandbox = Sandbox()
    with pytest.raises(ValueError, match="key"):
        sandbox.webhook("http://127.0.0.1/", key="")
    for _ in range(35):
        sandbox.webhook("http://127.0.0.1/")
    with pytest.raises(ValueError, match="35"):
        sandbox.webhook("http://127.0.0.1/")
