"""What the vendor's own clients send: the TypeScript SDK, the n8n node, the MCP server.

Each row gives a call with the arguments that such a client is handed, and the bytes that must come
of it. The same call then runs against the sandbox, which must take it. A second table holds bodies
that the n8n node sends in production and that our own methods never make.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from respondio_async import (
    AsyncRespond,
    Attachment,
    CustomPayload,
    Email,
    EmailAttachment,
    F,
    InvalidArgumentError,
    QuickReplies,
    Text,
)
from respondio_async.sandbox import Quirks, Sandbox
from tests.faults.support import fast_limiter
from tests.support.scripted import answer, scripted

Call = Callable[[AsyncRespond], Awaitable[Any]]
NONE: Any = object()
OLD = 100000001
"""A contact that the sandbox begins with."""
PDF = "https://cdn.example.com/a.pdf"


def listed(**options: Any) -> Call:
    return lambda c: c.contacts.list(**options).collect()


def found(*conditions: tuple[str | None, str, Any], category: str = "contactField") -> Any:
    return {
        "$and": [
            {"category": category, "field": field, "operator": operator, "value": value}
            for field, operator, value in conditions
        ]
    }


def body_of_list(search: str, timezone: str, group: Any) -> dict[str, Any]:
    return {"search": search, "timezone": timezone, "filter": group}


# ── argument in, bytes out: name · call · target · body
ROWS: list[tuple[str, Call, str, Any]] = [
    # ids as texts
    *(
        (f"assign-{user!r}", lambda c, user=user: c.conversations.assign(OLD, user),
         f"POST /contact/id:{OLD}/conversation/assignee", {"assignee": sent})
        for user, sent in [(1001, 1001), ("1001", 1001), ("sam@sandbox.example",) * 2]
    ),
    ("unassign", lambda c: c.conversations.unassign(OLD),
     f"POST /contact/id:{OLD}/conversation/assignee", {"assignee": None}),
    *(
        (f"send-{channel!r}",
         lambda c, channel=channel: c.messages.send(OLD, "hi", channel_id=channel),
         f"POST /contact/id:{OLD}/message",
         {"channelId": sent, "message": {"type": "text", "text": "hi"}})
        for channel, sent in [(2001, 2001), ("2001", 2001), (None, None)]
    ),
    ("custom-payload", lambda c: c.messages.send(OLD, CustomPayload({"a": 1}), channel_id="2003"),
     f"POST /contact/id:{OLD}/message",
     {"channelId": 2003, "message": {"type": "custom_payload", "payload": {"a": 1}}}),
    ("get-channel", lambda c: c.contacts.get_channel(OLD, "2001"),
     f"GET /contact/id:{OLD}/channel/2001", NONE),
    ("list-templates", lambda c: c.space.list_templates("2001").collect(),
     "GET /space/channel/2001/template?limit=100", NONE),
    # empty texts and lists that stand for "not given"
    ("close-empty", lambda c: c.conversations.close(OLD, category="", summary=""),
     f"POST /contact/id:{OLD}/conversation/status", {"status": "close"}),
    ("close-noted", lambda c: c.conversations.close(OLD, category="Sales", summary=""),
     f"POST /contact/id:{OLD}/conversation/status", {"status": "close", "category": "Sales"}),
    ("field-empty",
     lambda c: c.space.create_custom_field("A", "text", slug="", description="", allowed_values=[]),
     "POST /space/custom_field", {"name": "A", "dataType": "text"}),
    ("field-list",
     lambda c: c.space.create_custom_field("B", "list", slug="b_1", allowed_values=["x", "y"]),
     "POST /space/custom_field",
     {"name": "B", "dataType": "list", "slug": "b_1", "allowedValues": ["x", "y"]}),
    ("tag-empty", lambda c: c.space.create_tag("tag 2", description="", color_code="", emoji=""),
     "POST /space/tag", {"name": "tag 2"}),
    ("text-without-tag", lambda c: c.messages.send(OLD, Text("hi", message_tag="")),
     f"POST /contact/id:{OLD}/message",
     {"channelId": None, "message": {"type": "text", "text": "hi"}}),
    # empty texts that clear
    ("tag-cleared",
     lambda c: c.space.update_tag("vip", name="", description="", color_code="", emoji=""),
     "PUT /space/tag", {"currentName": "vip", "description": "", "colorCode": "", "emoji": ""}),
    ("lifecycle-empty", lambda c: c.contacts.update_lifecycle(OLD, ""),
     f"POST /contact/id:{OLD}/lifecycle/update", {"name": None}),
    ("lifecycle-null", lambda c: c.contacts.update_lifecycle(OLD, None),
     f"POST /contact/id:{OLD}/lifecycle/update", {"name": None}),
    ("contact-cleared", lambda c: c.contacts.update(OLD, last_name=None, custom_fields=None),
     f"PUT /contact/id:{OLD}", {"lastName": None, "custom_fields": None}),
    ("contact-created", lambda c: c.contacts.create("e@x.yz", first_name="E", custom_fields=None),
     "POST /contact/email:e@x.yz", {"firstName": "E", "custom_fields": None}),
    ("contact-upserted", lambda c: c.contacts.create_or_update("f@x.yz", first_name="F"),
     "POST /contact/create_or_update/email:f@x.yz", {"firstName": "F"}),
    # messages
    ("attachment", lambda c: c.messages.send(OLD, Attachment.file(PDF), channel_id="2001"),
     f"POST /contact/id:{OLD}/message",
     {"channelId": 2001,
      "message": {"type": "attachment", "attachment": {"type": "file", "url": PDF}}}),
    ("quick-replies", lambda c: c.messages.send(OLD, QuickReplies("Which?", ["a", "b"])),
     f"POST /contact/id:{OLD}/message",
     {"channelId": None, "message": {"type": "quick_reply", "title": "Which?",
                                     "replies": ["a", "b"]}}),
    ("email", lambda c: c.messages.send(
        OLD, Email("hi", subject="", cc=[], bcc=["b@x.yz"], reply_to_message_id="1783918786000000")
     ),
     f"POST /contact/id:{OLD}/message",
     {"channelId": None, "message": {"type": "email", "text": "hi", "bcc": ["b@x.yz"],
                                     "replyToMessageId": 1783918786000000}}),
    ("email-of-files", lambda c: c.messages.send(
        OLD, Email("", attachments=[EmailAttachment(PDF, "file", "a.pdf")])
     ),
     f"POST /contact/id:{OLD}/message",
     {"channelId": None, "message": {"type": "email", "attachments": [
         {"type": "file", "url": PDF, "fileName": "a.pdf"}]}}),
    ("comment", lambda c: c.comments.create(OLD, "see {{@user.1001}}"),
     f"POST /contact/id:{OLD}/comment", {"text": "see {{@user.1001}}"}),
    ("tags", lambda c: c.contacts.add_tags(OLD, "vip", "new one"),
     f"POST /contact/id:{OLD}/tag", ["vip", "new one"]),
    ("tags-gone", lambda c: c.contacts.delete_tags(OLD, "vip"),
     f"DELETE /contact/id:{OLD}/tag", ["vip"]),
    # lists of contacts
    ("list-all", listed(timezone="utc", page_size=10),
     "POST /contact/list?limit=10", body_of_list("", "utc", {"$and": []})),
    ("list-searched", listed(search="Ada", timezone="Asia/Kuala_Lumpur"),
     "POST /contact/list?limit=100", body_of_list("Ada", "Asia/Kuala_Lumpur", {"$and": []})),
    *(
        (f"list-assignee-{user!r}", listed(filter=F.field("assigneeUserId") == user),
         "POST /contact/list?limit=100",
         body_of_list("", "UTC", found(("assigneeUserId", "isEqualTo", sent))))
        for user, sent in [(1001, "1001"), ("1001", "1001"), (None, None)]
    ),
    ("list-number", listed(filter=F.field("age") > 30), "POST /contact/list?limit=100",
     body_of_list("", "UTC", found(("age", "isGreaterThan", 30)))),
    ("list-number-text", listed(filter=F.field("age") < "30"), "POST /contact/list?limit=100",
     body_of_list("", "UTC", found(("age", "isLessThan", "30")))),
    ("list-range", listed(filter=F.field("age").between(18, "30.5")),
     "POST /contact/list?limit=100",
     body_of_list("", "UTC", found(("age", "isBetween", {"from": "18", "to": "30.5"})))),
    ("list-tags", listed(filter=F.tags.any_of("vip")), "POST /contact/list?limit=100",
     body_of_list("", "UTC", found((None, "hasAnyOf", ["vip"]), category="contactTag"))),
    ("list-lifecycle", listed(filter=F.lifecycle.does_not_exist()), "POST /contact/list?limit=100",
     body_of_list("", "UTC", found((None, "doesNotExist", None), category="lifecycle"))),
]  # fmt: skip
CASES = [pytest.param(*row[1:], id=row[0]) for row in ROWS]


@pytest.mark.parametrize(("call", "target", "body"), CASES)
async def test_argument_in_bytes_out(call: Call, target: str, body: Any) -> None:
    """The request is the documented one, whatever form the argument had."""
    reply: dict[str, Any] = {"items": [], "id": 1, "messageId": 1, "name": "x", "source": "x"}
    client, transport, _ = scripted(answer(200, json.dumps(reply).encode()))
    await call(client)
    (request,) = transport.requests
    assert f"{request.method} {request.target}" == target
    assert (NONE if request.content is None else json.loads(request.content)) == body


@pytest.mark.parametrize(("call", "target", "body"), CASES)
async def test_the_sandbox_takes_it(call: Call, target: str, body: Any) -> None:
    """The sandbox takes it over real sockets, with a contact whose conversation is there."""
    quirks = Quirks.calm()
    async with (
        Sandbox(contacts=3, messages=2, limits=None, quirks=quirks) as sandbox,
        AsyncRespond(sandbox.token, base_url=sandbox.url, limiter=fast_limiter()) as client,
    ):
        if target == "PUT /space/tag":
            await client.space.update_tag("vip", description="d", color_code="#fff", emoji="x")
        value = await call(client)
        assert sandbox.requests[-1].status == 200
        if target == "PUT /space/tag":
            assert (value.description, value.color_code, value.emoji) == (None, None, None)


BAD: list[tuple[str, Call]] = [
    *(("user", lambda c, user=user: c.conversations.assign(OLD, user))
      for user in (True, "\u0661\u0662", "1.0", " 1", "+1", "", None, "me", 0, "0")),
    *(("user", lambda c, user=user: c.conversations.hand_over(OLD, user))
      for user in ("me", False)),
    *(("channel_id", lambda c, channel=channel: c.messages.send(OLD, "hi", channel_id=channel))
      for channel in (False, "\u0968", "a@b.cd", "", "-3", 3.0, "3" * 20)),
    *(("reply_to_message_id",
       lambda c, at=at: c.messages.send(OLD, Email("x", reply_to_message_id=at)))
      for at in (True, "\u0665", -1, "last")),
    ("summary", lambda c: c.conversations.close(OLD, category="", summary="why")),
    ("identifier", lambda c: c.contacts.get("phone:60121233112")),
    ("page_size", lambda c: c.messages.list(OLD, page_size=100).collect()),
    ("name", lambda c: c.space.update_tag("vip", name="")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("argument", "call"), BAD, ids=[f"{n}-{a}" for n, (a, _) in enumerate(BAD)]
)
async def test_what_stays_refused(argument: str, call: Call) -> None:
    """Nothing is sent, and the error names the argument."""
    client, transport, _ = scripted(answer())
    with pytest.raises(InvalidArgumentError) as caught:
        await call(client)
    assert (caught.value.argument, transport.requests) == (argument, [])


# ── bodies of the n8n node that our methods never make
N8N: list[tuple[str, str, Any]] = [
    ("POST", f"/contact/id:{OLD}/conversation/status",
     {"status": "close", "category": "", "summary": ""}),
    ("POST", f"/contact/id:{OLD}/message", {"message": {"type": "text", "text": "no channelId"}}),
    ("POST", f"/contact/id:{OLD}/message", {"channelId": None, "message": {
        "type": "email", "message": "hi", "subject": "", "attachments": []}}),
    ("POST", "/space/custom_field",
     {"name": "A", "slug": "", "description": "", "dataType": "text", "allowedValues": []}),
    ("POST", "/space/tag",
     {"name": "tag 2", "description": "", "colorCode": "tag-red", "emoji": ""}),
    ("POST", "/contact/list?limit=10", {"search": "", "timezone": "utc", "filter": {"$and": [
        {"category": "contactField", "field": "email", "operator": "doesNotExist", "value": ""}]}}),
    ("POST", "/contact/list?limit=10", {"search": "", "timezone": "utc", "filter": {"$or": [
        {"category": "contactField", "field": "assigneeUserId", "operator": "isEqualTo",
         "value": "1001"},
        {"category": "contactField", "field": "assigneeUserId", "operator": "isEqualTo",
         "value": None}]}}),
    ("GET", "/space/channel/2001/mtm", None),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body"), N8N, ids=range(len(N8N)))
async def test_the_sandbox_is_as_lax_as_the_server(method: str, path: str, body: Any) -> None:
    """What the official node sends in production is answered with 200."""
    async with (
        Sandbox(contacts=3, messages=2, limits=None, quirks=Quirks.calm()) as sandbox,
        httpx.AsyncClient(headers={"Authorization": f"Bearer {sandbox.token}"}) as client,
    ):
        found = await client.request(method, sandbox.url + path, json=body)
        assert found.status_code == 200, found.text
