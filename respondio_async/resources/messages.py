"""Messages: what is said on a channel. Source: the vendor's API reference, "Message"."""

from typing import Final, Literal

from .._engine import endpoints as e
from .._engine.pagination import Cursor, Paginator
from .._wire import check_channel_id, check_id, mask
from ..errors import InvalidArgumentError, MessageFailedError
from ..identifiers import Identifier, segment
from ..models import Message, Page, SentMessage
from ..models.payloads import CustomPayload, Payload, to_wire
from ._base import PollTimer, Resource

_PROGRESS: Final = ("pending", "sent", "delivered", "read")
_LOOK_AGAIN: Final = (0.5, 1.0, 2.0, 3.0, 5.0)
"""Seconds between looks at a message's status; the last one repeats."""


class Messages(Resource):
    """Send messages and read the conversation."""

    async def send(
        self, identifier: Identifier, message: str | Payload, *, channel_id: int | str | None = None
    ) -> SentMessage:
        """Send a message: a text, or one of the payload types.

        *channel_id* is an int or its digits, and is sent as a number, since the server refuses a
        text. None means the channel that the contact last used, and a new contact has none: the
        server answers 400. Success means accepted, not delivered (`wait_for_status` tells).
        Never sent again by itself once it may have landed: then `OutcomeUnknownError` says so.
        """
        if channel_id is not None:
            channel_id = check_channel_id(channel_id)
        elif isinstance(message, CustomPayload):
            raise InvalidArgumentError(
                "a CustomPayload is written for one channel: name it", argument="channel_id"
            )
        body = {"channelId": channel_id, "message": to_wire(message)}
        return await self._call(e.SEND_MESSAGE, {"identifier": identifier}, json=body)

    async def get(self, identifier: Identifier, message_id: int) -> Message:
        """Get a message with its delivery status."""
        check_id(message_id, "message_id")
        return await self._call(e.GET_MESSAGE, {"identifier": identifier, "messageId": message_id})

    def list(
        self,
        identifier: Identifier,
        *,
        page_size: int = 50,
        cursor: Cursor = None,
        prefetch: int = 1,
    ) -> Paginator[Message]:
        """Walk a contact's messages, newest first.

        *page_size*: 1 to 50. The server takes no larger page of messages, whatever the vendor's
        general limit of 100 says.
        """
        segment(identifier)
        return self._list(
            e.LIST_MESSAGES,
            {"identifier": identifier},
            page_size=page_size,
            cursor=cursor,
            prefetch=prefetch,
        )

    def list_new(
        self, identifier: Identifier, after: int, *, page_size: int = 50, prefetch: int = 1
    ) -> Paginator[Message]:
        """Walk the messages that are newer than the message *after*, oldest first: how to poll, or
        to catch up after an outage.

        The walk ends when the server has nothing newer. Keep the last item's `message_id` as the
        next *after*.
        """
        segment(identifier)
        check_id(after, "after")
        return self._list(
            e.LIST_MESSAGES,
            {"identifier": identifier},
            page_size=page_size,
            cursor=-after,
            prefetch=prefetch,
            advance=_newer,
        )

    async def wait_for_status(
        self,
        identifier: Identifier,
        message_id: int,
        status: Literal["sent", "delivered", "read"] = "delivered",
        *,
        timeout: float = 60.0,
    ) -> Message:
        """Look at a message until it has come as far as *status*, and return it.

        Raises `MessageFailedError` with the channel's reason when it fails, `DeadlineExceededError`
        when it has not come that far
        *timeout* seconds after the first look; time in the queue for permits does not count.
        """
        if status not in _PROGRESS:
            raise InvalidArgumentError(
                f"status is one of {', '.join(_PROGRESS)}", argument="status"
            )
        timer = PollTimer(timeout, _LOOK_AGAIN)
        messages = Messages(self._caller.within(timer.seconds))
        reached = _PROGRESS[_PROGRESS.index(status) :]
        while True:
            message = await messages.get(identifier, message_id)
            current = message.current_status
            if current is not None and current.value == "failed":
                reason = mask(current.message or "no reason given")
                raise MessageFailedError(
                    f"the message failed: {reason}", message_id=message_id, reason=reason
                )
            if current is not None and current.value in reached:
                return message
            await timer.pause(
                e.GET_MESSAGE, f"messages.wait_for_status: the message was not {status}"
            )


def _newer(page: Page[Message], cursor: Cursor) -> tuple[Page[Message], Cursor]:
    """Walk towards newer messages by the ids themselves: which link of the envelope points that way
    is not documented.
    """
    assert isinstance(cursor, int)  # noqa: S101 - list_new starts with one and this goes on with one
    newer = sorted(
        (message for message in page.items if message.message_id > -cursor),
        key=lambda m: m.message_id,
    )
    if newer:
        return Page(newer), -newer[-1].message_id
    following = page.next_cursor
    # An empty page that points on, towards newer ones, is not the end.
    return Page(newer), following if not page.items and isinstance(
        following, int
    ) and following < 0 else None
