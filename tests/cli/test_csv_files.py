"""CSV files as people have them: read exactly, or refused with the line and what to do."""

import csv
from pathlib import Path

import pytest

from respondio_async.cli._exit import UsageError
from respondio_async.cli.files.rows import TableFile, columns_of_file, notes_of, read_rows
from respondio_async.sandbox import Sandbox
from tests.cli.conftest import Respondio


def _read(
    path: Path, content: str | bytes, encoding: str | None = None
) -> list[tuple[int, dict[str, str], bool]]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    rows = read_rows(TableFile(path, None, encoding))
    return [(row.line, row.cells, row.problem is not None) for row in rows]


@pytest.mark.parametrize(
    "content",
    [
        "sep=;\r\nname;note\r\nZoë;a,b\r\n",
        '"sep=;"\nname;note\nZoë;a,b\n',
        "\n  \r\nname,note\nZoë,\"a,b\"\n",
        "\ufeff\ufeffname,note\nZoë,\"a,b\"\n",
        "\ufeffsep=,\nname,note\nZoë,\"a,b\"\n",
        'name, note\nZoë, "a,b"\n',
        'name,  note\n"Zoë",   "a,b"',
        "name\tnote\nZoë\ta,b\n",
        "name|note\nZoë|a,b\n",
        "name;note\rZoë;a,b\r",
    ],
)  # fmt: skip
def test_a_table_is_read_as_it_is_meant(tmp_path: Path, content: str) -> None:
    """A table is read as it is meant, whatever comes before the header, between cells and at the
    ends of lines.
    """
    rows = _read(tmp_path / "a.csv", content)
    assert [cells for _, cells, _ in rows] == [{"name": "Zoë", "note": "a,b"}]


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ('"Last, first, all";phone', ["Last, first, all", "phone"]),
        ("Name (last, first);phone", ["Name (last, first)", "phone"]),
        ('"a;b;c",d', ["a;b;c", "d"]),
        ('"two\nlines";x', ["two\nlines", "x"]),
        ("phone", ["phone"]),
    ],
)
def test_a_delimiter_is_one_that_makes_a_table(
    tmp_path: Path, header: str, columns: list[str]
) -> None:
    """Those within a quoted name, or in a text, are none."""
    rest = ";".join("1" * len(columns)) if ";x" in header or ";phone" in header else ""
    rest = rest or ",".join("1" * len(columns))
    (tmp_path / "a.csv").write_text(f"{header}\n{rest}\n{rest}\n")
    assert columns_of_file(TableFile(tmp_path / "a.csv")) == columns


def test_one_bad_quote_is_one_bad_row(tmp_path: Path) -> None:
    """One bad quote is one bad row by its line; the rows around it are as they are, also those that
    the quote would swallow.
    """
    content = 'name,x\nAda,1\n"Bo,2\nCy,3\nDee,"4"\nEve,"5" 6\n"F ""x""\ny",7\nGus,8\n'
    rows = _read(tmp_path / "a.csv", content)
    assert [(line, cells.get("name")) for line, cells, bad in rows if not bad] == [
        (2, "Ada"),
        (4, "Cy"),
        (5, "Dee"),
        (7, 'F "x"\ny'),
        (9, "Gus"),
    ]
    assert [line for line, _, bad in rows if bad] == [3, 6]


def test_a_quote_that_never_closes_is_one_bad_row(tmp_path: Path) -> None:
    """A quote that never closes is one bad row at the end of a file, or thousands of lines before
    it.
    """
    content = 'name\n"Ada\n' + "Bo\n" * 2_500
    rows = _read(tmp_path / "a.csv", content)
    assert ([line for line, _, bad in rows if bad], len(rows)) == ([2], 2_501)
    assert [bad for *_, bad in _read(tmp_path / "a.csv", 'name\nAda\n"Bo')] == [False, True]


def test_a_giant_cell_is_one_bad_row(tmp_path: Path) -> None:
    """A giant cell is one bad row: more than a message can hold; the limit is that of `csv`."""
    giant = "x" * (csv.field_size_limit() + 1)
    rows = _read(tmp_path / "a.csv", f'name,x\nAda,1\nBo,{giant}\nCy,"{giant}"\nDee,4\n')
    assert [(line, bad) for line, _, bad in rows] == [(2, False), (3, True), (4, True), (5, False)]


def test_a_file_full_of_bad_quotes_is_no_csv(tmp_path: Path) -> None:
    """It ends soon, by a line."""
    with pytest.raises(UsageError, match="line [0-9]+: more than"):
        _read(tmp_path / "a.csv", "a,b\n" + 'x"",",y"z\n' * 3_000)


@pytest.mark.parametrize(
    ("header", "said"),
    [('"a,b\n1,2\n', "line 1"), ("\n\n", "name the columns"), ("a,b\n", "no rows")],
)
def test_a_header_that_is_none_is_refused(tmp_path: Path, header: str, said: str) -> None:
    """A header that is none is refused by its line where there is one."""
    (tmp_path / "a.csv").write_text(header)
    with pytest.raises(UsageError, match=said):
        columns_of_file(TableFile(tmp_path / "a.csv"))


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
def test_an_encoding_is_found_where_it_is_certain(tmp_path: Path, encoding: str) -> None:
    """An encoding is found where it is certain by its mark, by the zeros between its letters, or
    since all Latin code pages agree.
    """
    text = "name,city\nJosé,Köln\nZöe Müller,Linköping\n"
    rows = _read(tmp_path / "a.csv", text.encode(encoding))
    assert [cells["name"] for _, cells, _ in rows] == ["José", "Zöe Müller"]
    noted = notes_of(TableFile(tmp_path / "a.csv"))
    assert bool(noted) == (not encoding.startswith("utf-8"))


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("Peña", "cp1252"),  # ń in Central Europe
        ("Łukasz", "cp1250"), ("Иван", "cp1251"), ("Ольга Й", "koi8-r"), ("Γιώργος", "cp1253"),
        ("山田", "shift_jis"), ("王小明", "gb18030"), ("สมชาย", "cp874"), ("İbrahim", "cp1254"),
        ("O’Hara", "cp1252"), ("José", "mac_roman"), ("José", "cp850"), ("é", "cp1252"),
    ],
)  # fmt: skip
def test_an_encoding_that_is_not_certain_is_asked_for(
    tmp_path: Path, name: str, encoding: str
) -> None:
    """An encoding that is not certain is asked for by the first line in doubt: a guess would write
    the name wrongly.
    """
    content = f"name,x\nAda,1\n{name},2\n".encode(encoding)
    with pytest.raises(UsageError, match="line 3 is not UTF-8.*--encoding"):
        _read(tmp_path / "a.csv", content)
    assert _read(tmp_path / "a.csv", content, encoding)[1][1]["name"] == name


def test_an_encoding_that_is_wrong_is_said(tmp_path: Path) -> None:
    """An encoding that is wrong is said by the file; and by the option, if there is no such
    encoding.
    """
    with pytest.raises(UsageError, match=r"a\.csv: it is not ascii"):
        _read(tmp_path / "a.csv", "a\né\n", "ascii")
    for name in ("no-such", "hex", ""):
        with pytest.raises(UsageError, match="--encoding"):
            _read(tmp_path / "a.csv", "a\nb\n", name)


def test_bad_rows_are_grouped_and_kept(respondio: Respondio, sandbox: Sandbox) -> None:
    """A line for each reason; the file of bad rows is read like the first once it is corrected."""
    lines = [f"p{number}@b.example,{'old' if number % 2 else number}" for number in range(10)]
    Path("people.csv").write_text("email,Age\n" + "\n".join(lines) + "\nP0@B.example,1\nnobody,1\n")
    arguments = ("contacts", "import", "people.csv", "--bad-rows", "bad.csv")
    said = respondio(*arguments, "--dry-run", code=2).stdout
    assert "5 rows (line 3, 5, 7, …): Age: a number" in said
    assert "line 12: it is the same contact as line 2" in said
    bad = list(csv.DictReader(Path("bad.csv").read_text().splitlines()))
    assert [row["_line"] for row in bad] == ["3", "5", "7", "9", "11", "12", "13"]
    assert bad[0]["Age"] == "old"
    assert Path("bad.csv").stat().st_mode & 0o077 == 0
    corrected = Path("bad.csv").read_text().replace("old", "40").replace("nobody", "n@b.example")
    Path("corrected.csv").write_text(corrected)
    respondio("contacts", "import", "corrected.csv")
    assert len(sandbox.contacts) == 12 + 7


def test_tags_and_dates_of_people(respondio: Respondio, sandbox: Sandbox) -> None:
    table = (
        "email;Birthday;Age;Subscribed;tags\n"
        "a@b.example;31/12/1985;1,5;Ja;vip, beta\nb@b.example;01/02/1990;2;Nein;vip\n"
    )
    Path("people.csv").write_text(table)
    arguments = (
        "contacts",
        "import",
        "people.csv",
        "--decimal",
        ",",
        "--true",
        "ja",
        "--false",
        "nein",
    )
    said = respondio(*arguments, "--dry-run").stdout
    assert "Birthday: dates are read as day, month, year" in said
    assert 'tags are separated by ","' in said
    assert "vip (2), beta (1)" in said
    respondio(*arguments)
    contact = sandbox.contact("a@b.example")
    assert contact.tags == ["vip", "beta"]
    assert "1985-12-31" in map(str, contact.custom.values())
    assert "1990-02-01" in map(str, sandbox.contact("b@b.example").custom.values())
