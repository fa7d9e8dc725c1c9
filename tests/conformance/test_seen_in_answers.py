"""What every source shows of the server, read by our models, with nothing lost on the way.

A source is the vendor's documentation, one of its clients, or a record of the live server. Each
row is a body, its type, and what must be readable of it. A second test compares every value of the
body with every value of what was read; what is dropped stands in `DROPPED` with its reason.
"""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from respondio_async import models as m
from respondio_async._wire import api_error, decode
from respondio_async.webhooks import parse

CONTACT: dict[str, Any] = {"id": 7, "firstName": "Ada", "created_at": 1663274081}
MESSAGE: dict[str, Any] = {"messageId": 1783918786000000, "channelMessageId": "x"}


def attached(**file: Any) -> dict[str, Any]:
    return {**MESSAGE, "message": {"type": "attachment", "attachment": {"type": "image", **file}}}


# ── body in, fields out: name · type · body · attribute path: value
ROWS: list[tuple[str, Any, dict[str, Any], dict[str, Any]]] = [
    ("file-documented", m.Message,
     attached(url="u", isPending=False, fileName="a.png", ext="png", size=5, mime="image/png"),
     {"content.attachment.file_name": "a.png", "content.attachment.mime": "image/png",
      "content.attachment.size": 5, "content.attachment.is_pending": False}),
    ("file-recorded", m.Message,
     attached(url="u", name="a.png", mimeType="image/png", description="a cat"),
     {"content.attachment.file_name": "a.png", "content.attachment.mime": "image/png",
      "content.attachment.description": "a cat"}),
    ("file-both", m.Message, attached(fileName=None, name="b.png", mime="image/png"),
     {"content.attachment.file_name": "b.png", "content.attachment.mime": "image/png"}),
    ("text-with-replies", m.Message,
     {**MESSAGE, "message": {"type": "text", "text": "hi", "subType": "list", "title": "Pick",
                             "replies": ["a", {"title": "b"}], "messageTag": "ACCOUNT_UPDATE"}},
     {"text": "hi", "content.sub_type": "list", "content.title": "Pick",
      "content.replies": ["a", {"title": "b"}], "content.message_tag": "ACCOUNT_UPDATE"}),
    ("email-n8n", m.Message,
     {**MESSAGE, "message": {"type": "email", "message": "hello", "subject": "s"}},
     {"text": "hello", "content.subject": "s"}),
    ("email-of-files", m.Message,
     {**MESSAGE, "message": {"type": "email", "text": None, "attachments": [
         {"type": "file", "url": "u", "name": "a.pdf", "mimeType": "application/pdf"}]}},
     {"text": "", "content.attachments.0.file_name": "a.pdf",
      "content.attachments.0.mime": "application/pdf"}),
    ("message-by-echo", m.Message, {**MESSAGE, "sender": {"source": "echo"}},
     {"sender.source": "echo"}),
    ("contact-documented", m.Contact,
     {**CONTACT, "lifecycle": "Lead", "tags": ["vip"],
      "custom_fields": [{"name": "a", "value": "1"}, {"name": "b", "value": None}]},
     {"lifecycle": "Lead", "tags": ["vip"], "custom": {"a": "1", "b": None}, "extra": {}}),
    ("contact-lifecycle-object", m.Contact, {**CONTACT, "lifecycle": {"id": 3, "name": "Lead"}},
     {"lifecycle": "Lead"}),
    ("contact-values-of-every-kind", m.Contact,
     {**CONTACT, "custom_fields": [
         {"name": "many", "value": ["x", "y"]}, {"name": "range", "value": {"from": 1, "to": 2}},
         {"name": "yes", "value": True}, {"name": "number", "value": 1.5}]},
     {"custom": {"many": ["x", "y"], "range": {"from": 1, "to": 2}, "yes": True, "number": 1.5}}),
    ("contact-without-phone", m.Contact,
     {**CONTACT, "phone": None, "whatsappUsername": "ada.l", "userNames": [{"source": "whatsapp"}]},
     {"phone": None,
      "extra": {"whatsappUsername": "ada.l", "userNames": [{"source": "whatsapp"}]}}),
    ("contact-tag-objects", m.Contact, {**CONTACT, "tags": [{"id": 1, "name": "vip"}, "lead"]},
     {"tags": ["vip", "lead"]}),
    ("contacts-page", m.Page[m.Contact],
     {"items": [{**CONTACT, "username": "ada"}, CONTACT], "pagination": {"next": None}},
     {"items.0.extra": {"username": "ada"}, "items.1.extra": {}}),
    ("user-team-object", m.User, {"id": 2, "team": {"id": 1, "name": "Support"}},
     {"team.id": 1, "team.name": "Support"}),
    ("user-team-text", m.User, {"id": 2, "team": "Support"}, {"team.name": "Support"}),
    ("user-no-team", m.User, {"id": 2, "team": None, "restrictions": []}, {"team": None}),
    ("tag-dated", m.Tag, {"id": 1, "name": "vip", "createdAt": "2026-01-02T03:04:05Z"},
     {"created_at": "2026-01-02T03:04:05Z", "created.year": 2026}),
    ("tag-dated-in-seconds", m.Tag, {"id": 1, "name": "vip", "createdAt": 1663274081},
     {"created.year": 2022}),
    ("template-n8n", m.Template,
     {"id": 5, "name": "t", "languageCode": "en", "catalogProducts": [{"id": "p"}],
      "channel": {"id": 3, "name": "WA"}, "components": []},
     {"catalog_products": [{"id": "p"}], "channel": {"id": 3, "name": "WA"}}),
    ("channel-meta-text", m.ContactChannel,
     {"id": 3, "meta": '{"phone": "x"}', "lastMessageTime": 1663274081000},
     {"meta": {"phone": "x"}, "last_message_at.year": 2022}),
    ("field-choices-object", m.CustomField,
     {"id": 4, "name": "Plan", "dataType": "list", "allowedValues": {"listValues": ["a", "b"]}},
     {"allowed_values": ["a", "b"]}),
]  # fmt: skip
EVENTS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("lifecycle-objects",
     {"event_type": "contact.lifecycle.updated", "event_id": "e", "contact": CONTACT,
      "lifecycle": {"id": 2, "name": "Customer"}, "oldLifecycle": {"id": 1, "name": "Lead"}},
     {"lifecycle": "Customer", "old_lifecycle": "Lead"}),
    ("lifecycle-texts",
     {"event_type": "contact.lifecycle.updated", "contact": CONTACT, "lifecycle": "Customer",
      "oldLifecycle": None},
     {"lifecycle": "Customer", "old_lifecycle": None}),
    ("message-in-milliseconds",
     {"event_type": "message.received", "contact": CONTACT,
      "message": {**MESSAGE, "timestamp": 1663274081123, "message": {"type": "text", "text": "x"}}},
     {"message.at.year": 2022, "message.text": "x"}),
    ("file-in-an-event",
     {"event_type": "message.received", "contact": {**CONTACT, "username": "ada"},
      "message": attached(url="u", name="a.png", mimeType="image/png")},
     {"message.content.attachment.mime": "image/png", "contact.extra": {"username": "ada"},
      "drift": ()}),
]  # fmt: skip
DROPPED: dict[tuple[str, Any], str] = {
    ("contact-lifecycle-object", 3): "the stage's id: a stage is known by its name everywhere else",
    ("contact-tag-objects", 1): "the tag's id: a contact's tags are names everywhere else",
}


def at(value: Any, path: str) -> Any:
    for key in path.split("."):
        value = value[int(key)] if key.isdigit() else getattr(value, key)
    return value


@pytest.mark.parametrize(
    ("kind", "body", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_body_in_fields_out(kind: Any, body: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each form that was seen has a reading."""
    value = decode(json.dumps(body).encode(), kind).value
    assert {path: at(value, path) for path in expected} == expected


@pytest.mark.parametrize(
    ("body", "expected"), [row[1:] for row in EVENTS], ids=[row[0] for row in EVENTS]
)
def test_event_in_fields_out(body: dict[str, Any], expected: dict[str, Any]) -> None:
    """The same in a webhook's body, of which `raw` keeps the rest."""
    event = parse(json.dumps(body).encode())
    assert {path: at(event, path) for path in expected} == expected
    assert event.raw == body


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from leaves(each)
    elif value not in (None, ""):
        yield value


@pytest.mark.parametrize(
    ("name", "kind", "body"), [row[:3] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_nothing_is_lost_in_reading(name: str, kind: Any, body: dict[str, Any]) -> None:
    """Every value of the body is a value of the model, or listed above with the reason."""
    kept = list(leaves(msgspec.to_builtins(decode(json.dumps(body).encode(), kind).value)))
    if kind is m.ContactChannel:  # JSON within a text
        body = {**body, "meta": json.loads(body["meta"])}
    lost = [value for value in leaves(body) if value not in kept]
    assert [value for value in lost if (name, value) not in DROPPED] == []


@pytest.mark.parametrize(
    ("status", "content", "error", "message"),
    [
        (401, b'{"code":401,"status":"AuthorizationError","message":"Token not found"}',
         "AuthorizationError", "Token not found"),
        (401, b'{"code":401,"message":"UN_AUTHORIZED"}', None, "UN_AUTHORIZED"),
        (400, b'{"statusCode":400,"error":"BadRequest","message":"no"}', "BadRequest", "no"),
        (400, b'{"code":400,"status":400,"message":"no"}', None, "no"),
        (400, b'{"code":400,"status":"Ada was not found","message":"no"}', None, "no"),
        (403, b"<html><h1>Request blocked</h1></html>", None, "Request blocked"),
    ],
)  # fmt: skip
def test_the_name_of_an_error(status: int, content: bytes, error: str | None, message: str) -> None:
    """The server names some errors; a sentence in the name's place is no name."""
    made = api_error(status=status, headers=[], content=content, endpoint="GET /x")
    assert (made.error, made.message) == (error, message)
