"""A journal can be looked at, and its failures tried again."""

import asyncio
import csv
import sqlite3
import stat
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from respondio_async import models
from respondio_async.bulk import Bulk, export_failed, failures, inspect, results
from respondio_async.errors import ConfigurationError, NotFoundError, OutcomeUnknownError
from tests.bulk.fakes import echo, outcomes, unsafe_send


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


async def test_results_are_those_of_every_run_together(tmp_path: Path) -> None:
    """Results are those of every run together: each item with its value or error, and what its
    steps returned; models as themselves.
    """
    path = tmp_path / "j"
    down = True

    async def work(item: int, step: Any) -> Any:
        ref = await step("ref", lambda: echo(models.ContactRef(contact_id=item)))
        if item == 2 and down:
            raise ConnectionError("away")
        if item == 3:
            await step("send", unsafe_send)
            raise OutcomeUnknownError("torn", endpoint="POST /x", reason="reset")
        if item == 4:
            await asyncio.sleep(0)
            raise KeyError(item)
        return ref if item == 1 else {"id": item, "tags": ["a"]}

    await outcomes(Bulk(work, [1, 2], key=str, journal=path))
    down = False
    run = Bulk(work, [1, 2, 3, 4, 5], key=str, journal=path, stop_on=KeyError, concurrency=1)
    with pytest.raises(KeyError):
        await outcomes(run)
    found = {result.key: result for result in run.results()}
    assert [result async for result in run.results()] == list(results(path)) == [*found.values()]
    assert {key: result.status for key, result in found.items()} == {
        "1": "done",
        "2": "done",
        "3": "unknown",
        "4": "unfinished",
        "5": "unfinished",
    }
    assert found["1"].value == models.ContactRef(contact_id=1)
    assert found["2"].value == {"id": 2, "tags": ["a"]}
    assert found["2"].error is None
    assert found["2"].steps == {"ref": models.ContactRef(contact_id=2)}
    assert (found["3"].error, found["3"].reason) == ("OutcomeUnknownError", "torn")
    assert (found["3"].item, found["3"].attempts) == (3, 1)
    assert found["4"].started is None
    with pytest.raises(ConfigurationError, match="journal"):
        Bulk(work, [1]).results()


def as_format_1(path: Path) -> None:
    """Turn a journal into one of the first format."""
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE items DROP COLUMN value")
        connection.execute("ALTER TABLE items DROP COLUMN model")
        connection.execute("PRAGMA user_version = 1")
    connection.close()


def test_a_journal_of_the_first_format_is_read_and_continued(path: Path) -> None:
    """It holds no values of items; a run adds those of the items that it does."""
    as_format_1(path)
    before = path.read_bytes()
    assert inspect(path).failed == len(list(failures(path, unknown=False))) == 4
    assert [result.value for result in results(path)] == [None] * 6
    assert path.read_bytes() == before

    async def work(item: Any) -> str:
        return "now"

    def key(item: Any) -> str:
        return str(item["id"]) if isinstance(item, dict) else item

    async def again() -> None:
        await outcomes(Bulk(work, [{"id": 2}, {"id": 7}, "own"], key=key, journal=path))

    asyncio.run(again())
    values = {result.key: result.value for result in results(path)}
    assert values == {
        "1": None,
        "2": "now",
        "3": None,
        "4": None,
        "5": None,
        "7": "now",
        "own": "now",
    }


READERS = (
    inspect,
    lambda path: list(failures(path)),
    lambda path: list(results(path)),
    lambda path: export_failed(path, path.with_name("failed.csv")),
)


@pytest.mark.parametrize("seed", range(30))
async def test_a_damaged_journal_is_read_or_refused_in_our_words(tmp_path: Path, seed: int) -> None:
    """A damaged journal is read or refused in our words, whatever is cut off, overwritten or of
    another type: no error of SQLite's own, none of Python's; by those who look at it and by the
    next run.
    """

    async def work(item: dict[str, int]) -> str:
        if item["id"] % 2:
            raise ValueError("odd")
        return "x" * 50

    def key(item: dict[str, int]) -> str:
        return str(item["id"])

    path = tmp_path / "j"
    items = [{"id": number} for number in range(60)]
    await outcomes(Bulk(work, items, key=key, journal=path))
    random = Random(seed)
    content = bytearray(path.read_bytes())
    if seed % 3 == 0:
        del content[random.randrange(len(content)) :]
    elif seed % 3 == 1:
        for _ in range(200):
            content[random.randrange(len(content))] = random.randrange(256)
    else:
        statement = [
            "DROP TABLE steps",
            "DELETE FROM run",
            "UPDATE run SET value = 'many'",
            "UPDATE items SET item = x'ff00'",
            "UPDATE items SET state = 77",
            "UPDATE items SET item = 'no json', value = x'00'",
            "UPDATE items SET reason = x'80', error = 1",
            "ALTER TABLE items RENAME COLUMN reason TO why",
            "UPDATE items SET state = 'done', attempts = 'x'",
            "INSERT INTO steps VALUES (1, x'80', 1, 'no json', 'Contact')",
        ][seed // 3]
        with sqlite3.connect(path) as connection:
            connection.execute(statement)
        connection.close()
        content = bytearray(path.read_bytes())
    path.write_bytes(content)
    for read in READERS:
        with suppress(ConfigurationError):
            read(path)
    async with asyncio.timeout(60):
        with suppress(ConfigurationError):
            await outcomes(Bulk(work, items, key=key, journal=path))
