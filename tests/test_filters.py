"""Filters: what is built is of the documented shape, and what the server would refuse cannot be
built.
"""

import datetime as dt
import json
import math
import re
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from respondio_async.errors import InvalidArgumentError
from respondio_async.filters import Condition, F, Filter, render

NOON = dt.datetime(2026, 3, 1, 12, 0, 59, tzinfo=dt.UTC)


def only(condition: Condition, timezone: str = "UTC") -> tuple[Any, ...]:
    (rendered,) = render(condition, timezone)["$and"]
    assert list(rendered) == ["category", "field", "operator", "value"]
    return tuple(rendered.values())


def test_no_filter_means_all() -> None:
    """None is the empty group, which the API reads as "all"."""
    assert render(None) == {"$and": []}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (F.field("email") == "a@b.c", ("contactField", "email", "isEqualTo", "a@b.c")),
        (F.field("email") != "a@b.c", ("contactField", "email", "isNotEqualTo", "a@b.c")),
        (F.field("phone").exists(), ("contactField", "phone", "exists", None)),
        (F.field("phone").does_not_exist(), ("contactField", "phone", "doesNotExist", None)),
        (F.field("Score") > 5, ("contactField", "Score", "isGreaterThan", 5)),
        (F.field("Score") < 5.5, ("contactField", "Score", "isLessThan", 5.5)),
        (F.field("Score") < Decimal("5.5"), ("contactField", "Score", "isLessThan", 5.5)),
        (F.field("Score") > Decimal(5), ("contactField", "Score", "isGreaterThan", 5)),
        (F.field("Score").between(1, 2),
        ("contactField", "Score", "isBetween", {"from": "1", "to": "2"})),
        (F.field("Score").between("-1", Decimal("2.50")),
        ("contactField", "Score", "isBetween", {"from": "-1", "to": "2.5"})),
        (F.field("Score").between(0.5, 1e22),
        ("contactField", "Score", "isBetween", {"from": "0.5", "to": "1" + 22 * "0"})),
        (F.field("Score").between(1e-7, 0.5),
        ("contactField", "Score", "isBetween", {"from": "0.0000001", "to": "0.5"})),
        (F.field("Score") > "5", ("contactField", "Score", "isGreaterThan", "5")),
        (F.field("Score") == "5", ("contactField", "Score", "isEqualTo", "5")),
        (F.field("Score") == 7, ("contactField", "Score", "isEqualTo", 7)),
        (F.field("Is VIP") == True, ("contactField", "Is VIP", "isEqualTo", True)),  # noqa: E712
        (F.field("Born") == dt.date(2000, 1, 2),
        ("contactField", "Born", "isEqualTo", "2000-01-02")),
        (F.field("assigneeUserId") == 3, ("contactField", "assigneeUserId", "isEqualTo", "3")),
        (F.field("assigneeUserId") != "12",
        ("contactField", "assigneeUserId", "isNotEqualTo", "12")),
        (F.field("assigneeUserId") == None,  # noqa: E711
        ("contactField", "assigneeUserId", "isEqualTo", None)),
        (F.field("assigneeUserId") != None,  # noqa: E711
        ("contactField", "assigneeUserId", "isNotEqualTo", None)),
        (F.field("createdAt").after(NOON),
        ("contactField", "createdAt", "isTimestampAfter", "2026-03-01 12:00")),
        (F.field("createdAt").before(dt.date(2026, 3, 1)),
        ("contactField", "createdAt", "isTimestampBefore", "2026-03-01 00:00")),
        (
            F.field("createdAt").between(dt.date(2026, 3, 1), dt.date(2026, 3, 2)),
            ("contactField", "createdAt", "isTimestampBetween",
            {"from": "2026-03-01 00:00", "to": "2026-03-02 23:59"}),
        ),
        (F.field("Visit").after(NOON),
        ("contactField", "Visit", "isTimestampAfter", "2026-03-01 12:00")),
        (F.tags.any_of("a", "b"), ("contactTag", None, "hasAnyOf", ["a", "b"])),
        (F.tags.all_of("a"), ("contactTag", None, "hasAllOf", ["a"])),
        (F.tags.none_of("a"), ("contactTag", None, "hasNoneOf", ["a"])),
        (F.lifecycle == "Lead", ("lifecycle", None, "isEqualTo", "Lead")),
        (F.lifecycle != "Lead", ("lifecycle", None, "isNotEqualTo", "Lead")),
        (F.lifecycle.exists(), ("lifecycle", None, "exists", None)),
        (F.lifecycle.does_not_exist(), ("lifecycle", None, "doesNotExist", None)),
    ],
)  # fmt: skip
def test_each_condition(condition: Condition, expected: tuple[Any, ...]) -> None:
    """Each expression renders to its operator and its value's JSON type."""
    rendered = only(condition)
    assert rendered == expected
    assert [type(value) for value in rendered] == [type(value) for value in expected]


@pytest.mark.parametrize(
    ("hand", "same"),
    [
        (("contactField", "email", "isEqualTo", "a@b.cd"), F.field("email") == "a@b.cd"),
        (("contactField", "email", "exists"), F.field("email").exists()),
        (("contactField", "email", "doesNotExist", ""), F.field("email").does_not_exist()),
        (("contactField", "assigneeUserId", "isEqualTo", 7), F.field("assigneeUserId") == "7"),
        (("contactField", "Score", "isBetween", {"from": 1, "to": "2"}),
        F.field("Score").between(1, 2)),
        (("contactField", "Score", "isBetween", [1, 2]), F.field("Score").between("1", "2")),
        (("contactField", "createdAt", "isTimestampBetween", (NOON, NOON)),
        F.field("createdAt").between(NOON, NOON)),
        (("contactTag", None, "hasAnyOf", ["vip"]), F.tags.any_of("vip")),
        (("lifecycle", None, "isNotEqualTo", "Lead"), F.lifecycle != "Lead"),
    ],
)  # fmt: skip
def test_a_condition_by_hand_is_the_one_of_the_builder(
    hand: tuple[Any, ...], same: Condition
) -> None:
    """What the builder would make of it is what is kept and sent; a copy is checked again."""
    made = Condition(*hand)
    assert (made, render(made)) == (same, render(same))
    assert msgspec.structs.replace(made) == made


@pytest.mark.parametrize(
    ("hand", "argument"),
    [
        (("tag", None, "hasAnyOf", ["a"]), "category"),
        ((None, None, "hasAnyOf", ["a"]), "category"),
        (("contactTag", None, "isEqualTo", "a"), "operator"),
        (("contactField", "email", "contains", "a"), "operator"),
        (("lifecycle", None, "isBetween", (1, 2)), "operator"),
        (("contactField", None, "exists"), "field"),
        (("contactField", "created_at", "exists"), "field"),
        (("contactTag", "tags", "hasAnyOf", ["a"]), "field"),
        (("lifecycle", "lifecycle", "exists"), "field"),
        (("contactField", "email", "exists", True), "value"),
        (("contactField", "email", "isEqualTo", 5), "value"),
        (("contactField", "email", "isGreaterThan", 5), "value"),
        (("contactField", "assigneeUserId", "isEqualTo", True), "value"),
        (("contactField", "createdAt", "isEqualTo", NOON), "value"),
        (("contactField", "createdAt", "isTimestampAfter", NOON.replace(tzinfo=None)), "value"),
        (("contactField", "Score", "isBetween", 5), "value"),
        (("contactField", "Score", "isBetween", {"from": 1}), "value"),
        (("contactField", "Score", "isBetween", (2, 1)), "high"),
        (("contactField", "Score", "isGreaterThan", math.nan), "value"),
        (("contactTag", None, "hasAnyOf", "vip"), "tags"),
        (("contactTag", None, "hasNoneOf", []), "tags"),
        (("lifecycle", None, "isEqualTo", ""), "stage"),
    ],
)
def test_a_condition_by_hand_passes_the_same_checks(hand: tuple[Any, ...], argument: str) -> None:
    """What the builder refuses is refused here too, also in a changed copy."""
    with pytest.raises(InvalidArgumentError) as caught:
        Condition(*hand)
    assert caught.value.argument == argument


@pytest.mark.parametrize(
    ("joint", "conditions"),
    [("and", ()), (None, ()), ("$and", ("x",)), ("$or", F.field("a").exists())],
)
def test_a_group_by_hand_is_checked(joint: Any, conditions: Any) -> None:
    """A group is joined by $and or $or, and holds conditions alone."""
    with pytest.raises(InvalidArgumentError):
        Filter(joint, conditions)


def test_utc_in_small_letters_is_utc() -> None:
    """One of the vendor's own clients sends "utc"."""
    assert only(F.field("createdAt").after(NOON), "utc")[3] == "2026-03-01 12:00"


def test_times_are_written_in_the_lists_time_zone() -> None:
    """An aware datetime of any zone becomes the body's zone, to the minute, over midnight and
    daylight saving.
    """
    kuala_lumpur = "Asia/Kuala_Lumpur"
    late = dt.datetime(2026, 3, 1, 20, 30, tzinfo=dt.UTC)
    assert only(F.field("createdAt").after(late), kuala_lumpur)[3] == "2026-03-02 04:30"
    summer = dt.datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    assert only(F.field("createdAt").after(summer), "America/New_York")[3] == "2026-07-01 06:00"
    both = only(F.field("createdAt").between(late, late + dt.timedelta(hours=1)), kuala_lumpur)[3]
    assert both == {"from": "2026-03-02 04:30", "to": "2026-03-02 05:30"}
    assert (
        only(F.field("createdAt").after(dt.datetime(20, 1, 1, 12, tzinfo=dt.UTC)))[3]
        == "0020-01-01 12:00"
    )


@pytest.mark.parametrize(
    "timezone",
    ["", "Nowhere/Land", "../etc/passwd", "/etc/localtime", "America", "a\x00b", None, 5],
)
def test_unknown_time_zones_are_refused(timezone: Any) -> None:
    """A zone that IANA does not have is named as the argument at fault."""
    with pytest.raises(InvalidArgumentError) as caught:
        render(None, timezone)
    assert caught.value.argument == "timezone"


def test_a_time_beyond_the_calendar_is_refused() -> None:
    """The first hours of year 1 do not exist in zones to the west."""
    with pytest.raises(InvalidArgumentError, match="out of range"):
        render(F.field("createdAt").after(dt.datetime(1, 1, 1, tzinfo=dt.UTC)), "America/New_York")


def test_joined_conditions_keep_their_order() -> None:
    """& makes one $and group and | one $or group, however they are bracketed."""
    a, b, c, d = (F.field(name).exists() for name in "abcd")
    assert [x["field"] for x in render((a & b) & (c & d))["$and"]] == ["a", "b", "c", "d"]
    assert [x["field"] for x in render(a | (b | c))["$or"]] == ["a", "b", "c"]
    assert a & b == Filter("$and", (a, b))


@pytest.mark.parametrize(
    "mix",
    [lambda a, b, c: a & b | c, lambda a, b, c: (a | b) & c, lambda a, b, c: (a & b) | (b & c)],
)
def test_mixing_and_with_or_is_refused(mix: Any) -> None:
    """The API has one group and no nesting."""
    a, b, c = (F.field(name).exists() for name in "abc")
    with pytest.raises(InvalidArgumentError, match="one group"):
        mix(a, b, c)


@pytest.mark.parametrize(
    "slip",
    [
        lambda: F.field("a").exists() and F.field("b").exists(),
        lambda: not F.field("a").exists(),
        lambda: 1 < F.field("a") < 5,
        lambda: bool(F.field("a").exists() & F.field("b").exists()),
        lambda: bool(F.field("a")),
        lambda: bool(F.lifecycle),
        lambda: F.field("a") == "x" & F.field("b") == "y",
        lambda: F.field("a").exists() & F.field("b"),
        lambda: F.field("a").exists() & True,
        lambda: F.field("a").exists() | "x",
        lambda: F.field("a") >= 5,
        lambda: F.field("a") in ["b", "c"],
        lambda: F.field("a") == F.field("b"),
        lambda: {F.field("a")},
        lambda: {F.lifecycle},
    ],
)
def test_slips_of_the_pen_raise(slip: Any) -> None:
    """`and`, `not`, chained comparisons and forgotten brackets would silently drop a condition:
    each is a TypeError.
    """
    with pytest.raises(TypeError):
        slip()


@pytest.mark.parametrize(
    ("build", "argument"),
    [
        (lambda: F.field(""), "name"),
        (lambda: F.field("  "), "name"),
        (lambda: F.field(5), "name"),
        (lambda: F.field("created_at"), "name"),
        (lambda: F.field("tags"), "name"),
        (lambda: F.field("lifecycle"), "name"),
        (lambda: F.field("first_name"), "name"),
        (lambda: F.field("x") == None, "value"),  # noqa: E711
        (lambda: F.field("x") == "", "value"),
        (lambda: F.field("x") == math.nan, "value"),  # noqa: PLW0177
        (lambda: F.field("x") == ["a"], "value"),
        (lambda: F.field("x") == NOON, "value"),
        (lambda: F.field("email") == 5, "value"),
        (lambda: F.field("assigneeUserId") == "", "value"),
        (lambda: F.field("assigneeUserId") == "\u0665", "value"),
        (lambda: F.field("assigneeUserId") == "a@b.cd", "value"),
        (lambda: F.field("assigneeUserId") == "05", "value"),
        (lambda: F.field("assigneeUserId") == 5.0, "value"),
        (lambda: F.field("assigneeUserId") != True, "value"),  # noqa: E712
        (lambda: F.field("createdAt") == "2026-01-01", "value"),
        (lambda: F.field("createdAt") > 5, "value"),
        (lambda: F.field("firstName") > 5, "value"),
        (lambda: F.field("x") > "5 ", "value"),
        (lambda: F.field("x") > "\u0665", "value"),
        (lambda: F.field("x") > "1e5", "value"),
        (lambda: F.field("x") == 10**400, "value"),
        (lambda: F.field("x") > -(10**400), "value"),
        (lambda: F.field("x").between(1, 10**400), "value"),
        (lambda: F.field("x").between("10", "9"), "high"),
        (lambda: F.field("x") > True, "value"),
        (lambda: F.field("x") < float("inf"), "value"),
        (lambda: F.field("x") < Decimal("NaN"), "value"),
        (lambda: F.field("x").between(2, 1), "high"),
        (lambda: F.field("x").between(1, "two"), "value"),
        (lambda: F.field("x").between(1, NOON), "value"),
        (lambda: F.field("createdAt").between(NOON, NOON - dt.timedelta(1)), "high"),
        (lambda: F.field("createdAt").after("2026-01-01 00:00"), "value"),
        (lambda: F.field("createdAt").after(NOON.replace(tzinfo=None)), "value"),
        (lambda: F.field("phone").after(NOON), "value"),
        (F.tags.any_of, "tags"),
        (lambda: F.tags.any_of(["a"]), "tags"),
        (lambda: F.tags.none_of("a", ""), "tags"),
        (lambda: F.lifecycle == None, "stage"),  # noqa: E711
        (lambda: F.lifecycle != "", "stage"),
        (lambda: render("email = a@b.c"), "filter"),
        (lambda: render({"$and": []}), "filter"),
    ],
)
def test_what_the_server_refuses_cannot_be_built(build: Any, argument: str) -> None:
    """The error names the argument."""
    with pytest.raises(InvalidArgumentError) as caught:
        build()
    assert caught.value.argument == argument


def test_reprs_hold_no_values() -> None:
    """A filter in a log names fields and operators alone."""
    built = (
        (F.field("email") == "canary@x.yz") & F.tags.any_of("canary") & (F.lifecycle == "canary")
    )
    for shown in (
        repr(built),
        str(built),
        repr(built.__rich_repr__()),
        repr(built.conditions[0].__rich_repr__()),
    ):
        assert "canary" not in shown
        assert "email" in shown
    assert repr(F.field("x")) == "F.field('x')"
    assert (repr(F.tags), repr(F.lifecycle)) == ("F.tags", "F.lifecycle")


# ── any filter that can be built is of the documented shape ───────────────────────────────────────

names = st.sampled_from(
    ["firstName", "email", "status", "assigneeUserId", "createdAt", "Plan", "my_slug", "größe"]
)
values: st.SearchStrategy[Any] = st.one_of(
    st.text(max_size=5), st.integers(), st.floats(), st.booleans(), st.none(), st.dates(),
        st.datetimes(),
    st.datetimes(timezones=st.just(dt.UTC)), st.decimals(),
        st.lists(st.text(max_size=2), max_size=2),
)  # fmt: skip
builders: st.SearchStrategy[Any] = st.one_of(
    st.tuples(
        names, st.sampled_from(["__eq__", "__ne__", "__gt__", "__lt__", "after", "before"]), values
    ).map(lambda t: lambda: getattr(F.field(t[0]), t[1])(t[2])),
    st.tuples(names, values, values).map(lambda t: lambda: F.field(t[0]).between(t[1], t[2])),
    st.tuples(names, st.sampled_from(["exists", "does_not_exist"])).map(
        lambda t: getattr(F.field(t[0]), t[1])
    ),
    st.tuples(
        st.sampled_from(["any_of", "all_of", "none_of"]), st.lists(st.text(max_size=2), max_size=3)
    ).map(lambda t: lambda: getattr(F.tags, t[0])(*t[1])),
    st.tuples(st.sampled_from(["__eq__", "__ne__"]), values).map(
        lambda t: lambda: getattr(F.lifecycle, t[0])(t[1])
    ),
)
MINUTE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d")
NUMBER = (int, float)


def check_documented(body: dict[str, Any]) -> None:
    """The shape as the vendor's page has it, written down a second time."""
    (joint,) = body
    assert joint in ("$and", "$or")
    for condition in body[joint]:
        assert set(condition) == {"category", "field", "operator", "value"}
        category, field, operator, value = (
            condition[key] for key in ("category", "field", "operator", "value")
        )
        if category == "contactTag":
            assert field is None
            assert operator in ("hasAnyOf", "hasAllOf", "hasNoneOf")
            assert value
            assert all(isinstance(tag, str) and tag for tag in value)
        elif operator in ("exists", "doesNotExist"):
            assert value is None
        elif category == "lifecycle":
            assert field is None
            assert operator in ("isEqualTo", "isNotEqualTo")
            assert isinstance(value, str)
            assert value
        else:
            assert category == "contactField"
            assert field
            if field == "assigneeUserId":
                assert operator in ("isEqualTo", "isNotEqualTo")
                assert value is None or (isinstance(value, str) and value.isdigit())
            elif operator in ("isEqualTo", "isNotEqualTo"):
                assert isinstance(value, str | int | float | bool)
                assert field != "createdAt"
            elif operator in ("isGreaterThan", "isLessThan"):
                assert isinstance(value, NUMBER) or float(value) == float(value)
            elif operator == "isBetween":
                assert set(value) == {"from", "to"}
                assert all(isinstance(end, str) for end in value.values())
                assert float(value["from"]) <= float(value["to"])
            elif operator == "isTimestampBetween":
                assert set(value) == {"from", "to"}
                assert all(MINUTE.fullmatch(each) for each in value.values())
                assert field not in ("firstName", "email", "status", "assigneeUserId")
            else:
                assert operator in ("isTimestampAfter", "isTimestampBefore")
                assert MINUTE.fullmatch(value)
                assert field not in ("firstName", "email", "status", "assigneeUserId")


@given(
    st.lists(builders, min_size=1, max_size=4),
    st.booleans(),
    st.sampled_from(["UTC", "Asia/Kuala_Lumpur", "America/New_York"]),
)
def test_any_built_filter_is_documented_json(
    parts: list[Any], use_and: bool, timezone: str
) -> None:
    """Building either raises InvalidArgumentError or gives what the vendor's page describes."""
    try:
        built = parts[0]()
        for part in parts[1:]:
            built = built & part() if use_and else built | part()
        body = render(built, timezone)
    except InvalidArgumentError:
        return
    check_documented(json.loads(json.dumps(body, allow_nan=False)))
