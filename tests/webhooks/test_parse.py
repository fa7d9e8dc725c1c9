"""Every event has a reading, whatever has drifted in it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respondio_async.errors import DecodeError
from respondio_async.webhooks import (
    CallEnded,
    CommentCreated,
    ContactAssigneeUpdated,
    ContactCreated,
    ContactLifecycleUpdated,
    ContactTagUpdated,
    ContactUpdated,
    ConversationClosed,
    ConversationOpened,
    MessageReceived,
    MessageSent,
    UnknownEvent,
    WebhookSignatureError,
    parse,
    sign,
    verify,
)
from tests.webhooks.payloads import PLACES, body_of, closed, message, placed, sent

CONTACT = {"id": 1, "firstName": "Ann", "assignee": {"id": 5, "firstName": "Bo"}}
EVENTS: list[tuple[type[Any], dict[str, Any]]] = [
    (MessageReceived, message()),
    (MessageSent, {**sent(), "user": {"id": 3, "firstName": "Cy"}}),
    (ContactCreated, {"event_type": "contact.created", "event_id": "e", "contact": CONTACT}),
    (ContactUpdated, {"event_type": "contact.updated", "event_id": "e", "contact": CONTACT}),
    (
        ContactAssigneeUpdated,
        {"event_type": "contact.assignee.updated", "event_id": "e", "contact": CONTACT},
    ),
    (
        ContactTagUpdated,
        {
            "event_type": "contact.tag.updated",
            "event_id": "e",
            "contact": CONTACT,
            "tag": "vip",
            "action": "add",
        },
    ),
    (
        ContactLifecycleUpdated,
        {
            "event_type": "contact.lifecycle.updated",
            "event_id": "e",
            "contact": CONTACT,
            "lifecycle": "Lead",
            "oldLifecycle": None,
            "action": "set",
        },
    ),
    (
        ConversationOpened,
        {
            "event_type": "conversation.opened",
            "event_id": "e",
            "contact": CONTACT,
            "conversation": {},
        },
    ),
    (ConversationClosed, closed()),
    (
        CommentCreated,
        {"event_type": "comment.created", "event_id": "e", "contact": CONTACT, "text": "see this"},
    ),
    (
        CallEnded,
        {"event_type": "call.ended", "event_id": "e", "contact": CONTACT, "call": {"duration": 5}},
    ),
]


@pytest.mark.parametrize(("cls", "event"), EVENTS)
def test_every_event_has_its_type(cls: type[Any], event: dict[str, Any]) -> None:
    """Each of the eleven is read as its struct, in any order of keys, with its contact and its
    whole body.
    """
    for body in (body_of(event), body_of(dict(reversed(event.items())))):
        read = parse(body)
        assert type(read) is cls
        assert (read.event_type, read.event_id) == (event["event_type"], event["event_id"])
        assert read.contact is not None
        assert read.contact.id == 1
        assert read.raw == event
        assert read.drift == ()


def _mutations(event: dict[str, Any]) -> list[dict[str, Any]]:
    """Change each value at each level in each way: null, missing, other types, a number as a
    string.
    """
    found = []

    def walk(value: Any, path: tuple[Any, ...]) -> None:
        if path and path != ("event_type",):
            for change in (None, ..., "text", [], {}, [None], True, 1.5, "12", 10**30, -1):
                mutant = json.loads(json.dumps(event))
                parent = mutant
                for step in path[:-1]:
                    parent = parent[step]
                if change is ...:
                    del parent[path[-1]]
                else:
                    parent[path[-1]] = change
                found.append(mutant)
        if isinstance(value, dict):
            for name, item in value.items():
                walk(item, (*path, name))

    walk(event, ())
    return found


@pytest.mark.parametrize(("cls", "event"), EVENTS)
def test_drift_is_survived(cls: type[Any], event: dict[str, Any]) -> None:
    """No change of any part keeps an event from its type."""
    for mutant in _mutations(event):
        read = parse(body_of(mutant))
        assert type(read) is cls
        assert read.raw == mutant


def test_drift_is_told() -> None:
    """What was read leniently is named by its place, without its value."""
    read = parse(
        body_of({**message(), "contact": {"id": "12", "firstName": "Ann"}, "channel": "secret"})
    )
    assert isinstance(read, MessageReceived)
    assert read.contact is not None
    assert read.contact.id == 12
    assert read.channel is None
    assert read.drift == ("$.contact.id: string read as int", "$.channel: has no reading")


def test_a_message_without_id_keeps_its_text() -> None:
    """A bot can answer a text whose id it does not know."""
    event = message(text="hello")
    del event["message"]["messageId"]
    read = parse(body_of(event))
    assert isinstance(read, MessageReceived)
    assert read.message is not None
    assert (read.message.text, read.message.message_id) == ("hello", 0)
    assert read.message.at is not None


@pytest.mark.parametrize("meta", ["{}", {}, None, '{"a":1}', "no json", 5])
def test_meta_comes_in_two_shapes(meta: Any) -> None:
    """A channel's meta is a dict, whether it came as an object, as JSON text or not at all."""
    event = message()
    event["channel"]["meta"] = meta
    read = parse(body_of(event))
    assert isinstance(read, MessageReceived)
    assert read.channel is not None
    assert read.channel.meta == ({"a": 1} if isinstance(meta, str) and "a" in meta else {})


@pytest.mark.parametrize(
    ("event", "text"),
    [
        ({"comment": "a"}, "a"),
        ({"comment": {"text": "b"}}, "b"),
        ({"text": "c"}, "c"),
        ({}, None),
        ({"comment": 5}, None),
    ],
)
def test_a_comments_text_is_found(event: dict[str, Any], text: str | None) -> None:
    """The shape of comment.created is undocumented; its text is found in each that is likely."""
    read = parse(body_of({"event_type": "comment.created", **event}))
    assert isinstance(read, CommentCreated)
    assert read.text == text


def test_times_of_a_conversation_go_by_magnitude() -> None:
    """Seconds and milliseconds both read as the same moment."""
    read = parse(body_of(closed()))
    assert isinstance(read, ConversationClosed)
    assert read.conversation is not None
    assert read.conversation.opened_at == read.conversation.closed_at
    assert not read.conversation.closed_by


@pytest.mark.parametrize("kind", ["message.deleted", "", 5, None, ["message.received"], {"a": 1}])
def test_unknown_events_are_kept(kind: Any) -> None:
    """An event of an unknown type is passed on whole, with its contact."""
    event = {"event_type": kind, "event_id": "e", "contact": {"id": "3"}, "novelty": [1]}
    read = parse(body_of(event))
    assert isinstance(read, UnknownEvent)
    assert read.event_type == read.type == (kind if isinstance(kind, str) else "")
    assert read.data == read.raw == event
    assert read.contact is not None
    assert (read.contact.id, read.event_id) == (3, "e")


def test_an_empty_object_is_an_unknown_event() -> None:
    """There is nothing to refuse in it."""
    read = parse(b"{}")
    assert isinstance(read, UnknownEvent)
    assert (read.event_type, read.event_id, read.contact, read.data) == ("", "", None, {})


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b'"text"', b"5", b"{", b"{}x", b"\xff", b'{"a":NaN}', b'{"a":"\xff"}',
            b"[" * 99,
        b'{"a":' + b"[" * 64 + b"]" * 64 + b"}",
    ],
)  # fmt: skip
def test_what_is_no_event_is_a_decode_error(body: bytes) -> None:
    """No JSON object, or one nested too deeply, is refused in words that hold nothing of the
    body.
    """
    with pytest.raises(DecodeError, match=r"^the webhook body (is|may)"):
        parse(body)


def test_a_large_body_is_refused() -> None:
    """The bound is inclusive."""
    parse(b"{}", max_body=2)
    with pytest.raises(DecodeError, match="larger than 1 bytes"):
        parse(b"{}", max_body=1)


def test_odd_json_is_read() -> None:
    """Half an emoji and numbers beyond every float are left out or replaced, and the event is
    kept.
    """
    body = (
        b'{"event_type":"message.received","contact":{"id":1,"firstName":"a\\ud83d"},"n":[1e999,'
        + b"9" * 5000
        + b"]}"
    )
    read = parse(body)
    assert isinstance(read, MessageReceived)
    assert read.contact is not None
    assert read.contact.first_name == "a\ufffd"
    assert read.raw["n"] == [None, None]


def test_reprs_hold_no_personal_data() -> None:
    """A log line with an event names its type and id alone."""
    read = parse(body_of(message(text="secret")))
    assert repr(read) == "MessageReceived(event_type='message.received', event_id='event-1')"
    assert "secret" not in repr(parse(body_of({"event_type": "x", "a": "secret"})))


def test_an_event_made_by_hand_has_no_body() -> None:
    """Tests of bots build events without JSON."""
    assert MessageReceived(event_id="e").raw == {}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
PARTS = st.sampled_from(
    [
        "event_type",
        "event_id",
        "contact",
        "message",
        "channel",
        "conversation",
        "tag",
        "user",
        "text",
        "comment",
        "sender",
        "source",
    ]
)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("source", ["user", "echo", "workflow", "api", "something new"])
def test_who_sent_a_message(place: str, source: str) -> None:
    """Whichever place names the sender, it is read; the earlier one counts where two do."""
    if place == "user":
        source = "user"
    event = placed(sent(source=source), place)
    read = parse(body_of(event))
    assert isinstance(read, MessageSent)
    assert read.sender is not None
    assert (read.sender.source, read.is_by_person) == (source, source in {"user", "echo"})
    for later in PLACES[PLACES.index(place) + 1 :]:
        other = placed(sent(source="user" if later == "user" else "broadcast"), later)
        both = parse(
            body_of({**other, **event, "message": {**other["message"], **event["message"]}})
        )
        assert isinstance(both, MessageSent)
        assert both.sender == read.sender


@pytest.mark.parametrize(
    "nobody",
    [
        {"user": {}}, {"user": None}, {"user": {"id": None, "email": None}}, {"user": []},
        {"sender": {}}, {"sender": {"source": None}}, {"sender": "?"}, {"source": ""},
        {"source": None}, {"source": {}},
    ],
)  # fmt: skip
def test_a_place_that_names_nobody_is_passed_over(nobody: dict[str, Any]) -> None:
    """Nobody is nobody in any form, and the next place counts."""
    event = sent(source=None)
    read = parse(body_of({**event, **nobody}))
    assert isinstance(read, MessageSent)
    assert (read.sender, read.is_by_person) == (None, False)
    known = {**event, "message": {**event["message"], "source": "echo"}}
    read = parse(body_of({**known, **nobody}))
    assert isinstance(read, MessageSent)
    assert read.is_by_person


def test_a_user_without_an_id_is_a_person() -> None:
    """A name or an e-mail is somebody too; ids that come as texts are read."""
    for user, number in [({"email": "a@b.c"}, None), ({"id": "5"}, 5), ({"firstName": "A"}, None)]:
        read = parse(body_of({**sent(source=None), "user": user}))
        assert isinstance(read, MessageSent)
        assert read.sender is not None
        assert (read.is_by_person, read.sender.user_id) == (True, number)


@given(st.dictionaries(PARTS, JSON), st.sampled_from([event["event_type"] for _, event in EVENTS]))
def test_any_object_is_an_event(parts: dict[str, Any], kind: str) -> None:
    """Whatever JSON stands in whichever part, an event comes of it."""
    for event in (parts, {**parts, "event_type": kind}):
        read = parse(json.dumps(event).encode())
        assert isinstance(read.event_id, str)
        repr(read)


@given(
    st.binary(max_size=200) | st.text(max_size=100).map(str.encode),
    st.text(max_size=60) | st.binary(min_size=32, max_size=32).map(bytes.hex),
)
def test_fuzzed_bodies_are_never_accepted(body: bytes, signature: str) -> None:
    """Bytes that nobody signed end in WebhookSignatureError, and bytes that are no event in
    DecodeError: in nothing else.
    """
    for given_signature in (
        signature,
        sign(body, "wrong"),
        sign(body + b" ", "key"),
        sign(body, "key")[:-1],
    ):
        with pytest.raises(WebhookSignatureError):
            verify(body, given_signature, "key")
    try:
        parse(body)
    except DecodeError:
        pass
