"""One organisation's workspace: its contacts and everything around them, with the lookups that the
operations need.
"""

import itertools
import random
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Any

from . import state
from .quirks import Answers, Quirks

Listener = Callable[[state.WorkspaceEvent], None]

FIRST_CONTACT_ID = 100_000_001


class Clock:
    """Real time plus whatever `advance` added, so that a test need not wait for a lag to pass."""

    def __init__(self) -> None:
        self._offset = 0.0

    def now(self) -> float:
        """Seconds on a clock that never goes back; for windows and lags."""
        return time.monotonic() + self._offset

    def wall(self) -> float:
        """Unix seconds; for what the API shows."""
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        """Jump forward."""
        if seconds < 0:
            raise ValueError("seconds must not be negative: the clock never goes back")
        self._offset += seconds


class Workspace:
    """Holds the state and keeps its indexes true: change a contact's phone or email through
    `identify`, never directly.
    """

    def __init__(
        self,
        *,
        organisation_id: int,
        clock: Clock,
        quirks: Quirks,
        answers: Answers,
        delivery: tuple[float, float | None, float | None],
        listeners: list[Listener],
        seed: int,
    ) -> None:
        self.organisation_id = organisation_id
        self.clock = clock
        self.quirks = quirks
        self.answers = answers
        self.delivery = delivery
        self.random: random.Random = random.Random(seed)  # noqa: S311 - made-up people, not secrets
        self._listeners = listeners
        self.contacts: dict[int, state.Contact] = {}
        """By id, oldest first."""
        self.contact_ids: list[int] = []
        """Ascending; what the contact list pages over."""
        self._identified: dict[str, state.Contact] = {}
        """By phone and by email in small letters."""
        self.users: dict[int, state.User] = {}
        self.channels: dict[int, state.Channel] = {}
        self.templates: dict[int, state.Template] = {}
        self.custom_fields: dict[int, state.CustomField] = {}
        self.closing_notes: list[state.ClosingNote] = []
        self.tags: dict[str, state.Tag] = {}
        """The workspace's tags by name."""
        self.lifecycle_stages: list[str] = []
        self.sent: list[state.Message] = []
        """Every outgoing message ever accepted, deleted and merged contacts' too."""
        self.commented: list[tuple[int, state.Comment]] = []
        """Every comment ever made, with the contact's id."""
        self.failing: list[tuple[Callable[[state.Contact, dict[str, Any]], bool], str]] = []
        """Which messages fail, and the reason that their status gives."""
        self._contact_numbers = itertools.count(FIRST_CONTACT_ID)
        self._numbers = itertools.count(5_001)
        self._last_message_id = 0

    def contact(self, identifier: int | str) -> state.Contact | None:
        """Find a contact by id, phone ("+60…") or email; None when there is none."""
        if isinstance(identifier, int):
            return self.contacts.get(identifier)
        return self._identified.get(identifier.lower())

    def add_contact(
        self, *, created_at: int | None = None, created: float | None = None
    ) -> state.Contact:
        """Add an empty contact under the next id."""
        contact = state.Contact(
            id=next(self._contact_numbers),
            created_at=int(self.clock.wall()) if created_at is None else created_at,
            created=self.clock.now() if created is None else created,
        )
        self.contacts[contact.id] = contact
        self.contact_ids.append(contact.id)
        return contact

    def identify(self, contact: state.Contact, kind: str, value: str | None) -> None:
        """Give a contact its "phone" or "email" (None: take it away)."""
        old = getattr(contact, kind)
        if old is not None and self._identified.get(old.lower()) is contact:
            del self._identified[old.lower()]
        setattr(contact, kind, value)
        if value is not None:
            self._identified.setdefault(value.lower(), contact)

    def remove_contact(self, contact: state.Contact) -> None:
        self.identify(contact, "phone", None)
        self.identify(contact, "email", None)
        del self.contacts[contact.id]
        del self.contact_ids[bisect_left(self.contact_ids, contact.id)]

    def find_field(self, name: str) -> state.CustomField | None:
        """Find a custom field by what a request calls it: display name, slug or either, as
        `Answers` says.
        """
        naming = self.answers.custom_field_name
        for candidate in self.custom_fields.values():
            if (naming != "slug" and candidate.name == name) or (
                naming != "name" and candidate.slug == name
            ):
                return candidate
        return None

    def find_user(self, key: int | str) -> state.User | None:
        if isinstance(key, int):
            return self.users.get(key)
        return next(
            (user for user in self.users.values() if user.email.lower() == key.lower()), None
        )

    def ensure_tags(self, names: Iterable[str]) -> None:
        """Make the workspace tags that do not exist yet, as the server does when a contact is
        tagged.
        """
        for name in names:
            if name not in self.tags:
                self.tags[name] = state.Tag(self.next_id(), name)

    def next_id(self) -> int:
        """A new id for anything but contacts and messages."""
        return next(self._numbers)

    def next_message_id(self) -> int:
        """Microseconds since the epoch; unique and increasing."""
        self._last_message_id = max(self._last_message_id + 1, int(self.clock.wall() * 1_000_000))
        return self._last_message_id

    def link_channel(self, contact: state.Contact, channel: state.Channel) -> state.ContactChannel:
        """Give a contact a channel; the one it has stays as it is."""
        link = contact.channels.get(channel.id)
        if link is None:
            link = state.ContactChannel(channel, self.next_id(), int(self.clock.wall()))
            contact.channels[channel.id] = link
        return link

    def emit(self, event_type: str, contact: state.Contact, **data: Any) -> None:
        """Tell the listeners that something changed."""
        event = state.WorkspaceEvent(event_type, contact, self.organisation_id, data)
        for listener in list(self._listeners):
            listener(event)
