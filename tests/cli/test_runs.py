"""`respondio runs …` and what a broadcast leaves behind: results with proof."""

import csv
import json
import re
import signal
import stat
from collections import Counter
from pathlib import Path

import pytest

from respondio_async.cli._bulk import BulkReport, print_report
from respondio_async.cli._results import write_report
from respondio_async.cli._screen import Screen
from respondio_async.sandbox import Quirks, Sandbox
from tests.cli import command
from tests.cli.conftest import Respondio

BROADCAST = ("messages", "broadcast", "--from", "people.csv", "--channel", "2001", "--yes")


def _people(sandbox: Sandbox) -> None:
    rows = [f"{contact.phone},{contact.first_name}" for contact in sandbox.contacts]
    Path("people.csv").write_text("\n".join(["phone,name", *rows]))


def _rows(path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(Path(path).read_text().splitlines()))


def test_a_broadcast_waits_for_delivery(respondio: Respondio, sandbox: Sandbox) -> None:
    """Messages that fail at their channel are counted by reason, and end it with 1."""
    _people(sandbox)
    failing = {sandbox.contacts[2].phone, sandbox.contacts[7].phone}
    sandbox.fail_messages(lambda contact, _: contact.phone in failing, reason="Number <b>gone</b>")
    result = respondio(
        *BROADCAST, "--text", "hi", "--journal", "b.sqlite",
        "--wait-delivery", "10m", "--report", "r.html", code=1,
    )  # fmt: skip
    assert "12 messages accepted" in result.stdout
    assert re.search(r"failed +2 +Number <b>gone</b>", result.stdout)
    page = Path("r.html").read_text()
    assert "<svg" in page
    assert "<script" not in page
    assert "Number &lt;b&gt;gone&lt;/b&gt;" in page
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)
    assert not any(contact.phone in page for contact in sandbox.contacts)
    assert stat.S_IMODE(Path("r.html").stat().st_mode) == 0o600

    shown = respondio("runs", "show", "b.sqlite", "--results", "out.csv", code=1)
    assert "12 items in out.csv" in shown.stderr
    rows = _rows("out.csv")
    sent = {message.id for message in sandbox.sent_messages}
    assert {int(row["message_id"]) for row in rows} == sent
    assert {row["key"] for row in rows if row["delivery"] == "failed"} == {
        f"phone:{each}" for each in failing
    }
    assert {row["status"] for row in rows} == {"done"}
    assert {row["delivery_reason"] for row in rows} == {"", "Number <b>gone</b>"}


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "xlsx"])
def test_results_come_in_every_form(respondio: Respondio, sandbox: Sandbox, suffix: str) -> None:
    """All items of the run, those of earlier starts and those that failed included."""
    gone = sandbox.contacts[3].id
    arguments = ("contacts", "tag", "x", "--journal", "t.sqlite", "--all")
    sandbox.fault(
        "status", path="/contact/{identifier}/tag", status=400,
        when=lambda arrival: str(gone) in arrival.path,
    )  # fmt: skip
    respondio(*arguments, code=1)
    respondio(*arguments, code=1)
    respondio("runs", "show", "t.sqlite", "--results", f"out.{suffix}", code=1)
    assert Path(f"out.{suffix}").stat().st_size > 0
    assert "names a file" in respondio("runs", "show", "t.sqlite", "--results", "-", code=2).stderr
    if suffix == "jsonl":
        rows = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
        assert Counter(row["status"] for row in rows) == {"done": 11, "failed": 1}
        (failed,) = (row for row in rows if row["status"] == "failed")
        assert str(gone) in failed["key"]
        assert failed["error"] == "BadRequestError"
        assert failed["attempts"] == 1
        assert {row["contact_id"] for row in rows if row["status"] == "done"} == {
            contact.id for contact in sandbox.contacts if contact.id != gone
        }


def test_a_broadcast_keeps_its_journal(respondio: Respondio, sandbox: Sandbox) -> None:
    """Accepted is not delivered: what became of the messages is asked for later, as often as it
    takes.
    """
    _people(sandbox)
    respondio(*BROADCAST, "--text", "hi")
    (journal,) = Path().glob("respondio-broadcast-*.sqlite")
    sandbox.advance(0.2)
    summary = json.loads(respondio("runs", "deliveries", str(journal), "--json").stdout)
    assert sum(summary["statuses"].values()) == 12
    sandbox.advance(10.0)
    summary = json.loads(
        respondio(
            "runs", "deliveries", str(journal), "--wait", "1s", "--results", "o.jsonl",
            "--report", "r.html", "--json",
        ).stdout
    )  # fmt: skip
    assert summary["statuses"] == {"read": 12}
    assert summary["by_status"] == [{"status": "read", "reason": None, "count": 12}]
    assert "read" in Path("r.html").read_text()
    again = respondio(
        "runs", "deliveries", str(journal), "--results", "o.jsonl", code=2
    )  # the file is there
    assert "--force" in again.stderr


@pytest.mark.parametrize("span", ["soon", "-1", "1w", "10 minutes"])
def test_a_length_of_time_is_one(respondio: Respondio, span: str) -> None:
    """Anything else is refused before anything is read."""
    assert "10m" in respondio("runs", "deliveries", "x.sqlite", "--wait", span, code=2).output


def test_failed_items_are_tried_once_more(respondio: Respondio, sandbox: Sandbox) -> None:
    """With --retry-failed they are tried at the end of the same run; what fails again is reported
    once.
    """
    sandbox.fault("status", path="/contact/{identifier}/tag", status=400, times=3)
    arguments = ("contacts", "tag", "x", "--all", "--json")
    report = json.loads(respondio(*arguments, "--retry-failed").stdout)
    assert (report["done"], report["failed"], report["skipped"]) == (12, 0, 0)
    gone = str(sandbox.contacts[3].id)
    sandbox.fault(
        "status", path="/contact/{identifier}/tag", status=400,
        when=lambda arrival: gone in arrival.path,
    )  # fmt: skip
    report = json.loads(respondio(*arguments, "--retry-failed", code=1).stdout)
    assert (report["done"], report["failed"]) == (11, 1)
    assert len(report["failures"]) == 1


def test_an_empty_run_has_a_report(respondio: Respondio, tmp_path: Path) -> None:
    """Nothing to draw is no error."""
    Path("none.csv").write_text("phone\n")
    respondio("contacts", "tag", "x", "--from", "none.csv", "--journal", "e.sqlite")
    write_report(Path("e.sqlite"), Path("r.html"), "<title>")
    assert "&lt;title&gt;" in Path("r.html").read_text()


def _broadcast_killed_twice(sandbox: Sandbox, folder: Path, count: int) -> None:
    failing = {contact.phone for contact in sandbox.contacts[:: max(2, count // 15)][:15]}
    sandbox.fail_messages(lambda contact, _: contact.phone in failing, reason="Not on WhatsApp")
    people = folder / "people.csv"
    people.write_text("\n".join(["phone", *(str(each.phone) for each in sandbox.contacts)]))
    env = {"RESPONDIO_API_TOKEN": sandbox.token, "RESPONDIO_BASE_URL": sandbox.url}
    arguments = (
        "messages", "broadcast", "--from", str(people), "--channel", "2001", "--text", "hi",
        "--yes", "--journal", str(folder / "b.sqlite"),
    )  # fmt: skip
    for kill, share in ((signal.SIGKILL, 0.3), (signal.SIGINT, 0.6)):
        process = command.start(*arguments, env=env)
        while len(sandbox.sent_messages) < share * count:
            assert process.poll() is None, process.communicate()
        process.send_signal(kill)
        process.communicate()
    command.respondio(*arguments, "--wait-delivery", "10m", env=env)
    command.respondio(
        "runs", "show", str(folder / "b.sqlite"), "--results", str(folder / "out.csv"), env=env
    )
    rows = _rows(str(folder / "out.csv"))
    assert {row["key"] for row in rows} == {f"phone:{each.phone}" for each in sandbox.contacts}
    assert len(rows) == count
    for row in rows:
        phone = row["key"].removeprefix("phone:")
        sent = [m for m in sandbox.contact(phone).messages if m.traffic == "outgoing"]
        if row["status"] == "unknown":  # in flight at the kill
            assert len(sent) <= 1
            assert row["error"] == "OutcomeUnknownError"
            continue
        assert row["status"] == "done"
        assert [str(message.id) for message in sent] == [row["message_id"]]
        assert (row["delivery"] == "failed") == (phone in failing)
        assert row["delivery"] in {"failed", "delivered", "read"}
    assert sandbox.duplicates() == []
    unknown = sum(row["status"] == "unknown" for row in rows)
    print(f"{count - unknown} of {count} rows with their final status, {unknown} in flight")


@pytest.mark.long("it is four processes")
@pytest.mark.parametrize("count", [40, pytest.param(500, marks=pytest.mark.slow)])
def test_a_broadcast_killed_twice_is_accounted_for(tmp_path: Path, count: int) -> None:
    """Every message by its final status, whichever start sent it."""
    with Sandbox(contacts=count, limits_factor=20, quirks=Quirks.calm()) as sandbox:
        _broadcast_killed_twice(sandbox, tmp_path, count)


def test_the_final_line_says_what_held_the_run_up(capsys: pytest.CaptureFixture[str]) -> None:
    """It names the routes on which requests queued for long, the longest first."""
    report = BulkReport(2, done=2, waits={"POST /x": 31.26, "GET /y": 0.4, "GET /z": 0.01})
    print_report(Screen(), report, "contact", "imported")
    assert "queued for a request: POST /x 31.3 s, GET /y 0.4 s\n" in capsys.readouterr().out


def test_a_report_has_the_time_in_the_queue(respondio: Respondio) -> None:
    """The time in the queue is given for each route of the job."""
    report = json.loads(respondio("contacts", "tag", "x", "--all", "--json").stdout)
    assert list(report["waits"]) == ["POST|DELETE /contact/{identifier}/tag"]
