"""`respondio contacts …` against a sandbox."""

import csv
import json
from pathlib import Path

import pytest

from respondio_async.sandbox import Sandbox
from tests.cli.conftest import Respondio

PEOPLE = "Mobile,First Name,email,Age,Subscribed,tags,Notes\n"


def _write(text: str, name: str = "people.csv") -> str:
    Path(name).write_text(text)
    return name


def test_an_export_can_be_imported_again(respondio: Respondio, sandbox: Sandbox) -> None:
    """The columns of one are the columns of the other, whatever the format, formulas and semicolons
    included.
    """
    sandbox.contacts[0].first_name = "=HYPERLINK(1)"
    sandbox.contacts[0].tags[:] = ["a;b", "c"]
    for name in ("out.csv", "out.jsonl"):
        respondio("contacts", "export", "-o", name)
        tags = list(sandbox.contacts[0].tags)
        sandbox.contacts[0].first_name = "changed"
        sandbox.contacts[0].tags.clear()
        respondio("contacts", "import", name)
        assert sandbox.contacts[0].first_name == "=HYPERLINK(1)"
        assert sandbox.contacts[0].tags == tags
        assert (
            sandbox.contacts[1].custom[4005] == 20
        )  # a number again, although the server writes "20"
    assert len(sandbox.contacts) == 12
    rows = list(csv.DictReader(Path("out.csv").read_text().splitlines()))
    assert rows[0]["first_name"] == "'=HYPERLINK(1)"
    assert rows[0]["phone"] == sandbox.contacts[0].phone


def test_a_filter_selects(respondio: Respondio, sandbox: Sandbox) -> None:
    """Every option narrows, and custom fields are compared in their type."""
    first = sandbox.contacts[0]
    first.tags.append("one")
    result = respondio("contacts", "export", "--tagged", "one", "--not-tagged", "two", "--field",
        "age=19",
                       "--lifecycle", str(first.lifecycle), "--status", "closed", "--created-after",
                       "2000-01-01",
                       "--created-before", "2100-01-01T10:00", "--timezone", "Asia/Kuala_Lumpur",
                       "--search", "example")  # fmt: skip
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == [first.id]
    assert "1 contact\n" in result.stderr
    assert respondio("contacts", "export", "--lifecycle", "none").stdout == ""
    assert (
        respondio("contacts", "export", "--assignee", "1001", "--field", "firstName=X").stdout == ""
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("--field", "age"), ("--field", "age=x"),
        ("--timezone", "Mars", "--created-after", "2026-01-01"),
        ("-o", "out.doc"), ("--format", "parquet"),
    ],
)  # fmt: skip
def test_a_wrong_option_ends_with_2(respondio: Respondio, arguments: tuple[str, ...]) -> None:
    """A wrong option ends with 2 before anything is read."""
    assert "error: " in respondio("contacts", "export", *arguments, code=2).stderr


def test_parquet_has_types(respondio: Respondio) -> None:
    """Ids are numbers, times are times, tags are lists."""
    import pyarrow.parquet as pq

    report = json.loads(respondio("contacts", "export", "-o", "out.parquet", "--json").stdout)
    table = pq.read_table("out.parquet")
    assert report["rows"] == table.num_rows == 12
    assert [str(table.schema.field(name).type) for name in ("id", "created", "custom:Age")] == [
        "int64",
        "timestamp[us, tz=UTC]",
        "string",
    ]


def test_a_dry_run_shows_every_bad_row_and_writes_nothing(
    respondio: Respondio, sandbox: Sandbox
) -> None:
    """Each comes with its line and its reasons, and without its values."""
    name = _write(
        PEOPLE
        + "012-345 6789,Ada,a@b.example,36,yes,vip;new,x\n"
        + "+60123,Bo,nope,old,perhaps,,\n"
        + "0123456789,Eve,,,,,\n"
    )
    before = sandbox.count("POST /contact/create_or_update/{identifier}")
    result = respondio(
        "contacts", "import", name, "--country", "MY", "--map", "Notes=-", "--dry-run", code=2
    )
    assert "line 3: " in result.stdout
    assert "Age: " in result.stdout
    assert "line 4: it is the same contact as line 2" in result.stdout
    assert "nope" not in result.output
    plan = json.loads(
        respondio(
            "contacts",
            "import",
            name,
            "--country",
            "MY",
            "--map",
            "Notes=-",
            "--dry-run",
            "--json",
            code=2,
        ).stdout
    )
    assert (plan["rows"], plan["good"], [row["line"] for row in plan["bad"]]) == (3, 1, [3, 4])
    assert (
        "Nothing was written"
        in respondio(
            "contacts", "import", name, "--country", "MY", "--map", "Notes=-", code=2
        ).stderr
    )
    assert sandbox.count("POST /contact/create_or_update/{identifier}") == before
    respondio(
        "contacts", "import", name, "--country", "MY", "--map", "Notes=-", "--skip-bad", code=5
    )
    ada = sandbox.contact("+60123456789")
    assert (ada.first_name, ada.custom[4005], ada.custom[4003], ada.tags) == (
        "Ada",
        36,
        True,
        ["vip", "new"],
    )
    assert not list(Path().glob("*.sqlite*"))  # our own journal goes when all went well


def test_an_unknown_column_is_refused(respondio: Respondio) -> None:
    """An unknown column is refused, rather than dropped without a word, as the server would."""
    name = _write(PEOPLE + "+60123456789,,,,,,x\n")
    assert "Notes" in respondio("contacts", "import", name, code=2).stderr


def test_what_failed_can_be_tried_again(respondio: Respondio, sandbox: Sandbox) -> None:
    """A failed row is reported by its line, kept in the journal, and comes out as a table that can
    be imported.
    """
    name = _write("email,first_name\na@b.example,Ada\nb@b.example,Bo\n")
    sandbox.fault("status", path="/contact/create_or_update/{identifier}", status=400, times=1)
    result = respondio("contacts", "import", name, "--journal", "run.sqlite", code=1)
    assert "1 contact imported, 1 failed" in result.stdout
    assert "line 2: BadRequestError" in result.stdout
    shown = respondio("runs", "show", "run.sqlite", "--failed", "again.csv", code=1)
    assert "failed      1" in shown.stdout
    assert "1 item in again.csv" in shown.stderr
    assert json.loads(respondio("runs", "show", "run.sqlite", "--json", code=1).stdout)["done"] == 1
    respondio("contacts", "import", "again.csv")
    assert sandbox.contact("a@b.example").first_name == "Ada"
    assert (
        "1 contact imported, 1 done in an earlier run"
        in respondio("contacts", "import", name, "--journal", "run.sqlite").stdout
    )


def test_tags_come_and_go(respondio: Respondio, sandbox: Sandbox) -> None:
    """Tags come and go by name, by file or by filter; one that selects by the tag that it removes
    still reaches everybody.
    """
    respondio("contacts", "tag", "x", "y", "--contact", f"id:{sandbox.contacts[0].id}")
    assert sandbox.contacts[0].tags[-2:] == ["x", "y"]
    _write(f"phone,other\n{sandbox.contacts[1].phone},1\n")
    respondio("contacts", "tag", "x", "--from", "people.csv")
    assert "12 contacts to tag" in respondio("contacts", "tag", "z", "--all", "--dry-run").stdout
    assert (
        json.loads(respondio("contacts", "untag", "x", "--tagged", "x", "--json").stdout)["done"]
        == 2
    )
    assert not [contact for contact in sandbox.contacts if "x" in contact.tags]


@pytest.mark.parametrize(
    "arguments", [(), ("--all", "--tagged", "x"), ("--contact", "12345678"), ("--from", "no.csv")]
)
def test_an_edit_must_be_told_whom(respondio: Respondio, arguments: tuple[str, ...]) -> None:
    """There is no default, least of all everybody."""
    respondio("contacts", "tag", "x", *arguments, code=2)


def test_bad_lines_of_a_list_are_told(respondio: Respondio) -> None:
    """All of them, before anything is written."""
    _write("phone\nabc\n+60123456789\n1,2\n")
    errors = respondio("contacts", "tag", "x", "--from", "people.csv", code=2).stderr
    assert "line 2" in errors
    assert "line 4" in errors


def test_a_list_names_each_contact_once(respondio: Respondio, sandbox: Sandbox) -> None:
    """Any row of JSON lines may have a column of its own; an empty cell names nobody, and two
    columns that name two contacts are a bad line.
    """
    phones = [contact.phone for contact in sandbox.contacts[:3]]
    rows = [{"mobile": phones[0]}, {"email": sandbox.contacts[1].email}]
    _write("".join(json.dumps(row) + "\n" for row in rows), "people.jsonl")
    result = respondio("contacts", "tag", "named", "--from", "people.jsonl")
    assert "2 contacts tagged" in result.stdout
    _write(f"phone,mobile\n{phones[2]},\n{phones[2]},{phones[2]}\n")
    assert (
        "1 contact tagged" in respondio("contacts", "tag", "named", "--from", "people.csv").stdout
    )
    assert [("named" in each.tags) for each in sandbox.contacts[:4]] == [True, True, True, False]
    _write(f"phone,mobile\n{phones[0]},{phones[1]}\n")
    errors = respondio("contacts", "tag", "x", "--from", "people.csv", code=2).stderr
    assert "line 2: its columns name two contacts by phone" in errors
    assert phones[1] not in errors


def test_deleting_asks(respondio: Respondio, sandbox: Sandbox) -> None:
    """Without a person to ask, --yes is needed."""
    assert "--yes" in respondio("contacts", "delete", "--all", code=2).stderr
    assert len(sandbox.contacts) == 12
    assert "12 contacts deleted" in respondio("contacts", "delete", "--all", "--yes").stdout
    assert sandbox.contacts == []
    respondio("contacts", "delete", "--contact", "id:5", "--yes", code=1)


def test_pairs_are_merged(respondio: Respondio, sandbox: Sandbox) -> None:
    """Pairs are merged: one pair by ids, many by a table."""
    ids = [contact.id for contact in sandbox.contacts]
    respondio("contacts", "merge", str(ids[0]), str(ids[1]), "--yes")
    _write(f"first,second\n{ids[2]},{ids[3]}\n{ids[4]},{ids[5]}\n")
    assert (
        json.loads(
            respondio("contacts", "merge", "--from", "people.csv", "--dry-run", "--json").stdout
        )["items"]
        == 2
    )
    assert (
        "2 pairs merged" in respondio("contacts", "merge", "--from", "people.csv", "--yes").stdout
    )
    assert len(sandbox.contacts) == 9


def test_a_merge_that_nobody_knows_of_ends_with_3(respondio: Respondio, sandbox: Sandbox) -> None:
    """It is not sent again; the journal keeps it."""
    sandbox.fault("status", path="/contact/merge", status=502, processed=True)
    ids = [contact.id for contact in sandbox.contacts]
    result = respondio(
        "contacts", "merge", str(ids[0]), str(ids[1]), "--yes", "--journal", "m.sqlite", code=3
    )
    assert "Look before you repeat" in result.stdout
    assert sandbox.count("POST /contact/merge") == 1
    assert (
        "unknown     1"
        in respondio(
            "runs", "show", "m.sqlite", "--failed", "f.csv", "--with-unknown", code=3
        ).stdout
    )


def test_a_pair_that_is_there_twice_stays_the_one_that_the_journal_knows(
    respondio: Respondio, sandbox: Sandbox
) -> None:
    """A merge that may have happened is not sent again by a row that names the pair reversed."""
    sandbox.fault("status", path="/contact/merge", status=502, processed=True)
    first, second = (contact.id for contact in sandbox.contacts[:2])
    again = ("contacts", "merge", "--from", "people.csv", "--yes", "--journal", "m.sqlite")
    _write(f"first,second\n{first},{second}\n")
    respondio(*again, code=3)
    _write(f"first,second\n{first},{second}\n{second},{first}\n")
    respondio(*again, code=3)
    assert sandbox.count("POST /contact/merge") == 1


@pytest.mark.parametrize(
    "arguments", [("1",), (), ("1", "2", "--from", "p.csv"), ("--from", "p.csv")]
)
def test_pairs_must_be_pairs(respondio: Respondio, arguments: tuple[str, ...]) -> None:
    """Pairs must be pairs: two ids, or a table of them."""
    _write("first,second\n1,x\n", "p.csv")
    respondio("contacts", "merge", *arguments, "--yes", code=2)


def test_a_refused_token_ends_with_4(respondio: Respondio, sandbox: Sandbox) -> None:
    """It ends so in the middle of a run too, with one error and the way to go on."""
    _write("email\n" + "".join(f"p{number}@b.example\n" for number in range(60)))
    sandbox.fault("status", path="/contact/create_or_update/{identifier}", status=401, after=5)
    result = respondio("contacts", "import", "people.csv", "--journal", "run.sqlite", code=4)
    assert "401" in result.stderr
    assert "--journal run.sqlite" in result.stderr
    sandbox.clear_faults()
    assert (
        "done in an earlier run"
        in respondio("contacts", "import", "people.csv", "--journal", "run.sqlite").stdout
    )
    assert len(sandbox.contacts) == 72


def test_a_refused_custom_field_is_named(respondio: Respondio, sandbox: Sandbox) -> None:
    """A refused custom field is named with its type and what it takes: the server counts the fields
    of the call, from 0.
    """
    Path("p.csv").write_text("email,Company,Age\nann@example.com,ACME,5\n")
    sandbox.fault(
        "status", path="/contact/create_or_update/{identifier}", status=400,
        message="custom_fields[1].value: Invalid value",
    )  # fmt: skip
    said = respondio("contacts", "import", "p.csv", code=1).stdout
    assert "Age is a number field: a number" in said


def test_a_wrong_filter_field_names_those_that_exist(respondio: Respondio) -> None:
    """A wrong filter field names those that exist before any contact is asked for."""
    said = respondio("contacts", "export", "--field", "Agee=5", code=2).stderr
    assert "firstName" in said
    assert "Age" in said
    assert "Company" in said
