"""A journal can be looked at, and its failures tried again."""

import asyncio
import csv
import stat
from pathlib import Path
from typing import Any

import pytest

from respondio_async.bulk import Bulk, export_failed, failures, inspect
from respondio_async.errors import ConfigurationError, NotFoundError, OutcomeUnknownError
from tests.bulk.fakes import outcomes


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "run.sqlite"

    async def work(item: Any, step: Any) -> None:
        async def nothing() -> None: ...

        await step("first", nothing)
        kind = item["kind"] if isinstance(item, dict) else item
        if kind == "missing":
            raise NotFoundError(
                "Contact not found", status=404, endpoint="GET /contact/{identifier}"
            )
        if kind == "own":
            raise ValueError("cannot use ann@example.com nor +60 12 345 6789")
        if kind == "torn":
            raise OutcomeUnknownError("torn", endpoint="POST /x", reason="reset")

    items = [
        {"id": 1, "kind": "fine"},
        {"id": 2, "kind": "missing"},
        {"id": 3, "kind": "missing", "tags": ["a", "b"], "_key": "theirs"},
        {"id": 4, "kind": "own", "name": "=1+1"},
        {"id": 5, "kind": "torn"},
        "own",
    ]

    async def run() -> None:
        await outcomes(
            Bulk(
                work, items, key=lambda i: str(i["id"]) if isinstance(i, dict) else i, journal=path
            )
        )

    asyncio.run(run())
    return path


def test_a_summary_counts_and_names_the_reasons(path: Path) -> None:
    """Reasons are class names and texts without personal data, the most frequent first."""
    summary = inspect(path)
    assert (
        summary.done,
        summary.failed,
        summary.unknown,
        summary.unfinished,
        summary.sessions,
    ) == (1, 4, 1, 0, 1)
    assert summary.work.endswith("work")
    assert dict(summary.reasons) == {
        "NotFoundError: GET /contact/{identifier}: 404 Contact not found": 2,
        "ValueError: cannot use *** nor ***": 2,
        "OutcomeUnknownError: torn": 1,
    }


def test_failures_come_one_by_one_with_their_steps(path: Path) -> None:
    """An item comes back as plain values, with the steps that had returned."""
    found = list(failures(path))
    assert [failed.key for failed in found] == ["2", "3", "4", "5", "own"]
    assert [failed.key for failed in found if failed.unknown] == ["5"]
    assert found[0].item == {"id": 2, "kind": "missing"}
    assert found[0].steps == ("first",)
    assert found[0].error == "NotFoundError"


@pytest.mark.parametrize(
    ("unknown", "keys"), [(False, ["2", "3", "4", "own"]), (True, ["2", "3", "4", "5", "own"])]
)
def test_failed_items_are_exported_for_another_try(
    path: Path, unknown: bool, keys: list[str]
) -> None:
    """Every field is a column, lists as JSON; those in doubt are left out unless they are asked
    for.
    """
    target = path.with_name("failed.csv")
    assert export_failed(path, target, unknown=unknown) == len(keys)
    with target.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["_key"] for row in rows] == keys
    assert rows[1]["tags"] == '["a","b"]'
    assert rows[2]["name"] == "'=1+1"  # a spreadsheet would calculate it
    assert rows[-1]["item"] == "own"
    assert rows[0]["_error"] == "NotFoundError"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


async def test_an_item_without_content_is_exported_by_its_key(tmp_path: Path) -> None:
    """What could not be written as JSON has no columns of its own."""

    async def work(item: Any) -> None:
        raise ValueError

    await outcomes(Bulk(work, [object()], key=lambda _: "k", journal=tmp_path / "j"))
    assert export_failed(tmp_path / "j", tmp_path / "f.csv") == 1
    assert (tmp_path / "f.csv").read_text().split() == ["_key,_error,_reason", "k,ValueError,"]


def test_what_is_not_there_or_cannot_be_opened_is_no_journal(tmp_path: Path) -> None:
    """Looking makes no file."""
    with pytest.raises(ConfigurationError, match="there is no journal"):
        inspect(tmp_path / "none")
    assert not list(tmp_path.iterdir())
