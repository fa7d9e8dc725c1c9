"""Every operation: the bytes that go out, the struct that comes in. One row here for each row of
the endpoint table.

Source of the expectations: the vendor's API reference, written out by hand and not taken from the
code under test.
"""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest

from respondio_async import (
    Ack,
    Channel,
    ClosingNote,
    Comment,
    Contact,
    ContactChannel,
    ContactRef,
    CustomField,
    CustomPayload,
    F,
    Message,
    SentMessage,
    Tag,
    Template,
    Text,
    User,
)
from respondio_async._engine.endpoints import ENDPOINTS
from respondio_async.limits import DEFAULT_LIMITS
from tests.support.scripted import answer, scripted

PHONE = "phone:+60121233112"
CONTACT = {
    "id": 7,
    "firstName": "Ada",
    "created_at": 1663274081,
    "custom_fields": None,
    "tags": [],
    "assignee": None,
}
MESSAGE = {
    "messageId": 1783918786000000,
    "channelMessageId": "abc",
    "contactId": 7,
    "channelId": 3,
    "traffic": "outgoing",
    "message": {"type": "text", "text": "hi"},
    "status": [{"value": "sent", "timestamp": 1663274081}],
}
USER = {
    "id": 2,
    "firstName": "U",
    "lastName": None,
    "email": "u@x.yz",
    "role": "agent",
    "team": None,
    "restrictions": [],
}
CHANNEL = {"id": 3, "name": "WA", "source": "whatsapp", "created_at": 1663274081}
FIELD = {"id": 4, "name": "plan", "dataType": "text"}
TEMPLATE = {
    "id": 5,
    "name": "hello",
    "components": "[]",
    "channelId": 3,
    "languageCode": "en",
    "status": "APPROVED",
}
TAG = {"id": 6, "name": "vip"}
NONE = object()


def page(item: object) -> dict[str, Any]:
    return {"items": [item], "pagination": {"next": None, "previous": None}}


# name · call · method · target · body (NONE: no body) · answer · what the value is
OPERATIONS = [
    (
        "contacts.get",
        lambda c: c.contacts.get(PHONE),
        "GET",
        "/contact/phone:%2B60121233112",
        NONE,
        CONTACT,
        Contact,
    ),
    (
        "contacts.create",
        lambda c: c.contacts.create("a@b.cd", first_name="Ada", last_name=None),
        "POST",
        "/contact/email:a@b.cd",
        {"firstName": "Ada", "lastName": None},
        {"code": 200, "message": "ok"},
        Ack,
    ),
    (
        "contacts.update",
        lambda c: c.contacts.update(
            7,
            profile_pic="https://x.yz/p.png",
            country_code="MY",
            language="en",
            custom_fields={
                "a": "x",
                "b": 2,
                "c": True,
                "d": dt.date(2026, 1, 2),
                "e": dt.time(9, 5, 7),
                "f": None,
                "g": 1.5,
            },
        ),
        "PUT",
        "/contact/id:7",
        {
            "profilePic": "https://x.yz/p.png",
            "countryCode": "MY",
            "language": "en",
            "custom_fields": [
                {"name": "a", "value": "x"},
                {"name": "b", "value": 2},
                {"name": "c", "value": True},
                {"name": "d", "value": "2026-01-02"},
                {"name": "e", "value": "09:05"},
                {"name": "f", "value": None},
                {"name": "g", "value": 1.5},
            ],
        },
        {"contactId": 7},
        ContactRef,
    ),
    (
        "contacts.delete",
        lambda c: c.contacts.delete("id:7"),
        "DELETE",
        "/contact/id:7",
        NONE,
        {"contactId": 7},
        ContactRef,
    ),
    (
        "contacts.create_or_update",
        lambda c: c.contacts.create_or_update("+60121233112", first_name="Ada"),
        "POST",
        "/contact/create_or_update/phone:%2B60121233112",
        {"firstName": "Ada"},
        {},
        ContactRef,
    ),
    (
        "contacts.merge",
        lambda c: c.contacts.merge(7, 8, email="a@b.cd"),
        "POST",
        "/contact/merge",
        {"contactIds": [7, 8], "email": "a@b.cd"},
        {"contactId": 7},
        ContactRef,
    ),
    (
        "contacts.list",
        lambda c: c.contacts.list(filter=F.lifecycle == "Lead", page_size=5, cursor=9).first(),
        "POST",
        "/contact/list?limit=5&cursorId=9",
        {
            "search": "",
            "timezone": "UTC",
            "filter": {
                "$and": [
                    {
                        "category": "lifecycle",
                        "field": None,
                        "operator": "isEqualTo",
                        "value": "Lead",
                    }
                ]
            },
        },
        page(CONTACT),
        Contact,
    ),
    (
        "contacts.add_tags",
        lambda c: c.contacts.add_tags(7, "a", "b"),
        "POST",
        "/contact/id:7/tag",
        ["a", "b"],
        {"contactId": 7},
        ContactRef,
    ),
    (
        "contacts.delete_tags",
        lambda c: c.contacts.delete_tags(7, "a"),
        "DELETE",
        "/contact/id:7/tag",
        ["a"],
        {"contactId": 7},
        ContactRef,
    ),
    (
        "contacts.list_channels",
        lambda c: c.contacts.list_channels(7).first(),
        "GET",
        "/contact/id:7/channels?limit=100",
        NONE,
        page({**CHANNEL, "contactChannelId": 1, "meta": "{}"}),
        ContactChannel,
    ),
    (
        "contacts.get_channel",
        lambda c: c.contacts.get_channel(7, 3),
        "GET",
        "/contact/id:7/channel/3",
        NONE,
        CHANNEL,
        ContactChannel,
    ),
    (
        "contacts.update_lifecycle",
        lambda c: c.contacts.update_lifecycle(7, None),
        "POST",
        "/contact/id:7/lifecycle/update",
        {"name": None},
        {"code": 200, "message": "ok"},
        Ack,
    ),
    (
        "messages.send",
        lambda c: c.messages.send(7, Text("hi"), channel_id=3),
        "POST",
        "/contact/id:7/message",
        {"channelId": 3, "message": {"type": "text", "text": "hi"}},
        {"messageId": 1783918786000000},
        SentMessage,
    ),
    (
        "messages.get",
        lambda c: c.messages.get(7, 1783918786000000),
        "GET",
        "/contact/id:7/message/1783918786000000",
        NONE,
        MESSAGE,
        Message,
    ),
    (
        "messages.list",
        lambda c: c.messages.list(7).first(),
        "GET",
        "/contact/id:7/message/list?limit=50",
        NONE,
        page(MESSAGE),
        Message,
    ),
    (
        "comments.create",
        lambda c: c.comments.create(7, "see {{@user.2}}"),
        "POST",
        "/contact/id:7/comment",
        {"text": "see {{@user.2}}"},
        {"contactId": 7, "text": "see", "created_at": 1663274081},
        Comment,
    ),
    (
        "conversations.assign",
        lambda c: c.conversations.assign(7, 2),
        "POST",
        "/contact/id:7/conversation/assignee",
        {"assignee": 2},
        {"contactId": 7},
        ContactRef,
    ),
    (
        "conversations.status",
        lambda c: c.conversations.close(7, category="done", summary="all well"),
        "POST",
        "/contact/id:7/conversation/status",
        {"status": "close", "category": "done", "summary": "all well"},
        {"contactId": 7},
        ContactRef,
    ),
    (
        "space.list_users",
        lambda c: c.space.list_users().first(),
        "GET",
        "/space/user?limit=100",
        NONE,
        page(USER),
        User,
    ),
    ("space.get_user", lambda c: c.space.get_user(2), "GET", "/space/user/2", NONE, USER, User),
    (
        "space.list_custom_fields",
        lambda c: c.space.list_custom_fields().first(),
        "GET",
        "/space/custom_field?limit=100",
        NONE,
        page(FIELD),
        CustomField,
    ),
    (
        "space.get_custom_field",
        lambda c: c.space.get_custom_field(4),
        "GET",
        "/space/custom_field/4",
        NONE,
        FIELD,
        CustomField,
    ),
    (
        "space.create_custom_field",
        lambda c: c.space.create_custom_field(
            "plan", "list", slug="plan", allowed_values=["a", "b"]
        ),
        "POST",
        "/space/custom_field",
        {"name": "plan", "dataType": "list", "slug": "plan", "allowedValues": ["a", "b"]},
        {**FIELD, "allowedValues": {"listValues": ["a", "b"]}},
        CustomField,
    ),
    (
        "space.list_closing_notes",
        lambda c: c.space.list_closing_notes().first(),
        "GET",
        "/space/closing_notes?limit=100",
        NONE,
        page({"category": "done", "description": None}),
        ClosingNote,
    ),
    (
        "space.list_channels",
        lambda c: c.space.list_channels().first(),
        "GET",
        "/space/channel?limit=100",
        NONE,
        page(CHANNEL),
        Channel,
    ),
    (
        "space.list_templates",
        lambda c: c.space.list_templates(3).first(),
        "GET",
        "/space/channel/3/template?limit=100",
        NONE,
        page(TEMPLATE),
        Template,
    ),
    (
        "space.get_template",
        lambda c: c.space.get_template(5),
        "GET",
        "/space/mtm/5",
        NONE,
        {"status": "success", "message": "ok", "data": TEMPLATE},
        Template,
    ),
    (
        "space.create_tag",
        lambda c: c.space.create_tag("vip", color_code="tag-red"),
        "POST",
        "/space/tag",
        {"name": "vip", "colorCode": "tag-red"},
        {"code": 200, "message": {"tag": TAG}},
        Tag,
    ),
    (
        "space.update_tag",
        lambda c: c.space.update_tag("vip", name="gold", emoji="⭐"),
        "PUT",
        "/space/tag",
        {"currentName": "vip", "name": "gold", "emoji": "⭐"},
        TAG,
        Tag,
    ),
    (
        "space.delete_tag",
        lambda c: c.space.delete_tag("vip"),
        "DELETE",
        "/space/tag",
        {"name": "vip"},
        {"message": "ok"},
        Ack,
    ),
]


@pytest.mark.parametrize(
    ("call", "method", "target", "body", "reply", "kind"),
    [row[1:] for row in OPERATIONS],
    ids=[row[0] for row in OPERATIONS],
)
async def test_bytes_out_and_struct_in(
    call: Callable[..., Any],
    method: str,
    target: str,
    body: dict[str, Any] | list[str] | object,
    reply: dict[str, Any],
    kind: type[Any],
) -> None:
    events = []
    client, transport, _ = scripted(answer(200, json.dumps(reply).encode()), hooks=[events.append])
    value = await call(client)
    assert type(value) is kind
    (request,) = transport.requests
    assert (request.method, request.target) == (method, target)
    headers = {name.lower(): value for name, value in request.headers}
    assert headers["authorization"] == "Bearer canary-token"
    assert headers["accept"] == "application/json"
    assert headers["user-agent"].startswith("respondio-async/")
    if body is NONE:
        assert request.content is None
        assert "content-type" not in headers
    else:
        assert json.loads(request.content) == body
        assert headers["content-type"] == "application/json"
    assert not [event for event in events if type(event).__name__ == "DriftDetected"]


def test_every_row_of_the_table_is_called_here() -> None:
    """Each operation is called once."""
    assert sorted(row[0] for row in OPERATIONS) == sorted(endpoint.name for endpoint in ENDPOINTS)


def test_every_row_has_a_limit_of_its_route() -> None:
    """Every bucket of the table counts an operation; one that is not in the table counts for
    itself.
    """
    buckets = {endpoint.bucket for endpoint in ENDPOINTS}
    assert set(DEFAULT_LIMITS) <= buckets
    assert buckets - set(DEFAULT_LIMITS) <= {endpoint.template for endpoint in ENDPOINTS}


def methods(resource: object) -> set[str]:
    """The public methods of a resource, or of its counterpart in `client.raw`."""
    return {name for name in dir(resource) if not name.startswith("_")}


HELPERS = {
    "contacts.find",
    "contacts.ensure",
    "messages.wait_for_status",
    "conversations.hand_over",
    "space.find_template",
}
"""Methods that make several calls: there is no one response to return."""


@pytest.mark.parametrize("group", ["contacts", "messages", "comments", "conversations", "space"])
async def test_raw_has_every_method(group: str) -> None:
    """`client.raw` is written by hand for the sake of its types: what a resource has, it has."""
    client, _, _ = scripted(answer())
    plain, raw = getattr(client, group), getattr(client.raw, group)
    helpers = {name.partition(".")[2] for name in HELPERS if name.startswith(f"{group}.")}
    assert methods(raw) == methods(plain) - helpers
    named = {endpoint.name for endpoint in ENDPOINTS if endpoint.name.startswith(f"{group}.")}
    made = {f"{group}.{name}" for name in methods(plain)} | {"conversations.status"}
    assert named <= made


def test_what_must_not_be_repeated() -> None:
    """These are message, comment, create, merge, field and tag; everything else may be repeated."""
    unsafe = {endpoint.name for endpoint in ENDPOINTS if endpoint.replay == "unsent"}
    assert unsafe == {
        "messages.send",
        "comments.create",
        "contacts.create",
        "contacts.merge",
        "space.create_custom_field",
        "space.create_tag",
    }


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.contacts.update(7, firstName="Ada"),
        lambda c: c.contacts.update(7, customFields={}),
        lambda c: c.contacts.update(7, tags=["vip"]),
        lambda c: c.contacts.create_or_update(7, lifecycle="Lead"),
        lambda c: c.contacts.ensure("a@b.cd", name="Ada"),
        lambda c: c.contacts.create("a@b.cd"),
    ],
)
async def test_a_misspelt_or_missing_field_is_a_type_error(call: Callable[..., Any]) -> None:
    """The server would answer 200 and do nothing."""
    client, transport, _ = scripted(answer())
    with pytest.raises(TypeError):
        await call(client)
    assert transport.requests == []


BAD = [
    ("identifier", lambda c: c.contacts.get("60121233112")),
    ("identifier", lambda c: c.contacts.get("phone:60121233112")),
    ("identifier", lambda c: c.contacts.get(0)),
    ("identifier", lambda c: c.contacts.get(True)),
    ("identifier", lambda c: c.contacts.create(7, first_name="Ada")),
    ("identifier", lambda c: c.messages.list("nobody")),
    ("identifier", lambda c: c.messages.list_new("nobody", 1)),
    ("identifier", lambda c: c.contacts.list_channels("nobody")),
    ("first_name", lambda c: c.contacts.create("a@b.cd", first_name=None)),
    ("tags", lambda c: c.contacts.add_tags(7)),
    ("tags", lambda c: c.contacts.add_tags(7, *map(str, range(11)))),
    ("tags", lambda c: c.contacts.add_tags(7, "x" * 256)),
    ("tags", lambda c: c.contacts.add_tags(7, "")),
    ("tags", lambda c: c.contacts.delete_tags(7, ["a", "b"])),
    ("text", lambda c: c.comments.create(7, "")),
    ("text", lambda c: c.comments.create(7, "x" * 1001)),
    ("page_size", lambda c: c.contacts.list(page_size=101)),
    ("page_size", lambda c: c.contacts.list(page_size=0)),
    ("page_size", lambda c: c.messages.list(7, page_size=51)),
    ("page_size", lambda c: c.space.list_users(page_size=True)),
    ("cursor", lambda c: c.contacts.list(cursor=1.5)),
    ("prefetch", lambda c: c.contacts.list(prefetch=2)),
    ("timezone", lambda c: c.contacts.list(timezone="Mars/Olympus")),
    ("channel_id", lambda c: c.messages.send(7, "hi", channel_id="three")),
    ("channel_id", lambda c: c.messages.send(7, "hi", channel_id=True)),
    ("message_id", lambda c: c.messages.get(7, "1")),
    ("after", lambda c: c.messages.list_new(7, -1)),
    ("channel_id", lambda c: c.messages.send(7, CustomPayload({"a": 1}))),
    ("message", lambda c: c.messages.send(7, 42)),
    ("message", lambda c: c.messages.send(7, "")),
    ("user", lambda c: c.conversations.assign(7, "42 ")),
    ("user", lambda c: c.conversations.hand_over(7, True)),
    ("category", lambda c: c.conversations.close(7, category="x" * 129)),
    ("summary", lambda c: c.conversations.close(7, category="x", summary="x" * 513)),
    ("summary", lambda c: c.conversations.close(7, summary="why")),
    ("stage", lambda c: c.contacts.update_lifecycle(7, " ")),
    ("second_id", lambda c: c.contacts.merge(7, 7)),
    ("first_id", lambda c: c.contacts.merge("7", 8)),
    ("timeout", lambda c: c.contacts.ensure(7, timeout=0)),
    ("timeout", lambda c: c.messages.wait_for_status(7, 1, timeout=-1)),
    ("status", lambda c: c.messages.wait_for_status(7, 1, "failed")),
    ("timeout", lambda c: c.conversations.hand_over(7, 2, timeout=0)),
    ("id", lambda c: c.space.get_user("2")),
    ("id", lambda c: c.space.get_template(-1)),
    ("channel_id", lambda c: c.space.list_templates("three")),
    ("name", lambda c: c.space.create_custom_field("x" * 51, "text")),
    ("slug", lambda c: c.space.create_custom_field("plan", "text", slug="with space")),
    ("description", lambda c: c.space.create_custom_field("plan", "text", description="x" * 256)),
    ("allowed_values", lambda c: c.space.create_custom_field("plan", "text", allowed_values=["a"])),
    ("name", lambda c: c.space.update_tag("vip")),
    ("name", lambda c: c.space.update_tag("vip", name="")),
    ("name", lambda c: c.space.delete_tag("")),
    ("emoji", lambda c: c.space.create_tag("vip", emoji=5)),
    ("search", lambda c: c.contacts.list(search=None)),
    ("params", lambda c: c.request("GET", "/contact/{identifier}")),
    ("path", lambda c: c.request("GET", "https://elsewhere.example/x")),
    ("method", lambda c: c.request("GET /x", "/x")),
    ("json", lambda c: c.request("POST", "/x", json={"n": float("nan")})),
    ("type", lambda c: c.request("GET", "/x", type=list[int] | list[str])),
    ("priority", lambda c: c.with_options(priority="fast")),
]


@pytest.mark.parametrize(
    ("argument", "call"), BAD, ids=[f"{n}-{a}" for n, (a, _) in enumerate(BAD)]
)
async def test_bad_input_fails_before_any_request_and_names_the_argument(
    argument: str, call: Callable[..., Any]
) -> None:
    """Bad input fails before any request and names the argument, as `InvalidArgumentError`, also a
    ValueError, without the value.
    """
    client, transport, limiter = scripted(answer())
    with pytest.raises(ValueError, match=r".") as caught:
        result = call(client)
        if hasattr(result, "__await__"):
            await result
    assert caught.value.argument == argument
    assert transport.requests == []
    assert limiter.asked == []
