"""The example scripts for many contacts, each a process of its own, work on a sandbox over real
sockets.
"""

import asyncio
import csv
import os
import signal
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from respondio_async.sandbox import Quirks, Sandbox

ROOT = Path(__file__).parents[2]
SCRIPTS = ("migrate_csv.py", "export_parquet.py", "broadcast.py")
PHONES = [f"+6012345670{number}" for number in range(8)]


def quick(contacts: int = 0) -> Sandbox:
    """A sandbox whose limits the client learns to be high."""
    return Sandbox(contacts=contacts, limits_factor=20, quirks=Quirks.calm())


async def start(
    folder: Path, name: str, *arguments: str, sandbox: Sandbox | None = None
) -> asyncio.subprocess.Process:
    """Start an example in a folder, with the sandbox for its respond.io."""
    account = (
        {"RESPONDIO_BASE_URL": sandbox.url, "RESPONDIO_API_TOKEN": sandbox.token} if sandbox else {}
    )
    return await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "examples" / name), *arguments, cwd=folder, stdout=-1, stderr=-1,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), **account},
    )  # fmt: skip


async def run(
    folder: Path, name: str, *arguments: str, sandbox: Sandbox | None = None, exits: int = 0
) -> tuple[str, str]:
    """Run an example to its end: what it printed, and its errors."""
    process = await start(folder, name, *arguments, sandbox=sandbox)
    output, errors = (text.decode() for text in await asyncio.wait_for(process.communicate(), 300))
    assert process.returncode == exits, output + errors
    assert "Traceback" not in errors, errors
    return output, errors


def write_people(folder: Path, rows: list[dict[str, str]]) -> None:
    """Write people.csv as a spreadsheet does, with the mark that it puts before UTF-8."""
    with (folder / "people.csv").open("w", newline="", encoding="utf-8-sig") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def person(phone: str, **cells: str) -> dict[str, str]:
    empty = dict.fromkeys(
        ("first_name", "email", "tags", "lifecycle", "Plan", "Age", "Subscribed"), ""
    )
    return {"phone": phone, **empty, **cells}


def texts(sandbox: Sandbox) -> dict[str, list[str]]:
    """What was sent, by phone."""
    found: dict[str, list[str]] = {}
    for message in sandbox.sent_messages:
        found.setdefault(str(sandbox.contact(message.contact_id).phone), []).append(
            message.content["text"]
        )
    return found


async def test_the_migration_writes_everything_once(tmp_path: Path) -> None:
    """Fields in their types, tags, stage and one welcome; a second start tries only the bad row
    again; it can be corrected.
    """
    full = person(
        PHONES[0], first_name="Zoë", email="zoe@example.com", tags="vip; new", lifecycle="Customer"
    )
    write_people(
        tmp_path,
        [
            {**full, "Plan": "Pro", "Age": "31", "Subscribed": "yes"},
            person(PHONES[1], first_name="Ben"),
            person(PHONES[2], first_name="Chen", Plan="Gold"),
        ],
    )
    async with quick() as sandbox:
        output, _ = await run(tmp_path, "migrate_csv.py", "people.csv", sandbox=sandbox, exits=1)
        assert "2 done, 1 failed, 0 unknown" in output
        zoe, ben = sandbox.contacts
        assert (zoe.first_name, zoe.email, zoe.tags, zoe.lifecycle) == (
            "Zoë",
            "zoe@example.com",
            ["vip", "new"],
            "Customer",
        )
        names = {field.id: field.name for field in sandbox.state.custom_fields.values()}
        assert {names[key]: value for key, value in zoe.custom.items()} == {
            "Plan": "Pro",
            "Age": 31,
            "Subscribed": True,
        }
        assert (ben.first_name, ben.email, ben.tags, ben.lifecycle, ben.custom) == (
            "Ben",
            None,
            [],
            None,
            {},
        )
        assert texts(sandbox) == {PHONES[0]: ["Welcome, Zoë!"], PHONES[1]: ["Welcome, Ben!"]}

        sandbox.forget()
        output, _ = await run(tmp_path, "migrate_csv.py", "people.csv", sandbox=sandbox, exits=1)
        assert "2 done, 1 failed, 0 unknown" in output
        writes = [request for request in sandbox.requests if request.method != "GET"]
        assert all(PHONES[2].lstrip("+") in request.path for request in writes)

        failed = tmp_path / "people.failed.csv"
        failed.write_text(failed.read_text().replace("Gold", "Free"))
        output, _ = await run(tmp_path, "migrate_csv.py", failed.name, sandbox=sandbox)
        assert "1 done, 0 failed" in output
        assert texts(sandbox)[PHONES[2]] == ["Welcome, Chen!"]
        assert sandbox.duplicates() == []


async def test_a_killed_migration_goes_on_and_welcomes_nobody_twice(tmp_path: Path) -> None:
    """It is killed while one welcome has no answer: the next start does the rest, and reports the
    ones that may have been sent.
    """
    write_people(tmp_path, [person(phone, first_name="Kai") for phone in PHONES])
    async with quick() as sandbox:
        hung = sandbox.fault(
            "hang", path="/contact/{identifier}/message", processed=True, times=1, after=2
        )
        sandbox.set_limit("POST /contact/create_or_update/{identifier}", 3)
        process = await start(tmp_path, "migrate_csv.py", "people.csv", sandbox=sandbox)
        while not hung.struck:
            assert process.returncode is None
            await asyncio.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        await process.communicate()
        assert len(sandbox.sent_messages) < len(PHONES)
        output, _ = await run(tmp_path, "migrate_csv.py", "people.csv", sandbox=sandbox, exits=1)
        assert sandbox.duplicates() == []
        reported = {phone for phone in PHONES if f"{phone}: " in output}
        assert reported
        assert f"{len(PHONES) - len(reported)} done, 0 failed, {len(reported)} unknown" in output
        assert set(PHONES) == set(texts(sandbox)) | reported


async def test_the_migration_looks_before_the_first_write(tmp_path: Path) -> None:
    """A column that is no custom field ends it, with its name."""
    write_people(tmp_path, [{"phone": PHONES[0], "first_name": "Ben", "Shoe size": "44"}])
    async with quick() as sandbox:
        _, errors = await run(tmp_path, "migrate_csv.py", "people.csv", sandbox=sandbox, exits=1)
        assert "Shoe size" in errors
        assert sandbox.contacts == []


async def test_the_export_has_each_contact_once(tmp_path: Path) -> None:
    """The export has each contact once, as the sandbox holds them, in the types of the columns."""
    async with quick(contacts=130) as sandbox:
        sandbox.contacts[0].custom[4001] = "Acme"
        output, _ = await run(
            tmp_path, "export_parquet.py", "all.parquet", "--partitions", "3", sandbox=sandbox
        )
        assert output == "130 contacts in all.parquet\n"
        rows = {row["id"]: row for row in pq.read_table(tmp_path / "all.parquet").to_pylist()}
        assert len(rows) == 130
        for contact in sandbox.contacts:
            row = rows[contact.id]
            assert (row["first_name"], row["phone"], row["email"]) == (
                contact.first_name,
                contact.phone,
                contact.email,
            )
            assert (row["lifecycle"], row["tags"]) == (contact.lifecycle, contact.tags)
            assert row["created"].timestamp() == contact.created_at
        assert dict(rows[sandbox.contacts[0].id]["custom"])["Company"] == "Acme"
        assert len({request.content for request in sandbox.requests}) >= 3
    assert [path.name for path in tmp_path.iterdir()] == ["all.parquet"]


async def test_the_broadcast_sends_at_most_once_and_reports(tmp_path: Path) -> None:
    """One answer is lost, one message refused, the rest sent; a second start sends nothing; nobody
    without the tag gets anything.
    """
    async with quick(contacts=20) as sandbox:
        tagged = [contact for contact in sandbox.contacts if "vip" in contact.tags]
        lost, refused = tagged[1], tagged[2]
        message = "/contact/{identifier}/message"
        sandbox.fault("torn", path=message, when=lambda request: f"id:{lost.id}/" in request.path)
        sandbox.fault(
            "status",
            path=message,
            status=400,
            when=lambda request: f"id:{refused.id}/" in request.path,
        )
        words = ("order_update", "vip", "{first_name}", "1001")
        for attempt in range(2):
            output, _ = await run(tmp_path, "broadcast.py", *words, sandbox=sandbox, exits=1)
            assert f"{len(tagged) - 2} sent, 1 failed, 1 unknown" in output, attempt
            assert f"contact {lost.id} may have got it" in output
            assert f"contact {refused.id} did not get it" in output
        sent = {message.contact_id: message.content for message in sandbox.sent_messages}
        assert len(sandbox.sent_messages) == len(sent)
        assert sent.keys() == {contact.id for contact in tagged} - {refused.id}
        for contact in tagged:
            if contact is not refused:
                (body, _) = sent[contact.id]["template"]["components"]
                assert [each["text"] for each in body["parameters"]] == [contact.first_name, "1001"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nosuch", "vip"), "no template nosuch"),
        (("order_update", "vip", "--channel", "Fax"), "no channel Fax"),
    ],
)
async def test_the_broadcast_says_what_is_missing(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    """The broadcast says what is missing before it sends anything."""
    async with quick(contacts=5) as sandbox:
        _, errors = await run(tmp_path, "broadcast.py", *words, sandbox=sandbox, exits=1)
        assert said in errors
        assert sandbox.sent_messages == []


@pytest.mark.parametrize(
    ("command", "exits", "said"),
    [
        (("migrate_csv.py", "--sandbox"), 1, "1 done, 1 failed, 0 unknown"),
        (("export_parquet.py", "--sandbox", "all.parquet"), 0, "500 contacts"),
        (("broadcast.py", "--sandbox", "hello_world", "vip"), 0, "10 sent, 0 failed, 0 unknown"),
    ],
)
async def test_each_shows_itself_without_an_account(
    tmp_path: Path, command: tuple[str, ...], exits: int, said: str
) -> None:
    """It brings its own sandbox along."""
    output, _ = await run(tmp_path, *command, exits=exits)
    assert said in output


@pytest.mark.parametrize("name", SCRIPTS)
def test_it_is_short_enough_to_be_copied(name: str) -> None:
    """It fits on two screens."""
    assert len((ROOT / "examples" / name).read_text().splitlines()) <= 125
