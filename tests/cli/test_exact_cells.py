"""A cell is read exactly, or it is a bad row: no phone, id, date or number becomes another."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from respondio_async import CustomField, F, InvalidArgumentError
from respondio_async.checks import check_contact
from respondio_async.cli._exit import UsageError
from respondio_async.cli._fields import Definitions, Notation, typed_value
from respondio_async.cli._identify import identify, normal_phone, same_contact, whole_number
from respondio_async.cli.contacts.columns import FileConventions, detect_conventions, order_of
from respondio_async.cli.files.cells import clean, read_value
from respondio_async.cli.files.rows import Row, TableFile, read_rows
from respondio_async.sandbox import Sandbox
from tests.cli.conftest import Respondio

AGE, BORN, TICKED, CALL = (
    CustomField(1, "Age", "number"),
    CustomField(2, "Born", "date"),
    CustomField(3, "Ticked", "checkbox"),
    CustomField(4, "Call", "time"),
)
BROADCAST = ("messages", "broadcast", "--from", "p.csv", "--channel", "2001", "--text", "hi")
INVISIBLE = ["\u200b", "\u200e", "\u2060", "\ufeff", "\u202c", "\u00ad"]


@pytest.mark.parametrize(
    ("text", "phone"),
    [
        ("60123456789.0", "+60123456789"),
        ("60123456789.000", "+60123456789"),
        ("+60123456789.0", "+60123456789"),
        ("60123456789", "+60123456789"),
        ("012.345.6789", "+60123456789"),
        ("012\u00a0345\u202f6789", "+60123456789"),
        ("\uff0b\uff16\uff10123456789", "+60123456789"),  # full width: one reading only
        ("\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669", "+60123456789"),
    ],
)
def test_a_phone_is_that_phone(text: str, phone: str) -> None:
    """A phone is that phone, however a spreadsheet or pandas has written the number."""
    assert normal_phone(text, "MY") == phone


@pytest.mark.parametrize(
    "text",
    [
        "60123456789.5", "12345678.5", "60123456789.01", "6.01234E10", "6.01234E+10", "6e10", "nan",
        "60_123_456_789", "60,123,456,789", "1-800-FLOWERS", "+60123456789 ext 5", "#N/A",
        "+60123456789;ext=5", "+60123456789 / +60123456780", "0123456789\n0123456780",
        "'0123456789",
        "0123456789/80", "+60 12 345 6789\u200b", "60123456789.", ".5", "123", "tel:+60123456789",
    ],
)  # fmt: skip
def test_what_is_no_exact_phone_is_refused(text: str) -> None:
    """Decimals, exponents, words, extensions and second numbers would become another's phone."""
    with pytest.raises(ValueError, match=r"\w") as caught:
        normal_phone(text, "MY")
    assert text not in str(caught.value)


def test_a_local_number_is_no_phone() -> None:
    """Seven digits of the US lack an area code: with the country's code they are nobody's."""
    with pytest.raises(ValueError, match="digits"):
        normal_phone("555-2671", "US")


@pytest.mark.parametrize(("text", "number"), [("5", 5), (" 5.0 ", 5), ("12345678.00", 12345678)])
def test_an_id_is_a_whole_number(text: str, number: int) -> None:
    """An id is a whole number with the ".0" of a column that had an empty cell."""
    assert whole_number(text) == number
    assert identify("id", {"id": text}, None) == f"id:{number}"


@pytest.mark.parametrize(
    "text",
    ["1_000", "1e3", "1.5", "\uff11", "\u0661", "-1", "+1", "0", "007", "1 000", "1,000"],
)
def test_an_id_in_other_clothes_is_refused(text: str) -> None:
    """Python's own int() would read most of them."""
    with pytest.raises(ValueError, match=r"\w"):
        whole_number(text)


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        (AGE, "1e3", 1000), (AGE, "-0.5", -0.5), (AGE, "36.000", 36), (AGE, "1E-7", 1e-7),
        (AGE, "9007199254740992", 2**53),
        (BORN, "2026-01-02 00:00:00", "2026-01-02"),
        (BORN, "2026-01-02T00:00:00.000", "2026-01-02"),
        (BORN, "2026-01-02T00:00Z", "2026-01-02"),
        (TICKED, "1.0", True), (TICKED, "0.0", False), (TICKED, "TRUE", True),
        (CALL, "8:30:00", "08:30"),
    ],
)  # fmt: skip
def test_a_value_is_exact(field: CustomField, text: str, value: object) -> None:
    """A value is exact, whatever program wrote it."""
    typed = typed_value(field, text)
    assert typed == value
    assert type(typed) is type(value)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (AGE, "1_000"), (AGE, "1,000"), (AGE, "1 000"), (AGE, "\uff11\uff12"), (AGE, "\u0663"),
        (AGE, "1e999999999"), (AGE, "1e400"), (AGE, "-1e999999999"), (AGE, "9" * 5000),
        (AGE, "Infinity"), (AGE, "nan"), (AGE, "0x10"), (AGE, "12345678901234567"), (AGE, "1."),
        (AGE, "0.1234567890123456789"),
        (BORN, "2026-W01-1"), (BORN, "20260102"), (BORN, "2026-01-02T10:30:00"), (BORN, "2026-1"),
        (BORN, "2026-01-02T00:00:00+08:00"), (BORN, "02/01/2026"), (BORN, "46024"),
        (BORN, "\uff12026-01-02"), (BORN, "2026-002"),
        (TICKED, "2"), (TICKED, "0.5"), (CALL, "08:30:45"), (CALL, "8.30"), (CALL, "08:30+01:00"),
    ],
)  # fmt: skip
def test_a_value_that_is_not_exact_is_refused(field: CustomField, text: str) -> None:
    """A value that is not exact is refused, rather than cut, rounded or guessed; and a giant
    exponent costs nothing.
    """
    with pytest.raises(ValueError, match=r"\w"):
        typed_value(field, text)


@pytest.mark.parametrize("mark", INVISIBLE)
@pytest.mark.parametrize("text", ["{}Ada", "Ada{}"])
def test_invisible_ends_are_refused(text: str, mark: str) -> None:
    """They come with copied text, nobody sees them, and no search finds the name again."""
    with pytest.raises(ValueError, match="invisible"):
        clean(text.format(mark))


@pytest.mark.parametrize("text", ["a\x00b", "a\x1b[1m", "half \ud83d", "\udc00", "a\x85b", "#REF!"])
def test_what_is_no_text_is_refused(text: str) -> None:
    """What is no text is refused: halves of surrogate pairs, control characters, and a
    spreadsheet's errors.
    """
    with pytest.raises(ValueError, match=r"\w"):
        clean(text)


@pytest.mark.parametrize(
    "text",
    [
        "Zo\u00eb", "\U0001f469\u200d\U0001f680",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "two\nlines",
    ],
)  # fmt: skip
def test_names_of_people_stay(text: str) -> None:
    """Names of people stay: joined emoji, Persian, the flag of England, a line break."""
    assert clean(f" \u3000{text}\n") == text


@pytest.mark.parametrize(
    ("value", "cell"), [(float("nan"), ""), (1e-7, "0.0000001"), (60123456789.0, "60123456789")]
)
def test_a_typed_value_becomes_its_text(value: float, cell: str) -> None:
    """A typed value becomes its text without an exponent, and nothing for NaN, which is how pandas
    writes an empty cell.
    """
    assert read_value(value) == cell


@pytest.mark.parametrize("value", [float("inf"), -float("inf"), 1e15, 1.2345678901234568e17, b"x"])
def test_a_typed_value_without_a_text_is_refused(value: object) -> None:
    """A typed value without a text is refused: infinity, and numbers that a spreadsheet has
    rounded.
    """
    with pytest.raises(ValueError, match=r"\w"):
        read_value(value)


def test_json_lines_keep_their_numbers(tmp_path: Path) -> None:
    """JSON lines keep their numbers digit for digit; NaN is an empty cell, and Infinity or a
    doubled name a bad one.
    """
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"a": 12345678901234567890, "b": 60123456789.0, "c": NaN, "d": 1e999999999}\n'
        '{"a": Infinity, "b": [1, 2], "c": -Infinity}\n'
        '{"a": 1, "a": 2}\n'
        + "[" * 100_000
        + "\n"
        + '{"custom_fields": {"x": NaN}, "custom:x": 1}\n'
    )
    first, second, third, fourth, fifth = read_rows(TableFile(path))
    assert first.cells == {
        "a": "12345678901234567890",
        "b": "60123456789",
        "c": "",
        "d": "1e999999999",
    }
    assert second.cells == {"a": "", "b": "1;2", "c": ""}
    assert set(second.faults) == {"a", "c"}
    assert third.problem == "it names a field twice"
    assert fourth.problem is not None
    assert set(fifth.faults) == {"custom:x"}


def test_one_contact_has_one_key() -> None:
    """One contact has one key, whatever the letter case, and however its accents are put
    together.
    """
    assert same_contact("email:JOS\u00c9@X.example") == same_contact("email:jose\u0301@x.EXAMPLE")
    assert same_contact("email:a@b.c") != same_contact("email:ab@b.c")


def test_the_words_of_a_checkbox_can_be_given() -> None:
    """They come before ours, and may not mean both."""
    german = Notation.of(",", ["Ja", "X"], ["Nein", "on"])
    assert typed_value(TICKED, "JA", german) is True
    assert typed_value(TICKED, "nein", german) is typed_value(TICKED, "on", german) is False
    assert typed_value(TICKED, "yes", german) is True
    for decimal, true, false in (("x", [], []), (".", ["a"], ["A"])):
        with pytest.raises(UsageError):
            Notation.of(decimal, true, false)


def test_decimal_commas_are_read_when_told() -> None:
    """A point is then a thousands separator or a decimal point: nobody knows."""
    german = Notation.of(",", [], [])
    assert typed_value(AGE, "1,5", german) == 1.5
    assert typed_value(AGE, "15", german) == 15
    for text in ("1.5", "1.234,5", "1,2,3"):
        with pytest.raises(ValueError, match="number"):
            typed_value(AGE, text, german)


def _study(cells: list[str], column: str = "Born", **options: str) -> FileConventions:
    rows = [Row(line, {column: cell}) for line, cell in enumerate(cells, start=2)]
    columns = {"Born": "custom:Born", "tags": "tags"}
    return detect_conventions(rows, columns, Definitions([BORN]), **options)


@pytest.mark.parametrize(
    ("cells", "order"),
    [
        (["03/04/2025", "31/12/2025"], "DMY"),
        (["03/04/2025", "12/31/2025"], "MDY"),
        (["15.03.1985", "", "2026-01-02", "old"], "DMY"),
        (["2025/04/03"], "YMD"),
        (["2026-01-02 00:00:00"], "YMD"),
        (["05/05/2025"], "DMY"),  # both readings are the same day
        ([], "YMD"),
    ],
)
def test_a_column_tells_how_its_dates_are_read(cells: list[str], order: str) -> None:
    """If one order alone reads all of them."""
    assert _study(cells).date_orders == {"Born": order}


@pytest.mark.parametrize(
    ("cells", "said"),
    [(["03/04/2025"], "more than one"), (["31/12/2025", "12/31/2025"], "another order")],
)
def test_dates_with_two_readings_are_asked_for(cells: list[str], said: str) -> None:
    """Dates with two readings are asked for by the column and a line; then the user's word
    counts.
    """
    with pytest.raises(
        UsageError, match=f"Born: .*{said}.*--date-format|Born: line 3.*--date-format"
    ):
        _study(cells)
    assert _study(cells, date_format="MM/DD/YYYY").date_orders == {"Born": "MDY"}


def test_a_date_in_its_order_is_exact() -> None:
    """A year has four digits, and the day exists."""
    assert typed_value(BORN, "31/12/2025", date_order="DMY") == "2025-12-31"
    assert typed_value(BORN, "2025-12-31", date_order="DMY") == "2025-12-31"
    for text in ("12/31/2025", "31/12/25", "31/02/2025", "31/12.2025", "31/12/2025 10:00"):
        with pytest.raises(ValueError, match="date"):
            typed_value(BORN, text, date_order="DMY")


def test_an_order_is_written_in_many_ways() -> None:
    """An order is written in many ways, as people write formats, or as strptime does."""
    assert [order_of(text) for text in ("DD/MM/YYYY", "%m/%d/%Y", "d.m.y", "yyyy-mm-dd")] == [
        "DMY",
        "MDY",
        "DMY",
        "YMD",
    ]
    with pytest.raises(UsageError):
        order_of("YYYY")


@pytest.mark.parametrize(
    ("cells", "separator"),
    [(["vip, beta", "x"], ","), (["a;b"], ";"), (["a"], ";"), (['["a, b"]', "c;d"], ";")],
)
def test_a_tag_separator_is_found(cells: list[str], separator: str) -> None:
    """A tag separator is found from the whole column."""
    assert _study(cells, "tags").tag_separator == separator


def test_two_tag_separators_are_asked_for() -> None:
    """Two tag separators are asked for, as "a, b; c" is two tags or three."""
    with pytest.raises(UsageError, match="--tag-separator"):
        _study(["a, b", "c; d"], "tags")
    assert _study(["a, b", "c; d"], "tags", tag_separator="|").tag_separator == "|"


def test_a_decimal_phone_reaches_nobody_else(respondio: Respondio, sandbox: Sandbox) -> None:
    """Of three rows as pandas writes them, one is a phone; each command that reads says so."""
    table = "phone\n60123456789.0\n12345678.5\n6.01234E10\n"
    Path("people.csv").write_text(table)
    Path("people.jsonl").write_text(
        "".join(json.dumps({"phone": line}) + "\n" for line in table.splitlines()[1:])
    )
    for name in ("people.csv", "people.jsonl"):
        send = ("messages", "broadcast", "--channel", "2001", "--text", "hi", "--dry-run", "--json")
        plan = json.loads(respondio(*send, "--from", name, "--country", "MY", code=2).stdout)
        assert (plan["messages"], len(plan["bad"])) == (1, 2)
        plan = json.loads(
            respondio(
                "contacts", "import", name, "--country", "MY", "--dry-run", "--json", code=2
            ).stdout
        )
        assert (plan["good"], len(plan["bad"])) == (1, 2)
        respondio("contacts", "tag", "x", "--from", name, "--country", "MY", code=2)
        respondio("contacts", "delete", "--from", name, "--country", "MY", "--yes", code=2)
    Path("pairs.csv").write_text("first,second\n1.5,2\n")
    for arguments in (("1_0", "2"), ("\uff11", "2"), ("3", "3"), ("--from", "pairs.csv")):
        respondio("contacts", "merge", *arguments, "--yes", code=2)
    assert len(sandbox.contacts) == 12


def test_one_person_gets_one_message(respondio: Respondio, sandbox: Sandbox) -> None:
    """The same e-mail in another letter case is the same contact, in a file and across runs."""
    email = str(sandbox.contacts[0].email)
    Path("people.csv").write_text(f"email\n{email}\n{email.upper()}\n{email.title()}\n")
    send = ("messages", "broadcast", "--channel", "2001", "--text", "hi", "--yes", "--json")
    respondio(*send, "--from", "people.csv", code=2)
    Path("one.csv").write_text(f"email\n{email.upper()}\n")
    Path("two.csv").write_text(f"email\n{email.swapcase().title()}\n")
    journal = ("--journal", "run.sqlite")
    assert json.loads(respondio(*send, "--from", "one.csv", *journal).stdout)["done"] == 1
    assert json.loads(respondio(*send, "--from", "two.csv", *journal).stdout)["skipped"] == 1
    tagged = respondio("contacts", "tag", "x", "--from", "people.csv", "--dry-run", "--json")
    assert json.loads(tagged.stdout)["items"] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("messages", "send", "id:1", "hi", "--channel", "2_001"),
        ("messages", "send", "id:1", "hi", "--timeout", "nan"),
        ("messages", "send", "id:1", "hi", "--timeout", "0"),
        (
            "messages",
            "broadcast",
            "--from",
            "p.csv",
            "--channel",
            "1",
            "--text",
            "hi",
            "--rate",
            "nan",
        ),
        (
            "messages",
            "broadcast",
            "--from",
            "p.csv",
            "--channel",
            "1",
            "--text",
            "x",
            "--rate",
            "1_0",
        ),
        ("contacts", "export", "--assignee", "\uff11"),
        ("contacts", "tag", "x", "--assignee", "1e3"),
    ],
)
def test_an_option_is_a_plain_number(respondio: Respondio, arguments: tuple[str, ...]) -> None:
    """An option is a plain number where Python's int() and float() would read another one, or
    none.
    """
    Path("p.csv").write_text("phone\n+60123456789\n")
    assert "number" in respondio(*arguments, code=2).stderr


@pytest.mark.parametrize("number", ["1e9999999999", "-1e9999999999", "1e400"])
def test_a_giant_decimal_costs_nothing(number: str) -> None:
    """An integer of so many digits would never end."""
    with pytest.raises(InvalidArgumentError, match="finite"):
        check_contact("id:1", custom_fields={"Age": Decimal(number)})
    with pytest.raises(InvalidArgumentError, match="finite"):
        F.field("Age").between(1, Decimal(number))


def test_the_check_builds_what_will_be_sent(respondio: Respondio, sandbox: Sandbox) -> None:
    """Half a surrogate pair, or an invisible character at the end of a second e-mail, is found
    before the first write, and the good rows are written.
    """
    people = [
        {"phone": "+60123456781", "first_name": "half \ud83d", "tags": "a"},
        {"phone": "+60123456782", "email": "b@b.example\u200b"},
        {"phone": "+60123456783", "tags": ["ok", "\udc00"]},
        {"phone": "+60123456784", "Company": "x\ud800"},
        {"phone": "+60123456785", "lifecycle": "\ud800"},
        {"phone": "+60123456786", "first_name": "Ada", "email": "ada@b.example"},
    ]
    Path("people.jsonl").write_text("".join(json.dumps(each) + "\n" for each in people))
    arguments = ("contacts", "import", "people.jsonl", "--bad-rows", "bad.csv")
    plan = json.loads(respondio(*arguments, "--dry-run", "--json", code=2).stdout)
    assert [row["line"] for row in plan["bad"]] == [1, 2, 3, 4, 5]
    assert len(Path("bad.csv").read_text().splitlines()) == 6
    respondio("contacts", "import", "people.jsonl", "--skip-bad", code=5)
    assert (len(sandbox.contacts), sandbox.contact("ada@b.example").first_name) == (13, "Ada")
    send = ("messages", "broadcast", "--from", "people.jsonl", "--channel", "2001")
    plan = json.loads(
        respondio(*send, "--text", "{first_name}", "--dry-run", "--json", code=2).stdout
    )
    assert (plan["messages"], len(plan["bad"])) == (1, 5)
