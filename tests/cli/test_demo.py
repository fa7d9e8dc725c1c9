"""`respondio demo`, the first command of a new user."""

import io
import json
import signal
from datetime import date, time

import msgspec
import pytest
from rich.console import Console

from respondio_async import AsyncRespond, Contact
from respondio_async.cli._screen import Screen
from respondio_async.cli.demo._command import demonstrate
from respondio_async.cli.demo.check import _as_read, compare
from respondio_async.cli.demo.migration import STEPS, Migration, make_people
from respondio_async.cli.demo.summary import MigrationView, floor_seconds
from respondio_async.sandbox import Quirks, Sandbox
from tests.cli.command import respondio, start


def test_it_migrates_checks_and_says_so() -> None:
    """The command ends with 0 and a verdict, and shows its progress without a terminal too."""
    ended = respondio("demo", "--contacts", "6")
    assert ended.returncode == 0, ended.stderr
    assert "42 operations on 6 contacts, each exactly once" in ended.stdout
    assert "create or update" in ended.stdout.partition("as the server saw it")[0]
    assert "Duplicates  0" in ended.stdout
    assert "Losses      0" in ended.stdout


def test_json_is_all_there_is_on_standard_output() -> None:
    """With --json a machine reads standard output, and people read standard error."""
    ended = respondio("demo", "--contacts", "3", "--json", "--seed", "7")
    summary = json.loads(ended.stdout)
    assert summary["ok"]
    assert summary["operations"] == 21
    assert summary["refused"] == 0
    assert summary["duplicates"] == summary["losses"] == []
    assert all(route["busiest_second"] <= route["limit"] for route in summary["routes"])
    assert "each exactly once" in ended.stderr


def test_ctrl_c_stops_with_a_word() -> None:
    """Ctrl-C in the middle gives a sentence, 130, and no traceback."""
    process = start("demo")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("seconds"):  # the migration runs
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Stopped." in errors
    assert "Traceback" not in errors


def _screen(*, terminal: bool) -> Screen:
    screen = Screen()
    screen.out = Console(file=io.StringIO(), force_terminal=terminal)
    return screen


async def test_a_lost_message_is_found() -> None:
    """A send that the server drops is reported as a failure and a loss, and the run is not ok."""
    async with Sandbox(quirks=Quirks.calm(), limits_factor=50) as sandbox:
        sandbox.fault(
            "status", method="POST", path="/contact/{identifier}/message", status=500, times=1
        )
        summary = await demonstrate(sandbox, _screen(terminal=True), contacts=4, seed=1)
    assert not summary.ok
    assert len(summary.losses) == 1
    assert [text for text in summary.failures if "OutcomeUnknownError" in text]


async def test_a_person_who_cannot_be_created_is_lost_whole() -> None:
    """Nothing else is tried for them, and everything of theirs counts as lost."""
    async with Sandbox(quirks=Quirks.calm(), limits_factor=50) as sandbox:
        sandbox.fault("status", path="/contact/create_or_update/{identifier}", status=400, times=1)
        summary = await demonstrate(sandbox, _screen(terminal=False), contacts=2, seed=1)
    assert {route.operations for route in summary.routes} == {1}
    assert len(summary.losses) == 2  # the contact, and its message


def _arrived(**changes: object) -> tuple[list, list[Contact], dict[int, list[str]], list[str]]:
    """One person, who arrived as sent but for *changes*."""
    (person,) = make_people(1, seed=3)
    facts = {
        "id": 1,
        "phone": person.phone,
        "firstName": person.first_name,
        "lastName": person.last_name,
        "email": person.email,
        "lifecycle": person.stage,
        "assignee": {"id": 9},
        "tags": list(person.tags),
        "custom_fields": [
            {"name": name, "value": _as_read(value)} for name, value in person.custom_fields.items()
        ],
    } | changes
    return [person], [msgspec.convert(facts, Contact)], {1: [person.message]}, [person.message]


def test_values_are_compared_as_the_server_writes_them() -> None:
    """Booleans, dates and times come back as strings."""
    assert [_as_read(each) for each in (True, False, 4, date(2026, 1, 2), time(8, 30))] == [
        "true",
        "false",
        "4",
        "2026-01-02",
        "08:30",
    ]


def test_what_arrived_once_is_found_in_order() -> None:
    """No finding when everything is as it was sent."""
    assert compare(*_arrived(), lambda _: 9).ok


@pytest.mark.parametrize(
    ("changes", "loss"),
    [
        ({"firstName": "X"}, "first name"),
        ({"email": None}, "e-mail"),
        ({"lifecycle": None}, "lifecycle"),
        ({"assignee": None}, "assignee"),
        ({"custom_fields": None}, "custom field Age"),
        ({"tags": []}, "tag"),
        ({"phone": "+60"}, "contact 1"),
    ],
)
def test_every_difference_is_a_loss(changes: dict[str, object], loss: str) -> None:
    """What is missing or other than it was sent is named."""
    findings = compare(*_arrived(**changes), lambda _: 9)
    assert any(loss in each for each in findings.losses)


def test_every_copy_is_a_duplicate() -> None:
    """A contact, a tag or a message that is there twice, or that nobody sent, is a duplicate."""
    people, contacts, histories, accepted = _arrived(tags=["other", "other"])
    message = accepted[0]
    assert (
        compare(people, contacts * 2, histories, accepted, lambda _: 9).duplicates[0] == "contact 1"
    )
    assert any(
        "other" in each
        for each in compare(people, contacts, histories, accepted, lambda _: 9).duplicates
    )
    people, contacts, histories, accepted = _arrived()
    for listed, taken in [
        ({1: [message] * 2}, accepted),
        (histories, [message] * 2),
        ({1: [message, "?"]}, accepted),
        (histories, [message, "?"]),
    ]:
        assert len(compare(people, contacts, listed, taken, lambda _: 9).duplicates) == 1
    strangers = [*contacts, msgspec.structs.replace(contacts[0], phone="+60111")]
    assert compare(people, strangers, histories, accepted, lambda _: 9).duplicates == [
        "a contact that nobody sent"
    ]


@pytest.mark.parametrize(
    ("operations", "limit", "floor"),
    [(100, 5, 19), (101, 5, 20), (5, 5, 0), (0, 5, 0), (3, 0.5, 4), (10, 2.5, 4)],
)
def test_the_floor_is_what_a_sliding_second_allows(
    operations: int, limit: float, floor: float
) -> None:
    """That is L at once, L more a second later, and so on; below one a second, one gap after
    another.
    """
    assert floor_seconds(operations, limit) == floor


def test_people_are_the_same_for_the_same_seed() -> None:
    """A run can be repeated, and nobody shares a phone or an e-mail with another."""
    people = make_people(50, 1)
    assert people == make_people(50, 1) != make_people(50, 2)
    assert (
        len({person.phone for person in people}) == len({person.email for person in people}) == 50
    )


async def test_the_picture_has_a_line_a_route() -> None:
    """Before the first request no limit is known, and that is what is shown."""
    async with Sandbox() as sandbox, AsyncRespond(sandbox.token, base_url=sandbox.url) as client:
        view = MigrationView(client, Migration(client, [], channel_id=1, user_ids=[1]))
        assert view.picture(1.0).row_count == len(STEPS)
        line = view.sentence(1.0)
    assert line.count("0  0.0/? ") == len(STEPS)
