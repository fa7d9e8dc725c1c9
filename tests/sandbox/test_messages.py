"""Messages: what is taken, how they move on, how they are read."""

from typing import Any

import pytest

from tests.sandbox.conftest import Api

SEND = "/contact/id:100000001/message"


def text(words: str = "hi", **more: Any) -> dict[str, Any]:
    return {"message": {"type": "text", "text": words, **more}}


def template(*components: Any, **more: Any) -> dict[str, Any]:
    body = {"name": "order_update", "languageCode": "en", "components": list(components), **more}
    return {"message": {"type": "whatsapp_template", "template": body}}


GOOD = [
    text(),
    text(messageTag="ACCOUNT_UPDATE"),
    {"message": {"type": "attachment", "attachment": {"type": "image", "url": "https://x.example/a/b.PNG?x=1"}}},
    {"message": {"type": "quick_reply", "title": "T", "replies": ["a"] * 10}},
    {"channelId": 2002, "message": {"type": "custom_payload", "payload": {}}},
    {"channelId": 2004, "message": {"type": "email", "text": "x", "subject": "s", "cc": ["a@b.example"]}},
    {"message": {"type": "email", "text": "x", "attachments": [{"type": "file", "url": "https://x.example/a.pdf", "fileName": "a.pdf"}]}},
    {"message": {"type": "whatsapp_template", "template": {"name": "hello_world", "languageCode": "en_US"}}},
    {"message": {"type": "facebook_template", "template": {"name": "hello_world", "languageCode": "en_US", "components": []}}},
    template(
        {"type": "header", "format": "document", "parameters": [{"type": "document", "document": {"link": "l", "filename": "f"}}]},
        {"type": "body", "text": "Hi {{1}}", "parameters": [{"type": "text", "text": "A"}]},
        {"type": "footer", "text": "x"},
        {"type": "buttons", "buttons": [
            {"type": "quick_reply", "text": "x"},
            {"type": "url", "text": "x", "url": "u", "parameters": [{"type": "text", "text": "1"}]},
            {"type": "phone_number", "text": "x", "phone_number": "+601"},
            {"type": "mpm", "text": "x", "parameters": [{"type": "action", "action": {}}]},
        ]},
    ),
    template({"type": "header", "format": "location", "parameters": [
        {"type": "location", "location": {"name": "n", "address": "a", "latitude": "1", "longitude": "2"}}]}),
    template({"type": "header", "format": "text", "text": "x", "parameters": [{"type": "text", "text": "x"}]}),
    template({"type": "header", "format": "image", "parameters": [{"link": "l"}]}),
]  # fmt: skip


@pytest.mark.parametrize("body", GOOD)
async def test_each_kind_of_message_is_accepted(api: Api, body: dict[str, Any]) -> None:
    """Accepted is not delivered: the answer is an id only, in microseconds."""
    answer = await api.ok("POST", SEND, body)
    assert answer["messageId"] > 1e15
    shown = await api.ok("GET", f"{SEND}/{answer['messageId']}")
    assert shown["message"] == body["message"]
    assert (shown["traffic"], shown["sender"], shown["contactId"]) == (
        "outgoing",
        {"source": "api"},
        100000001,
    )


# ruff: noqa: E501 - a table
BAD = [
    ({}, "Missing field(s) : message"),
    ({"message": "hi"}, "message: Invalid value"),
    ({"message": {"text": "hi"}}, "Missing field(s) : message.type"),
    ({"message": {"type": "location"}}, "message.type: Invalid value"),
    ({"message": {"type": ["text"]}}, "message.type: Invalid value"),
    (text(""), "Missing field(s) : message.text"),
    (text(5), "message.text: Invalid value"),
    (text(messageTag="OTHER"), "message.messageTag: Invalid value"),
    ({"channelId": "274637", **text()}, "Invalid field(s) : channelId = 274637"),
    ({"channelId": True, **text()}, "Invalid field(s) : channelId = True"),
    ({"channelId": 9, **text()}, "channel not found for contactId"),
    ({"message": {"type": "attachment"}}, "Missing field(s) : message.attachment"),
    ({"message": {"type": "attachment", "attachment": {"type": "x", "url": "https://x.example/a.png"}}}, "message.attachment.type: Invalid value"),
    ({"message": {"type": "attachment", "attachment": {"type": "image"}}}, "attachment url is not valid"),
    ({"message": {"type": "quick_reply", "replies": ["a"]}}, "Missing field(s) : message.title"),
    ({"message": {"type": "quick_reply", "title": "T"}}, "Missing field(s) : message.replies"),
    ({"message": {"type": "quick_reply", "title": "T", "replies": ["a"] * 11}}, "message.replies: Invalid value"),
    ({"message": {"type": "quick_reply", "title": "T", "replies": []}}, "message.replies: Invalid value"),
    ({"message": {"type": "custom_payload", "payload": {}}}, "Missing field(s) : channelId"),
    ({"channelId": 2002, "message": {"type": "custom_payload"}}, "Missing field(s) : message.payload"),
    ({"message": {"type": "email", "subject": "s"}}, "Missing field(s) : message.message"),
    ({"message": {"type": "email", "text": "s", "cc": "a"}}, "message.cc: Invalid value"),
    ({"message": {"type": "email", "text": "s", "attachments": ["a"]}}, "message.attachments: Invalid value"),
    ({"message": {"type": "whatsapp_template"}}, "Missing field(s) : template"),
    ({"message": {"type": "whatsapp_template", "template": {"languageCode": "en"}}}, "Missing field(s) : template.name"),
    ({"message": {"type": "whatsapp_template", "template": {"name": "order_update"}}}, "Missing field(s) : template.languageCode"),
    (template(components="x"), "template.components: Invalid value"),
    (template("x"), "template.components: Invalid value"),
    (template({"type": "BODY"}), "template.components[0].type: Invalid value"),
    (template({"type": "header"}), "template.components[0].format: Invalid value"),
    (template({"type": "header", "format": "document", "parameters": [{"link": "l"}]}), "Missing field(s) : template.components[0].parameters.document.filename"),
    (template({"type": "header", "format": "image", "parameters": [{"type": "video"}]}), "template.components[0].parameters.type: Invalid value"),
    (template({"type": "header", "format": "image", "parameters": [{"image": "x"}]}), "template.components[0].parameters.image: Invalid value"),
    (template({"type": "header", "format": "location", "parameters": [{"name": "x", "address": "x", "latitude": 1}]}), "template.components[0].parameters.location.latitude: Invalid value"),
    (template({"type": "body", "parameters": [{"type": "text"}]}), "Missing field(s) : template.components[0].parameters.text"),
    (template({"type": "footer"}), "Missing field(s) : template.components[0].text"),
    (template({"type": "buttons"}), "template.components[0].buttons: Invalid value"),
    (template({"type": "buttons", "buttons": [{"type": "x"}]}), "template.components[0].buttons.type: Invalid value"),
    (template({"type": "buttons", "buttons": [{"type": "url", "text": "x"}]}), "Missing field(s) : template.components[0].buttons.url"),
    (template({"type": "buttons", "buttons": [{"type": "catalog", "text": "x", "parameters": [{}]}]}), "Missing field(s) : template.components[0].buttons.parameters.action"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message"), BAD)
async def test_a_wrong_message_is_refused(api: Api, body: dict[str, Any], message: str) -> None:
    """Nothing is sent, and the message says what is wrong."""
    assert await api.refused("POST", SEND, body) == (400, message)
    assert api.sandbox.sent_messages == []


@pytest.mark.parametrize("url", ["ftp://x.example/a.png", "https://x.example/a", "https://x.example/a.exe", "http://localhost/a.png",
                                 "http://10.0.0.1/a.png", "x", "https://[/a.png"])  # fmt: skip
async def test_an_attachment_must_be_public_and_of_a_known_kind(api: Api, url: str) -> None:
    """The allow-list goes by the path's extension."""
    body = {"message": {"type": "attachment", "attachment": {"type": "image", "url": url}}}
    assert await api.refused("POST", SEND, body) == (400, "attachment url is not valid")


async def test_a_template_that_was_not_synced_is_404(api: Api) -> None:
    """Name and language must both be known."""
    body = {
        "message": {
            "type": "whatsapp_template",
            "template": {"name": "order_update", "languageCode": "fr"},
        }
    }
    assert await api.refused("POST", SEND, body) == (404, "Template not found")


async def test_the_template_text_may_be_required(api: Api) -> None:
    """One live report needs it, another client does without."""
    body = template({"type": "body", "parameters": [{"type": "text", "text": "A"}]})
    await api.ok("POST", SEND, body)
    api.sandbox.answers.template_text_required = True
    assert await api.refused("POST", SEND, body) == (
        400,
        "Missing field(s) : template.components[0].text",
    )


async def test_a_custom_payload_is_forbidden_on_whatsapp(api: Api) -> None:
    """A custom payload is forbidden on WhatsApp: a 403 with a JSON body."""
    body = {"channelId": 2001, "message": {"type": "custom_payload", "payload": {}}}
    assert (await api.refused("POST", SEND, body))[0] == 403


async def test_an_email_with_message_for_text_is_read_as_text(api: Api) -> None:
    """One official client writes it so."""
    sent = await api.ok("POST", SEND, {"message": {"type": "email", "message": "x"}})
    assert (await api.ok("GET", f"{SEND}/{sent['messageId']}"))["message"] == {
        "type": "email",
        "text": "x",
    }


async def test_a_new_contact_has_no_last_channel(api: Api) -> None:
    """null means the last channel; a new contact has none, until a channel is named."""
    path = f"/contact/id:{await api.contact()}/message"
    assert await api.refused("POST", path, {"channelId": None, **text()}) == (
        400,
        "channel not found for contactId",
    )
    api.sandbox.quirks.link_channel_on_send = False
    assert (await api.refused("POST", path, {"channelId": 2001, **text()}))[0] == 400
    api.sandbox.quirks.link_channel_on_send = True
    await api.ok("POST", path, {"channelId": 2002, **text()})
    sent = await api.ok("POST", path, text())
    assert (await api.ok("GET", f"{path}/{sent['messageId']}"))["channelId"] == 2002


async def test_message_ids_are_unique_and_grow(api: Api) -> None:
    """Message ids are unique and grow, even within one microsecond."""
    ids = [(await api.ok("POST", SEND, text()))["messageId"] for _ in range(20)]
    assert ids == sorted(set(ids))


async def test_a_message_moves_on_with_time(api: Api) -> None:
    """A message moves on with time: pending, sent, delivered, read; the last element is the current
    one.
    """
    message_id = (await api.ok("POST", SEND, text()))["messageId"]
    seen = []
    for seconds in (0, 0.2, 0.5, 2):
        api.sandbox.advance(seconds)
        seen.append(
            [each["value"] for each in (await api.ok("GET", f"{SEND}/{message_id}"))["status"]]
        )
    assert seen[0][0] == "pending"
    assert seen[1:] == [
        ["pending", "sent"],
        ["pending", "sent", "delivered"],
        ["pending", "sent", "delivered", "read"],
    ]


@pytest.mark.parametrize("way", ["rule", "number"])
async def test_a_message_can_fail(api: Api, way: str) -> None:
    """A message can fail by a rule, or because of the phone number; the reason is in the last
    status.
    """
    contact_id = await api.contact("phone:+15005550123")
    if way == "rule":
        contact_id = 100000001
        api.sandbox.fail_messages(
            lambda contact, message: message["text"] == "other", reason="Other"
        )
        api.sandbox.fail_messages(lambda contact, message: message["text"] == "bad")
    path = f"/contact/id:{contact_id}/message"
    message_id = (await api.ok("POST", path, {"channelId": 2001, **text("bad")}))["messageId"]
    api.sandbox.advance(10)
    status = (await api.ok("GET", f"{path}/{message_id}"))["status"]
    assert [each["value"] for each in status] == ["pending", "failed"]
    assert status[-1]["message"] == "Message undeliverable"


@pytest.mark.parametrize("message_id", ["5", "x", "-1"])
async def test_an_unknown_message_is_404(api: Api, message_id: str) -> None:
    """Another contact's message is unknown, too."""
    assert (await api.refused("GET", f"{SEND}/{message_id}"))[0] == 404
    other = await api.ok("POST", "/contact/id:100000002/message", text())
    assert (await api.refused("GET", f"{SEND}/{other['messageId']}"))[0] == 404


async def test_messages_are_listed_newest_first(api: Api) -> None:
    """A cursor goes to older ones, a negative one to newer ones, oldest first."""
    api.sandbox.add_contacts(1, messages=7)
    path = "/contact/id:100000004/message/list"
    ids = [each.id for each in api.sandbox.contact(100000004).messages]

    async def walk(cursor: int | None) -> list[Any]:
        page = await api.ok(
            "GET", path, params={"limit": 3, **({} if cursor is None else {"cursorId": cursor})}
        )
        return [each["messageId"] for each in page["items"]]

    assert await walk(None) == ids[:3:-1]
    assert await walk(ids[4]) == [ids[3], ids[2], ids[1]]
    assert await walk(-ids[2]) == [ids[3], ids[4], ids[5]]
    assert await walk(-ids[6]) == []


@pytest.mark.parametrize(
    ("source", "plain", "tagged"),
    [
        ("whatsapp_cloud", "failed", "failed"),
        ("360dialog_whatsapp", "failed", "failed"),
        ("facebook", "failed", "read"),
        ("instagram", "failed", "read"),
        ("telegram", "read", "read"),
    ],
)
async def test_a_day_after_the_customers_message_free_text_fails(
    api: Api, source: str, plain: str, tagged: str
) -> None:
    """On WhatsApp of every provider only a template is delivered; a message tag helps on Facebook
    and Instagram.
    """
    api.sandbox.state.channels[2001].source = source
    api.sandbox.receive_message(100000001, "hi", channel_id=2001)
    api.sandbox.advance(86_401)
    hello = {"name": "hello_world", "languageCode": "en_US"}
    for body, ending in (
        (text(), plain),
        (text(messageTag="ACCOUNT_UPDATE"), tagged),
        ({"message": {"type": "whatsapp_template", "template": hello}}, "read"),
    ):
        sent = await api.ok("POST", SEND, body)
        api.sandbox.advance(10)
        shown = await api.ok("GET", f"{SEND}/{sent['messageId']}")
        assert shown["status"][-1]["value"] == ending


async def test_the_last_channel_is_that_of_the_last_message(api: Api) -> None:
    """Within the same second too, and for a customer who goes back to a channel used before."""
    contact = api.sandbox.contact(100000001)
    for channel_id in (2002, 2003, 2002):
        api.sandbox.receive_message(contact, "hi", channel_id=channel_id)
    sent = await api.ok("POST", SEND, text())
    assert (await api.ok("GET", f"{SEND}/{sent['messageId']}"))["channelId"] == 2002
    assert api.sandbox.receive_message(contact, "hi").channel_id == 2002


@pytest.mark.parametrize("key", ["next", "previous"])
async def test_newer_messages_continue_under_either_key(api: Api, key: str) -> None:
    """Nobody documents which of them goes on to still newer messages."""
    api.sandbox.answers.newer_messages_continue_in = key
    api.sandbox.quirks.next_cursor = "integer"
    api.sandbox.add_contacts(1, messages=7)
    ids = [each.id for each in api.sandbox.contact(100000004).messages]
    params = {"limit": 3, "cursorId": -ids[2]}
    page = await api.ok("GET", "/contact/id:100000004/message/list", params=params)
    assert page["pagination"][key] == -ids[5]


@pytest.mark.parametrize("limit", ["51", "0", "x", "-1"])
async def test_a_page_of_messages_has_at_most_fifty(api: Api, limit: str) -> None:
    """The other lists allow a hundred."""
    assert await api.refused("GET", f"{SEND}/list?limit={limit}") == (400, "limit: Invalid value")
    await api.ok("GET", f"{SEND}/list?limit=50")


async def test_a_customer_writes(api: Api) -> None:
    """An incoming message opens the conversation and is the last channel's; it has no status."""
    message = api.sandbox.receive_message("+601100000001", "hello")
    shown = await api.ok("GET", f"{SEND}/{message.id}")
    assert (shown["traffic"], shown["message"]["text"], shown["sender"]["source"]) == (
        "incoming",
        "hello",
        "contact",
    )
    assert "status" not in shown
    assert (await api.ok("GET", "/contact/id:100000001"))["status"] == "open"
    new = api.sandbox.contact(await api.contact())
    api.sandbox.receive_message(new, {"type": "location"})
    assert (new.messages[-1].content, new.messages[-1].channel_id) == ({"type": "location"}, 2001)
    assert api.sandbox.receive_message(new, "hi", channel_id=2003).channel_id == 2003


async def test_sending_may_open_the_conversation(api: Api) -> None:
    """Sending opens the conversation only if asked to."""
    await api.ok("POST", SEND, text())
    assert (await api.ok("GET", "/contact/id:100000001"))["status"] == "closed"
    api.sandbox.quirks.sending_opens = True
    await api.ok("POST", SEND, text())
    assert (await api.ok("GET", "/contact/id:100000001"))["status"] == "open"
