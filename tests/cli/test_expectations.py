"""What people expect who know gh and aws: refusals before work, truthful counts, plain words."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from openpyxl import load_workbook
from typer.testing import CliRunner

from respondio_async.cli import _app
from respondio_async.cli._app import Lazy, app
from respondio_async.cli._results import title_of
from respondio_async.cli._screen import counted
from respondio_async.sandbox import Sandbox
from tests.cli.conftest import Respondio
from tests.cli.terminal import run_on_terminal


def test_skipped_rows_are_in_the_report(respondio: Respondio, sandbox: Sandbox) -> None:
    """Skipped rows are in the report: their number, their lines and why."""
    Path("people.csv").write_text("email,first_name\na@b.example,Ada\nnone,Bo\n,Cy\n")
    result = respondio("contacts", "import", "people.csv", "--skip-bad", "--json", code=5)
    report = json.loads(result.stdout)
    assert (report["done"], report["skipped"], report["bad"], report["total"]) == (1, 2, 2, 3)
    assert [each["where"] for each in report["failures"]] == ["line 3", "line 4"]
    assert all(each["error"] == "BadRow" and each["reason"] for each in report["failures"])
    said = respondio("contacts", "import", "people.csv", "--skip-bad", code=5).stdout
    assert said.startswith("1 contact imported, 2 bad rows left out, in ")
    assert "line 3: BadRow" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("contacts", "export", "--status", "nope"), "closed"),
        (("contacts", "export", "--status", "Open"), "open"),
        (("contacts", "tag", "x", "--status", "done"), "open"),
        (("messages", "export", "--status", ""), "open"),
        (("contacts", "export", "--resume"), "--output"),
        (("messages", "export", "--resume", "-o", "-"), "--output"),
        (("contacts", "export", "-o", "."), "."),
        (("contacts", "export", "-o", "nowhere/a.csv"), "nowhere"),
        (("contacts", "export", "-o", "there.csv"), "--force"),
        (("messages", "export", "-o", "there.csv"), "--force"),
        (("contacts", "import", "in.csv", "--bad-rows", "there.csv"), "--force"),
        (("messages", "export", "--contact", "id:1", "--tagged", "x"), "one way"),
        (("messages", "export", "--contact", "somebody"), "identifier"),
        (("contacts", "export", "--format", "doc"), "xlsx"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    respondio: Respondio, sandbox: Sandbox, words: tuple[str, ...], said: str
) -> None:
    """What cannot be meant is refused with 2, before the first request, in words that say what
    there is.
    """
    Path("there.csv").write_text("precious")
    Path("in.csv").write_text("email\nnone\n")
    assert said in respondio(*words, code=2).stderr
    assert sandbox.count() == 0
    assert Path("there.csv").read_text() == "precious"


def test_a_file_is_replaced_when_that_is_said(
    respondio: Respondio, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    """A file is replaced when that is said by --force, or by a yes on a terminal; a no leaves
    it.
    """
    path = Path("there.jsonl")
    path.write_text("precious")
    monkeypatch.setattr("respondio_async.cli.files.sinks.can_ask", lambda: True)
    for answer, code, kept in (("n\n", 2, True), ("y\n", 0, False)):
        result = CliRunner().invoke(
            app, ["contacts", "export", "-o", "there.jsonl"], input=answer, prog_name="respondio"
        )
        assert result.exit_code == code, result.output
        assert "there.jsonl exists. Replace it?" in result.output
        assert (path.read_text() == "precious") == kept
    path.write_text("precious")
    assert (
        "12 contacts in there.jsonl"
        in respondio("contacts", "export", "-o", str(path), "--force").stdout
    )


def test_the_failed_items_replace_no_file_in_silence(respondio: Respondio) -> None:
    """`runs show --failed` writes a file like any other."""
    respondio("contacts", "tag", "x", "--contact", "id:1", "--journal", "run.sqlite", code=1)
    Path("failed.csv").write_text("precious")
    respondio("runs", "show", "run.sqlite", "--failed", "failed.csv", code=2)
    assert Path("failed.csv").read_text() == "precious"
    respondio("runs", "show", "run.sqlite", "--failed", "failed.csv", "--force", code=1)
    assert "id:1" in Path("failed.csv").read_text()


@pytest.mark.parametrize(
    "words",
    [("tag", "x", "--contact", "id:1"), ("delete", "-y", "--contact", "id:1")],
)
def test_one_failed_item_leaves_no_journal(respondio: Respondio, words: tuple[str, ...]) -> None:
    """There is nothing to resume but the command itself; several leave one, and it is named."""
    assert "1 failed" in respondio("contacts", *words, code=1).stdout
    assert not list(Path.cwd().iterdir())
    several = respondio("contacts", *words, "--contact", "id:2", code=1).stdout
    (journal,) = Path.cwd().iterdir()
    assert journal.name.startswith("respondio-")
    assert journal.name in several


def test_a_run_has_a_title(respondio: Respondio) -> None:
    """The command's name; of a function of somebody's, its own name alone."""
    respondio("contacts", "tag", "x", "--contact", "id:1", "--journal", "run.sqlite", code=1)
    shown = respondio("runs", "show", "run.sqlite", code=1).stdout
    assert shown.splitlines()[0] == "contacts tag, 1 run"
    assert title_of("main.<locals>.send_all.<locals>.send_one") == "send_one"
    assert title_of("main.<locals>.<lambda>") == "a function without a name"
    assert title_of("Importer.work") == "Importer.work"


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (0, "contact", "0 contacts"), (1, "contact", "1 contact"),
        (2, "pair", "2 pairs"), (1, "bad row", "1 bad row"),
        (2, "bad row", "2 bad rows"), (2, "custom field", "2 custom fields"),
    ],
)  # fmt: skip
def test_one_is_not_many(count: int, noun: str, text: str) -> None:
    assert counted(count, noun) == text


def test_a_dry_run_shows_a_message_as_it_would_be_sent(
    respondio: Respondio, sandbox: Sandbox
) -> None:
    """A dry run shows a message as it would be sent to whom, and every variable filled; as JSON
    what would go onto the wire.
    """
    phone = sandbox.contacts[0].phone
    Path("people.csv").write_text(f"phone,first_name,order\nbad,Bo,B\n{phone},Aina,A-1\n")
    start = ("messages", "broadcast", "--from", "people.csv", "--channel", "2001", "--dry-run")
    text = respondio(*start, "--text", "Hi {first_name}", code=2).stdout
    assert "1 message, 1 bad row" in text
    assert f"Line 3, to phone:{phone}:\n  Hi Aina\n" in text
    template = ("--template", "order_update", "--var", "1=first_name", "--var", "2=order")
    shown = respondio(*start, *template, code=2).stdout
    assert "template order_update (en)" in shown
    assert "body: Hi Aina, your order A-1 is on its way." in shown
    assert "footer: Reply STOP to opt out" in shown
    example = json.loads(respondio(*start, *template, "--json", code=2).stdout)["example"]
    assert (example["line"], example["to"]) == (3, f"phone:{phone}")
    assert example["message"]["type"] == "whatsapp_template"
    assert not sandbox.sent_messages


def test_a_dry_run_fills_headers_and_buttons(respondio: Respondio, sandbox: Sandbox) -> None:
    """A file's address and a link's end are part of the message."""
    phone = sandbox.contacts[0].phone
    Path("people.csv").write_text(
        f"phone,1,2,file,code\n{phone},Aina,9 EUR,https://x.example/a.pdf,q7\n"
    )
    shown = respondio(
        "messages", "broadcast", "--from", "people.csv", "--channel", "2001", "--dry-run",
        "--template", "invoice", "--header", "file", "--button", "code",
    ).stdout  # fmt: skip
    assert "header: https://x.example/a.pdf" in shown
    assert "body: Dear Aina, here is your invoice of 9 EUR." in shown
    assert "https://pay.example/q7" in shown


def test_the_messages_of_one_contact(respondio: Respondio, sandbox: Sandbox) -> None:
    first, second = sandbox.contacts[:2]
    words = (
        "messages",
        "export",
        "--contact",
        f"phone:{first.phone}",
        "--contact",
        f"id:{first.id}",
    )
    rows = [json.loads(line) for line in respondio(*words).stdout.splitlines()]
    assert [row["contact_id"] for row in rows] == [first.id] * 2
    respondio(*words, "--contact", f"id:{second.id}", "-o", "two.xlsx")
    sheet = load_workbook("two.xlsx").worksheets[0]
    ids = [row[0] for row in sheet.iter_rows(min_row=2, values_only=True)]
    assert ids == sorted([first.id] * 2 + [second.id] * 2)
    respondio("messages", "export", "--contact", "id:1", code=1)


def test_a_workbook_comes_back(respondio: Respondio, sandbox: Sandbox) -> None:
    """What `contacts export -o NAME.xlsx` writes, `contacts import` reads."""
    sandbox.contacts[0].first_name = "=1+1"
    respondio("contacts", "export", "-o", "all.xlsx")
    planned = json.loads(respondio("contacts", "import", "all.xlsx", "--dry-run", "--json").stdout)
    assert (planned["good"], planned["bad"]) == (12, [])
    respondio("contacts", "import", "all.xlsx")
    assert sandbox.contacts[0].first_name == "=1+1"


COMMANDS = [
    (*group, name)
    for group, entries in (
        ((), _app.COMMANDS), (("contacts",), _app.CONTACTS), (("messages",), _app.MESSAGES),
        (("runs",), _app.RUNS), (("webhooks",), _app.WEBHOOKS),
    )
    for name in entries
]  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_is_explained_by_help(words: tuple[str, ...]) -> None:
    """`respondio help contacts export`, `respondio contacts help export` and `--help` are one."""
    runner = CliRunner()

    def said(*arguments: str) -> str:
        result = runner.invoke(app, list(arguments), prog_name="respondio")
        assert result.exit_code == 0, result.output
        return result.output

    helped = said(*words, "--help")
    assert f"respondio {' '.join(words)}" in helped
    assert said("help", *words) == helped
    if len(words) == 2:
        assert said(words[0], "help", words[1]) == helped


def test_a_group_without_a_command_shows_its_help() -> None:
    """A group without a command shows its help, as `gh` does, and `help` alone."""
    runner = CliRunner()
    whole = runner.invoke(app, ["--help"], prog_name="respondio").output
    assert runner.invoke(app, [], prog_name="respondio").output == whole
    assert runner.invoke(app, ["help"], prog_name="respondio").output == whole
    assert "contacts" in whole
    wrong = runner.invoke(app, ["contcts"], prog_name="respondio")
    assert wrong.exit_code == 2
    assert "Did you mean 'contacts'" in wrong.output


def test_listed_help_is_short_and_every_target_exists() -> None:
    """One line each, as the list shows it; the list knows no command that is not there."""
    for entries in (_app.COMMANDS, _app.CONTACTS, _app.MESSAGES, _app.RUNS, _app.WEBHOOKS):
        for entry in entries.values():
            assert isinstance(entry, Lazy)
            assert len(entry.help) <= 66
            assert entry.help.endswith(".")
            assert callable(entry.load())


@pytest.mark.parametrize(
    ("arguments", "completed"),
    [("respondio ", "contacts"), ("respondio contacts ", "export"), ("respondio mess", "messages")],
)
def test_completion_of_names_imports_no_command(arguments: str, completed: str) -> None:
    """Neither the client's parts nor what draws tables: a TAB must not be felt."""
    code = (
        "import sys\nfrom respondio_async.cli._app import app\n"
        "try: app(prog_name='respondio')\n"
        "except SystemExit: pass\n"
        "heavy = {'httpx', 'rich', 'starlette', 'pydantic'}\n"
        "print(sorted({n.split('.')[0] for n in sys.modules} & heavy), "
        "'respondio_async._client' in sys.modules)"
    )
    variables = {
        "_RESPONDIO_COMPLETE": "complete_bash",
        "COMP_WORDS": arguments,
        "COMP_CWORD": str(arguments.count(" ")),
    }
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert completed in ended.stdout.split()
    assert ended.stdout.splitlines()[-1] == "[] False"


def test_help_and_version_import_no_command() -> None:
    """They import no rich either: drawing takes longer to load than all the rest."""
    code = (
        "import sys\nfrom respondio_async.cli._app import app\n"
        "try: app(['{}'], prog_name='respondio')\n"
        "except SystemExit: pass\n"
        "print([n for n in ('httpx', 'rich.console', 'msgspec', 'asyncio') if n in sys.modules])"
    )
    for option in ("--help", "--version"):
        ended = subprocess.run(
            [sys.executable, "-c", code.format(option)],
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        )
        assert ended.stdout.splitlines()[-1] == "[]"


def test_the_package_is_the_command() -> None:
    """`python -m respondio_async`, for where no script is on the path."""
    ended = subprocess.run(
        [sys.executable, "-m", "respondio_async", "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert re.fullmatch(r"respondio-async \S+\n", ended.stdout)


@pytest.mark.parametrize("damage", ["text", "cut", "torn", "empty", "other", "no tables", "folder"])
@pytest.mark.parametrize("options", [(), ("--json",), ("--failed", "failed.csv")])
def test_a_damaged_journal_is_said_in_words(
    respondio: Respondio, monkeypatch: pytest.MonkeyPatch, damage: str, options: tuple[str, ...]
) -> None:
    """A damaged journal is said in words with 2, and no traceback; the name is there, and what to
    do.
    """
    import sqlite3

    path = Path("run.sqlite")
    respondio("contacts", "tag", "x", "--contact", "id:1", "--journal", str(path), code=1)
    content = bytearray(path.read_bytes())
    if damage == "text":
        path.write_text("hello")
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "torn":
        content[4096:] = b"\xff" * (len(content) - 4096)
        path.write_bytes(content)
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        with sqlite3.connect(path) as connection:
            if damage == "no tables":
                connection.execute("DROP TABLE items")
            else:
                connection.execute("PRAGMA application_id = 7")
        connection.close()
    result = respondio("runs", "show", str(path), *options, code=2)
    assert "run.sqlite" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert run_on_terminal(monkeypatch, "runs", "show", str(path)).code == 2
