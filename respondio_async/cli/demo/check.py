"""Did everything arrive exactly once? A comparison of what was sent with what was found."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, time
from typing import Any

import msgspec

from ...models import Contact
from .migration import Person


class Findings(msgspec.Struct):
    """What did not arrive exactly once, each in words."""

    losses: list[str] = msgspec.field(default_factory=list[str])
    """Missing, or other than it was sent."""
    duplicates: list[str] = msgspec.field(default_factory=list[str])

    @property
    def ok(self) -> bool:
        return not (self.losses or self.duplicates)


def compare(
    people: Sequence[Person],
    contacts: Iterable[Contact],
    histories: Mapping[int, Sequence[str]],
    accepted: Iterable[str],
    assignee: Callable[[Person], int],
) -> Findings:
    """Compare the people with the contacts that were listed.

    *histories* has, by person, the messages that the server lists; *accepted* every message that
    the server says it took from a client, as a second source.
    """
    findings = Findings()
    listed: defaultdict[str | None, list[Contact]] = defaultdict(list)
    for contact in contacts:
        listed[contact.phone].append(contact)
    taken = Counter(accepted)
    for person in people:
        found = listed.pop(person.phone, [])
        _count(findings, f"contact {person.number}", len(found))
        for contact in found[:1]:
            _compare_contact(findings, person, contact, assignee(person))
        history = Counter(histories.get(person.number, ()))
        message = f"contact {person.number}: the message"
        copies = (history.pop(person.message, 0), taken.pop(person.message, 0))
        # Either source may show a loss or a copy; what both show counts once.
        _count(findings, message, min(copies) if min(copies) == 0 else max(copies))
        findings.duplicates += [
            f"contact {person.number}: a message that is not theirs"
        ] * history.total()
    findings.duplicates += ["a contact that nobody sent"] * sum(map(len, listed.values()))
    findings.duplicates += ["a message that nobody sent"] * taken.total()
    return findings


def _compare_contact(findings: Findings, person: Person, contact: Contact, assignee: int) -> None:
    expected = {
        "first name": (person.first_name, contact.first_name),
        "last name": (person.last_name, contact.last_name),
        "e-mail": (person.email, contact.email),
        "lifecycle": (person.stage, contact.lifecycle),
        "assignee": (assignee, contact.assignee_id),
    }
    for name, value in person.custom_fields.items():
        read = contact.custom.get(name)
        expected[f"custom field {name}"] = (
            _as_read(value),
            None if read is None else _as_read(read),
        )
    findings.losses += [
        f"contact {person.number}: {what}"
        for what, (sent, read) in expected.items()
        if sent != read
    ]
    tags = Counter(contact.tags)
    for tag in person.tags:
        _count(findings, f"contact {person.number}: tag {tag}", tags.pop(tag, 0))
    findings.duplicates += [
        f"contact {person.number}: tag {tag}, which is not theirs" for tag in tags
    ]


def _as_read(value: Any) -> str:
    """The server gives custom fields back as strings, whatever their type."""
    match value:
        case bool():
            return "true" if value else "false"
        case date():
            return value.isoformat()
        case time():
            return value.strftime("%H:%M")
        case _:
            return str(value)


def _count(findings: Findings, what: str, times: int) -> None:
    if times == 0:
        findings.losses.append(what)
    findings.duplicates += [what] * (times - 1)
