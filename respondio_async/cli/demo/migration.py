"""The migration of made-up people: everything is launched at once, and the client keeps to the
limits.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from datetime import date, time
from typing import Final

import msgspec

from respondio_async.discreet import Discreet

from ... import ROUTES, AsyncRespond
from ...errors import RespondError
from ...models import CustomFieldInput

_FIRST: Final = (
    "Aina", "Bashir", "Carla", "Devi", "Emeka", "Farah", "Goran", "Hana", "Ivo", "Jun", "Karim",
    "Lucía",
)  # fmt: skip
_LAST: Final = (
    "Abdullah", "Bauer", "Costa", "Dlamini", "Eriksen", "Fonseca", "García", "Haddad", "Ito",
    "Jansen",
)  # fmt: skip
_COMPANIES: Final = ("Ocean Kites", "Blue Door", "Paper Lantern", "North Gate", "Tin Bridge")
_STAGES: Final = ("New Lead", "Hot Lead", "Payment", "Customer")


class Person(Discreet, msgspec.Struct, frozen=True):
    """One contact as it is to arrive."""

    _shown = ("number", "stage")

    number: int
    phone: str
    first_name: str
    last_name: str
    email: str
    custom_fields: Mapping[str, CustomFieldInput]
    """One of each type that the sandbox's workspace has."""
    tags: tuple[str, ...]
    stage: str
    message: str
    """Unique, so that a second copy of it is recognised."""


def make_people(count: int, seed: int) -> list[Person]:
    """Make up *count* people, each with a phone of their own."""
    rng = random.Random(seed)  # noqa: S311 - a demonstration
    return [_make_person(number, rng) for number in range(1, count + 1)]


def _make_person(number: int, rng: random.Random) -> Person:
    first, last = rng.choice(_FIRST), rng.choice(_LAST)
    return Person(
        number=number,
        phone=f"+6012{number:07d}",
        first_name=first,
        last_name=last,
        email=f"person{number}@example.com",
        custom_fields={
            "Company": rng.choice(_COMPANIES),
            "Plan": rng.choice(("Free", "Pro", "Enterprise")),
            "Age": rng.randint(18, 90),
            "Subscribed": rng.random() < 0.5,
            "Birthday": date(rng.randint(1940, 2005), rng.randint(1, 12), rng.randint(1, 28)),
            "Call Time": time(rng.randint(8, 19), 30),
        },
        tags=tuple(rng.sample(("vip", "newsletter", "beta", "import-2026"), rng.randint(1, 3))),
        stage=rng.choice(_STAGES),
        message=f"Welcome aboard, {first}! Your number is {number}.",
    )


class MigrationStep(msgspec.Struct, frozen=True):
    """One thing that is done for each person, and the route that it takes."""

    label: str
    route: str


UPSERT: Final = MigrationStep("create or update", ROUTES["contacts.create_or_update"])
TAG: Final = MigrationStep("add tags", ROUTES["contacts.add_tags"])
STAGE: Final = MigrationStep("set lifecycle", ROUTES["contacts.update_lifecycle"])
SEND: Final = MigrationStep("send message", ROUTES["messages.send"])
OPEN: Final = MigrationStep("open", ROUTES["conversations.status"])
ASSIGN: Final = MigrationStep("assign", ROUTES["conversations.assign"])
HISTORY: Final = MigrationStep("read messages", ROUTES["messages.list"])

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
