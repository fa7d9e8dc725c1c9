"""What the page shows of the sandbox, as plain JSON.

The page puts all of it on the screen as text, never as markup.
"""

import json
from typing import Any, Final

from .. import _render as render
from .._call import as_object
from ..record import Arrival
from ..state import Contact, Message, WorkspaceEvent
from ..webhooks import Delivery, Webhooks
from ..workspace import Workspace

_MOST_CONTACTS: Final = 100
_MOST_MESSAGES: Final = 200
_LONGEST: Final = 4_000
"""Characters of a body."""


def overview(workspace: Workspace, webhooks: Webhooks, contact_id: int | None) -> dict[str, Any]:
    """Everything but the log: the contacts who wrote last, one of them whole, and the webhooks."""
    contacts = sorted(workspace.contacts.values(), key=_last_active, reverse=True)[:_MOST_CONTACTS]
    chosen = None if contact_id is None else workspace.contact(contact_id)
    return {
        "contacts": [_row(contact) for contact in contacts],
        "contact": None if chosen is None else _whole(chosen, workspace),
        "webhooks": [
            {"url": webhook.url, "enabled": webhook.enabled} for webhook in webhooks.registered
        ],
    }


def _last_active(contact: Contact) -> tuple[int, int]:
    last = contact.messages[-1].id if contact.messages else 0
    return max(last, contact.created_at * 1_000_000), contact.id


def name_of(contact: Contact) -> str:
    """How to call a contact."""
    name = " ".join(part for part in (contact.first_name, contact.last_name) if part)
    return name or contact.phone or contact.email or f"Contact {contact.id}"


def _row(contact: Contact) -> dict[str, Any]:
    last = contact.messages[-1] if contact.messages else None
    user = contact.assignee
    return {
        "id": contact.id,
        "name": name_of(contact),
        "address": contact.phone or contact.email or "",
        "status": contact.status,
        "assignee": None if user is None else f"{user.first_name} {user.last_name}",
        "last": "" if last is None else _words(last),
        "time": None if last is None else last.id / 1_000_000,
    }


def _whole(contact: Contact, workspace: Workspace) -> dict[str, Any]:
    return {
        **_row(contact),
        "lifecycle": contact.lifecycle,
        "tags": contact.tags,
        "channels": [link.channel.name for link in contact.channels.values()],
        "messages": [_message(each, workspace) for each in contact.messages[-_MOST_MESSAGES:]],
    }


def _message(message: Message, workspace: Workspace) -> dict[str, Any]:
    replies: Any = (
        message.content.get("replies") if message.content.get("type") == "quick_reply" else None
    )
    outgoing = message.traffic == "outgoing"
    return {
        "id": str(message.id),  # beyond what JavaScript counts exactly
        "traffic": message.traffic,
        "text": _words(message),
        "replies": replies if isinstance(replies, list) else [],
        "time": message.id / 1_000_000,
        "source": str(message.sender.get("source", "")),
        "status": render.statuses(message, workspace)[-1]["value"] if outgoing else "",
        "failure": message.failure,
    }


def _words(message: Message) -> str:
    """A message of any type in words."""
    content = message.content
    if message.text:
        return message.text
    if (attachment := as_object(content.get("attachment"))) is not None:
        return f"[{attachment.get('type', 'attachment')}] {attachment.get('url', '')}"
    if (template := as_object(content.get("template"))) is not None:
        return f"[template] {template.get('name', '')}"
    rest = {name: value for name, value in content.items() if name != "type"}
    return f"[{content.get('type')}] {_shortened(json.dumps(rest, ensure_ascii=False))}"


def of_event(event: WorkspaceEvent, now: float) -> dict[str, Any]:
    """A line of the log: something changed."""
    detail = ", ".join(
        f"{name}: {value}" for name, value in event.data.items() if isinstance(value, str)
    )
    return {
        "kind": "event", "tone": "plain", "time": now, "title": event.type,
        "note": name_of(event.contact) + (f" ({detail})" if detail else ""), "body": "",
        "contact": event.contact.id,
    }  # fmt: skip


def of_request(arrival: Arrival) -> dict[str, Any]:
    """A line of the log: an API call."""
    status = arrival.status
    return {
        "kind": "call", "time": arrival.time, "title": f"{arrival.method} {arrival.path}",
        "tone": "good" if status is not None and status < 400 else "bad",
        "note": "no answer"
        if status is None
        else str(status) + (f" ({arrival.fault})" if arrival.fault else ""),
        "body": _pretty(arrival.content), "contact": None,
    }  # fmt: skip


def of_delivery(delivery: Delivery) -> dict[str, Any]:
    """A line of the log: an event was sent to a webhook, or could not be."""
    took = f"{delivery.status} in {(delivery.seconds or 0) * 1_000:.0f} ms"
    state = "" if delivery.webhook.enabled else ", and is disabled"
    return {
        "kind": "webhook", "tone": "good" if delivery.ok else "bad", "time": delivery.time,
        "title": f"{delivery.event_type} → {delivery.webhook.url}",
        "note": (took if delivery.ok else delivery.error or "")
        + (" (a repeat)" if delivery.repeated else "")
        + state,
        "body": _pretty(delivery.body), "contact": None,
    }  # fmt: skip


def _pretty(content: bytes) -> str:
    try:
        return (
            _shortened(json.dumps(json.loads(content), indent=2, ensure_ascii=False))
            if content
            else ""
        )
    except (ValueError, RecursionError):
        return _shortened(content.decode("utf-8", "replace"))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
