"""Encoding: targets, JSON bodies, contact fields and the checks of arguments."""

import datetime as dt
import enum
import json
import types
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from respondio_async import _wire as w
from respondio_async.errors import InvalidArgumentError, InvalidIdentifierError
from respondio_async.identifiers import ContactId


class Colour(enum.StrEnum):
    RED = "red & blue"


class Number(enum.IntEnum):
    ONE = 1


class Shape(str, enum.Enum):  # noqa: UP042 - its str() is its name, and many are written so
    ROUND = "round"


def refused(argument: str, call: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(InvalidArgumentError) as caught:
        call(*args, **kwargs)
    assert caught.value.argument == argument
    return str(caught.value)


# ── targets ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("template", "params", "query", "expected"),
    [
        ("/space/user", None, None, "/space/user"),
        ("/space/user", {}, {}, "/space/user"),
        ("/space/user", None, {"limit": 10, "cursorId": -5}, "/space/user?limit=10&cursorId=-5"),
        ("/space/user", None, {"limit": None}, "/space/user"),
        (
            "/contact/{identifier}",
            {"identifier": "+60121233112"},
            None,
            "/contact/phone:%2B60121233112",
        ),
        ("/contact/{identifier}", {"identifier": ContactId.id(3)}, None, "/contact/id:3"),
        (
            "/contact/{identifier}/message/{messageId}",
            {"messageId": 7, "identifier": 3},
            None,
            "/contact/id:3/message/7",
        ),
        (
            "/space/x/{name}/y",
            {"name": "a/b c?d#e%2f@:+é"},
            None,
            "/space/x/a%2Fb%20c%3Fd%23e%252f%40%3A%2B%C3%A9/y",
        ),
        ("/space/x/{name}", {"name": Number.ONE}, None, "/space/x/1"),
        ("/space/x/{name}", {"name": Shape.ROUND}, {"a": Shape.ROUND}, "/space/x/round?a=round"),
        ("/space/x/{name}", {"name": "..."}, None, "/space/x/..."),
        (
            "/x",
            None,
            {"a": True, "b": False, "c": 1.5, "d": "ü&=+ ", "e": [1, None, "x"], "f": []},
            "/x?a=true&b=false&c=1.5&d=%C3%BC%26%3D%2B%20&e=1&e=x",
        ),
        ("/x", None, {"a": Colour.RED, "b": Number.ONE}, "/x?a=red%20%26%20blue&b=1"),
        (
            "/x.y_z~/create_or_update/{identifier}",
            {"identifier": 1},
            None,
            "/x.y_z~/create_or_update/id:1",
        ),
    ],
)
def test_targets(template: str, params: Any, query: Any, expected: str) -> None:
    """A template, its values and a query make one target."""
    assert w.build_target(template, params, query) == expected


@pytest.mark.parametrize(
    "template",
    [
        "",
        "contact",
        "//evil.com",
        "/a//b",
        "/a/",
        "/",
        "/../a",
        "/a/./b",
        "/a?b=c",
        "/a#b",
        "https://evil.com/a",
        "/a\\b",
        "/a b",
        "/%2e%2e",
        "/contact/id:1",
        "/contact/a@b.c",
        "/a/{",
        "/a/{}",
        "/a/x{id}",
        "/a/{id}/{id}",
        "/a/{i d}",
        "/a\n",
        "/é",
    ],
)
def test_templates_are_plain_paths(template: str) -> None:
    """A template with a host, a query, dots, or a value written into it is refused."""
    refused("path", w.build_target, template, {"id": 1})


@pytest.mark.parametrize("params", [{}, {"id": 1, "x": 2}, {"x": 1}])
def test_params_fit_the_template(params: Any) -> None:
    """A parameter too few or too many is named."""
    text = refused("params", w.build_target, "/space/user/{id}", params)
    assert ("missing: id" in text) == ("id" not in params)
    assert ("unused: x" in text) == ("x" in params)


@pytest.mark.parametrize(
    "value",
    ["", ".", "..", True, None, 1.5, [1], b"x", "\ud800", 10**5000, 2**64],
    ids=lambda value: type(value).__name__,
)
def test_segments_that_no_path_carries(value: Any) -> None:
    """Empty and dot segments, and values of other types, are refused by name."""
    refused("name", w.build_target, "/x/{name}", {"name": value})


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), b"x", {}, dt.date(2026, 1, 1), "\ud800", 10**5000, [object()]],
    ids=lambda value: type(value).__name__,
)
def test_query_values_that_mean_nothing(value: Any) -> None:
    """Only texts, numbers and bools go into a query."""
    refused("q", w.build_target, "/x", None, {"q": value})


def test_an_identifier_is_always_checked() -> None:
    """The parameter called identifier takes what identifies a contact, and nothing else."""
    with pytest.raises(InvalidIdentifierError):
        w.build_target("/contact/{identifier}", {"identifier": "60121233112"})


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_value_leaves_its_place(segment: str, value: str) -> None:
    """Whatever a segment or a query value holds comes back as it was, and moves nothing else."""
    try:
        target = w.build_target("/a/{x}/b", {"x": segment}, {"q": value, "r": 1})
    except InvalidArgumentError:
        return
    parts = urlsplit("https://h/v2" + target)
    assert [unquote(piece) for piece in parts.path.split("/")] == ["", "v2", "a", segment, "b"]
    assert parse_qsl(parts.query, keep_blank_values=True) == [("q", value), ("r", "1")]
    assert (parts.hostname, parts.fragment) == ("h", "")


# ── JSON ──────────────────────────────────────────────────────────────────────────────────────────


class Pair(msgspec.Struct):
    at: dt.time
    on: dt.date


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (["vip", "é"], '["vip","é"]'),
        ({"a": None, "b": True, "c": 1, "d": 1.5}, '{"a":null,"b":true,"c":1,"d":1.5}'),
        ({"d": dt.date(2026, 1, 2), "t": dt.time(3, 4, 5)}, '{"d":"2026-01-02","t":"03:04"}'),
        ({"e": Colour.RED, "n": Number.ONE}, '{"e":"red & blue","n":1}'),
        (types.MappingProxyType({"a": (1, 2)}), '{"a":[1,2]}'),
        (Pair(dt.time(3, 4), dt.date(2026, 1, 2)), '{"at":"03:04","on":"2026-01-02"}'),
        ({"r": range(2), "s": {1}}, '{"r":[0,1],"s":[1]}'),
        ({"d": Decimal("1.50")}, '{"d":"1.50"}'),
        (None, "null"),
    ],
)
def test_json_bodies(body: Any, expected: str) -> None:
    assert w.encode_json(body).decode() == expected


class Real(float):
    pass


loop: list[Any] = []
loop.append(loop)


@pytest.mark.parametrize(
    "body",
    [
        {"a": float("nan")},
        [float("-inf")],
        [Real("nan")],
        {"a": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)},
        {"a": b"x"},
        {"a": object()},
        "\ud800",
        loop,
        {(1, 2): 1},
        Pair(dt.datetime(2026, 1, 1), dt.date(2026, 1, 1)),
    ],  # type: ignore[arg-type]  # noqa: DTZ001
)
def test_bodies_that_json_has_not(body: Any) -> None:
    """NaN would become null and clear a field; other foreign values are refused too."""
    refused("json", w.encode_json, body)


def test_a_subclass_of_float_is_a_number() -> None:
    """numpy's float64 is such a subclass, and is written as its number."""
    assert w.encode_json([Real(1.5)]) == b"[1.5]"


# ── contact fields ────────────────────────────────────────────────────────────────────────────────


def test_contact_fields_reach_the_wire() -> None:
    """Each keyword has its wire name; None is sent and an absent field is not."""
    fields = {
        "first_name": "A",
        "last_name": None,
        "phone": "+60121233112",
        "email": "a@b.c",
        "language": "en",
        "profile_pic": "https://x/y",
        "country_code": "MY",
        "custom_fields": {
            "Text": "x",
            "Box": True,
            "Int": 5,
            "Real": 5.5,
            "Money": Decimal("1.5"),
            "Whole": Decimal(3),
            "Day": dt.date(2026, 1, 2),
            "At": dt.time(3, 4, 5),
            "Gone": None,
        },
    }
    assert json.loads(w.encode_json(w.contact_body(fields, required=("first_name",)))) == {
        "firstName": "A",
        "lastName": None,
        "phone": "+60121233112",
        "email": "a@b.c",
        "language": "en",
        "profilePic": "https://x/y",
        "countryCode": "MY",
        "custom_fields": [
            {"name": "Text", "value": "x"},
            {"name": "Box", "value": True},
            {"name": "Int", "value": 5},
            {"name": "Real", "value": 5.5},
            {"name": "Money", "value": 1.5},
            {"name": "Whole", "value": 3},
            {"name": "Day", "value": "2026-01-02"},
            {"name": "At", "value": "03:04"},
            {"name": "Gone", "value": None},
        ],
    }
    assert w.contact_body({}) == w.contact_body({"custom_fields": {}}) == {}


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("frist_name", "did you mean 'first_name'"),
        ("firstName", "did you mean 'first_name'"),
        ("customFields", "did you mean 'custom_fields'"),
        ("tags", "add_tags"),
        ("lifecycle", "update_lifecycle"),
        ("assignee", "assign"),
        ("zzz", "custom_fields="),
    ],
)
def test_unknown_fields_are_type_errors(name: str, advice: str) -> None:
    """The server would drop them and answer 200; the error names the keyword and what to write
    instead.
    """
    with pytest.raises(TypeError, match=name) as caught:
        w.contact_body({name: "canary"})
    assert advice in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "argument"),
    [
        ({"first_name": 5}, "first_name"),
        ({"phone": 60121233112}, "phone"),
        ({"email": True}, "email"),
        ({"language": b"en"}, "language"),
        ({"custom_fields": "plan"}, "custom_fields"),
        ({"custom_fields": [{"name": "a", "value": 1}]}, "custom_fields"),
        ({"custom_fields": {"": 1}}, "custom_fields"),
        ({"custom_fields": {5: 1}}, "custom_fields"),
        ({"custom_fields": {"a": float("nan")}}, "custom_fields"),
        ({"custom_fields": {"a": Decimal("inf")}}, "custom_fields"),
        ({"custom_fields": {"a": 10**400}}, "custom_fields"),
        ({"custom_fields": {"a": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}}, "custom_fields"),
        ({"custom_fields": {"a": ["x"]}}, "custom_fields"),
    ],
)
def test_field_values_of_the_wrong_type(fields: Any, argument: str) -> None:
    """Each is refused by the argument's name."""
    refused(argument, w.contact_body, fields)


@pytest.mark.parametrize("fields", [{}, {"first_name": None}, {"first_name": " "}])
def test_required_fields(fields: Any) -> None:
    """A contact is created with a first name."""
    refused("first_name", w.contact_body, fields, required=("first_name",))


# ── checks of arguments ───────────────────────────────────────────────────────────────────────────


def test_good_arguments_pass() -> None:
    assert w.check_tags(["a" * 255, *"bcdefghij"])[0] == "a" * 255
    assert w.check_text("é" * 1000, "text", longest=1000) == "é" * 1000
    assert (w.check_page_size(1, most=50), w.check_page_size(50, most=50)) == (1, 50)
    assert w.check_closing_note(None, None) == w.check_closing_note("", "") == {}
    assert w.check_closing_note("c" * 128, "s" * 512) == {
        "category": "c" * 128,
        "summary": "s" * 512,
    }
    assert (w.check_slug(None), w.check_slug(""), w.check_slug("a_Z9")) == (None, None, "a_Z9")
    assert w.check_allowed_values([], "text") is w.check_allowed_values((), "list") is None
    assert (w.check_allowed_values(None, "text"), w.check_allowed_values(("a", "b"), "list")) == (
        None,
        ["a", "b"],
    )
    assert (w.check_assignee(5), w.check_assignee("5"), w.check_assignee("a@b.c")) == (
        5,
        5,
        "a@b.c",
    )
    assert (w.check_stage(None), w.check_stage(""), w.check_stage("Lead")) == (None, None, "Lead")
    assert (w.check_channel_id(7), w.check_channel_id("274637")) == (7, 274637)
    assert w.check_ids_differ(1, 2) == [1, 2]
    assert w.check_id(Number.ONE, "x") == 1
    assert w.drop_none(a=None, b=0, c="") == {"b": 0, "c": ""}


@pytest.mark.parametrize(
    ("argument", "call"),
    [
        ("tags", lambda: w.check_tags([])),
        ("tags", lambda: w.check_tags("vip")),
        ("tags", lambda: w.check_tags([["a"]])),
        ("tags", lambda: w.check_tags(list("abcdefghijk"))),
        ("tags", lambda: w.check_tags(["a", "a"])),
        ("tags", lambda: w.check_tags([""])),
        ("tags", lambda: w.check_tags([5])),
        ("tags", lambda: w.check_tags(["a" * 256])),
        ("text", lambda: w.check_text("", "text")),
        ("text", lambda: w.check_text("a" * 1001, "text", longest=1000)),
        ("text", lambda: w.check_text(None, "text")),
        ("page_size", lambda: w.check_page_size(0, most=50)),
        ("page_size", lambda: w.check_page_size(51, most=50)),
        ("page_size", lambda: w.check_page_size(True, most=50)),
        ("page_size", lambda: w.check_page_size("5", most=50)),
        ("category", lambda: w.check_closing_note("c" * 129, None)),
        ("category", lambda: w.check_closing_note(" ", None)),
        ("summary", lambda: w.check_closing_note("", "s")),
        ("summary", lambda: w.check_closing_note(None, "s")),
        ("summary", lambda: w.check_closing_note("c", "s" * 513)),
        ("slug", lambda: w.check_slug("a-b")),
        ("slug", lambda: w.check_slug("é")),
        ("slug", lambda: w.check_slug("a" * 51)),
        ("slug", lambda: w.check_slug("a\n")),
        ("allowed_values", lambda: w.check_allowed_values(["a"], "text")),
        ("allowed_values", lambda: w.check_allowed_values([""], "list")),
        ("allowed_values", lambda: w.check_allowed_values("ab", "list")),
        ("allowed_values", lambda: w.check_allowed_values(["a", "a"], "list")),
        ("user", lambda: w.check_assignee("05")),
        ("user", lambda: w.check_assignee("\u0665")),
        ("user", lambda: w.check_assignee("5.0")),
        ("user", lambda: w.check_assignee("")),
        ("user", lambda: w.check_assignee("a b@c")),
        ("user", lambda: w.check_assignee(None)),
        ("user", lambda: w.check_assignee("a@b@c")),
        ("user", lambda: w.check_assignee(True)),
        ("user", lambda: w.check_assignee(-1)),
        ("stage", lambda: w.check_stage(" ")),
        ("stage", lambda: w.check_stage(5)),
        ("second_id", lambda: w.check_ids_differ(1, 1)),
        ("first_id", lambda: w.check_ids_differ("1", 2)),
        ("second_id", lambda: w.check_ids_differ(1, True)),
        ("channel_id", lambda: w.check_id("274637", "channel_id")),
        ("channel_id", lambda: w.check_channel_id("x")),
        ("channel_id", lambda: w.check_channel_id("\u0662\u0667")),
        ("channel_id", lambda: w.check_channel_id("-1")),
        ("channel_id", lambda: w.check_channel_id("")),
        ("channel_id", lambda: w.check_channel_id(True)),
        ("channel_id", lambda: w.check_channel_id(str(2**63))),
        ("channel_id", lambda: w.check_id(0, "channel_id")),
        ("channel_id", lambda: w.check_id(2**63, "channel_id")),
    ],
)
def test_bad_arguments_are_refused_by_name(argument: str, call: Any) -> None:
    """What the server would refuse, or silently misread, fails before any request."""
    refused(argument, call)


def test_refusals_hold_no_values() -> None:
    """The argument is named, its value never shown."""
    canary = "canary" * 200
    for call in (
        lambda: w.check_text(canary, "text", longest=3),
        lambda: w.check_tags([canary]),
        lambda: w.check_slug(canary),
        lambda: w.check_assignee(canary),
    ):
        with pytest.raises(InvalidArgumentError) as caught:
            call()
        assert "canary" not in repr(caught.value)
