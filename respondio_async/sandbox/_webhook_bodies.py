"""The bodies of webhooks: flat, and what surrounds each event spelt as the vendor's server spells
it.

Source: the vendor's "Webhooks" page. contact.updated, conversation.opened, comment.created and
call.ended are documented by name alone; their bodies here are one likely reading.
"""

import json
import re
import zlib
from typing import Any, Final

from . import _render as render
from .state import Comment, Contact, ContactChannel, Conversation, Message, WorkspaceEvent
from .workspace import Workspace

EVENT_TYPES: Final = (
    "message.received",
    "message.sent",
    "contact.created",
    "contact.updated",
    "contact.assignee.updated",
    "contact.tag.updated",
    "contact.lifecycle.updated",
    "conversation.opened",
    "conversation.closed",
    "comment.created",
    "call.ended",
)
_MENTION: Final = re.compile(r"\{\{@user\.([0-9]+)\}\}", re.ASCII)


def encode(event: WorkspaceEvent, event_id: str, workspace: Workspace) -> bytes:
    """Serialise an event as JSON.stringify does."""
    body = {
        "event_type": event.type,
        "event_id": event_id,
        "contact": _contact(event.contact, workspace),
    }
    for name, value in event.data.items():
        body |= _part(name, value, event, workspace)
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    # Half a surrogate pair is not to be had in UTF-8: JSON.stringify escapes it, in just this way.
    return text.encode("utf-8", "backslashreplace")


def _contact(contact: Contact, workspace: Workspace) -> dict[str, Any]:
    quirks = workspace.quirks
    shown = render.contact(contact, workspace)
    if contact.assignee is None:
        nulls = dict.fromkeys(("id", "firstName", "lastName", "email"))
        shown["assignee"] = {"null": None, "empty": {}, "nulls": nulls}[quirks.webhook_no_assignee]
    return {
        name: value for name, value in shown.items() if name not in quirks.webhook_contact_lacks
    }


def _part(name: str, value: Any, event: WorkspaceEvent, workspace: Workspace) -> dict[str, Any]:
    match value:
        case Message():
            return _message(name, value, event, workspace)
        case ContactChannel():
            return {name: _channel(value, event.type, workspace)}
        case Conversation():
            return {name: _conversation(value, workspace)}
        case Comment():
            return {
                name: {"text": value.text},
                "mentions": [int(user) for user in _MENTION.findall(value.text)],
            }
        case _ if name in ("lifecycle", "old_lifecycle"):
            return _lifecycle(name, value, event, workspace)
        case _:
            return {name: value}


def _lifecycle(
    name: str, stage: str | None, event: WorkspaceEvent, workspace: Workspace
) -> dict[str, Any]:
    shown: Any = stage
    if stage is not None and workspace.quirks.lifecycle_in_events == "object":
        shown = {"id": zlib.crc32(stage.encode()), "name": stage}
    if name == "lifecycle":
        return {name: shown}
    new: Any = event.data.get("lifecycle")
    action = "add" if stage is None else "remove" if new is None else "update"
    return {"oldLifecycle": shown, "action": action}


def _message(
    name: str, message: Message, event: WorkspaceEvent, workspace: Workspace
) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "messageId": message.id,
        "channelMessageId": message.channel_message_id,
        "contactId": message.contact_id,
        "channelId": message.channel_id,
        "traffic": message.traffic,
        "message": render.content(message, workspace.quirks),
        "timestamp": message.id // 1_000_000,
    }
    sender = message.sender
    user = workspace.users.get(sender.get("userId", 0))
    person = {} if user is None else {"user": render.user(user, workspace.quirks)}
    source = {"source": sender.get("source")}
    places: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "message.sender": ({"sender": sender}, {}),
        "message.source": (source, {}),
        "sender": ({}, {"sender": sender}),
        "source": ({}, source),
        "user": ({}, person),
    }
    is_sent = event.type == "message.sent"
    inside, beside = places[workspace.quirks.webhook_sender if is_sent else "message.sender"]
    return {name: {**shown, **inside}, **beside}


def _channel(link: ContactChannel, event_type: str, workspace: Workspace) -> dict[str, Any]:
    shown = render.contact_channel(link, workspace)
    times = ("lastMessageTime", "lastIncomingMessageTime")
    # message.received comes without them.
    return {
        name: value
        for name, value in shown.items()
        if event_type == "message.sent" or name not in times
    }


def _conversation(conversation: Conversation, workspace: Workspace) -> dict[str, Any]:
    answers = workspace.answers
    shown: dict[str, Any] = {
        "openedTime": render.moment(conversation.opened_at, answers),
        "openedBySource": conversation.opened_by,
        "incomingMessageCount": conversation.incoming,
        "outgoingMessageCount": conversation.outgoing,
    }
    if conversation.closed_at is None:
        return shown
    first = conversation.first_incoming_at or conversation.opened_at
    response = conversation.first_response_at
    closer = conversation.closer
    return {
        "category": conversation.category,
        "summary": conversation.summary,
        **shown,
        "closedTime": render.moment(conversation.closed_at, answers),
        "closedBy": {} if closer is None else render.user(closer, workspace.quirks),
        "closedBySource": conversation.closed_by,
        "firstResponseTime": None if response is None else response - first,
        "resolutionTime": conversation.closed_at - conversation.opened_at,
        "assigneeTeam": None,
        "lastAssignmentTime": render.moment(conversation.assigned_at, answers),
    }
