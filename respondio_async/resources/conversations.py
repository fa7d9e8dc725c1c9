"""Conversations: who answers a contact, and whether anybody has to.

Source: the vendor's API reference, "Conversation".
"""

from typing import Final

from .._engine import endpoints as e
from .._wire import check_assignee, check_closing_note
from ..identifiers import Identifier
from ..models import Contact, ContactRef
from ._base import PollTimer, Resource

_ASSIGN_AGAIN: Final = (0.5, 1.0, 2.0, 4.0)
"""Seconds between tries of a hand-over that did not take; the last one repeats."""


class Conversations(Resource):
    """Open, assign and close a contact's conversation."""

    async def assign(self, identifier: Identifier, user: int | str) -> ContactRef:
        """Assign the conversation to a user, by id (an int, or its digits) or e-mail. Safe to
        repeat.

        While the conversation is closed the server answers 200 and does nothing: open it first, or
        use `hand_over`.
        """
        return await self._call(
            e.ASSIGN_CONVERSATION,
            {"identifier": identifier},
            json={"assignee": check_assignee(user)},
        )

    async def unassign(self, identifier: Identifier) -> ContactRef:
        """Take the conversation from whoever has it. Safe to repeat."""
        return await self._call(
            e.ASSIGN_CONVERSATION, {"identifier": identifier}, json={"assignee": None}
        )

    async def open(self, identifier: Identifier) -> ContactRef:
        """Open the conversation. Safe to repeat."""
        return await self._call(
            e.SET_CONVERSATION_STATUS, {"identifier": identifier}, json={"status": "open"}
        )

    async def close(
        self, identifier: Identifier, *, category: str | None = None, summary: str | None = None
    ) -> ContactRef:
        """Close the conversation, with a closing note if given. Safe to repeat.

        *category* (up to 128 characters) is one of `space.list_closing_notes()`; *summary* (up to
        512) needs a category, or the server refuses it with 400. "" is not sent, like None.
        """
        note = check_closing_note(category, summary)
        return await self._call(
            e.SET_CONVERSATION_STATUS, {"identifier": identifier}, json={"status": "close", **note}
        )

    async def hand_over(
        self, identifier: Identifier, user: int | str, *, timeout: float = 30.0
    ) -> Contact:
        """Open the conversation, assign it to a user (by id or e-mail), and return the contact once
        it is theirs.

        The server accepts an assignment without carrying it out, so it is read back, and repeated
        where it did not take. Raises `DeadlineExceededError` when it still has not after *timeout*
        seconds; time in the queue for permits does not count. Safe to repeat.
        """
        user = check_assignee(user)
        timer = PollTimer(timeout, _ASSIGN_AGAIN)
        caller = self._caller.within(timer.seconds)
        conversations = Conversations(caller)
        while True:
            await conversations.open(identifier)
            await conversations.assign(identifier, user)
            contact = await caller.call(e.GET_CONTACT, {"identifier": identifier})
            if _is_assigned(contact, user):
                return contact
            await timer.pause(
                e.ASSIGN_CONVERSATION, "conversations.hand_over: the assignment did not take"
            )


def _is_assigned(contact: Contact, user: int | str) -> bool:
    assignee = contact.assignee
    if assignee is None:
        return False
    if isinstance(user, int):
        return assignee.id == user
    return (assignee.email or "").casefold() == user.casefold()
