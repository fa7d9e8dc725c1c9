"""Messages in both directions, and which of them will never be delivered."""

from typing import Any, Final, Literal

from .operations.conversations import open_conversation
from .state import Channel, Contact, ContactChannel, Message
from .workspace import Workspace

UNREACHABLE: Final = "+1500555"
"""Messages to phones that begin so fail; a range that no operator hands out."""


def failure_of(
    workspace: Workspace, contact: Contact, link: ContactChannel, content: dict[str, Any]
) -> str | None:
    """The reason why a message will fail, or None."""
    if _is_late(workspace, link) and not str(content["type"]).endswith("_template"):
        if "whatsapp" in link.channel.source:
            return "The 24-hour window has closed: only a template can be sent"
        if link.channel.source in ("facebook", "instagram") and not content.get("messageTag"):
            return "The 24-hour window has closed: a message tag is needed"
    for applies, reason in workspace.failing:
        if applies(contact, content):
            return reason
    if contact.phone is not None and contact.phone.startswith(UNREACHABLE):
        return "Message undeliverable"
    return None


def _is_late(workspace: Workspace, link: ContactChannel) -> bool:
    window = workspace.quirks.reply_window
    if window is None or link.wrote_at is None:
        return False
    return workspace.clock.now() - link.wrote_at > window


def last_channel(contact: Contact) -> Channel | None:
    """Return the channel of the last interaction; a new contact has none."""
    if contact.messages:
        channel_id = contact.messages[-1].channel_id
    else:
        channel_id = next(reversed(contact.channels), 0)
    link = contact.channels.get(channel_id)
    return None if link is None else link.channel


def send(
    workspace: Workspace,
    contact: Contact,
    content: dict[str, Any],
    channel: Channel,
    sender: dict[str, Any],
) -> Message:
    """Let a client, a person or a workflow write to a contact."""
    link = workspace.link_channel(contact, channel)
    message = _add_message(workspace, contact, link, content, traffic="outgoing", sender=sender)
    message.failure = failure_of(workspace, contact, link, content)
    if workspace.quirks.sending_opens:
        open_conversation(workspace, contact, source=str(sender["source"]))
    conversation = contact.open_conversation
    if conversation is not None:
        conversation.outgoing += 1
        conversation.first_response_at = conversation.first_response_at or link.last_message_at
    workspace.emit("message.sent", contact, message=message, channel=link)
    return message


def receive(
    workspace: Workspace, contact: Contact, content: dict[str, Any], channel: Channel | None = None
) -> Message:
    """Let a customer write, on the last channel unless told which: opens the conversation, as an
    incoming message does.
    """
    channel = channel or last_channel(contact) or next(iter(workspace.channels.values()))
    link = workspace.link_channel(contact, channel)
    sender = {"source": "contact"}
    message = _add_message(workspace, contact, link, content, traffic="incoming", sender=sender)
    link.last_incoming_at = link.last_message_at
    link.wrote_at = message.accepted
    conversation = open_conversation(workspace, contact, source="contact")
    conversation.incoming += 1
    conversation.first_incoming_at = conversation.first_incoming_at or link.last_message_at
    workspace.emit("message.received", contact, message=message, channel=link)
    return message


def _add_message(
    workspace: Workspace,
    contact: Contact,
    link: ContactChannel,
    content: dict[str, Any],
    *,
    traffic: Literal["incoming", "outgoing"],
    sender: dict[str, Any],
) -> Message:
    link.last_message_at = int(workspace.clock.wall())
    number = workspace.next_message_id()
    message = Message(
        id=number,
        contact_id=contact.id,
        channel_id=link.channel.id,
        traffic=traffic,
        content=content,
        sender=sender,
        accepted=workspace.clock.now(),
        channel_message_id=f"sandbox.{number}",
    )
    contact.messages.append(message)
    return message
