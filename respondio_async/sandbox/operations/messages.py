"""Messages: send, read, list."""

from bisect import bisect_left
from typing import Any

from .. import _render as render
from .._call import Call
from .._messages import check_message
from .._paging import page
from .._problem import Problem, not_found, wrong_type
from ..delivery import failure_of
from ..state import Channel, Contact, Message
from .conversations import open_conversation


def send(call: Call) -> Any:
    body = call.object()
    contact = call.contact("message")
    channel_id: Any = body.get("channelId")
    if channel_id is not None and type(channel_id) is not int:
        raise wrong_type("channelId", channel_id)
    content = check_message(call, body.get("message"), channel_id)
    channel = _channel(call, contact, channel_id)
    if content["type"] == "custom_payload" and "whatsapp" in channel.source:
        raise Problem(403, "custom_payload is not allowed on this channel")
    workspace = call.workspace
    now = int(workspace.clock.wall())
    link = workspace.link_channel(contact, channel)
    link.last_message_at = now
    message = Message(
        id=workspace.next_message_id(),
        contact_id=contact.id,
        channel_id=channel.id,
        traffic="outgoing",
        content=content,
        sender={"source": "api"},
        accepted=workspace.clock.now(),
    )
    message.channel_message_id = f"sandbox.{message.id}"
    message.failure = failure_of(workspace, contact, content)
    contact.messages.append(message)
    workspace.sent.append(message)
    if call.quirks.sending_opens:
        open_conversation(workspace, contact, source="api")
    conversation = contact.open_conversation
    if conversation is not None:
        conversation.outgoing += 1
        conversation.first_response_at = conversation.first_response_at or now
    workspace.emit("message.sent", contact, message=message, channel=link)
    return {"messageId": message.id}


def _channel(call: Call, contact: Contact, channel_id: int | None) -> Channel:
    if channel_id is None:
        # The channel of the last interaction; a new contact has none.
        links = sorted(contact.channels.values(), key=lambda link: link.last_message_at or 0)
        if not links:
            raise Problem(400, "channel not found for contactId")
        return links[-1].channel
    channel = call.workspace.channels.get(channel_id)
    if channel is None or (
        channel_id not in contact.channels and not call.quirks.link_channel_on_send
    ):
        raise Problem(400, "channel not found for contactId")
    return channel


def get(call: Call) -> Any:
    messages = call.contact().messages
    message_id = call.number("messageId", "Message")
    index = bisect_left(messages, message_id, key=lambda message: message.id)
    if index == len(messages) or messages[index].id != message_id:
        raise not_found("Message")
    return render.message(messages[index], call.workspace)


def list_messages(call: Call) -> Any:
    messages = {message.id: message for message in call.contact().messages}
    ids = list(messages)
    return page(
        call,
        ids,
        lambda each: render.message(messages[each], call.workspace),
        largest=50,
        newest_first=True,
    )
