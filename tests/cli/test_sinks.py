"""Files that are whole or not there, and exports that go on."""

import csv
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from respondio_async.cli._exit import UsageError
from respondio_async.cli._screen import Screen
from respondio_async.cli.files.rows import TableFile, read_rows
from respondio_async.cli.files.sinks import (
    Sink,
    Target,
    choose_target,
    open_sink,
    rows_kept,
    write_table,
)
from tests.support.platforms import posix_only

COLUMNS = ["id", "name", "custom:Age"]
LAX, FIFO = (pytest.param(kind, marks=posix_only) for kind in ("lax", "fifo"))
FORMATS = ["jsonl", "csv", "parquet", "xlsx"]


def _record(number: int) -> dict[str, Any]:
    return {"id": number, "name": f"=name {number}", "custom_fields": {"Age": str(number)}}


def _open(
    path: Path,
    *,
    resume: bool = False,
    force: bool = False,
    query: str = "q",
    format: str = "jsonl",
) -> Sink:
    target = choose_target(path, format, resume=resume, force=force)  # type: ignore[arg-type]
    return open_sink(target, query, COLUMNS, Screen())


def _export(
    path: Path,
    numbers: range,
    *,
    format: str = "jsonl",
    resume: bool = False,
    force: bool = False,
    die_at: int | None = None,
) -> None:
    """Export pages of two, dying after the rows of the page at *die_at* were written but not
    noted.
    """
    sink = _open(path, resume=resume, force=force, format=format)
    try:
        start = int(sink.state.place or 0)
        for number in numbers[start::2]:
            sink.write(_record(number))
            sink.write(_record(number + 1))
            if number == die_at:
                break
            sink.checkpoint(number + 2, complete=number + 2 >= len(numbers))
        else:
            sink.finish()
    finally:
        sink.close()
    if die_at is not None:
        with path.with_name(f"{path.name}.part").open("ab") as part:
            part.write(b"half a ro")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("die_at", [None, 0, 4])
def test_an_export_goes_on_exactly(tmp_path: Path, format: str, die_at: int | None) -> None:
    """An export goes on exactly, wherever it died, each row is there once, and nothing else is left
    in the directory.
    """
    path = tmp_path / f"out.{format}"
    if die_at is not None:
        _export(path, range(10), format=format, die_at=die_at)
        assert not path.exists()
        assert rows_kept(path) == (die_at or None)
    _export(path, range(10), format=format, resume=True)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert _ids(path) == list(range(10))
    assert path.stat().st_mode & 0o077 == 0


def _ids(path: Path) -> list[int]:
    if path.suffix == ".csv":
        rows = list(csv.DictReader(path.read_text().splitlines()))
        assert rows[0] == {"id": "0", "name": "'=name 0", "custom:Age": "0"}
        return [int(row["id"]) for row in rows]
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        table = pq.read_table(path)
        assert table.column_names == COLUMNS
        return table.column("id").to_pylist()
    if path.suffix == ".xlsx":
        cells = [row.cells for row in read_rows(TableFile(path))]
        assert cells[0] == {"id": "0", "name": "=name 0", "custom:Age": "0"}
        return [int(row["id"]) for row in cells]
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


def test_an_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    """A reader never sees half a file, and an old one goes only when that was said."""
    path = tmp_path / "out.jsonl"
    path.write_text("old")
    with pytest.raises(UsageError, match="--force"):
        _export(path, range(4))
    _export(path, range(4), force=True, die_at=2)
    assert path.read_text() == "old"
    _export(path, range(4), force=True)
    assert _ids(path) == [0, 1, 2, 3]


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    """What was fetched is kept, and goes on with --force."""
    path = tmp_path / "out.jsonl"
    sink = _open(path)
    sink.write(_record(1))
    sink.checkpoint(None, complete=True)
    path.write_text("theirs")
    with pytest.raises(UsageError, match="meanwhile"):
        sink.finish()
    sink.close()
    assert path.read_text() == "theirs"
    sink = _open(path, resume=True, force=True)
    assert sink.state.complete
    sink.finish()
    assert _ids(path) == [1]


def test_only_the_same_question_can_go_on(tmp_path: Path) -> None:
    """Another filter, a damaged note or a shortened part are refused; leaving out --resume starts
    anew.
    """
    path = tmp_path / "out.jsonl"
    _export(path, range(4), die_at=2)
    with pytest.raises(UsageError, match="something else"):
        _open(path, query="other", resume=True)
    part, note = tmp_path / "out.jsonl.part", tmp_path / "out.jsonl.resume"
    part.write_bytes(b"")
    with pytest.raises(UsageError, match="shorter"):
        _open(path, resume=True)
    note.write_text("{")
    with pytest.raises(UsageError, match="damaged"):
        _open(path, resume=True)
    _export(path, range(4))
    assert _ids(path) == [0, 1, 2, 3]


@pytest.mark.parametrize("suffix", [".part", ".resume", ".resume.new", ".whole"])
@pytest.mark.parametrize("kind", ["link", "dangling", "hard link", LAX, FIFO])
@pytest.mark.parametrize("resume", [False, True])
def test_what_somebody_planted_is_neither_followed_nor_kept(
    tmp_path: Path, suffix: str, kind: str, *, resume: bool
) -> None:
    """What somebody planted is neither followed nor kept in a folder that others can write to: an
    export that begins anew makes its own files, and one that goes on refuses files that others
    could have written.
    """
    path, victim = tmp_path / "out.parquet", tmp_path / "victim"
    victim.write_text("precious")
    victim.chmod(0o644)
    if resume:
        _export(path, range(10), format="parquet", die_at=6)
    planted = tmp_path / f"out.parquet{suffix}"
    content = planted.read_bytes() if planted.exists() else b""
    planted.unlink(missing_ok=True)
    if kind == "link":
        planted.symlink_to(victim)
    elif kind == "dangling":
        planted.symlink_to(tmp_path / "nowhere")
    elif kind == "hard link":
        planted.hardlink_to(victim)
    elif kind == "fifo":
        os.mkfifo(planted, 0o600)
    else:
        planted.write_bytes(content)
        planted.chmod(0o666)
    if resume and suffix in {".part", ".resume"}:
        with pytest.raises(UsageError, match="leave out --resume"):
            _export(path, range(10), format="parquet", resume=True)
    else:
        _export(path, range(10), format="parquet", resume=resume)
        assert _ids(path) == list(range(10))
        assert {each.name for each in tmp_path.iterdir()} == {"out.parquet", "victim"}
        found = path.lstat()
        assert stat.S_ISREG(found.st_mode)
        assert stat.S_IMODE(found.st_mode) == 0o600
    assert victim.read_text() == "precious"
    assert stat.S_IMODE(victim.stat().st_mode) == 0o644
    assert not (tmp_path / "nowhere").exists()


@posix_only
def test_what_another_user_began_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner could still write to it."""
    path = tmp_path / "out.jsonl"
    _export(path, range(4), die_at=2)
    monkeypatch.setattr(os, "geteuid", lambda: 65_534)
    with pytest.raises(UsageError, match="others may write"):
        _open(path, resume=True)


@pytest.mark.parametrize("kind", ["folder", "link", FIFO])
def test_an_output_that_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    """An output that is no file is refused before the first request, and with --force too."""
    path = tmp_path / "out.jsonl"
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        os.mkfifo(path)
    with pytest.raises(UsageError, match="name a file"):
        choose_target(path, None, force=True)


def test_what_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    """A folder that is not there, or is a file; what has no name; what has no past."""
    (tmp_path / "file").touch()
    for parent in ("nowhere", "file"):
        with pytest.raises(UsageError, match="no folder"):
            choose_target(tmp_path / parent / "out.csv", None)
    with pytest.raises(UsageError, match="--resume needs --output"):
        choose_target(None, None, resume=True)
    for format in ("parquet", "xlsx"):
        with pytest.raises(UsageError, match="--output"):
            choose_target(Path("-"), format)  # type: ignore[arg-type]


def test_the_format_comes_from_the_name(tmp_path: Path) -> None:
    """The format comes from the name, or from the option, which comes first; standard output has
    lines.
    """
    assert choose_target(tmp_path / "a.CSV", None).format == "csv"
    assert choose_target(tmp_path / "a.csv", "jsonl").format == "jsonl"
    assert choose_target(None, None) == choose_target(Path("-"), None) == Target(None, "jsonl")
    with pytest.raises(UsageError, match=r"\.xlsx"):
        choose_target(tmp_path / "a.doc", None)


def test_a_table_is_guarded(tmp_path: Path) -> None:
    """The failed rows of a run are opened in spreadsheets too, and so are their columns' names."""
    write_table(tmp_path / "a.csv", ["=a"], [{"=a": "＝1"}, {}])
    assert (tmp_path / "a.csv").read_text() == "'=a\n'＝1\n\"\"\n"


TEXTS = ["", "+60123456789", "=1+1", "#N/A", " a ", "a\x1bb", "_x0041_", "a\r\nb", "ü💚", "1e5"]


@pytest.mark.parametrize("text", TEXTS)
def test_a_sheet_holds_every_text_as_text(tmp_path: Path, text: str) -> None:
    """What looks like a formula, an error or a number's code comes back as it was."""
    from openpyxl import load_workbook
    from openpyxl.utils.escape import unescape

    path = tmp_path / "out.xlsx"
    sink = _open(path, format="xlsx")
    sink.write({"id": 1_700_000_000_000_001, "name": text})
    sink.checkpoint(None, complete=True)
    sink.finish()
    cells = list(load_workbook(path).worksheets[0].iter_rows(values_only=True))[1]
    assert cells[0] == "1700000000000001"
    assert unescape(cells[1] or "") == text


def test_a_sheet_that_cannot_hold_a_cell_says_so(tmp_path: Path) -> None:
    """A spreadsheet would cut it; what was fetched is kept."""
    path = tmp_path / "out.xlsx"
    sink = _open(path, format="xlsx")
    sink.write({"name": "x" * 32_768})
    sink.checkpoint(None, complete=True)
    with pytest.raises(UsageError, match="32767"):
        sink.finish()
    assert rows_kept(path) == 1
    assert not path.exists()
