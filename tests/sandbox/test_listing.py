"""The contact list: paging, filters, and when a contact shows up."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.sandbox.conftest import Api, serving

LIST = "/contact/list"


def wanting(
    *conditions: Any, join: str = "$and", search: str = "", timezone: str = "UTC"
) -> dict[str, Any]:
    return {"search": search, "timezone": timezone, "filter": {join: list(conditions)}}


def field(name: str, operator: str, value: dict[str, Any] | str | None = None) -> dict[str, Any]:
    return {"category": "contactField", "field": name, "operator": operator, "value": value}


async def ids(api: Api, body: dict[str, Any], **params: Any) -> list[Any]:
    page = await api.ok("POST", LIST, body, params={"limit": 100, **params})
    return [each["id"] - 100000000 for each in page["items"]]


@pytest.mark.parametrize(
    ("style", "start"),
    [
        ("url_without_version", "https://api.respond.io/contact/list?"),
        ("url", "https://api.respond.io/v2/contact/list?"),
        ("odd_path", "https://api.respond.io/api/something/else?"),
        ("relative", "/contact/list?"),
    ],
)
async def test_the_next_cursor_is_in_a_url(api: Api, style: str, start: str) -> None:
    """Whatever the URL, its query carries the cursor."""
    api.sandbox.quirks.next_cursor = style
    page = await api.ok("POST", f"{LIST}?limit=2", wanting())
    following = page["pagination"]["next"]
    assert following.startswith(start)
    assert parse_qs(urlsplit(following).query)["cursorId"] == ["100000002"]


@pytest.mark.parametrize(("style", "cursor"), [("integer", 100000002), ("string", "100000002")])
async def test_the_next_cursor_may_be_bare(api: Api, style: str, cursor: int | str) -> None:
    """It is a number or a numeric string."""
    api.sandbox.quirks.next_cursor = style
    page = await api.ok("POST", f"{LIST}?limit=2", wanting())
    assert page["pagination"] == {"next": cursor, "previous": None}


@pytest.mark.parametrize(
    ("style", "pagination"),
    [
        ("null", {"next": None, "previous": None}),
        ("empty", {"next": "", "previous": ""}),
        ("missing", {}),
        ("no_pagination", None),
    ],
)
async def test_the_last_page_says_so_in_one_of_four_ways(
    api: Api, style: str, pagination: dict[str, Any] | None
) -> None:
    """The last page says so in one of four ways: null, "", no key, no object."""
    api.sandbox.quirks.last_page = style
    assert (await api.ok("POST", LIST, wanting())).get("pagination") == pagination


async def test_a_walk_gives_each_contact_once() -> None:
    """A walk gives each contact once: ten a page unless asked otherwise; a contact that is deleted
    meanwhile does not disturb the walk.
    """
    async with serving(contacts=45) as api:
        api.sandbox.quirks.next_cursor = "integer"
        found, params = [], {}
        while True:
            page = await api.ok("POST", LIST, wanting(), params=params)
            found += [each["id"] for each in page["items"]]
            cursor = page["pagination"]["next"]
            if cursor is None:
                break
            assert len(page["items"]) == 10
            params = {"cursorId": cursor}
            await api.ok("DELETE", f"/contact/id:{cursor}")
        assert found == list(range(100000001, 100000046))


async def test_a_negative_cursor_walks_back(api: Api) -> None:
    """The cursor of the page before is in `pagination.previous`, with a minus sign."""
    api.sandbox.quirks.next_cursor = "integer"
    page = await api.ok("POST", LIST, wanting(), params={"limit": 1, "cursorId": 100000002})
    assert page["pagination"]["previous"] == -100000003
    page = await api.ok("POST", LIST, wanting(), params={"limit": 1, "cursorId": -100000003})
    assert [each["id"] for each in page["items"]] == [100000002]
    assert page["pagination"]["next"] == -100000002


async def test_a_cursor_of_zero_is_the_start(api: Api) -> None:
    """A cursor of zero is the start, as is an empty one."""
    assert (
        await ids(api, wanting(), cursorId=0) == await ids(api, wanting(), cursorId="") == [1, 2, 3]
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("limit", "101"), ("limit", "0"), ("limit", ""), ("limit", "1.5"), ("cursorId", "x")],
)
async def test_wrong_paging_is_refused(api: Api, name: str, value: str) -> None:
    """Wrong paging is refused: a hundred a page at most."""
    assert await api.refused("POST", LIST, wanting(), params={name: value}) == (
        400,
        f"{name}: Invalid value",
    )


async def test_paging_in_the_body_is_ignored(api: Api) -> None:
    """It belongs in the query, on POST too."""
    body = {**wanting(), "limit": 1, "cursorId": 100000002}
    assert await ids(api, body) == [1, 2, 3]
    api.sandbox.quirks.ignore_body_paging = False
    assert await ids(api, wanting()) == [1, 2, 3]
    assert (await api.refused("POST", LIST, body))[0] == 400


async def test_a_new_contact_is_listed_late(api: Api) -> None:
    """It can be read at once, but shows up in the list only after the lag."""
    api.sandbox.quirks.list_lag = 25.0
    await api.contact()
    await api.ok("GET", "/contact/phone:+60123456789")
    assert await ids(api, wanting()) == [1, 2, 3]
    api.sandbox.advance(25)
    assert await ids(api, wanting()) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"timezone": "UTC", "filter": {"$and": []}}, "Missing field(s) : search"),
        ({"search": 5, "timezone": "UTC", "filter": {"$and": []}}, "search: Invalid value"),
        ({"search": "", "filter": {"$and": []}}, "Missing field(s) : timezone"),
        (wanting(timezone="Mars/Base"), "timezone: Invalid value"),
        (wanting(timezone=5), "timezone: Invalid value"),
        (wanting(timezone="../../etc/passwd"), "timezone: Invalid value"),
        ({"search": "", "timezone": "UTC"}, "Please check if filter is provided"),
        ({"search": "", "timezone": "UTC", "filter": []}, "filter: Invalid value"),
        ({"search": "", "timezone": "UTC", "filter": {}}, "filter: Invalid value"),
        ({"search": "", "timezone": "UTC", "filter": {"$and": [], "$or": []}},
        "filter: Invalid value"),
        ({"search": "", "timezone": "UTC", "filter": {"$and": {}}}, "filter: Invalid value"),
        (wanting("x"), "filter.$and[0]: Invalid value"),
        (wanting({"$or": []}), "Missing field(s) : filter.$and[0].category"),
        (wanting({"category": "contactTag"}), "Missing field(s) : filter.$and[0].operator"),
        (wanting({"category": "x", "operator": "isEqualTo"}),
        "filter.$and[0].category: Invalid value"),
        (wanting({"category": "contactField", "operator": "isEqualTo"}),
        "Missing field(s) : filter.$and[0].field"),
        (wanting(field("created_at", "isTimestampAfter", "2026-01-01 00:00")),
        "filter.$and[0].field: Invalid value"),
        (wanting(field("firstName", "isGreaterThan", "a")),
        "filter.$and[0].operator: Invalid value"),
        (wanting(field("firstName", "isEqualTo", 5)), "filter.$and[0].value: Invalid value"),
        (wanting(field("firstName", "exists", "x")), "filter.$and[0].value: Invalid value"),
        (wanting(field("Subscribed", "isEqualTo", "true")), "filter.$and[0].value: Invalid value"),
        (wanting(field("Age", "isEqualTo", "x")), "filter.$and[0].value: Invalid value"),
        (wanting(field("Age", "isEqualTo", True)), "filter.$and[0].value: Invalid value"),
        (wanting(field("Age", "isBetween", [1, 2])), "filter.$and[0].value: Invalid value"),
        (wanting(field("Age", "isBetween", {"from": 1})), "filter.$and[0].value: Invalid value"),
        (wanting(field("Age", "isEqualTo", 10**400)), "filter.$and[0].value: Invalid value"),
        (wanting(field("assigneeUserId", "isEqualTo", 10**400)),
        "filter.$and[0].value: Invalid value"),
        (wanting(field("createdAt", "isEqualTo", "2026-01-01 00:00")),
        "filter.$and[0].operator: Invalid value"),
        (wanting(field("createdAt", "isTimestampAfter", "2026-01-01")),
        "filter.$and[0].value: Invalid value"),
        (wanting(field("createdAt", "isTimestampAfter", "2026-02-30 00:00")),
        "filter.$and[0].value: Invalid value"),
        (wanting({"category": "contactTag", "field": "x", "operator": "hasAnyOf", "value": ["a"]}),
        "filter.$and[0].field: Invalid value"),
        (wanting({"category": "contactTag", "operator": "isEqualTo", "value": ["a"]}),
        "filter.$and[0].operator: Invalid value"),
        (wanting({"category": "contactTag", "operator": "hasAnyOf", "value": "a"}),
        "filter.$and[0].value: Invalid value"),
        (wanting({"category": "contactTag", "operator": "hasAnyOf", "value": []}),
        "filter.$and[0].value: Invalid value"),
        (wanting({"category": "lifecycle", "field": "x", "operator": "exists"}),
        "filter.$and[0].field: Invalid value"),
        (wanting({"category": "lifecycle", "operator": "hasAnyOf", "value": "x"}),
        "filter.$and[0].operator: Invalid value"),
    ],
)  # fmt: skip
async def test_a_wrong_filter_is_refused(api: Api, body: dict[str, Any], message: str) -> None:
    """search, timezone and filter are all required, and the filter is one flat group."""
    assert await api.refused("POST", LIST, body) == (400, message)


@pytest.fixture
async def people() -> AsyncIterator[Api]:
    """Six contacts with known properties."""
    async with serving(contacts=6) as api:
        made = api.sandbox.contacts
        base = int(datetime(2026, 1, 1, 12, 0, tzinfo=UTC).timestamp())
        for number, contact in enumerate(made):
            contact.first_name, contact.last_name = "ABCDEF"[number], "Last"
            contact.lifecycle = None if number == 5 else f"L{number % 2}"
            contact.tags[:] = {0: ["x"], 1: ["x", "y"], 2: ["y"]}.get(number, [])
            contact.custom.clear()
            contact.created_at = base + number * 60 + 30
        made[0].custom = {4003: True, 4005: 10, 4007: "2000-01-01", 4001: "Acme"}
        made[1].custom = {4003: False, 4005: 20.5, 4007: "2010-01-01", 4001: ""}
        made[2].custom = {4005: 30}
        await api.ok("POST", "/contact/id:100000004/conversation/status", {"status": "open"})
        await api.ok("POST", "/contact/id:100000004/conversation/assignee", {"assignee": 1003})
        yield api


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (field("firstName", "isEqualTo", "A"), [1]),
        (field("firstName", "isNotEqualTo", "A"), [2, 3, 4, 5, 6]),
        (field("lastName", "isEqualTo", "last"), []),
        (field("phone", "isEqualTo", "+601100000002"), [2]),
        (field("email", "exists"), [1, 2, 3, 4, 5, 6]),
        (field("status", "isEqualTo", "open"), [4]),
        (field("assigneeUserId", "isEqualTo", 1003), [4]),
        (field("assigneeUserId", "isEqualTo", "1003"), [4]),
        (field("assigneeUserId", "doesNotExist"), [1, 2, 3, 5, 6]),
        (field("assigneeUserId", "doesNotExist", ""), [1, 2, 3, 5, 6]),
        (field("assigneeUserId", "isEqualTo", None), [1, 2, 3, 5, 6]),
        (field("assigneeUserId", "isNotEqualTo", None), [4]),
        (field("createdAt", "exists"), [1, 2, 3, 4, 5, 6]),
        (field("Subscribed", "isEqualTo", True), [1]),
        (field("subscribed", "isNotEqualTo", True), [2, 3, 4, 5, 6]),
        (field("Subscribed", "exists"), [1, 2]),
        (field("Company", "exists"), [1]),
        (field("Age", "isGreaterThan", 10), [2, 3]),
        (field("Age", "isGreaterThan", "20.5"), [3]),
        (field("Age", "isLessThan", 20.5), [1]),
        (field("Age", "isBetween", {"from": 10, "to": "20.5"}), [1, 2]),
        (field("Age", "isEqualTo", "30"), [3]),
        (field("Birthday", "isLessThan", "2005-01-01"), [1]),
        (
            {"category": "contactTag", "field": None, "operator": "hasAnyOf", "value": ["x", "y"]},
            [1, 2, 3],
        ),
        (
            {"category": "contactTag", "field": None, "operator": "hasAllOf", "value": ["x", "y"]},
            [2],
        ),
        (
            {"category": "contactTag", "field": None, "operator": "hasNoneOf", "value": ["x"]},
            [3, 4, 5, 6],
        ),
        ({"category": "lifecycle", "field": None, "operator": "isEqualTo", "value": "L1"}, [2, 4]),
        (
            {"category": "lifecycle", "field": None, "operator": "isNotEqualTo", "value": "L1"},
            [1, 3, 5, 6],
        ),
        ({"category": "lifecycle", "field": None, "operator": "doesNotExist", "value": None}, [6]),
    ],
)
async def test_each_operator_finds_what_it_says(
    people: Api, condition: dict[str, Any], found: list[Any]
) -> None:
    """Each operator finds what it says: every category, field kind and operator."""
    assert await ids(people, wanting(condition)) == found


async def test_conditions_are_joined_by_and_or_or(people: Api) -> None:
    """One group; an empty one means all, with either word."""
    one, two = field("firstName", "isEqualTo", "A"), field("lastName", "isEqualTo", "Last")
    assert await ids(people, wanting(one, two)) == [1]
    assert await ids(people, wanting(one, two, join="$or")) == [1, 2, 3, 4, 5, 6]
    assert await ids(people, wanting(join="$or")) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("search", "found"),
    [("a last", [1]), ("000003", [3]), ("EXAMPLE.com", [1, 2, 3, 4, 5, 6]), ("zzz", [])],
)
async def test_search_is_a_part_of_name_email_or_phone(
    people: Api, search: str, found: list[Any]
) -> None:
    """The case does not matter; it narrows a filter too."""
    assert await ids(people, wanting(search=search)) == found
    assert await ids(people, wanting(field("lastName", "exists"), search=search)) == found


@pytest.mark.parametrize(
    ("bounds", "after", "before", "between"),
    [
        ("inclusive", [4, 5, 6], [1, 2, 3, 4], [2, 3, 4]),
        ("exclusive", [5, 6], [1, 2, 3], [3]),
        ("half_open", [4, 5, 6], [1, 2, 3], [2, 3]),
    ],
)
@pytest.mark.parametrize(("zone", "hour"), [("UTC", 12), ("Asia/Kuala_Lumpur", 20)])
async def test_timestamps_are_whole_minutes_in_the_bodys_timezone(
    people: Api,
    bounds: str,
    after: list[int],
    before: list[int],
    between: list[int],
    zone: str,
    hour: int,
) -> None:
    """Whether the bounds belong to the range is an open question."""
    people.sandbox.answers.filter_bounds = bounds

    def at(minute: int) -> str:
        return f"2026-01-01 {hour}:{minute:02d}"

    async def found(operator: str, value: dict[str, Any] | str) -> list[int]:
        return await ids(people, wanting(field("createdAt", operator, value), timezone=zone))

    assert await found("isTimestampAfter", at(3)) == after
    assert await found("isTimestampBefore", at(3)) == before
    assert await found("isTimestampBetween", {"from": at(1), "to": at(3)}) == between


async def test_a_filter_may_be_applied_after_paging(people: Api) -> None:
    """Then pages are short or empty and still have a next one."""
    people.sandbox.quirks.filter_after_paging = True
    body = wanting(field("firstName", "isEqualTo", "E"))
    page = await people.ok("POST", LIST, body, params={"limit": 2})
    assert page["items"] == []
    assert page["pagination"]["next"].endswith("cursorId=100000002&limit=2")
    assert await ids(people, body, cursorId=100000004, limit=2) == [5]
