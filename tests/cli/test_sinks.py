"""Files that are whole or not there, and exports that go on."""

import csv
import json
from pathlib import Path

import pytest

from respondio_async.cli._exit import UsageError
from respondio_async.cli.files.parquet import to_parquet
from respondio_async.cli.files.sinks import format_of, open_sink, write_table

COLUMNS = ["id", "name", "custom:Age"]


def _record(number: int) -> dict:
    return {"id": number, "name": f"=name {number}", "custom_fields": {"Age": str(number)}}


def _export(
    path: Path, numbers: range, *, format: str, resume: bool, die_at: int | None = None
) -> None:
    """Export pages of two, dying after the rows of the page at *die_at* were written but not
    noted.
    """
    sink = open_sink(path, format, "q", COLUMNS, resume=resume)
    try:
        start = sink.state.place or 0
        for number in numbers[start::2]:
            sink.write(_record(number))
            sink.write(_record(number + 1))
            if number == die_at:
                sink._stream.write(b"half a ro")
                return
            sink.checkpoint(number + 2, complete=number + 2 >= len(numbers))
        sink.finish(to_parquet)
    finally:
        sink.close()


@pytest.mark.parametrize("format", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("die_at", [None, 0, 4])
def test_an_export_goes_on_exactly(tmp_path: Path, format: str, die_at: int | None) -> None:
    """Wherever it died, each row is there once, and nothing else is left in the directory."""
    path = tmp_path / f"out.{format}"
    if die_at is not None:
        _export(path, range(10), format=format, resume=False, die_at=die_at)
        assert not path.exists()
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
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


def test_an_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    """A reader never sees half a file."""
    path = tmp_path / "out.jsonl"
    path.write_text("old")
    _export(path, range(4), format="jsonl", resume=False, die_at=2)
    assert path.read_text() == "old"
    _export(path, range(4), format="jsonl", resume=False)
    assert _ids(path) == [0, 1, 2, 3]


def test_only_the_same_question_can_go_on(tmp_path: Path) -> None:
    """Another filter, a damaged note or a shortened part are refused; leaving out --resume starts
    anew.
    """
    path = tmp_path / "out.jsonl"
    _export(path, range(4), format="jsonl", resume=False, die_at=2)
    with pytest.raises(UsageError, match="something else"):
        open_sink(path, "jsonl", "other", COLUMNS, resume=True)
    part = tmp_path / "out.jsonl.part"
    part.write_bytes(b"")
    with pytest.raises(UsageError, match="shorter"):
        open_sink(path, "jsonl", "q", COLUMNS, resume=True)
    (tmp_path / "out.jsonl.resume").write_text("{")
    with pytest.raises(UsageError, match="damaged"):
        open_sink(path, "jsonl", "q", COLUMNS, resume=True)
    _export(path, range(4), format="jsonl", resume=False)
    assert _ids(path) == [0, 1, 2, 3]


def test_the_format_comes_from_the_name() -> None:
    """Or from the option, which comes first; standard output has lines."""
    assert format_of(Path("a.CSV"), None) == "csv"
    assert format_of(Path("a.csv"), "jsonl") == "jsonl"
    assert format_of(None, None) == "jsonl"
    with pytest.raises(UsageError, match="format"):
        format_of(Path("a.doc"), None)
    with pytest.raises(UsageError, match="file"):
        open_sink(None, "parquet", "q", COLUMNS, resume=False)


def test_a_table_is_guarded(tmp_path: Path) -> None:
    """The failed rows of a run are opened in spreadsheets too."""
    write_table(tmp_path / "a.csv", ["a"], [{"a": "=1"}, {}])
    assert (tmp_path / "a.csv").read_text() == 'a\n\'=1\n""\n'
