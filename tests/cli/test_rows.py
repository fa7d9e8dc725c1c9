"""Rows from files."""

from datetime import datetime
from pathlib import Path

import pytest
from openpyxl import Workbook

from respondio_async.cli._exit import UsageError
from respondio_async.cli.files.rows import Row, TableFile, read_rows


def _write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "phone,name\n1,Ada\n\n2,Bo\n"),
        ("a.csv", "\ufeffphone;name\r\n1;Ada\r\n;\r\n2;Bo"),
        ("a.tsv", "phone\tname\n1\tAda\n\t\n2\tBo\n"),
        (
            "a.jsonl",
            '{"phone":1,"name":"Ada"}\n\n'.replace("\n\n", "\n")
            + " \n"
            + '\n{"phone":"2","name":"Bo"}\n',
        ),
    ],
)
def test_rows_know_their_lines(tmp_path: Path, name: str, content: str) -> None:
    """Delimiters, a byte-order mark and empty lines make no difference, and the line is the
    file's.
    """
    rows = list(read_rows(TableFile(_write(tmp_path / name, content))))
    assert [row.cells for row in rows] == [
        {"phone": "1", "name": "Ada"},
        {"phone": "2", "name": "Bo"},
    ]
    assert [row.line for row in rows] == ([2, 4] if name != "a.jsonl" else [1, 4])


def test_a_quoted_line_break_moves_the_line_numbers(tmp_path: Path) -> None:
    """A row's line is where it begins."""
    path = _write(tmp_path / "a.csv", 'a,b\n"x\ny",1\nz,2\n')
    assert [row.line for row in read_rows(TableFile(path))] == [2, 4]


def test_a_spreadsheet_reads_like_a_csv(tmp_path: Path) -> None:
    """Its numbers, dates and booleans become texts; empty rows and columns at the end are
    nothing.
    """
    book = Workbook()
    book.active.append(["phone", "when", "ok", None])
    book.active.append([60123456789, datetime(2026, 1, 2), True, None])
    book.active.append([None, None, None])
    book.active.append(["+601", None, False])
    book.save(tmp_path / "a.xlsx")
    assert list(read_rows(TableFile(tmp_path / "a.xlsx"))) == [
        Row(2, {"phone": "60123456789", "when": "2026-01-02", "ok": "true"}),
        Row(4, {"phone": "+601", "when": "", "ok": "false"}),
    ]


def test_an_exported_object_has_the_columns_of_an_export(tmp_path: Path) -> None:
    """`custom_fields` of a JSON line become `custom:NAME`, and a list one cell."""
    path = _write(
        tmp_path / "a.jsonl", '{"id":1,"tags":["a","b"],"custom_fields":{"Age":4},"x":null}\n'
    )
    assert list(read_rows(TableFile(path))) == [
        Row(1, {"id": "1", "tags": "a;b", "custom:Age": "4", "x": ""})
    ]


def test_a_row_that_is_none_is_told(tmp_path: Path) -> None:
    """Bad rows come with a reason, and the good ones around them as they are."""
    csv = list(read_rows(TableFile(_write(tmp_path / "a.csv", "a,b\n1,2,3\n1\n"))))
    assert [row.problem is None for row in csv] == [False, True]
    assert csv[1].cells == {"a": "1"}
    lines = list(read_rows(TableFile(_write(tmp_path / "a.jsonl", b'{"a":1}\n{\n[1]\n\xff\n'))))
    assert [row.problem for row in lines] == [
        None,
        "it is no JSON",
        "it is no JSON object",
        "it is no JSON: not UTF-8",
    ]


def test_a_guarded_cell_is_read_without_its_mark(tmp_path: Path) -> None:
    """What an export wrote before a formula is not part of the value."""
    assert next(read_rows(TableFile(_write(tmp_path / "a.csv", "a\n'=1\n")))).cells == {"a": "=1"}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.pdf", "", "format"),
        ("a.csv", "", "name the columns"),
        ("a.csv", "a,a\n", "two columns"),
        ("a.csv", b"a\n\xff\n", "UTF-8"),
        ("a.xlsx", "no zip", "cannot be read"),
        ("missing.csv", None, "no such file"),
    ],
)
def test_no_table_is_refused(
    tmp_path: Path, name: str, content: str | bytes | None, said: str
) -> None:
    """The text says what is wrong with the file."""
    if content is not None:
        _write(tmp_path / name, content)
    with pytest.raises(UsageError, match=said):
        list(read_rows(TableFile(tmp_path / name)))
