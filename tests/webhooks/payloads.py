"""Bodies of events as respond.io sends them."""

import json
from typing import Any, Final, get_args, get_type_hints

from respondio_async.sandbox import Quirks
from respondio_async.webhooks import sign

KEY = "a-signing-key"
PLACES: Final[tuple[str, ...]] = get_args(get_type_hints(Quirks)["webhook_sender"])
"""Where a message.sent has been seen to name its sender."""


def message(number: int = 1, contact: int = 1, text: str = "hi", **more: Any) -> dict[str, Any]:
    """Make a message.received event; what is given in *more* replaces its parts."""
    return {
        "event_type": "message.received",
        "event_id": f"event-{number}",
        "contact": {"id": contact, "firstName": "Ann", "phone": "+60123456789", "assignee": {}},
        "message": {
            "messageId": 1_783_918_786_000_000 + number,
            "contactId": contact,
            "channelId": 7,
            "traffic": "incoming",
            "message": {"type": "text", "text": text},
            "timestamp": 1_783_918_786,
        },
        "channel": {"id": 7, "name": "WhatsApp", "source": "whatsapp_cloud", "meta": "{}"},
        **more,
    }


def sent(
    number: int = 1, contact: int = 1, source: str | None = "user", **more: Any
) -> dict[str, Any]:
    """Make a message.sent event."""
    event = message(number, contact, event_type="message.sent", **more)
    event["message"] |= {
        "traffic": "outgoing",
        "sender": None if source is None else {"source": source},
    }
    return event


def placed(event: dict[str, Any], place: str) -> dict[str, Any]:
    """Move the sender of a message.sent to another place."""
    inner = dict(event.get("message") or {})
    sender = inner.pop("sender", None)
    if event["event_type"] != "message.sent" or sender is None or place == "message.sender":
        return event
    source = sender["source"]
    match place:
        case "user":
            return {**event, "message": inner} | ({"user": {"id": 3}} if source == "user" else {})
        case "sender":
            return {**event, "message": inner, "sender": sender}
        case "message.source":
            return {**event, "message": {**inner, "source": source}}
        case _:
            return {**event, "message": inner, "source": source}


def closed(number: int = 1, contact: int = 1, at: Any = 1_783_918_786_000) -> dict[str, Any]:
    """Make a conversation.closed event; *at* is when, in any unit."""
    return {
        "event_type": "conversation.closed",
        "event_id": f"event-{number}",
        "contact": {"id": contact},
        "conversation": {
            "category": "done",
            "closedBy": {},
            "openedTime": 1_783_918_786,
            "closedTime": at,
        },
    }


def body_of(event: Any) -> bytes:
    """Serialise as JSON.stringify does."""
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()


def signed(event: Any, key: str = KEY) -> tuple[bytes, dict[str, str]]:
    """Return a body and its headers."""
    body = event if isinstance(event, bytes) else body_of(event)
    return body, {"X-Webhook-Signature": sign(body, key)}
