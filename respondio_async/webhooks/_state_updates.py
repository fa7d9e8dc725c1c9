"""What an event changes in the state of its contact, before its handlers run."""

from datetime import UTC, datetime
from typing import Final

from ._contact_states import SOMETIME, ContactStates
from .events import (
    AnyEvent,
    Conversation,
    ConversationClosed,
    ConversationOpened,
    EventMessage,
    MessageReceived,
    MessageSent,
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


async def update_state(states: ContactStates, event: AnyEvent, contact_id: int) -> None:
    """Remember how far was read, whether a person writes, and that a closed conversation ends what
    was before.
    """
    match event:
        case MessageReceived(message=EventMessage(message_id=read)):
            await states.note(contact_id, watermark=read)
        case MessageSent(message=message):
            await states.note(
                contact_id,
                watermark=message.message_id if message is not None else 0,
                human_since=moment_of(event) if event.is_by_person else 0,
            )
        case ConversationClosed(conversation=conversation):
            await _end(states, contact_id, conversation)
        case _:
            pass


def moment_of(event: AnyEvent) -> int:
    """When an event happened, by the server's clock, in seconds since 1970; `SOMETIME` when it does
    not say.

    Whole seconds: the times of conversations are no finer.
    """
    match event:
        case (
            MessageReceived(message=EventMessage(at=datetime() as at))
            | MessageSent(message=EventMessage(at=datetime() as at))
        ):
            return _seconds(at)
        case ConversationOpened(conversation=Conversation(opened_at=datetime() as at)):
            return _seconds(at)
        case _:
            return SOMETIME


async def _end(states: ContactStates, contact_id: int, conversation: Conversation | None) -> None:
    # The event of an older conversation may come late: what began after that one closed goes on.
    # Without a time, it is the latest.
    closed_at = conversation.closed_at if conversation is not None else None
    known = states.of(contact_id)
    await states.note(
        contact_id,
        handed_over_since=0
        if closed_at is None or known.handed_over_since <= _seconds(closed_at)
        else None,
        human_since=0 if closed_at is None or known.human_since <= _seconds(closed_at) else None,
    )


def _seconds(at: datetime) -> int:
    return max(SOMETIME, int((at - _EPOCH).total_seconds()))
