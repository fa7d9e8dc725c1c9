"""Cells of tables, which a spreadsheet must not run."""

from datetime import date, datetime, time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from respondio_async.cli.files.cells import cell_of, join_list, split_list, text_of
from respondio_async.files import guard, unguard


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1-cmd|'/c calc'!A0",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "=cmd|' /C calc'!A0",
        "\n=1",
    ],
)
def test_a_formula_gets_an_apostrophe(text: str) -> None:
    """What a spreadsheet would run does not come first in its cell."""
    assert guard(text) == f"'{text}"


@pytest.mark.parametrize(
    "text", ["+60123456789", "-12.5", "+1", "Ada", "", "a=b", "O'Hara", "'quoted'"]
)
def test_phones_numbers_and_words_stay(text: str) -> None:
    """A phone begins with + and must stay what it is."""
    assert guard(text) == text


@given(st.text())
@example("'=1")
@example("''=1")
@example("=+'")
def test_reading_gives_back_what_was_written(text: str) -> None:
    """The apostrophe is taken away again, and only ours."""
    assert unguard(guard(text)) == text


@given(
    st.lists(st.text(min_size=1).map(str.strip).filter(str.isprintable).filter(bool), unique=True)
)
@example(["vip, beta"])
@example(["a;b", "c"])
@example(["[x"])
@example(["#N/A"])
def test_lists_survive_one_cell(texts: list[str]) -> None:
    """Tags come back as they were, semicolons and brackets too."""
    assert split_list(join_list(texts)) == texts


def test_a_list_in_a_cell_is_read_kindly() -> None:
    """Spaces, empty parts and repeats are no tags; a broken array is an error."""
    assert split_list(" a ; b;;a ") == ["a", "b"]
    assert split_list("") == []
    for broken in ("[1]", '["a"', '[["a"]]'):
        with pytest.raises(ValueError, match="array|Expecting"):
            split_list(broken)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (3.0, "3"),
        (2.5, "2.5"),
        (60123456789.0, "60123456789"),
        (datetime(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 3, 4), "2026-01-02T03:04:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (time(8, 30), "08:30"),
        (["a", "b"], "a;b"),
        ([1], "[1]"),
        ({"a": 1}, '{"a": 1}'),
    ],
)
def test_values_become_texts(value: object, text: str) -> None:
    """A spreadsheet's float is an integer where it is one, and its midnight a date."""
    assert text_of(value) == text


def test_custom_fields_are_columns() -> None:
    """`custom:NAME` looks into the record's custom fields."""
    record = {"id": 1, "custom_fields": {"Age": "4"}}
    assert (cell_of(record, "id"), cell_of(record, "custom:Age"), cell_of(record, "custom:X")) == (
        1,
        "4",
        None,
    )
    assert cell_of({"custom_fields": None}, "custom:Age") is None
