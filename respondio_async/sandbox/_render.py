"""Records as the API shows them."""

import json
from decimal import Decimal
from typing import Any, Final, cast

from .quirks import Answers, Quirks
from .state import Contact, ContactChannel, CustomField, Message, Tag, Template, User
from .workspace import Workspace


def contact(record: Contact, workspace: Workspace) -> dict[str, Any]:
    quirks = workspace.quirks
    extra = {"username": f"user.{record.id}"} if quirks.contact_has_username else {}
    return {
        "id": record.id,
        "firstName": record.first_name,
        "lastName": record.last_name,
        "phone": record.phone,
        "email": record.email,
        "language": record.language,
        "profilePic": record.profile_pic,
        "countryCode": record.country_code,
        "custom_fields": _custom_fields(record, workspace),
        "status": record.status,
        "isBlocked": record.blocked,
        "tags": record.tags,
        "assignee": _assignee(record.assignee, quirks),
        "lifecycle": record.lifecycle,
        "created_at": record.created_at,
        **extra,
    }


def _custom_fields(record: Contact, workspace: Workspace) -> list[dict[str, Any]] | None:
    quirks, fields = workspace.quirks, workspace.custom_fields
    if not record.custom and quirks.no_custom_fields == "null":
        return None
    return [
        {
            "name": fields[field_id].name,
            "value": _as_string(value) if quirks.values_as_strings else value,
        }
        for field_id, value in record.custom.items()
    ]


def _as_string(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(Decimal(repr(value))))  # as JavaScript does: the digits of its shortest form
    return str(value)


def _assignee(record: User | None, quirks: Quirks) -> dict[str, Any] | None:
    if record is None:
        return None if quirks.no_assignee == "null" else {}
    return {
        "id": record.id,
        "firstName": record.first_name,
        "lastName": record.last_name,
        "email": record.email,
    }


def user(record: User, quirks: Quirks) -> dict[str, Any]:
    team: Any = {"id": record.team_id, "name": record.team_name}
    return {
        "id": record.id,
        "firstName": record.first_name,
        "lastName": record.last_name,
        "email": record.email,
        "role": record.role,
        "team": None
        if record.team_id is None
        else record.team_name
        if quirks.team == "text"
        else team,
        "restrictions": list(record.restrictions),
    }


def contact_channel(record: ContactChannel, workspace: Workspace) -> dict[str, Any]:
    meta: dict[str, Any] = {"object": {}, "string": "{}", "null": None}
    return {
        "id": record.channel.id,
        "name": record.channel.name,
        "source": record.channel.source,
        "created_at": record.created_at,
        "contactChannelId": record.contact_channel_id,
        "meta": meta[workspace.quirks.channel_meta],
        "lastMessageTime": moment(record.last_message_at, workspace.answers),
        "lastIncomingMessageTime": moment(record.last_incoming_at, workspace.answers),
    }


def moment(seconds: int | None, answers: Answers) -> int | None:
    """A time of a conversation; its unit is undocumented."""
    if seconds is None or answers.conversation_times == "seconds":
        return seconds
    return seconds * 1_000


def message(record: Message, workspace: Workspace) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "messageId": record.id,
        "channelMessageId": record.channel_message_id,
        "contactId": record.contact_id,
        "channelId": record.channel_id,
        "traffic": record.traffic,
        "message": content(record, workspace.quirks),
        "sender": record.sender,
    }
    if record.traffic == "outgoing":
        shown["status"] = statuses(record, workspace)
    return shown


_RECORDED: Final = {"fileName": "name", "mime": "mimeType"}


def content(record: Message, quirks: Quirks) -> dict[str, Any]:
    """What a message holds, a file's keys as they have been documented or recorded."""
    file: Any = record.content.get("attachment")
    if quirks.attachment_keys == "documented" or not isinstance(file, dict):
        return record.content
    keys = cast("dict[str, Any]", file)
    return {
        **record.content,
        "attachment": {_RECORDED.get(key, key): value for key, value in keys.items()},
    }


def statuses(record: Message, workspace: Workspace) -> list[dict[str, Any]]:
    """How far a message has come, oldest status first: it moves with the time since it was
    accepted.
    """
    accepted = record.id // 1_000_000
    passed = workspace.clock.now() - record.accepted
    history: list[dict[str, Any]] = [{"value": "pending", "timestamp": accepted}]
    for value, delay in zip(("sent", "delivered", "read"), workspace.delivery, strict=True):
        if delay is None or passed < delay:
            break
        timestamp = accepted + int(delay)
        if record.failure is not None:
            history.append({"value": "failed", "timestamp": timestamp, "message": record.failure})
            break
        history.append({"value": value, "timestamp": timestamp})
    return history


def template(record: Template, quirks: Quirks) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "components": json.dumps(record.components)
        if quirks.template_components == "string"
        else record.components,
        "channelId": record.channel_id,
        "botId": 1,
        "languageCode": record.language,
        "namespace": None,
        "category": record.category,
        "status": record.status,
        "templateId": str(record.id),
        "label": record.name.replace("_", " "),
    }


def custom_field(record: CustomField, quirks: Quirks) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": record.id,
        "name": record.name,
        "slug": record.slug,
        "description": record.description,
        "dataType": record.data_type,
        "created_at": record.created_at,
    }
    if record.allowed_values is not None:
        values = record.allowed_values
        shown["allowedValues"] = (
            {"listValues": values} if quirks.allowed_values == "object" else values
        )
    return shown


def tag(record: Tag, quirks: Quirks) -> dict[str, Any]:
    dated = {"createdAt": "2026-01-01T00:00:00.000Z"} if quirks.tag_has_created_at else {}
    return {
        "id": record.id,
        "name": record.name,
        "description": record.description,
        "emoji": record.emoji,
        "colorCode": record.color,
        **dated,
    }
