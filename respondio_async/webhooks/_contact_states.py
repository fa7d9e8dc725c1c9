"""The state of each contact: whether it was handed over to a person, whether a person writes to it,
and how far its messages were read.

Kept in memory, and written through to the inbox where there is one, so that a restart forgets
nothing. Where several processes share an inbox, it gives a contact's state with each event.

How far was read is a contact's **watermark**: the id of its newest message whose event was about to
be handled. Message ids are microseconds since 1970, so they order messages across contacts too. A
watermark does not say that every older message was read: the first event after an outage raises it
over the gap. Therefore `catch_up` begins at the watermarks that were stored when the process began
(`resume_at`), and goes by the remembered ids, not by the watermark, to tell what came already. A
watermark reaches the file a moment late, and that is harmless: catching up looks at some messages
that it then recognises.
"""

from datetime import UTC, datetime
from math import inf
from typing import Final

from ._dedup import is_new
from ._store import CAUGHT_UP, MOST_REMEMBERED, ContactState, InboxStore, StoredState
from .events import (
    AnyEvent,
    Conversation,
    ConversationClosed,
    ConversationOpened,
    EventMessage,
    MessageReceived,
    MessageSent,
)

SOMETIME: Final = 1
"""Stands for an unknown time: earlier than every other, in seconds since 1970."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING_KNOWN: Final = ContactState()


class ContactStates:
    """The states of all contacts, in memory, and in the inbox if there is one."""

    def __init__(self) -> None:
        self.contacts: dict[int, ContactState] = {}
        self.caught_up: dict[int, None] = {}
        """Messages that came by `catch_up`, whose events may still come."""
        self.received: dict[int, None] = {}
        """Messages whose events came."""
        self.resume_at: dict[int, int] = {}
        """How far each contact's messages were read when this process began: new events raise
        `watermark` over the gap behind them.
        """
        self.resume_others_at: int = 0
        """The newest message of all then: from here for contacts that nothing is known of."""
        self._store: InboxStore | None = None

    def load(self, store: InboxStore, stored: StoredState) -> None:
        """Take over what the inbox remembers, and write to it from now on."""
        self._store = store
        self.contacts.update(stored.contacts)
        self.resume_at = {each: known.watermark for each, known in stored.contacts.items()}
        self.resume_others_at = max(self.resume_at.values(), default=0)
        for message_id, event_id in reversed(stored.newest):
            self.received[message_id] = None
            if event_id.startswith(CAUGHT_UP):
                self.caught_up[message_id] = None

    def forget_store(self) -> None:
        """Write to the inbox no more: it is being closed."""
        self._store = None

    def of(self, contact_id: int) -> ContactState:
        """Return what is known of a contact."""
        return self.contacts.get(contact_id, _NOTHING_KNOWN)

    async def note(
        self,
        contact_id: int,
        *,
        handed_over_since: int | None = None,
        human_since: int | None = None,
        watermark: int = 0,
    ) -> None:
        """Remember what has changed; None leaves as is, and a watermark only rises."""
        before = self.of(contact_id)
        now = self.contacts[contact_id] = ContactState(
            before.handed_over_since if handed_over_since is None else handed_over_since,
            before.human_since if human_since is None else human_since,
            max(before.watermark, watermark),
        )
        if self._store is None:
            if len(self.contacts) > MOST_REMEMBERED:
                self._forget_one()
            return
        changed = now[:2] != before[:2]
        raised = now.watermark > before.watermark
        if self._store.is_shared:
            # What others have noted since is unknown here. Watermarks the store sees itself.
            changed, raised = handed_over_since is not None or human_since is not None, False
        if changed or raised:
            stored = self._store.save_contact(contact_id, handed_over_since, human_since, watermark)
            # A watermark that lags behind costs a look at known messages; a lost hand-over a wrong
            # word.
            if changed:
                await stored
            else:
                stored.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def update(self, event: AnyEvent, contact_id: int) -> None:
        """Note what an event changes: how far was read, whether a person writes, and that a closed
        conversation ends what was before.
        """
        match event:
            case MessageReceived(message=EventMessage(message_id=read)):
                await self.note(contact_id, watermark=read)
            case MessageSent(message=message):
                await self.note(
                    contact_id,
                    watermark=message.message_id if message is not None else 0,
                    human_since=moment_of(event) if event.is_by_person else 0,
                )
            case ConversationClosed(conversation=conversation):
                # The event of an older conversation may come late: what began after that one closed
                # goes on. Without a time, it is the latest.
                closed_at = conversation.closed_at if conversation is not None else None
                end = inf if closed_at is None else _seconds(closed_at)
                known = self.of(contact_id)
                await self.note(
                    contact_id,
                    handed_over_since=0 if known.handed_over_since <= end else None,
                    human_since=0 if known.human_since <= end else None,
                )
            case _:
                pass

    def note_caught_up(self, message_id: int) -> bool:
        """Remember that a message is being caught up with; False if it was before."""
        return is_new(message_id, self.caught_up, MOST_REMEMBERED)

    def note_received(self, message_id: int) -> None:
        """Remember, while this process lives, that the event of a message came."""
        is_new(message_id, self.received, MOST_REMEMBERED)

    def _forget_one(self) -> None:
        # The oldest that is merely a watermark; silence must not end because many contacts wrote.
        talking = (
            contact_id for contact_id, known in self.contacts.items() if not known.handed_over_since
        )
        del self.contacts[next(talking, next(iter(self.contacts)))]


def moment_of(event: AnyEvent) -> int:
    """When an event happened, by the server's clock, in seconds since 1970; `SOMETIME` when it does
    not say.

    Whole seconds: the times of conversations are no finer.
    """
    match event:
        case (
            MessageReceived(message=EventMessage(at=datetime() as at))
            | MessageSent(message=EventMessage(at=datetime() as at))
            | ConversationOpened(conversation=Conversation(opened_at=datetime() as at))
        ):
            return _seconds(at)
        case _:
            return SOMETIME


def _seconds(at: datetime) -> int:
    return max(SOMETIME, int((at - _EPOCH).total_seconds()))
