"""What a message holds."""

import copy
import pickle
from typing import Any

import msgspec
import pytest

from respondio_async import models as m

KNOWN = [
    (
        {"type": "text", "text": "hi", "messageTag": "ACCOUNT_UPDATE"},
        m.TextContent("hi", "ACCOUNT_UPDATE"),
        "hi",
    ),
    (
        {
            "type": "attachment",
            "attachment": {
                "type": "file",
                "url": "https://x/y",
                "isPending": False,
                "fileName": "y",
                "ext": "pdf",
                "size": "12",
                "mime": "a/b",
            },
        },
        m.AttachmentContent(m.AttachedFile("file", "https://x/y", False, "y", "pdf", 12, "a/b")),
        None,
    ),
    (
        {"type": "quick_reply", "title": "Well?", "replies": ["yes", "no"]},
        m.QuickReplyContent("Well?", ["yes", "no"]),
        "Well?",
    ),
    ({"type": "custom_payload", "payload": {"a": [1]}}, m.CustomPayloadContent({"a": [1]}), None),
    (
        {"type": "email", "text": "hi", "subject": "s", "cc": ["a@b.c"]},
        m.EmailContent("hi", "s", ["a@b.c"]),
        "hi",
    ),
    (
        {
            "type": "whatsapp_template",
            "template": {"name": "n", "languageCode": "en", "components": [{"type": "body"}]},
        },
        m.WhatsAppTemplateContent(m.SentTemplate("n", "en", [{"type": "body"}])),
        None,
    ),
    (
        {"type": "facebook_template", "template": {"name": "n"}},
        m.FacebookTemplateContent(m.SentTemplate("n")),
        None,
    ),
]


def read(content: object) -> m.Message:
    return msgspec.json.decode(
        msgspec.json.encode({"messageId": 1, "message": content}), type=m.Message
    )


@pytest.mark.parametrize(
    ("raw", "content", "text"),
    KNOWN,
    ids=lambda value: value.get("type") if isinstance(value, dict) else "",
)
def test_documented_types_have_a_struct(
    raw: dict[str, Any], content: Any, text: str | None
) -> None:
    """A documented type is read into its struct; `content` is another name for `message`, and
    `text` its text.
    """
    message = read(raw)
    assert message.message == message.content == content
    assert message.content.type == raw["type"]
    assert message.text == text
    assert pickle.loads(pickle.dumps(message)) == copy.deepcopy(message) == message


@pytest.mark.parametrize(
    "raw",
    [
        {"type": "location", "latitude": 3.1, "longitude": 101.6, "address": "KL"},
        {"type": "whatsapp_interactive", "deep": {"er": [1, None]}},
        {"type": "hologram"},
        {"type": "text"},
        {"type": "text", "text": None},
        {"type": "attachment", "attachment": "https://x/y"},
        {"type": "quick_reply", "title": "?", "replies": "yes"},
    ],
)
def test_other_types_and_other_shapes_are_kept_whole(raw: dict[str, Any]) -> None:
    """An unknown type, or a known one of another shape, fails nothing and keeps the object as
    received.
    """
    content = read(raw).message
    assert content == m.UnknownContent(raw["type"], raw)
    assert pickle.loads(pickle.dumps(content)) == content


@pytest.mark.parametrize(
    ("raw", "data"),
    [
        (None, {}),
        ("hi", {"value": "hi"}),
        ([1], {"value": [1]}),
        ({"type": 5}, {"type": 5}),
        ({"text": "x"}, {"text": "x"}),
    ],
)
def test_content_without_a_type(raw: Any, data: dict[str, Any]) -> None:
    """Content that names no type is kept too, under an empty one."""
    assert read(raw).message == m.UnknownContent("", data)


def test_text_of_unknown_content() -> None:
    """Types that are only received often carry a text; it is found."""
    assert read({"type": "story_reply", "text": "nice"}).text == "nice"
    assert read({"type": "story_reply", "text": 5}).text is None
    assert m.Message(1).text is None


def test_messages_can_be_made_by_hand() -> None:
    """A test of somebody's bot makes messages without any JSON."""
    assert m.Message(1, m.TextContent("hi")).text == "hi"
    assert (
        msgspec.json.decode(
            msgspec.json.encode(m.Message(1, m.TextContent("hi"))), type=m.Message
        ).text
        == "hi"
    )
