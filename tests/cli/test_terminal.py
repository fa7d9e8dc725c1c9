"""What strangers wrote gives no orders to the terminal, whichever command prints it; files and
pipes get it exactly.
"""

import csv
import io
import json
import sqlite3
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.table import Table

from respondio_async.cli import _app
from respondio_async.cli._app import Lazy
from respondio_async.cli._screen import Screen, printable, shorten
from respondio_async.cli.webhooks import Printer
from respondio_async.sandbox import Sandbox
from respondio_async.webhooks import parse
from tests.cli.conftest import Respondio
from tests.cli.terminal import run_on_terminal, terminal

NAME = "A\x1b]0;owned\x07\x9b31m\u202e\u2066\u2028[bold red]b[/bold red]\x08\u200fZ"
"""A title change, colours, turned writing, a hidden line, rich's own markup, a backspace."""
HIDDEN = ("\x1b", "\x07", "\x9b", "\u202e", "\u2066", "\u2028", "\x08", "\u200f")


@pytest.fixture
def hostile(sandbox: Sandbox, respondio: Respondio) -> Path:
    """A workspace in which everything is called so, and files that are; the current folder."""
    state = sandbox.state
    for contact in state.contacts.values():
        contact.first_name = NAME
        contact.tags = [NAME]
        contact.lifecycle = NAME
    for group in (state.users, state.channels, state.templates, state.custom_fields):
        for each in group.values():
            for attribute in ("name", "first_name", "description"):
                if hasattr(each, attribute):
                    setattr(each, attribute, NAME)
    contact = sandbox.contacts[0]
    sandbox.receive_message(contact.id, NAME)
    folder = Path.cwd()
    (folder / "people.csv").write_text(f'phone,"{NAME}"\n{contact.phone},"{NAME}"\n', newline="")
    (folder / "plain.csv").write_text(f'phone,name\n{contact.phone},"{NAME}"\n', newline="")
    (folder / f"{NAME.replace('/', '')}.csv").write_text("phone\nnone\n")
    respondio("contacts", "tag", "x", "--contact", "id:1", "--journal", "run.sqlite", code=1)
    with sqlite3.connect("run.sqlite") as journal:
        journal.execute("UPDATE run SET value = ? WHERE name = 'work'", (NAME,))
        journal.execute("UPDATE items SET error = ?, reason = ?", (NAME, NAME))
    journal.close()
    return folder


FILE = f"{NAME.replace('/', '')}.csv"
WALK: list[tuple[str, ...]] = [
    ("contacts", "export"),
    ("contacts", "export", "--format", "csv"),
    ("contacts", "export", "--field", f"{NAME}=1"),
    ("contacts", "export", "--status", NAME),
    ("contacts", "export", "-o", f"{NAME}/out.csv"),
    ("contacts", "export", "-o", FILE),
    ("contacts", "get", "FIRST"),
    ("contacts", "get", NAME),
    ("contacts", "import", "people.csv"),
    ("contacts", "import", "people.csv", "--map", f"{NAME}=-", "--dry-run"),
    ("contacts", "import", FILE),
    ("contacts", "import", f"{NAME}.doc"),
    ("contacts", "import", "people.csv", "--mapping", NAME),
    ("contacts", "tag", NAME, "--contact", NAME),
    ("contacts", "untag", "x", "--from", FILE),
    ("contacts", "delete", "--from", f"{NAME}.xlsx"),
    ("contacts", "merge", "--from", FILE),
    ("messages", "export", "--contact", "FIRST"),
    ("messages", "export", "--contact", "FIRST", "--format", "csv"),
    ("messages", "send", NAME, NAME),
    ("messages", "send", "FIRST", "hi", "--channel", "1"),
    ("messages", "broadcast", "--from", "plain.csv", "--channel", "none", "--text", "x"),
    ("messages", "broadcast", "--from", "plain.csv", "--channel", "2001", "--template", NAME),
    (
        "messages", "broadcast", "--from", "plain.csv", "--channel", "2001",
        "--text", "Hi {name}", "--dry-run",
    ),
    ("runs", "show", "run.sqlite"),
    ("runs", "show", "run.sqlite", "--json"),
    ("runs", "show", NAME),
    ("runs", "show", "run.sqlite", "--results", "out.csv", "--report", "report.html"),
    ("runs", "deliveries", "run.sqlite"),
    ("runs", "deliveries", NAME),
    ("channels",),
    ("channels", "--json"),
    ("users",),
    ("fields",),
    ("templates", "2001"),
    ("api", "GET", "/space/user"),
    ("api", "GET", f"/space/{NAME}"),
    ("doctor", "--seconds", "0"),
    ("profiles",),
    ("profiles", "--remove", NAME),
    ("users", "--profile", NAME),
    ("login", "--profile", NAME),
    (NAME,),
    (f"--{NAME}",),
]  # fmt: skip
WITHOUT_STRANGERS = {
    *("limits", "demo", "sandbox", "webhooks listen", "webhooks work", "webhooks migrate"),
}
"""They print nothing of others; what `webhooks listen` prints has a test of its own."""


def _names(entries: dict[str, Lazy], prefix: str = "") -> set[str]:
    groups = {
        "contacts": _app.CONTACTS, "messages": _app.MESSAGES, "runs": _app.RUNS,
        "webhooks": _app.WEBHOOKS,
    }  # fmt: skip
    found: set[str] = set()
    for name in entries:
        if not prefix and name in groups:
            found |= _names(groups[name], f"{name} ")
        else:
            found.add(prefix + name)
    return found


def test_the_walk_leaves_no_command_out() -> None:
    """A new command has to be walked, or said to print nothing of strangers."""
    walked = {" ".join(words[:2]) for words in WALK} | {words[0] for words in WALK}
    assert _names(_app.COMMANDS) - walked == WITHOUT_STRANGERS


def test_nothing_that_strangers_wrote_reaches_the_terminal(
    hostile: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command, with names, files, arguments and answers that hold escape sequences."""
    first, seen = f"id:{sandbox.contacts[0].id}", 0
    sandbox.fault("status", path="/contact/{identifier}/message", status=400, message=NAME)
    for words in WALK:
        arguments = [first if word == "FIRST" else word for word in words]
        shown = run_on_terminal(monkeypatch, *arguments)
        text = shown.text.replace("\n", "")
        assert shown.code is not None
        assert not [each for each in HIDDEN if each in text], (words, text)
        assert text, words
        seen += "owned" in text
        if "owned" in text:
            assert "[bold red]b[/bold red]" in text or "\\n" in repr(shown.text), words
    assert seen > len(WALK) / 2


def test_files_and_pipes_get_it_exactly(hostile: Path, respondio: Respondio) -> None:
    """The same names, in every form of output that a program reads."""
    rows = [json.loads(line) for line in respondio("contacts", "export").stdout.split("\n")[:-1]]
    assert {row["first_name"] for row in rows} == {NAME}
    table = respondio("contacts", "export", "--format", "csv").stdout
    assert {row["first_name"] for row in csv.DictReader(io.StringIO(table, newline=""))} == {NAME}
    channels = json.loads(respondio("channels", "--json").stdout)
    assert channels[0]["name"] == NAME
    summary = json.loads(respondio("runs", "show", "run.sqlite", "--json", code=1).stdout)
    assert list(summary["reasons"]) == [f"{NAME}: {NAME}"]
    assert f"1 × {NAME}: {NAME}" in respondio("runs", "show", "run.sqlite", code=1).stdout
    assert NAME in respondio("contacts", "export", "-o", f"{NAME}/a.csv", code=2).stderr


@pytest.mark.parametrize("as_json", [False, True])
def test_events_are_shown_and_not_obeyed(monkeypatch: pytest.MonkeyPatch, *, as_json: bool) -> None:
    """Their type too, which nobody has to know."""
    body = {"event_type": NAME, "event_id": "1", "contact": {"id": 1, "firstName": NAME}, "x": NAME}

    class Context:
        event = parse(json.dumps(body).encode())

    with terminal(monkeypatch) as shown:
        printer = Printer(Screen(json=as_json), frozenset())
        printer.show(Context())  # type: ignore[arg-type]
    assert printer.count == 1
    assert not [each for each in HIDDEN if each in shown.text]
    assert "owned" in shown.text
    if as_json:
        assert json.loads(shown.text)["event_type"] == NAME


def test_json_on_a_terminal_is_the_same_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON on a terminal is the same JSON: escaped by its own rules, so that copying it from the
    terminal loses nothing.
    """
    value: dict[str, Any] = {"a": NAME, "\u202e": ["\U000e0041", "ü💚", "👩‍👧", "\x7f"]}
    with terminal(monkeypatch) as shown:
        Screen(json=True).document(value)
    assert json.loads(shown.text) == value
    assert "ü💚" in shown.text
    assert "👩‍👧" in shown.text


def test_a_newline_of_a_strangers_begins_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """It could look like a line of ours."""
    with terminal(monkeypatch) as shown:
        Screen().line("contact a\n500 contacts imported")
        Screen().error("no column\nerror: none", "detail\nfalse")
    assert len(shown.text.splitlines()) == 3


def test_markup_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Markup is text, wherever rich would read it: a table's cells and headings, and what is
    printed as it is.
    """
    table = Table("[red]heading[/red]", title=":smile: [i]title[/i]")
    table.add_row("[link=https://evil.example]cell[/link]")
    with terminal(monkeypatch) as shown:
        screen = Screen()
        screen.show(table)
        screen.show("[b]as it is[/b]")
    for text in ("[red]heading[/red]", "[link=https://evil.example]cell[/link]", "[b]as it is[/b]"):
        assert text in shown.text
    assert b"evil.example\x1b\\" not in shown.raw


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_every_character_that_acts_or_hides_is_escaped() -> None:
    """Every character that acts or hides is escaped by the Unicode tables, but for what writing
    needs: the joiners of emoji and scripts, and the signs of Arabic, Syriac and Kaithi, which are
    seen.
    """
    kept = {"\t", "\n", "\u200c", "\u200d"}
    seen = {*map(chr, range(0x0600, 0x0606)), "\u06dd", "\u070f", "\u0890", "\u0891", "\u08e2"}
    seen |= {"\U000110bd", "\U000110cd", *map(chr, range(0x13430, 0x13440))}
    wrong = [
        hex(number)
        for number in range(sys.maxunicode + 1)
        if _is_invisible(character := chr(number))
        and (printable(character) == character) != (character in kept | seen)
    ]
    assert not wrong
    assert printable("a\u0301ü💚\u00a0−é") == "a\u0301ü💚\u00a0−é"


@pytest.mark.parametrize("write", [Screen.line, Screen.note, Screen.error])
def test_a_pipe_gets_lines_as_they_are(
    write: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """A pipe gets lines as they are: neither wrapped nor cleaned."""
    text = f"{NAME} {'long ' * 60}"
    write(Screen(), text, "two")
    captured = capsys.readouterr()
    assert f"{text}\ntwo\n" in captured.out + captured.err


def test_a_short_line_of_somebody_elses_is_one_line() -> None:
    """A text that somebody else wrote becomes one short line for a summary."""
    assert shorten("a\nb\x1b[31m", 100) == "a b [31m"
    assert shorten("abcdef", 4) == "abc…"
    assert msgspec.json.encode(shorten("\ud800", 9)) == b'" "'
