"""Cells that a spreadsheet does not run: one function for every CSV file of the package."""

import csv
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respondio_async.bulk import Bulk, export_failed
from respondio_async.cli._screen import Screen
from respondio_async.cli.files.sinks import choose_target, open_sink, write_table
from respondio_async.cli.runs import write_failed
from respondio_async.files import csv_row, guard, unguard

FORMULAS = [
    "=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "＝1+1", "＋1+1", "－1+1", "＠SUM(A1)",
    "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1", "\u200b=1", "\ufeff=1", "\x00=1", "\x1f@x",
    "\tx", "\rx", "\nx", "+60 12 345", "-1-1", "＋60123456789", "'=1", "''=1", "' =1",
]  # fmt: skip
HARMLESS = [
    "",
    "Aina",
    "+60123456789",
    "-1.5",
    "12",
    "a=b",
    "it's",
    "'tis",
    "a\n=b",
    "e@mail.example",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_marked(text: str) -> None:
    """A formula is marked in every form that some spreadsheet calculates; the mark is taken away
    again.
    """
    assert guard(text) == f"'{text}"
    assert unguard(guard(text)) == text


@pytest.mark.parametrize("text", HARMLESS)
def test_other_cells_stay_as_they_are(text: str) -> None:
    """Phones and numbers too: other programs read them."""
    assert guard(text) == unguard(text) == text


CHARACTERS = st.one_of(st.sampled_from("'=+-@＝＋\t\r\n 1x"), st.characters())


@given(st.text(alphabet=CHARACTERS, max_size=9))
def test_reading_takes_back_what_writing_did(text: str) -> None:
    """Reading takes back what writing did, whatever a contact is called."""
    assert unguard(guard(text)) == text
    line = csv_row(["a", text])
    assert [unguard(cell) for cell in next(csv.reader(StringIO(line, newline="")))] == ["a", text]


async def _journal(path: Path, item: Any) -> Path:
    async def work(_: Any) -> None:
        raise ValueError("=reason")

    async with Bulk(work, [item], key=lambda _: "=key", journal=path / "run.sqlite") as run:
        async for _outcome in run:
            pass
    return path / "run.sqlite"


async def _by_bulk(folder: Path, fields: dict[str, str]) -> Path:
    export_failed(await _journal(folder, fields), folder / "out.csv")
    return folder / "out.csv"


async def _by_runs(folder: Path, fields: dict[str, str]) -> Path:
    write_failed(await _journal(folder, {"cells": fields}), folder / "out.csv", with_unknown=False)
    return folder / "out.csv"


async def _by_export(folder: Path, fields: dict[str, str]) -> Path:
    sink = open_sink(choose_target(folder / "out.csv", None), "", list(fields), Screen())
    sink.write(fields)
    sink.checkpoint(None, complete=True)
    sink.finish()
    return folder / "out.csv"


async def _by_table(folder: Path, fields: dict[str, str]) -> Path:
    write_table(folder / "out.csv", list(fields), [fields])
    return folder / "out.csv"


@pytest.mark.parametrize("write", [_by_bulk, _by_runs, _by_export, _by_table])
async def test_every_writer_guards(tmp_path: Path, write: Callable[..., Any]) -> None:
    fields = {"＝column": "＠value", "plain": "=cmd|' /C calc'!A0", "phone": "+60123456789"}
    path = await write(tmp_path, fields)
    with path.open(newline="", encoding="utf-8") as file:
        names, cells = csv.reader(file)
    assert names[:3] == ["'＝column", "plain", "phone"]
    assert cells[:3] == ["'＠value", "'=cmd|' /C calc'!A0", "+60123456789"]
    assert not [cell for cell in (*names, *cells) if cell.startswith(("=", "＝", "＠", "@"))]
    assert path.stat().st_mode & 0o077 == 0


async def test_the_failed_items_do_not_follow_a_link(tmp_path: Path) -> None:
    """What a planted link leads to is left alone."""
    victim, target = tmp_path / "victim", tmp_path / "out.csv"
    victim.write_text("precious")
    target.symlink_to(victim)
    export_failed(await _journal(tmp_path, {"a": "b"}), target)
    assert victim.read_text() == "precious"
    assert not target.is_symlink()
