"""The migration: everything is launched at once, and the client keeps to the limits."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Sequence
from typing import Final

import msgspec

from ... import AsyncRespond
from ...errors import RespondError
from .people import Person


class MigrationStep(msgspec.Struct, frozen=True):
    """One thing that is done for each person, and the route that it takes."""

    label: str
    route: str


UPSERT: Final = MigrationStep("create or update", "POST /contact/create_or_update/{identifier}")
TAG: Final = MigrationStep("add tags", "POST|DELETE /contact/{identifier}/tag")
STAGE: Final = MigrationStep("set lifecycle", "POST /contact/{identifier}/lifecycle/update")
SEND: Final = MigrationStep("send message", "POST /contact/{identifier}/message")
OPEN: Final = MigrationStep("open", "POST /contact/{identifier}/conversation/status")
ASSIGN: Final = MigrationStep("assign", "POST /contact/{identifier}/conversation/assignee")
HISTORY: Final = MigrationStep("read messages", "GET /contact/{identifier}/message/list")

STEPS: Final = (UPSERT, TAG, STAGE, SEND, OPEN, ASSIGN, HISTORY)


class Migration:
    """Moves people into a workspace: one task a person, several more within it, all begun at
    once.
    """

    def __init__(
        self,
        client: AsyncRespond,
        people: Sequence[Person],
        *,
        channel_id: int,
        user_ids: Sequence[int],
    ) -> None:
        self.people = people
        self.done: Counter[MigrationStep] = Counter()
        self.failures: Counter[str] = Counter()
        """How many operations ended in each error."""
        self.histories: dict[int, list[str]] = {}
        """By person: the texts that were sent to them, as the server lists them."""
        self._client = client
        self._channel_id = channel_id
        self._user_ids = user_ids

    def assignee(self, person: Person) -> int:
        """The user who gets this person's conversation."""
        return self._user_ids[person.number % len(self._user_ids)]

    async def run(self) -> None:
        """Move everybody. An operation that fails is counted, and never stops the others."""
        async with asyncio.TaskGroup() as group:
            for person in self.people:
                group.create_task(self._move(person))

    async def _move(self, person: Person) -> None:
        contacts, messages = self._client.contacts, self._client.messages
        upsert = contacts.create_or_update(
            person.phone,
            first_name=person.first_name,
            last_name=person.last_name,
            email=person.email,
            custom_fields=person.custom_fields,
        )
        if not await self._do(UPSERT, upsert):
            return
        await asyncio.gather(
            self._do(STAGE, contacts.update_lifecycle(person.phone, person.stage)),
            self._do(
                SEND, messages.send(person.phone, person.message, channel_id=self._channel_id)
            ),
            self._do(TAG, contacts.add_tags(person.phone, *person.tags)),
            self._hand_over(person),
        )
        await self._do(HISTORY, self._read_back(person))

    async def _hand_over(self, person: Person) -> None:
        # A closed conversation takes an assignment with 200 and forgets it: open first.
        conversations = self._client.conversations
        if await self._do(OPEN, conversations.open(person.phone)):
            await self._do(ASSIGN, conversations.assign(person.phone, self.assignee(person)))

    async def _read_back(self, person: Person) -> None:
        history = await self._client.messages.list(person.phone).collect()
        self.histories[person.number] = [
            message.text or "" for message in history if message.traffic == "outgoing"
        ]

    async def _do(self, step: MigrationStep, operation: Awaitable[object]) -> bool:
        try:
            await operation
        except RespondError as error:
            self.failures[f"{step.label}: {type(error).__name__}: {error}"] += 1
            return False
        self.done[step] += 1
        return True
