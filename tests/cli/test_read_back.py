"""What a generated table holds arrives in the workspace, or the row is refused by name."""

import csv
import datetime as dt
import io
import itertools
import json
import math
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from openpyxl.utils.exceptions import IllegalCharacterError

from respondio_async.cli.files.cells import _ERRORS, join_list
from respondio_async.files import guard
from tests.cli.conftest import Respondio

Person = dict[str, Any]
COLUMNS = ("email", "first_name", "last_name", "Company", "Age", "Birthday", "Subscribed", "tags")
_numbers = itertools.count()

PLAIN = st.text("abcXYZ äßЖ山'\"-=+@.;,|0", max_size=12)
ODD = st.text(
    st.one_of(
        st.sampled_from(",;\t|\"'\n\r =+-@_#\u200b\ufeff\u00a0\u2028\x00\x1b\ud83d\U0001f600"),
        st.characters(),
    ),
    max_size=8,
)
TEXTS = st.one_of(PLAIN, ODD)
PEOPLE = st.lists(
    st.fixed_dictionaries(
        {
            "first_name": TEXTS,
            "last_name": TEXTS,
            "Company": TEXTS,
            "Age": st.none() | st.integers(-(10**15) + 1, 10**15 - 1) | st.floats(width=32),
            "Birthday": st.none() | st.dates(dt.date(1900, 3, 1), dt.date(2100, 1, 1)),
            "Subscribed": st.none() | st.booleans(),
            "tags": st.lists(PLAIN.map(str.strip).filter(bool), max_size=3, unique=True),
        }
    ),
    min_size=1,
    max_size=5,
)


def _as_text(value: Any) -> str:
    match value:
        case None:
            return ""
        case list():
            return join_list(value)
        case _:
            return str(value)


def _csv(encoding: str, **dialect: Any) -> Callable[[list[Person], Path], None]:
    def write(people: list[Person], path: Path) -> None:
        text = io.StringIO()
        table = csv.writer(text, **dialect)
        table.writerow(COLUMNS)
        for person in people:
            row = [guard(_as_text(person[column])) for column in COLUMNS]
            if dialect.get("lineterminator") == "\n" and "\r" in "".join(row):
                # Before Python 3.13 it stands there unquoted, and makes two lines of one row.
                raise ValueError("this dialect cannot hold a lone carriage return")
            table.writerow(row)
        path.write_bytes(text.getvalue().encode(encoding))

    return write


def _xlsx(people: list[Person], path: Path) -> None:
    book = Workbook()
    book.active.append(COLUMNS)
    for row, person in enumerate(people, start=2):
        if isinstance(person["Age"], float):
            if not math.isfinite(person["Age"]):
                raise ValueError("openpyxl leaves the cell of such a number empty")
            person["Age"] = float(f"{person['Age']:.16g}")  # as many digits as openpyxl writes
        for column, value in enumerate(_row(person), start=1):
            cell = book.active.cell(row, column)
            cell.value = join_list(value) if isinstance(value, list) else value
            if isinstance(cell.value, str):
                cell.data_type = "s"  # a text, not a formula
                cell.value.encode()  # half a surrogate pair: openpyxl may write what is no XML
    book.save(path)


def _jsonl(people: list[Person], path: Path) -> None:
    with path.open("w") as file:
        for person in people:
            file.write(json.dumps(person, default=str) + "\n")


def _parquet(people: list[Person], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {name: [each[name] for each in people] for name in COLUMNS}
    ages = [None if age is None else float(age) for age in columns["Age"]]
    columns["Age"] = pa.array(ages, pa.float64())
    columns["Birthday"] = pa.array(columns["Birthday"], pa.date32())
    columns["Subscribed"] = pa.array(columns["Subscribed"], pa.bool_())
    columns["tags"] = pa.array(columns["tags"], pa.list_(pa.string()))
    pq.write_table(pa.table(columns), path)


def _row(person: Person) -> list[Any]:
    return [person[column] for column in COLUMNS]


FORMATS: dict[str, Callable[[list[Person], Path], None]] = {
    "comma.csv": _csv("utf-8"),
    "semicolon.csv": _csv("utf-8-sig", delimiter=";", lineterminator="\n"),
    "tab.tsv": _csv("utf-8", delimiter="\t"),
    "pipe.csv": _csv("utf-8", delimiter="|"),
    "quoted.csv": _csv("utf-8", quoting=csv.QUOTE_ALL),
    "excel.csv": _csv("utf-16", delimiter="\t", lineterminator="\r\n"),
    "book.xlsx": _xlsx,
    "lines.jsonl": _jsonl,
    "table.parquet": _parquet,
}


def _check(respondio: Respondio, name: str, people: list[Person]) -> None:
    people = [{"email": f"p{next(_numbers)}@b.example", **person} for person in people]
    try:
        FORMATS[name](people, Path(name))
    except (UnicodeError, IllegalCharacterError, ValueError):
        return  # what the format itself cannot hold
    looked = respondio("contacts", "import", name, "--dry-run", "--json", code=None)
    if not looked.stdout:
        assert "--tag-separator" in looked.stderr or "no good rows" in looked.stderr
        return
    bad = json.loads(looked.stdout)["bad"]
    respondio("contacts", "import", name, "--skip-bad", code=5 if bad else 0)
    Path("all.jsonl").unlink(missing_ok=True)
    respondio("contacts", "export", "-o", "all.jsonl")
    stored = {
        each["email"]: each
        for each in map(json.loads, Path("all.jsonl").read_text().split("\n")[:-1])
    }
    missing = [person for person in people if person["email"] not in stored]
    assert len(missing) == len(bad), bad
    assert not any(map(_is_harmless, missing)), (missing, bad)
    for person in people:
        if person not in missing:
            _compare(person, stored[person["email"]])


def _is_harmless(person: Person) -> bool:
    texts = [person[column] for column in ("first_name", "last_name", "Company")]
    age = person["Age"]
    return (age is None or isinstance(age, int)) and all(
        text.isprintable() and text.strip() not in _ERRORS for text in texts
    )


def _compare(person: Person, found: dict[str, Any]) -> None:
    custom = found["custom_fields"]
    for column, value in person.items():
        got = custom.get(column, found.get(column))
        match value:
            case None | "":
                pass  # left alone
            case str():
                assert (got or "") == value.strip(), column
            case bool():
                assert str(got).casefold() == str(value).casefold(), column
            case int() | float():
                assert value != value or Decimal(str(got)) == Decimal(str(value)), column
            case list():
                assert got == value, column
            case _:
                assert got == str(value), column


@pytest.mark.parametrize(
    "examples",
    [
        2,
        pytest.param(
            100, marks=[pytest.mark.slow, pytest.mark.long("a hundred tables, each imported twice")]
        ),
    ],
)
@pytest.mark.parametrize("name", FORMATS)
def test_what_the_table_holds_is_what_arrives(
    respondio: Respondio, name: str, examples: int
) -> None:
    """What the table holds is what arrives in every format: letters, marks and line breaks,
    numbers, dates, ticks and tags.
    """

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.generate,),  # to shrink a failure takes minutes
        suppress_health_check=list(HealthCheck),
    )
    @given(PEOPLE)
    def check(people: list[Person]) -> None:
        _check(respondio, name, people)

    check()
