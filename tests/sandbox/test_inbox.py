"""The inbox's server side: who may use it, what it shows, what it streams."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from respondio_async.sandbox import Quirks, Sandbox
from respondio_async.sandbox.inbox import _feed as feed_module
from respondio_async.sandbox.inbox._guard import refusal
from tests.sandbox.conftest import Api, serving
from tests.sandbox.receiver import receiving

PHONE = "+60123456789"


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with serving() as api:
        yield api


async def say(api: Api, **body: Any) -> httpx.Response:
    return await api.http.post(f"{api.sandbox.inbox_url}/say", json=body)


async def state(api: Api, contact: Any = None) -> Any:
    query = {} if contact is None else {"contact": str(contact)}
    answer = await api.http.get(f"{api.sandbox.inbox_url}/state", params=query)
    assert answer.status_code == 200
    return answer.json()


@pytest.mark.parametrize(
    ("path", "kind", "holds"),
    [
        ("", "text/html", "<!doctype html>"),
        ("/inbox.css", "text/css", "prefers-color-scheme"),
        ("/inbox.js", "text/javascript", "EventSource"),
    ],
)
async def test_the_page_brings_all_it_needs(api: Api, path: str, kind: str, holds: str) -> None:
    """Three files, from this server alone, which may load nothing from elsewhere."""
    answer = await api.http.get(api.sandbox.inbox_url + path)
    assert answer.headers["content-type"].startswith(kind)
    assert holds in answer.text
    assert "http" not in answer.text.replace("http-equiv", "")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "innerHTML" not in answer.text


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "localhost.evil.example:80",
        "",
        "a@127.0.0.1",
        "[::1",
        "127.0.0.1/x",
    ],
)
@pytest.mark.parametrize("path", ["", "/state", "/feed", "/say"])
async def test_a_rebound_name_is_refused(api: Api, host: str, path: str) -> None:
    """A website whose name was made to point here reads nothing."""
    method = "POST" if path == "/say" else "GET"
    answer = await api.http.request(
        method,
        api.sandbox.inbox_url + path,
        headers={"host": host},
        json={"contact": PHONE, "text": "x"},
    )
    assert answer.status_code in (400, 403)
    assert not api.sandbox.contacts


@pytest.mark.parametrize(
    "host", ["127.0.0.1:1", "localhost", "localhost:8080", "[::1]:80", "127.1.2.3"]
)
async def test_this_machine_by_any_name(api: Api, host: str) -> None:
    """A forwarded port has another number."""
    assert (await api.http.get(api.sandbox.inbox_url, headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    ("peer", "ours"),
    [
        ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("::ffff:127.0.0.1", True),
        ("192.0.2.7", False), ("10.0.0.1", False), ("172.17.0.1", False), ("::", False),
        ("fe80::1%eth0", False), ("::ffff:192.0.2.7", False), ("0.0.0.0", False), ("", False),
        ("localhost", False),
    ],
)  # fmt: skip
def test_another_machine_is_refused(peer: str, ours: bool) -> None:
    """Whoever connects from elsewhere is refused, whatever the Host header says."""
    for method, host in [("GET", "127.0.0.1"), ("GET", "localhost:80"), ("POST", "[::1]")]:
        headers = {"host": host, "content-type": "application/json"}
        assert (refusal(method, headers, peer) is None) is ours


async def test_a_sandbox_for_other_machines_keeps_its_page_to_this_one() -> None:
    """On every address the API answers everybody, and the page only loopback, also when a header
    names another peer.
    """
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        with suppress(OSError):
            probe.connect(("192.0.2.1", 9))  # sends nothing; tells our address towards others
        address = probe.getsockname()[0]
    async with serving(host="0.0.0.0") as api:
        port = api.sandbox.url.split(":")[2].split("/")[0]
        assert api.sandbox.url == f"http://127.0.0.1:{port}/v2"
        assert (await api.http.get(api.sandbox.inbox_url)).status_code == 200
        if address in {"0.0.0.0", "127.0.0.1"}:
            return  # this machine has no other address
        spoofed = {
            "host": "127.0.0.1",
            "x-forwarded-for": "127.0.0.1",
            "forwarded": "for=127.0.0.1",
        }
        for path in ("", "/state", "/feed"):
            answer = await api.http.get(f"http://{address}:{port}/inbox{path}", headers=spoofed)
            assert answer.status_code == 403
        answer = await api.http.get(f"http://{address}:{port}/v2/space/user")
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:1"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": ""}, 415),
    ],
)
async def test_a_foreign_page_writes_nothing(
    api: Api, headers: dict[str, str], status: int
) -> None:
    """What a form or a script of another page can send without asking first."""
    for path, body in (("say", {"contact": PHONE, "text": "hi"}), ("close", {"contact": 1})):
        content = json.dumps(body)
        answer = await api.http.post(
            f"{api.sandbox.inbox_url}/{path}",
            content=content,
            headers={"content-type": "application/json", **headers},
        )
        assert answer.status_code == status
    assert not api.sandbox.contacts


async def test_a_link_on_another_page_may_be_followed(api: Api) -> None:
    """A link on another page may be followed, but a foreign page may not embed or fetch."""
    follow = {
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
    }
    url = api.sandbox.inbox_url
    assert (await api.http.get(url, headers=follow)).status_code == 200
    assert (
        await api.http.get(url, headers={**follow, "sec-fetch-dest": "iframe"})
    ).status_code == 403
    assert (
        await api.http.get(f"{url}/state", headers={"sec-fetch-site": "cross-site"})
    ).status_code == 403


async def test_same_origin_writes(api: Api) -> None:
    """Same origin writes, as the page itself does."""
    origin = api.sandbox.inbox_url.removesuffix("/inbox")
    answer = await api.http.post(
        f"{api.sandbox.inbox_url}/say",
        json={"contact": PHONE, "text": "hi", "name": "Aina"},
        headers={"origin": origin, "sec-fetch-site": "same-origin"},
    )
    assert answer.json() == {"contact": api.sandbox.contact(PHONE).id}
    assert api.sandbox.contact(PHONE).first_name == "Aina"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{", b"[" * 60_000, b'{"text": "hi"}', b'{"contact": true, "text": "hi"}',
            b'{"contact": 5, "text": "hi"}',
        b'{"contact": "nobody", "text": "hi"}', b'{"contact": "+60123456789", "text": " "}',
        b'{"contact": "+60123456789", "text": 5}',
            b'{"contact": "+60123456789", "text": "hi", "name": 5}',
    ],
)  # fmt: skip
async def test_what_nobody_can_say(api: Api, body: bytes) -> None:
    answer = await api.http.post(
        f"{api.sandbox.inbox_url}/say", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["error"]


async def test_too_much_and_nothing_there(api: Api) -> None:
    """A bound on bodies; unknown pages and methods."""
    url, json_type = api.sandbox.inbox_url, {"content-type": "application/json"}

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(70):
            yield b" " * 1_000

    assert (
        await api.http.post(f"{url}/say", content=pieces(), headers=json_type)
    ).status_code == 413
    assert (await api.http.get(f"{url}/say")).status_code == 404
    assert (await api.http.get(f"{url}/../page/index.html")).status_code in (403, 404)
    assert (await api.http.get(f"{url}/page/index.html")).status_code == 404
    assert (await api.http.post(f"{url}/state", json={})).status_code == 404
    assert (await api.http.post(f"{url}/close", json={"contact": 5})).status_code == 404
    assert (await api.http.post(f"{url}/close", json={"contact": "x"})).status_code == 404


async def test_a_browser_that_leaves_within_its_request_is_no_error(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    url = urlsplit(api.sandbox.inbox_url)
    _, writer = await asyncio.open_connection(url.hostname, url.port)
    head = "POST /inbox/say HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: 100\r\n\r\n{{".encode())
    await writer.drain()
    await state(api)
    writer.close()
    await writer.wait_closed()
    await state(api)
    assert [record for record in caplog.records if record.exc_info] == []


async def test_a_name_with_half_a_surrogate_pair_is_shown(api: Api) -> None:
    api.sandbox.customer(PHONE, name="\ud83d").says("hi")
    assert [each["name"] for each in (await state(api))["contacts"]] == ["\ud83d"]


async def test_the_state_shows_a_conversation(api: Api) -> None:
    """Who wrote last comes first; the chosen contact with its messages of every type."""
    sandbox = api.sandbox
    sandbox.customer("+60111111111").says("first")
    customer = sandbox.customer(PHONE, name="Aina")
    customer.says("hi")
    customer.attaches("https://files.example/cat.png")
    customer.sends("location", latitude=3.1)
    contact = sandbox.contact(PHONE)
    await api.ok("POST", f"/contact/id:{contact.id}/conversation/assignee", {"assignee": 1003})
    await api.ok("POST", f"/contact/id:{contact.id}/lifecycle/update", {"name": "Customer"})
    for message in (
        {"type": "quick_reply", "title": "What?", "replies": ["a", "b"]},
        {"type": "whatsapp_template", "template": {"name": "hello_world", "languageCode": "en_US"}},
    ):
        await api.ok("POST", f"/contact/id:{contact.id}/message", {"message": message})
    seen = await state(api, contact.id)
    assert [each["name"] for each in seen["contacts"]] == ["Aina", "Customer"]
    shown = seen["contact"]
    assert (shown["status"], shown["assignee"], shown["lifecycle"]) == (
        "open",
        "Anna Agent",
        "Customer",
    )
    assert [each["text"] for each in shown["messages"]] == [
        "hi", "[image] https://files.example/cat.png", '[location] {"latitude": 3.1}', "What?",
        "[template] hello_world",
    ]  # fmt: skip
    assert shown["messages"][3]["replies"] == ["a", "b"]
    assert shown["messages"][3]["status"] in ("pending", "sent")


@pytest.mark.parametrize("contact", ["x", "9" * 30, "-1", "12345", "١"])
async def test_a_contact_that_is_none(api: Api, contact: str) -> None:
    assert (await state(api, contact))["contact"] is None


async def test_a_person_closes_a_conversation(api: Api) -> None:
    """An agent in the real inbox does so too: the bot receives the event."""
    async with receiving() as receiver:
        api.sandbox.webhook(receiver.url, ["conversation.closed"])
        contact = (await say(api, contact=PHONE, text="hi")).json()["contact"]
        path = f"/contact/id:{contact}/conversation/assignee"
        await api.ok("POST", path, {"assignee": 1003})
        await api.http.post(f"{api.sandbox.inbox_url}/close", json={"contact": contact})
        await api.sandbox.webhooks.wait_settled(timeout=300)
        conversation = receiver.received[0].event["conversation"]
        assert (conversation["closedBySource"], conversation["closedBy"]["id"]) == ("user", 1003)
    assert (await state(api, contact))["contact"]["status"] == "closed"


@asynccontextmanager
async def watching(
    api: Api, after: str | None = None
) -> AsyncIterator[AsyncIterator[tuple[int, Any]]]:
    """The stream, as pairs of number and entry."""
    headers = {} if after is None else {"last-event-id": after}
    async with api.http.stream("GET", f"{api.sandbox.inbox_url}/feed", headers=headers) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        lines = answer.aiter_lines()
        assert await anext(lines) == "retry: 1000"

        async def entries() -> AsyncIterator[tuple[int, Any]]:
            number = 0
            async for line in lines:
                if line.startswith("id: "):
                    number = int(line[4:])
                elif line.startswith("data: "):
                    yield number, json.loads(line[6:])

        yield entries()


async def test_everything_is_streamed_as_it_happens(api: Api) -> None:
    """Calls from before it was opened too; and then events, deliveries and calls, in order, each
    with what it carried.
    """
    await api.call("GET", "/contact/id:5")
    async with receiving() as receiver, watching(api) as entries:
        assert (await anext(entries))[1]["note"] == "404"
        api.sandbox.webhook(receiver.url, ["message.received"])
        api.sandbox.customer(PHONE, name="Aina").says("hi")
        seen = [(await anext(entries))[1] for _ in range(4)]
        assert [(each["kind"], each["title"].split(" →")[0]) for each in seen] == [
            ("event", "contact.created"), ("event", "conversation.opened"),
            ("event", "message.received"),
            ("webhook", "message.received"),
        ]  # fmt: skip
        assert seen[0]["note"] == "Aina"
        assert seen[3]["note"].startswith("200 in ")
        assert '"text": "hi"' in seen[3]["body"]
        await api.ok("POST", f"/contact/phone:{PHONE}/tag", ["vip"])
        event, call = [(await anext(entries))[1] for _ in range(2)]
        assert event["note"] == "Aina (tag: vip, action: add)"
        assert (call["title"], call["note"], call["tone"]) == (
            f"POST /contact/phone:{PHONE}/tag",
            "200",
            "good",
        )
        assert json.loads(call["body"]) == ["vip"]


async def test_what_went_wrong_is_streamed(api: Api) -> None:
    """A webhook that fails and is disabled, a call without an answer, a body that is no JSON."""
    async with watching(api) as entries:
        webhook = api.sandbox.webhook("http://127.0.0.1:1/", ["message.received"])
        webhook.errors.extend([api.sandbox.clock.now()] * 29)
        api.sandbox.customer(PHONE).says("x" * 5_000)
        delivery = [(await anext(entries))[1] for _ in range(4)][-1]
        assert delivery["tone"] == "bad"
        assert delivery["note"].endswith(", and is disabled")
        assert len(delivery["body"]) == 4_001
        api.sandbox.fault("close", times=1)
        with pytest.raises(httpx.TransportError):
            await api.call("POST", f"/contact/phone:{PHONE}/tag", content=b"\xff")
        call = (await anext(entries))[1]
        assert (call["note"], call["tone"], call["body"]) == ("no answer", "bad", "\ufffd")
        assert not (await state(api))["webhooks"][0]["enabled"]


async def test_a_stream_goes_on_where_it_broke_off(api: Api) -> None:
    """The browser says what it saw last; nothing comes twice."""
    async with watching(api) as entries:
        api.sandbox.customer(PHONE).says("hi")
        first, second = [await anext(entries) for _ in range(2)]
    async with watching(api, after=str(first[0])) as entries:
        assert await anext(entries) == second
    async with watching(api, after="?") as entries:
        assert await anext(entries) == first


async def test_entries_of_two_threads_stay_in_order() -> None:
    """One that takes long to write is not numbered before those that overtake it: a stream would
    pass it by, or show what came in between twice.
    """
    feed = feed_module.Feed()

    class Slow(dict[str, Any]):
        def items(self) -> Any:
            feed.publish({"title": "meanwhile"})
            return super().items()

    feed.publish(Slow(title="slow"))
    stream = feed.stream()
    assert await anext(stream) == b"retry: 1000\n\n"
    assert await anext(stream) == b'id: 1\ndata: {"title":"meanwhile"}\n\n'
    assert await anext(stream) == b'id: 2\ndata: {"title":"slow"}\n\n'
    await stream.aclose()


async def test_a_quiet_stream_says_that_it_is_alive(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quiet stream says that it is alive, so that neither browser nor proxy takes it for dead."""
    monkeypatch.setattr(feed_module, "_QUIET", 0.01)
    async with api.http.stream("GET", f"{api.sandbox.inbox_url}/feed") as answer:
        async for line in answer.aiter_lines():
            if line == ": still here":
                break


async def test_an_open_page_does_not_keep_a_sandbox_from_ending() -> None:
    """It is cut off; a page that comes back later finds the same log."""
    sandbox = Sandbox(quirks=Quirks.calm())
    async with httpx.AsyncClient(verify=False, timeout=300) as http:
        async with sandbox:
            request = http.build_request("GET", f"{sandbox.inbox_url}/feed")
            answer = await http.send(request, stream=True)
        with pytest.raises(httpx.TransportError):
            async for _ in answer.aiter_bytes():
                pass
        sandbox.customer(PHONE).says("while nobody looked")
        async with sandbox, http.stream("GET", f"{sandbox.inbox_url}/feed") as again:
            async for line in again.aiter_lines():
                if "message.received" in line:
                    break


async def test_a_sandbox_that_nobody_looks_at_pays_nothing(api: Api) -> None:
    """Nothing listens before the page is opened; two pages are one listener."""
    assert not api.sandbox.on_event
    async with watching(api), watching(api):
        assert len(api.sandbox.on_event) == 1
