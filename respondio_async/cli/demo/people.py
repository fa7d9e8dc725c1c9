"""The people of the demonstration: made up, and the same for the same seed."""

import random
from collections.abc import Mapping
from datetime import date, time
from typing import Final

import msgspec

from respondio_async.discreet import Discreet

from ...models import CustomFieldInput

_FIRST: Final = (
    "Aina",
    "Bashir",
    "Carla",
    "Devi",
    "Emeka",
    "Farah",
    "Goran",
    "Hana",
    "Ivo",
    "Jun",
    "Karim",
    "Lucía",
)
_LAST: Final = (
    "Abdullah",
    "Bauer",
    "Costa",
    "Dlamini",
    "Eriksen",
    "Fonseca",
    "García",
    "Haddad",
    "Ito",
    "Jansen",
)
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
