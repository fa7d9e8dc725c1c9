"""The workspace: users, channels, templates, fields, closing notes, tags."""

import json
from typing import Any

import pytest

from tests.sandbox.conftest import Api


@pytest.mark.parametrize(
    ("path", "count"),
    [("/space/user", 4), ("/space/channel", 5), ("/space/custom_field", 8),
    ("/space/closing_notes", 3),
     ("/space/channel/2001/template", 4), ("/space/channel/2001/mtm", 4),
     ("/space/channel/2002/template", 0)],
)  # fmt: skip
async def test_lists(api: Api, path: str, count: int) -> None:
    """Each is a page."""
    page = await api.ok("GET", f"{path}?limit=100")
    assert len(page["items"]) == count
    assert page["pagination"] == {"next": None, "previous": None}


@pytest.mark.parametrize(
    "path", ["/space/user", "/space/channel", "/space/custom_field", "/space/closing_notes"]
)
async def test_each_list_pages(api: Api, path: str) -> None:
    """Each list pages: every item once, in order."""
    api.sandbox.quirks.next_cursor = "integer"
    everything = (await api.ok("GET", f"{path}?limit=100"))["items"]
    found, cursor = [], None
    while True:
        page = await api.ok(
            "GET", path, params={"limit": 2} if cursor is None else {"limit": 2, "cursorId": cursor}
        )
        found += page["items"]
        cursor = page["pagination"]["next"]
        if cursor is None:
            break
    assert found == everything


async def test_users(api: Api) -> None:
    user = await api.ok("GET", "/space/user/1003")
    assert (user["email"], user["role"], user["team"]) == (
        "anna@sandbox.example",
        "agent",
        {"id": 301, "name": "Sales"},
    )
    assert (await api.ok("GET", "/space/user/1001"))["team"] is None
    for wrong in ("9", "x"):
        assert await api.refused("GET", f"/space/user/{wrong}") == (404, "User not found")


async def test_closing_notes_are_sorted_by_category(api: Api) -> None:
    """They have no id."""
    notes = (await api.ok("GET", "/space/closing_notes"))["items"]
    assert [each["category"] for each in notes] == ["Resolved", "Sale made", "Spam"]


async def test_templates(api: Api) -> None:
    """Components come as an array or as a JSON string; one by id is wrapped."""
    (first, *_) = (await api.ok("GET", "/space/channel/2001/template"))["items"]
    one = await api.ok("GET", f"/space/mtm/{first['id']}")
    assert one["data"] == first
    api.sandbox.quirks.template_components = "string"
    (other, *_) = (await api.ok("GET", "/space/channel/2001/template"))["items"]
    assert json.loads(other["components"]) == first["components"]
    assert (await api.refused("GET", "/space/mtm/1"))[0] == 404
    assert (await api.refused("GET", "/space/channel/1/template"))[0] == 404


async def test_custom_fields(api: Api) -> None:
    field = await api.ok("GET", "/space/custom_field/4002")
    assert (field["name"], field["dataType"], field["allowedValues"]) == (
        "Plan",
        "list",
        ["Free", "Pro", "Enterprise"],
    )
    api.sandbox.quirks.allowed_values = "object"
    field = await api.ok("GET", "/space/custom_field/4002")
    assert field["allowedValues"] == {"listValues": ["Free", "Pro", "Enterprise"]}
    assert (await api.refused("GET", "/space/custom_field/1"))[0] == 404


@pytest.mark.parametrize(
    ("place", "here", "there"),
    [("custom_field", 200, 404), ("contact_field", 404, 200), ("either", 200, 200)],
)
async def test_custom_fields_live_under_one_of_two_names(
    api: Api, place: str, here: int, there: int
) -> None:
    """The vendor's table has the one, every client the other."""
    api.sandbox.answers.custom_field_path = place
    for path in ("", "/4001"):
        assert (await api.call("GET", f"/space/custom_field{path}")).status_code == here
        assert (await api.call("GET", f"/space/contact_field{path}")).status_code == there
    body = {"name": "A", "dataType": "text"}
    assert (await api.call("POST", "/space/contact_field", body)).status_code == there


async def test_a_custom_field_is_created(api: Api) -> None:
    """A custom field is created, and can be written at once; the slug is made from the name unless
    given.
    """
    field = await api.ok(
        "POST", "/space/custom_field", {"name": "Shoe Size", "dataType": "number", "slug": None}
    )
    assert (field["slug"], field["dataType"]) == ("shoe_size", "number")
    await api.ok(
        "PUT", "/contact/id:100000001", {"custom_fields": [{"name": "Shoe Size", "value": 42}]}
    )
    body = {
        "name": "Colour",
        "dataType": "list",
        "allowedValues": ["red"],
        "slug": "Col_1",
        "description": "d",
    }
    field = await api.ok("POST", "/space/custom_field", body)
    assert {key: field[key] for key in body} == body
    assert (await api.ok("POST", "/space/custom_field", {"name": "颜色", "dataType": "text"}))[
        "slug"
    ].startswith("field_")


@pytest.mark.parametrize(
    "body",
    [{"dataType": "text"}, {"name": "", "dataType": "text"}, {"name": "x" * 51, "dataType": "text"},
    {"name": "A"},
     {"name": "A", "dataType": "colour"}, {"name": "A", "dataType": "text", "slug": "a b"},
     {"name": "A", "dataType": "text", "allowedValues": ["a"]}, {"name": "A", "dataType": "list"},
     {"name": "A", "dataType": "list", "allowedValues": []},
     {"name": "A", "dataType": "text", "description": "x" * 256},
     {"name": "Plan", "dataType": "text"}],
)  # fmt: skip
async def test_a_wrong_custom_field_is_refused(api: Api, body: dict[str, Any]) -> None:
    """Names are unique; allowed values belong to lists only."""
    assert (await api.refused("POST", "/space/custom_field", body))[0] == 400


async def test_workspace_tags(api: Api) -> None:
    tag = await api.ok(
        "POST",
        "/space/tag",
        {"name": "a", "description": "d", "colorCode": "tag-red", "emoji": "🐟"},
    )
    assert (tag["name"], tag["description"], tag["colorCode"], tag["emoji"]) == (
        "a",
        "d",
        "tag-red",
        "🐟",
    )
    await api.ok("POST", "/contact/id:100000001/tag", ["a", "z"])
    changed = await api.ok("PUT", "/space/tag", {"currentName": "a", "name": "b", "emoji": None})
    assert changed == {**tag, "name": "b", "emoji": None}
    assert (await api.ok("GET", "/contact/id:100000001"))["tags"] == ["b", "z"]
    assert (await api.ok("PUT", "/space/tag", {"currentName": "b", "name": "b"}))["id"] == tag["id"]
    assert await api.ok("DELETE", "/space/tag", {"name": "b"}) == {
        "code": 200,
        "message": "Tag deleted successfully",
    }
    assert (await api.ok("GET", "/contact/id:100000001"))["tags"] == ["z"]
    api.sandbox.answers.deleted_tag_has_code = False
    assert "code" not in await api.ok("DELETE", "/space/tag", {"name": "z"})


async def test_a_workspace_tag_may_come_wrapped(api: Api) -> None:
    """Both shapes were seen."""
    api.sandbox.answers.tag_shape = "wrapped"
    assert (await api.ok("POST", "/space/tag", {"name": "a"}))["message"]["tag"]["name"] == "a"


@pytest.mark.parametrize(
    ("method", "body", "status"),
    [("POST", {}, 400), ("POST", {"name": "vip"}, 400), ("PUT", {"name": "x"}, 400),
    ("PUT", {"currentName": "x"}, 404),
     ("PUT", {"currentName": "vip", "name": "newsletter"}, 400),
     ("PUT", {"currentName": "vip", "name": ""}, 400),
     ("DELETE", {"name": "x"}, 404), ("DELETE", {}, 400)],
)  # fmt: skip
async def test_wrong_workspace_tags_are_refused(
    api: Api, method: str, body: dict[str, Any], status: int
) -> None:
    """A tag's name is unique in the workspace, and never empty."""
    assert (await api.refused(method, "/space/tag", body))[0] == status
