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

from typing import Final

from ._store import ContactRow, InboxStore, StoredState

CAUGHT_UP: Final = "catch-up:"
"""Prefix of the ids of events that `catch_up` made; the message's id follows."""
SOMETIME: Final = 1
"""Stands for an unknown time: earlier than every other, in seconds since 1970."""
MOST_REMEMBERED: Final = 100_000
"""Contacts and messages that are kept in memory."""


class ContactState:
    """What is remembered of one contact."""

    __slots__ = ("handed_over_since", "human_since", "watermark")

    def __init__(
        self, handed_over_since: int = 0, human_since: int = 0, watermark: int = 0
    ) -> None:
        self.handed_over_since: int = handed_over_since
        """Since when the bot is silent, by the server's clock, in seconds since 1970; 0: it is
        not.
        """
        self.human_since: int = human_since
        """When a person wrote the last message to the contact, likewise; 0: it was not a person."""
        self.watermark: int = watermark


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
        for row in stored.contacts:
            self.refresh(row)
            self.resume_at[row.contact_id] = row.watermark
        self.resume_others_at = max(self.resume_at.values(), default=0)
        self.caught_up.update(dict.fromkeys(stored.caught_up))
        self.received.update(dict.fromkeys(stored.received))

    def forget_store(self) -> None:
        """Write to the inbox no more: it is being closed."""
        self._store = None

    def refresh(self, row: ContactRow) -> None:
        """Take over what the inbox knows of a contact by now."""
        self.contacts[row.contact_id] = ContactState(*row[1:])

    def of(self, contact_id: int) -> ContactState:
        """Return what is known of a contact; not to be changed."""
        return self.contacts.get(contact_id) or ContactState()

    async def note(
        self,
        contact_id: int,
        *,
        handed_over_since: int | None = None,
        human_since: int | None = None,
        watermark: int = 0,
    ) -> None:
        """Remember what has changed; None leaves as is, and a watermark only rises."""
        known = self.contacts.get(contact_id)
        if known is None:
            known = self.contacts[contact_id] = ContactState()
        changed = handed_over_since not in {None, known.handed_over_since} or human_since not in {
            None,
            known.human_since,
        }
        known.handed_over_since = (
            known.handed_over_since if handed_over_since is None else handed_over_since
        )
        known.human_since = known.human_since if human_since is None else human_since
        raised = watermark > known.watermark
        known.watermark = max(known.watermark, watermark)
        if len(self.contacts) > MOST_REMEMBERED and self._store is None:
            self._forget_one()
        if self._store is not None and self._store.is_shared:
            # What others have noted since is unknown here. Watermarks the store sees itself.
            changed, raised = handed_over_since is not None or human_since is not None, False
        if self._store is not None and (changed or raised):
            stored = self._store.save_contact(contact_id, handed_over_since, human_since, watermark)
            # A watermark that lags behind costs a look at known messages; a lost hand-over a wrong
            # word.
            if changed:
                await stored
            else:
                stored.add_done_callback(lambda done: done.cancelled() or done.exception())

    def note_caught_up(self, message_id: int) -> bool:
        """Remember that a message is being caught up with; False if it was before."""
        if message_id in self.caught_up:
            return False
        self.caught_up[message_id] = None
        if len(self.caught_up) > MOST_REMEMBERED:
            del self.caught_up[next(iter(self.caught_up))]
        return True

    def note_received(self, message_id: int) -> None:
        """Remember, while this process lives, that the event of a message came."""
        self.received[message_id] = None
        if len(self.received) > MOST_REMEMBERED:
            del self.received[next(iter(self.received))]

    def _forget_one(self) -> None:
        # The oldest that is merely a watermark; silence must not end because many contacts wrote.
        talking = (
            contact_id for contact_id, known in self.contacts.items() if not known.handed_over_since
        )
        del self.contacts[next(talking, next(iter(self.contacts)))]
