"""Conversations and comments."""

from typing import Any

import pytest

from tests.sandbox.conftest import Api

CONTACT = "/contact/id:100000001"


async def open_it(api: Api) -> None:
    await api.ok("POST", f"{CONTACT}/conversation/status", {"status": "open"})


@pytest.mark.parametrize("assignee", [1003, "ANNA@sandbox.example"])
async def test_an_open_conversation_is_assigned(api: Api, assignee: int | str) -> None:
    """An open conversation is assigned by id or by email; null takes it back."""
    await open_it(api)
    assert await api.ok("POST", f"{CONTACT}/conversation/assignee", {"assignee": assignee}) == {
        "contactId": 100000001
    }
    contact = await api.ok("GET", CONTACT)
    assert contact["assignee"] == {
        "id": 1003,
        "firstName": "Anna",
        "lastName": "Agent",
        "email": "anna@sandbox.example",
    }
    await api.ok("POST", f"{CONTACT}/conversation/assignee", {"assignee": None})
    assert (await api.ok("GET", CONTACT))["assignee"] is None


async def test_assigning_while_closed_does_nothing(api: Api) -> None:
    """It answers 200 all the same, unless switched."""
    await api.ok("POST", f"{CONTACT}/conversation/assignee", {"assignee": 1003})
    assert (await api.ok("GET", CONTACT))["assignee"] is None
    api.sandbox.quirks.assign_on_closed_is_silent = False
    assert (await api.refused("POST", f"{CONTACT}/conversation/assignee", {"assignee": 1003}))[
        0
    ] == 400


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({}, 400, "Missing field(s) : assignee"),
        ({"assignee": "1003"}, 400, "assignee: Invalid value"),
        ({"assignee": True}, 400, "assignee: Invalid value"),
        ({"assignee": 1.5}, 400, "assignee: Invalid value"),
        ({"assignee": 9}, 404, "User not found"),
        ({"assignee": "a@b.example"}, 404, "User not found"),
    ],
)  # fmt: skip
async def test_a_wrong_assignee_is_refused(
    api: Api, body: dict[str, Any], status: int, message: str
) -> None:
    """The key is required, and an id is a JSON number."""
    assert await api.refused("POST", f"{CONTACT}/conversation/assignee", body) == (status, message)


async def test_a_conversation_opens_and_closes(api: Api) -> None:
    """Closing takes the assignee away; opening twice or closing twice changes nothing."""
    path = f"{CONTACT}/conversation/status"
    await api.ok("POST", path, {"status": "close"})
    await open_it(api)
    await open_it(api)
    await api.ok("POST", f"{CONTACT}/conversation/assignee", {"assignee": 1003})
    assert (await api.ok("GET", CONTACT))["status"] == "open"
    await api.ok("POST", path, {"status": "close", "category": "Resolved", "summary": "s" * 512})
    await api.ok("POST", path, {"status": "close"})
    contact = await api.ok("GET", CONTACT)
    assert (contact["status"], contact["assignee"]) == ("closed", None)
    conversation = api.sandbox.contact(100000001).conversation
    assert (conversation.category, conversation.opened_by, conversation.closed_by) == (
        "Resolved",
        "api",
        "api",
    )


@pytest.mark.parametrize(
    "body",
    [{}, {"status": "closed"}, {"status": "close", "summary": "x"},
    {"status": "close", "category": "x" * 129},
     {"status": "close", "category": "x", "summary": "x" * 513},
     {"status": "close", "category": 5}],
)  # fmt: skip
async def test_a_wrong_status_is_refused(api: Api, body: dict[str, Any]) -> None:
    """A summary needs a category."""
    assert (await api.refused("POST", f"{CONTACT}/conversation/status", body))[0] == 400


async def test_a_blocked_contact_says_so(api: Api) -> None:
    """The read status has a third value."""
    api.sandbox.contacts[0].blocked = True
    contact = await api.ok("GET", CONTACT)
    assert (contact["status"], contact["isBlocked"]) == ("blocked", True)


async def test_comments(api: Api) -> None:
    """The text comes back, with its time in seconds."""
    comment = await api.ok("POST", f"{CONTACT}/comment", {"text": "x" * 1000})
    assert (comment["text"], comment["contactId"]) == ("x" * 1000, 100000001)
    api.sandbox.answers.comment_has_contact_id = False
    assert "contactId" not in await api.ok("POST", f"{CONTACT}/comment", {"text": "{{@user.1003}}"})
    assert len(api.sandbox.contacts[0].comments) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x" * 1001, "Comment length must not be greater than 1000 characters"),
        (None, "Missing field(s) : text"),
        ("", "Missing field(s) : text"), (5, "text: Invalid value"),
    ],
)  # fmt: skip
async def test_a_wrong_comment_is_refused(api: Api, text: int | str | None, message: str) -> None:
    """A wrong comment is refused: a thousand characters at most."""
    assert await api.refused("POST", f"{CONTACT}/comment", {"text": text}) == (400, message)
