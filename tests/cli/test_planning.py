"""What a row will do: names, phones, types, columns."""

from pathlib import Path

import pytest

from respondio_async import CustomField
from respondio_async.cli._exit import UsageError
from respondio_async.cli._fields import Definitions, typed_value
from respondio_async.cli._identify import check_country, identify, normal_phone
from respondio_async.cli.contacts.columns import map_columns, read_mapping
from respondio_async.cli.contacts.plan import (
    ContactPlan,
    Planner,
    plan_rows,
)
from respondio_async.cli.files.bad_rows import RowProblems
from respondio_async.cli.files.rows import Row, TableFile, columns_of_file

FIELDS = Definitions(
    [
        CustomField(1, "Age", "number"),
        CustomField(2, "Plan", "list", ["Free", "Pro"], slug="plan_slug"),
        CustomField(3, "Subscribed", "checkbox"),
        CustomField(4, "Birthday", "date"),
        CustomField(5, "Call Time", "time"),
        CustomField(6, "Website", "url"),
        CustomField(7, "Work Email", "email"),
        CustomField(8, "Company", "text"),
        CustomField(9, "Odd", "new type"),
    ]
)


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("Age", " 36 ", 36),
        ("Age", "1.5", 1.5),
        ("Age", "36.0", 36),
        ("plan_slug", "Pro", "Pro"),
        ("subscribed", "Yes", True),
        ("Subscribed", "0", False),
        ("Birthday", "2001-02-03", "2001-02-03"),
        ("Birthday", "2001-02-03T00:00:00", "2001-02-03"),
        ("call_time", "8:30", "08:30"),
        ("Call Time", "08:30:00", "08:30"),
        ("Website", "https://a.b/c", "https://a.b/c"),
        ("Work Email", "a@b.c", "a@b.c"),
        ("Company", "=x", "=x"),
        ("Odd", "x", "x"),
    ],
)
def test_a_text_becomes_a_value_of_its_type(field: str, text: str, value: object) -> None:
    """The server refuses a whole write for one value of the wrong type."""
    found = FIELDS.find(field)
    assert found is not None
    typed = typed_value(found, text)
    assert typed == value
    assert type(typed) is type(value)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("Age", "forty"), ("Age", "NaN"), ("Age", "1,5"), ("Plan", "Gold"), ("Subscribed", "maybe"),
        ("Birthday", "03/02/2001"),
        ("Birthday", "2001-02-30"), ("Call Time", "25:00"), ("Website", "www.a.b"),
        ("Work Email", "a@"),
    ],
)  # fmt: skip
def test_what_is_no_such_value_is_said_without_it(field: str, text: str) -> None:
    """The reason names what was expected, never the value."""
    found = FIELDS.find(field)
    assert found is not None
    with pytest.raises(ValueError, match=r"\w") as caught:
        typed_value(found, text)
    assert text not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "country", "normal"),
    [
        ("+60 12-345 6789", None, "+60123456789"),
        ("012-345 6789", "MY", "+60123456789"),
        ("60123456789", "MY", "+60123456789"),
        ("0060123456789", "MY", "+60123456789"),
        ("(415) 555-2671", "US", "+14155552671"),
    ],
)
def test_phones_become_e164(text: str, country: str | None, normal: str) -> None:
    """Phones become E.164, however people write them, with the default country where they name
    none.
    """
    assert normal_phone(text, country) == normal


@pytest.mark.parametrize(
    ("text", "country", "said"),
    [
        ("012345", None, "--country"),
        ("x", "MY", "no phone"),
        ("+6012", None, "digits"),
        ("+", None, "no phone"),
    ],
)
def test_no_phone_is_said_without_it(text: str, country: str | None, said: str) -> None:
    """No phone is said without it, and a country is asked for where it would help."""
    with pytest.raises(ValueError, match=said):
        normal_phone(text, country)


def test_a_country_is_a_code() -> None:
    """A country is a code in either case of letters."""
    assert check_country("my") == "MY"
    assert check_country(None) is None
    with pytest.raises(UsageError):
        check_country("Malaysia")


def test_an_id_is_never_guessed() -> None:
    """A file of another workspace has ids that belong to other contacts here."""
    values = {"id": "5", "email": "a@b.c", "phone": ""}
    assert identify("auto", values, None) == "email:a@b.c"
    assert identify("id", values, None) == "id:5"
    for by, bad in (
        ("phone", values),
        ("auto", {"id": "5"}),
        ("email", {"email": "a"}),
        ("id", {"id": "x"}),
    ):
        with pytest.raises(ValueError, match="it has no|an e-mail|a contact id"):
            identify(by, bad, None)


def test_columns_find_their_fields() -> None:
    """They are found by name, alias, slug, or as given; what an export has and nobody can write is
    left out.
    """
    given = {"Kunde": "custom:Company", "Notes": "-"}
    columns = [
        "First Name",
        "mobile",
        "plan_slug",
        "custom:Age",
        "tags",
        "status",
        "_error",
        "Kunde",
        "Notes",
        "Stage",
    ]
    assert map_columns(columns, given, FIELDS) == {
        "First Name": "first_name", "mobile": "phone", "plan_slug": "custom:Plan",
        "custom:Age": "custom:Age", "tags": "tags",
        "status": "-", "_error": "-", "Kunde": "custom:Company", "Notes": "-", "Stage": "lifecycle",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "given", "said"),
    [
        (["x"], {}, "no field is called x"),
        (["custom:x"], {}, "no field is called custom:x"),
        (["a"], {"a": "nowhere"}, "cannot go to nowhere"),
        (["a"], {"b": "phone"}, "no column b"),
        (["phone", "mobile"], {}, "both go to phone"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused(
    columns: list[str], given: dict[str, str], said: str
) -> None:
    """Nothing is guessed or dropped in silence."""
    with pytest.raises(UsageError, match=said):
        map_columns(columns, given, FIELDS)


def test_a_mapping_comes_from_a_file_and_options(tmp_path: Path) -> None:
    """A mapping comes from a file and options: JSON or TOML; the options come after it."""
    (tmp_path / "m.json").write_text('{"a": "phone", "b": "email"}')
    (tmp_path / "m.toml").write_text('a = "phone"\n"b c" = "email"')
    assert read_mapping(tmp_path / "m.json", ["b=-", "x=y=tags"]) == {
        "a": "phone",
        "b": "-",
        "x=y": "tags",
    }
    assert read_mapping(tmp_path / "m.toml", []) == {"a": "phone", "b c": "email"}
    for text, name in (("{", "x.json"), ("[1]", "x.json"), ('{"a": 1}', "x.json"), ("=", "x.toml")):
        (tmp_path / name).write_text(text)
        with pytest.raises(UsageError):
            read_mapping(tmp_path / name, [])
    for option in ("a", "=b", "a="):
        with pytest.raises(UsageError):
            read_mapping(None, [option])


def _planner(columns: list[str], **options: object) -> Planner:
    return Planner(map_columns(columns, {}, FIELDS), FIELDS, **options)


def test_a_row_becomes_a_plan() -> None:
    """The identifier is not sent again as a field, and an empty cell leaves its field alone."""
    cells = {"phone": "012-345 6789", "email": "a@b.c", "first_name": "Ada", "last_name": "",
        "country_code": "my",
             "Age": "36", "Plan": "", "tags": "a;b", "lifecycle": "Lead"}  # fmt: skip
    plan = _planner(list(cells), country="MY", tags=["b", "c"]).plan(Row(2, cells))
    fields = {
        "email": "a@b.c",
        "first_name": "Ada",
        "country_code": "MY",
        "custom_fields": {"Age": 36},
    }
    assert plan == ContactPlan("phone:+60123456789", fields, ("b", "c", "a"), "Lead")


def test_empty_cells_clear_when_told_to() -> None:
    """Empty cells clear when told to, but never the first name, which a contact must have."""
    cells = {"email": "a@b.c", "phone": "", "first_name": "", "last_name": "", "Age": ""}
    plan = _planner(list(cells), clear_empty=True, lifecycle="New").plan(Row(2, cells))
    assert plan.fields == {"phone": None, "last_name": None, "custom_fields": {"Age": None}}
    assert plan.lifecycle == "New"


def test_many_tags_are_several_calls() -> None:
    """The server takes ten at a time."""
    plan = ContactPlan("id:1", {}, tuple(map(str, range(23))), None)
    assert [len(call) for call in plan.tag_calls] == [10, 10, 3]


def test_every_problem_of_a_row_is_told_at_once() -> None:
    """Each is reported by its column, without the value."""
    cells = {
        "phone": "abc",
        "email": "secret@",
        "Age": "old",
        "tags": "x" * 256,
        "language": "?",
        "profile_pic": "x",
    }
    with pytest.raises(RowProblems) as caught:
        _planner(list(cells)).plan(Row(2, cells))
    text = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 6
    assert "secret" not in text
    for column in ("email: ", "Age: ", "tags: ", "language: ", "profile_pic: "):
        assert column in text
    with pytest.raises(RowProblems, match="no JSON"):
        _planner(["phone"]).plan(Row(3, {}, "it is no JSON"))
    with pytest.raises(RowProblems, match="extra: no such column"):
        _planner(["email"]).plan(Row(3, {"email": "a@b.c", "extra": "1"}))


def test_a_survey_counts_the_requests(tmp_path: Path) -> None:
    """Bad rows and repeated contacts count nothing, and are named by line."""
    path = tmp_path / "a.csv"
    path.write_text("email,tags,lifecycle\na@b.c,x;y,Lead\nb@b.c,,\nA,,\na@b.c,,\n")
    found = plan_rows(TableFile(path), _planner(columns_of_file(TableFile(path))))
    assert (found.rows, found.good, [row.line for row in found.bad]) == (4, 2, [4, 5])
    assert "line 2" in found.bad[1].problems[0]
    assert list(found.operations.values()) == [2, 1, 1]


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    """A file without rows is refused, rather than reported as a success of nothing."""
    (tmp_path / "a.csv").write_text("email\n")
    (tmp_path / "a.jsonl").write_text('{"a":1}\n{"b":1}\n')
    with pytest.raises(UsageError, match="no rows"):
        columns_of_file(TableFile(tmp_path / "a.csv"))
    assert columns_of_file(TableFile(tmp_path / "a.jsonl")) == ["a", "b"]
