"""Spreadsheets as programs write them: nothing is lost in silence, and a bomb is refused."""

import datetime as dt
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from openpyxl import Workbook

from respondio_async.cli._exit import UsageError
from respondio_async.cli.files.rows import Row, TableFile, read_rows
from respondio_async.sandbox import Sandbox
from tests.cli.conftest import Respondio

Edit = Callable[[str, bytes], bytes | None]


def _edited(source: Path, target: Path, edit: Edit) -> Path:
    """Write a workbook again, its parts changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = edit(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return target


def _saved(book: Workbook, path: Path) -> Path:
    book.save(path)
    return path


def _sheet(tmp_path: Path, rows: str) -> Path:
    """Make a workbook of the raw XML of a sheet's rows."""
    book = Workbook()
    book.active.append(["x"])

    def edit(name: str, content: bytes) -> bytes:
        if not name.endswith("sheet1.xml"):
            return content
        head, _, _ = content.partition(b"<sheetData>")
        return head + f"<sheetData>{rows}</sheetData></worksheet>".encode()

    return _edited(_saved(book, tmp_path / "raw.xlsx"), tmp_path / "a.xlsx", edit)


def _text(place: str, text: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


def _rows(path: Path, sheet: str | None = None) -> list[Row]:
    return list(read_rows(TableFile(path, sheet)))


@pytest.mark.parametrize("wrong", [b"A1", b"A1:A2", b"C5:D6", b"A1:XFD1048576"])
def test_a_wrong_dimension_loses_nothing(tmp_path: Path, wrong: bytes) -> None:
    """One office suite writes A1 for every sheet."""
    book = Workbook()
    for cells in (["email", "name"], ["a@b.example", "Ada"], [], ["b@b.example", "Bo"]):
        book.active.append(cells)
    path = _edited(
        _saved(book, tmp_path / "raw.xlsx"),
        tmp_path / "a.xlsx",
        lambda name, content: content.replace(
            b'dimension ref="A1:B4"', b'dimension ref="' + wrong + b'"'
        ),
    )
    assert _rows(path) == [
        Row(2, {"email": "a@b.example", "name": "Ada"}),
        Row(4, {"email": "b@b.example", "name": "Bo"}),
    ]


@pytest.mark.parametrize("error", ["#N/A", "#REF!", "#DIV/0!", "#SPILL!"])
def test_an_error_is_no_value(tmp_path: Path, error: str) -> None:
    """Neither as a cell, nor as the result of a formula; the row's other cells can be read."""
    path = _sheet(
        tmp_path,
        f'<row r="1">{_text("A1", "email")}{_text("B1", "name")}</row>'
        f'<row r="2">{_text("A2", "a@b.example")}<c r="B2" t="e"><v>{error}</v></c></row>'
        f'<row r="3">{_text("A3", "b@b.example")}<c r="B3" t="e"><f>X()</f>'
        f"<v>{error}</v></c></row>",
    )
    for row in _rows(path):
        assert row.problem is None
        assert row.text("email").endswith("@b.example")
        with pytest.raises(ValueError, match="error"):
            row.text("name")


def test_a_formula_that_nobody_calculated_is_no_empty_cell(tmp_path: Path) -> None:
    """A calculated one has its result, an empty text too."""
    path = _sheet(
        tmp_path,
        f'<row r="1">{_text("A1", "a")}{_text("B1", "b")}{_text("C1", "c")}</row>'
        '<row r="2"><c r="A2"><f>1+1</f></c><c r="B2"><f>1+1</f><v>2</v></c>'
        '<c r="C2" t="str"><f>""</f><v></v></c></row>'
        '<row r="3"><c r="A3"><f>1+1</f><v></v></c><c r="B3" t="str"><f>"x"</f><v>x</v></c></row>',
    )
    first, second = _rows(path)
    assert (set(first.faults), first.text("b"), first.text("c")) == ({"a"}, "2", "")
    assert (set(second.faults), second.text("b")) == ({"a"}, "x")
    assert "formula" in second.faults["a"]


def test_the_first_visible_sheet_is_read(tmp_path: Path) -> None:
    """The first visible sheet is read, or the one that is named; a workbook without a visible one
    asks.
    """
    book = Workbook()
    for number, state in enumerate(("hidden", "veryHidden", "visible", "visible")):
        sheet = book.active if number == 0 else book.create_sheet()
        sheet.title, sheet.sheet_state = f"S{number}", state
        sheet.append(["a"])
        sheet.append([number])
    path = _saved(book, tmp_path / "a.xlsx")
    assert _rows(path)[0].cells == {"a": "2"}
    assert _rows(path, "S1")[0].cells == {"a": "1"}
    with pytest.raises(UsageError, match="no sheet S9; it has S0, S1, S2, S3"):
        _rows(path, "S9")
    hidden = _edited(
        path,
        tmp_path / "b.xlsx",
        lambda name, content: content.replace(b'state="visible"', b'state="hidden"'),
    )
    with pytest.raises(UsageError, match="--sheet"):
        _rows(hidden)


def test_values_are_what_people_see(tmp_path: Path) -> None:
    """Dates of both epochs, codes with zeros before them, escaped characters; a duration and a
    rounded number are faults.
    """
    book = Workbook()
    sheet = book.active
    sheet.append(["when", "code", "text", "long", "span", "at", "id"])
    sheet.append(
        [dt.datetime(2026, 1, 2), 123, "a_x000D_b", 1.2345678901234568e17, dt.timedelta(hours=26),
         dt.time(8, 30), 123456789012345678]
    )  # fmt: skip
    sheet["B2"].number_format = "00000"
    for epoch in (dt.datetime(1899, 12, 30), dt.datetime(1904, 1, 1)):
        book.epoch = epoch
        (row,) = _rows(_saved(book, tmp_path / "a.xlsx"))
        assert row.text("when") == "2026-01-02"
        assert row.text("code") == "00123"
        assert row.text("text") == "a\rb"
        assert row.text("at") == "08:30"
        assert set(row.faults) == {"long", "span", "id"}


def test_a_date_that_is_none_is_a_fault(tmp_path: Path) -> None:
    """A date that is none is a fault: a number far past the last date, shown as ##### by
    spreadsheets.
    """
    book = Workbook()
    book.active.append(["when"])
    book.active.append([1e9])
    book.active["A2"].number_format = "yyyy-mm-dd"
    (row,) = _rows(_saved(book, tmp_path / "a.xlsx"))
    assert set(row.faults) == {"when"}


def test_an_uncalculated_formula_clears_nothing(respondio: Respondio, sandbox: Sandbox) -> None:
    """A stored e-mail was wiped by --clear-empty."""
    contact = sandbox.contacts[0]
    email = contact.email
    book = Workbook()
    book.active.append(["phone", "email"])
    book.active.append([contact.phone, '=CONCATENATE("a", "@b.example")'])
    _saved(book, Path("a.xlsx"))
    respondio("contacts", "import", "a.xlsx", "--clear-empty", code=2)
    respondio("contacts", "import", "a.xlsx", "--clear-empty", "--map", "email=-")
    assert contact.email == email


_HEADER = f'<row r="1">{_text("A1", "x")}</row>'


@pytest.mark.parametrize(
    "rows",
    [
        "<row/>" * 1_050_000,
        _HEADER + '<row r="2">' + "<c/>" * 600_000 + "</row>",
        _HEADER + '<row r="2">' + '<c t="s"/>' * 300_000 + "</row>",
        _HEADER + f'<row r="2">{_text("A2", "x" * 1_000_000)}</row>',
        _HEADER + "".join(f'<row><c r="XFD{line}"/></row>' for line in range(2, 250)),
    ],
    ids=["rows", "cells", "attributes", "text", "far columns"],
)
def test_a_bomb_is_refused(tmp_path: Path, rows: str) -> None:
    """A bomb is refused with words that name the cure."""
    path = _sheet(tmp_path, rows)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(UsageError, match="save it as CSV"):
        _rows(path)


@pytest.mark.parametrize("strings", ["<si/>" * 510_000, "<si><t>x</t></si>" * 510_000])
def test_a_bomb_of_shared_texts_is_refused(tmp_path: Path, strings: str) -> None:
    """A bomb of shared texts is refused, whether they are empty or not."""
    book = Workbook()
    book.active.append(["x"])
    table = (
        f'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">{strings}</sst>'
    )
    path = _saved(book, tmp_path / "a.xlsx")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/other.xml", table)  # its name is the file's choice
    with pytest.raises(UsageError, match="save it as CSV"):
        _rows(path)


def test_a_row_far_below_is_no_endless_gap(tmp_path: Path) -> None:
    """A row's number may be past the last that a spreadsheet has."""
    path = _sheet(tmp_path, _HEADER + f'<row r="2000000000">{_text("A2000000000", "y")}</row>')
    assert _rows(path) == []


@pytest.mark.parametrize(
    "edit",
    [
        lambda name, content: b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + content,
        lambda name, content: None if name.endswith("workbook.xml") else content,
        lambda name, content: content[:-30] if name.endswith("sheet1.xml") else content,
        lambda name, content: content.decode().encode("utf-16"),
    ],
    ids=["entities", "missing", "cut", "utf-16"],
)
def test_a_damaged_workbook_is_refused(tmp_path: Path, edit: Edit) -> None:
    """A damaged workbook is refused by its name, whatever its parts raise and whenever."""
    book = Workbook()
    for number in range(5):
        book.active.append([number])
    path = _edited(_saved(book, tmp_path / "raw.xlsx"), tmp_path / "a.xlsx", edit)
    with pytest.raises(UsageError, match=r"a\.xlsx"):
        _rows(path)
