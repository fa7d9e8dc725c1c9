"""Messages in both directions, and which of them will never be delivered."""

from typing import Any, Final

from .operations.conversations import open_conversation
from .state import Channel, Contact, ContactChannel, Message
from .workspace import Workspace

UNREACHABLE: Final = "+1500555"
"""Messages to phones that begin so fail; a range that no operator hands out."""


_WITH_WINDOW: Final = ("whatsapp", "facebook", "instagram")
"""Beginnings of the sources of channels with a reply window."""


def failure_of(
    workspace: Workspace, contact: Contact, link: ContactChannel, content: dict[str, Any]
) -> str | None:
    """The reason why a message will fail, or None."""
    if _is_too_late(workspace, link, content):
        return "The 24-hour window has closed: only a template can be sent"
    for applies, reason in workspace.failing:
        if applies(contact, content):
            return reason
    if contact.phone is not None and contact.phone.startswith(UNREACHABLE):
        return "Message undeliverable"
    return None


def _is_too_late(workspace: Workspace, link: ContactChannel, content: dict[str, Any]) -> bool:
    window = workspace.quirks.reply_window
    if window is None or link.wrote_at is None or not link.channel.source.startswith(_WITH_WINDOW):
        return False
    is_free = not str(content["type"]).endswith("_template") and not content.get("messageTag")
    return is_free and workspace.clock.now() - link.wrote_at > window


def send(
    workspace: Workspace,
    contact: Contact,
    content: dict[str, Any],
    channel: Channel,
    sender: dict[str, Any],
) -> Message:
    """Let a client, a person or a workflow write to a contact."""
    now = int(workspace.clock.wall())
    link = workspace.link_channel(contact, channel)
    link.last_message_at = now
    message = Message(
        id=workspace.next_message_id(),
        contact_id=contact.id,
        channel_id=channel.id,
        traffic="outgoing",
        content=content,
        sender=sender,
        accepted=workspace.clock.now(),
    )
    message.channel_message_id = f"sandbox.{message.id}"
    message.failure = failure_of(workspace, contact, link, content)
    contact.messages.append(message)
    if workspace.quirks.sending_opens:
        open_conversation(workspace, contact, source=str(sender["source"]))
    conversation = contact.open_conversation
    if conversation is not None:
        conversation.outgoing += 1
        conversation.first_response_at = conversation.first_response_at or now
    workspace.emit("message.sent", contact, message=message, channel=link)
    return message


def last_channel(contact: Contact) -> Channel | None:
    """Return the channel of the last interaction; a new contact has none."""
    links = sorted(contact.channels.values(), key=lambda link: link.last_message_at or 0)
    return links[-1].channel if links else None


def receive(
    workspace: Workspace, contact: Contact, content: dict[str, Any], channel: Channel | None = None
) -> Message:
    """Let a customer write: opens the conversation, as an incoming message does."""
    now = int(workspace.clock.wall())
    if channel is None:
        known = list(contact.channels.values())
        channel = known[-1].channel if known else next(iter(workspace.channels.values()))
    link = workspace.link_channel(contact, channel)
    link.last_message_at = link.last_incoming_at = now
    link.wrote_at = workspace.clock.now()
    message = Message(
        id=workspace.next_message_id(),
        contact_id=contact.id,
        channel_id=channel.id,
        traffic="incoming",
        content=content,
        sender={"source": "contact"},
        accepted=workspace.clock.now(),
    )
    message.channel_message_id = f"sandbox.{message.id}"
    contact.messages.append(message)
    conversation = open_conversation(workspace, contact, source="contact")
    conversation.incoming += 1
    conversation.first_incoming_at = conversation.first_incoming_at or now
    workspace.emit("message.received", contact, message=message, channel=link)
    return message
