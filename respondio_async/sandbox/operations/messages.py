"""Messages: send, read, list."""

from bisect import bisect_left
from typing import Any

from .. import _render as render
from .. import delivery
from .._call import Problem, RequestContext, not_found
from .._messages import check_message
from .._paging import page
from .._routes import serves
from ..state import Channel, Contact


@serves("POST /contact/{identifier}/message")
def send(call: RequestContext) -> dict[str, Any]:
    body = call.object()
    contact = call.contact("message")
    channel_id = body["channelId"].value
    if channel_id is not None and type(channel_id) is not int:
        raise Problem(400, f"Invalid field(s) : channelId = {channel_id}")
    content = check_message(call, body["message"], channel_id)
    channel = _channel(call, contact, channel_id)
    if content["type"] == "custom_payload" and "whatsapp" in channel.source:
        raise Problem(403, "custom_payload is not allowed on this channel")
    message = delivery.send(call.workspace, contact, content, channel, {"source": "api"})
    call.workspace.sent.append(message)
    return {"messageId": message.id}


def _channel(call: RequestContext, contact: Contact, channel_id: int | None) -> Channel:
    if channel_id is None:
        channel = delivery.last_channel(contact)
    else:
        channel = call.workspace.channels.get(channel_id)
    if channel is None or (
        channel.id not in contact.channels and not call.quirks.link_channel_on_send
    ):
        raise Problem(400, "channel not found for contactId")
    return channel


@serves("GET /contact/{identifier}/message/{messageId}")
def get(call: RequestContext) -> dict[str, Any]:
    messages = call.contact().messages
    message_id = call.number("messageId", "Message")
    index = bisect_left(messages, message_id, key=lambda message: message.id)
    if index == len(messages) or messages[index].id != message_id:
        raise not_found("Message")
    return render.message(messages[index], call.workspace)


@serves("GET /contact/{identifier}/message/list")
def list_messages(call: RequestContext) -> dict[str, Any]:
    messages = {message.id: message for message in call.contact().messages}
    ids = list(messages)
    return page(
        call,
        ids,
        lambda each: render.message(messages[each], call.workspace),
        largest=50,
        newest_first=True,
    )
