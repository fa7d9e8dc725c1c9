"""After an outage: the messages whose events never came, as events."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any

import msgspec

from respondio_async.errors import InvalidArgumentError
from respondio_async.models import Contact, Message, UnknownContent

from ._contact_states import ContactStates
from ._context import BotClient
from ._store import CAUGHT_UP


async def missed(
    client: BotClient,
    states: ContactStates,
    contacts: Iterable[int] | None,
    after: int | datetime | None,
    take: Callable[[bytes], Awaitable[None]],
    *,
    concurrency: int,
) -> None:
    """Give *take* the body of an event for each incoming message that was missed, each contact's in
    order.
    """
    if isinstance(after, datetime):
        if after.tzinfo is None:
            raise InvalidArgumentError("after must be aware: give it a time zone", argument="after")
        after = int(after.timestamp() * 1_000_000)  # what message ids count
    waiting = iter(list(states.contacts) if contacts is None else contacts)

    async def work() -> None:
        for contact_id in waiting:  # shared: each worker takes the next
            stopped_at = states.resume_at.get(contact_id, states.resume_others_at)
            begin = stopped_at if after is None else after
            if begin > 0:  # or nothing was ever read: all of its history would look missed
                await _of_contact(client, states, contact_id, begin, take)

    async with asyncio.TaskGroup() as group:
        for _ in range(max(1, concurrency)):
            group.create_task(work())


async def _of_contact(
    client: BotClient,
    states: ContactStates,
    contact_id: int,
    begin: int,
    take: Callable[[bytes], Awaitable[None]],
) -> None:
    contact: Contact | None = None
    async for message in client.messages.list_new(contact_id, begin):
        if (
            message.traffic != "incoming"
            or message.message_id <= begin
            or message.message_id in states.received
        ):
            continue
        if contact is None:
            contact = await client.contacts.get(contact_id)
        # Before it is taken in, for its event may come meanwhile. On the disk it is known by the
        # event's id, in the same commit.
        if not states.note_caught_up(message.message_id):
            continue
        try:
            await take(_event(contact, message))
        except BaseException:
            states.caught_up.pop(message.message_id, None)
            raise


def _event(contact: Contact, message: Message) -> bytes:
    # Built as plain JSON, so that it passes the same way as every event: through the inbox, and
    # through `parse`.
    fields: dict[str, Any] = msgspec.to_builtins(message)
    if isinstance(message.message, UnknownContent):
        fields["message"] = message.message.data
    return msgspec.json.encode(
        {
            "event_type": "message.received",
            "event_id": f"{CAUGHT_UP}{message.message_id}",
            "contact": contact,
            "message": fields,
            "channel": {"id": message.channel_id} if message.channel_id is not None else None,
        }
    )
