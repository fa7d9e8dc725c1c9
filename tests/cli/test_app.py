"""The command itself: help, errors, what it needs."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from respondio_async import __version__
from respondio_async.cli import main
from respondio_async.cli._app import app
from respondio_async.cli._bulk import duration
from respondio_async.cli._screen import Screen
from respondio_async.cli.export import how_to_resume
from respondio_async.cli.files.sinks import choose_target, open_sink
from respondio_async.sandbox import Quirks, Sandbox
from tests.cli.command import COMMAND, environment, start
from tests.cli.command import respondio as command
from tests.cli.conftest import Respondio
from tests.support.platforms import with_docstrings

COMMANDS = [
    ("demo",), ("sandbox",), ("limits",), ("runs", "show"), ("contacts", "export"),
    ("contacts", "import"), ("contacts", "tag"),
    ("contacts", "untag"), ("contacts", "delete"), ("contacts", "merge"), ("messages", "export"),
    ("messages", "send"),
    ("messages", "broadcast"),
]  # fmt: skip


@with_docstrings
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    """Every command explains itself, with examples, and without an option that takes the token."""
    result = CliRunner().invoke(app, [*command, "--help"], prog_name="respondio")
    assert result.exit_code == 0
    assert "Examples" in result.output
    assert f"respondio {' '.join(command)}" in result.output
    assert "--token" not in result.output


def test_the_exit_codes_are_documented() -> None:
    """The exit codes are documented in the help of the whole."""
    output = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "300"}).output
    for code in ("0 ", "1 ", "2 ", "3 ", "4 ", "130 "):
        assert code in output.partition("Exit codes")[2]
    assert __version__ in CliRunner().invoke(app, ["--version"]).output


def test_a_wrong_command_ends_with_2() -> None:
    """A wrong command ends with 2, as everywhere."""
    assert CliRunner().invoke(app, ["contact"]).exit_code == 2


def test_without_a_token_it_says_where_to_get_one() -> None:
    """Nobody is asked where nobody can answer."""
    ended = command("contacts", "export")
    assert ended.returncode == 2
    assert "RESPONDIO_API_TOKEN" in ended.stderr


def test_the_token_is_asked_for_without_showing_it() -> None:
    """The token is asked for without showing it on a terminal; what is typed does not appear, and
    Ctrl-C ends the question.
    """
    with Sandbox(contacts=1) as sandbox:
        output, code = _on_terminal(
            "limits", "--observe", "--base-url", sandbox.url, typed=f"{sandbox.token}\n"
        )
    assert code == 0, output
    assert "API token" in output
    assert "observed" in output
    assert sandbox.token not in output
    output, code = _on_terminal("contacts", "export", typed="\x03")
    assert code == 130
    assert "Traceback" not in output


def test_deleting_is_confirmed_on_a_terminal() -> None:
    """A no leaves everything as it was; progress is drawn for a yes."""
    with Sandbox(contacts=3, quirks=Quirks.calm()) as sandbox:
        variables = {"RESPONDIO_API_TOKEN": sandbox.token, "RESPONDIO_BASE_URL": sandbox.url}
        _, code = _on_terminal("contacts", "delete", "--all", typed="n\n", **variables)
        assert (code, len(sandbox.contacts)) == (2, 3)
        output, code = _on_terminal("contacts", "delete", "--all", typed="y\n", **variables)
        assert (code, sandbox.contacts) == (0, [])
    assert "Delete 3 contacts" in output
    assert "3/3" in output


def _on_terminal(*arguments: str, typed: str, **variables: str) -> tuple[str, int]:
    """Run the command on a pseudo-terminal; what is typed goes in at the first question.

    Not before its last space: a hidden question throws away what was typed until then.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments], env=environment(COLUMNS="100", TERM="xterm", **variables),
        stdin=theirs, stdout=theirs,
        stderr=theirs, start_new_session=True,
        preexec_fn=_take_terminal,  # noqa: PLW1509 - the sandbox's thread holds no lock that the child needs
    )  # fmt: skip
    os.close(theirs)
    output = b""
    with os.fdopen(ours, "rb+", buffering=0) as terminal:
        while True:
            try:
                read = terminal.read(65_536)
            except OSError:  # the other end is closed
                break
            if not read:
                break
            output += read
            if typed and output.endswith(b": "):
                terminal.write(typed.encode())
                typed = ""
    return output.decode(), process.wait(timeout=300)


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_a_missing_library_is_said_with_the_command_to_get_it(missing: str) -> None:
    """A missing library is said with the command to get it, not a traceback."""
    code = (
        f"import sys; sys.modules[{missing!r}] = None; sys.argv[1:] = ['limits']; "
        "from respondio_async.cli import main; main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300
    )
    assert ended.returncode == 2
    assert "pip install 'respondio-async[cli]'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_bug_of_ours_is_no_missing_library() -> None:
    """Any other module that is missing is not explained away."""
    code = (
        "import sys; sys.modules['msgspec'] = None; sys.argv[1:] = ['limits']; "
        "from respondio_async.cli import main; main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300
    )
    assert "Traceback" in ended.stderr


def test_limits_are_shown_and_observed(respondio: Respondio, sandbox: Sandbox) -> None:
    """The vendor's table; with --observe what the server's headers say, by reads alone."""
    rows = json.loads(respondio("limits", "--json").stdout)
    assert {row["route"]: row["default"] for row in rows}["GET /contact/{identifier}"] == 10
    assert sandbox.count() == 0
    sandbox.fault("status", path="/space/closing_notes", status=404)
    rows = json.loads(respondio("limits", "--observe", "--json").stdout)
    observed = {row["route"]: row["observed"] for row in rows}
    assert observed["GET /contact/{identifier}/message/{messageId}"] == 300
    assert observed["GET /space/closing_notes"] is None
    assert observed["POST /contact/merge"] is None
    assert {arrival.method for arrival in sandbox.requests} == {"GET", "POST"}
    assert {arrival.template for arrival in sandbox.requests if arrival.method == "POST"} == {
        "POST /contact/list"
    }
    assert "300" in respondio("limits", "--observe").stdout
    assert "observed" not in respondio("limits").stdout
    sandbox.revoke(sandbox.token)


@pytest.mark.parametrize(
    ("path", "status", "code", "said"),
    [
        ("/space/user", 401, 4, "401"),
        ("/space/closing_notes", 401, 4, "401"),
        ("/contact/list", 403, 4, "403"),
        (None, 503, 1, "503"),
        ("/space/channel", 500, 1, "500"),
        ("/contact/{identifier}", 400, 1, "400"),
        ("/space/closing_notes", 404, 0, "404"),
    ],
)
def test_what_failed_while_limits_were_observed_is_told(
    respondio: Respondio, sandbox: Sandbox, path: str | None, status: int, code: int, said: str
) -> None:
    """It ends the command as every failure does, so that nobody takes the server for healthy."""
    sandbox.fault("status", path=path, status=status)
    assert f": {said} " in respondio("limits", "--observe", code=code).stderr


@pytest.mark.parametrize(
    ("arguments", "module", "said"),
    [
        (("contacts", "export", "-o", "a.parquet"), "pyarrow.parquet",
            "Parquet needs pyarrow: pip install 'respondio-async[parquet]'"),
        (("contacts", "export", "-o", "a.xlsx"), "openpyxl",
            "XLSX needs openpyxl: pip install 'respondio-async[cli]'"),
        (("contacts", "import", "a.xlsx"), "openpyxl",
            "XLSX needs openpyxl: pip install 'respondio-async[cli]'"),
        (("contacts", "import", "a.csv", "--country", "MY"), "phonenumbers",
            "phone numbers need phonenumbers: pip install 'respondio-async[cli]'"),
    ],
)  # fmt: skip
def test_what_an_extra_brings_is_named(
    respondio: Respondio,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    module: str,
    said: str,
) -> None:
    """It is wrong usage, said before the first request."""
    Path("a.csv").write_text("phone\n0123456789\n")
    if arguments[1] == "import":
        Path("a.xlsx").write_bytes(b"")
    monkeypatch.setitem(sys.modules, module, None)
    assert said in respondio(*arguments, code=2).stderr


def test_a_dead_server_has_no_limits(respondio: Respondio, sandbox: Sandbox) -> None:
    """It is said, without a table of nothing."""
    sandbox.stop()
    result = respondio("limits", "--observe", code=1)
    assert "GET /space/user" in result.stderr
    assert "observed" not in result.stdout


def test_a_sandbox_serves_until_ctrl_c() -> None:
    """It prints the two variables that make the command use it."""
    process = start("sandbox", "--contacts", "3", "--calm", "--limits-factor", "10")
    assert process.stdout is not None
    variables = dict(process.stdout.readline().strip().split("=", 1) for _ in range(2))
    exported = _exported("contacts", "export", variables)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=300)
    assert process.returncode == 0
    assert len(exported.splitlines()) == 3


def _exported(*arguments: str | dict[str, str]) -> str:
    *words, variables = arguments
    ended = command(*map(str, words), env=dict(variables))
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_sandbox_that_cannot_be_says_why() -> None:
    """A port in use, a limit of nothing."""
    with Sandbox() as sandbox:
        port = sandbox.url.rpartition(":")[2].partition("/")[0]
        assert command("sandbox", "--port", port).returncode == 2
    assert command("sandbox", "--limits-factor", "0").returncode == 2


def test_a_journal_that_is_none_is_refused(respondio: Respondio) -> None:
    """It ends with 2, and a word."""
    assert "no journal" in respondio("runs", "show", "nothing.sqlite", code=2).stderr


def test_a_killed_import_goes_on(tmp_path: Path) -> None:
    """A killed import goes on: kill -9 in the middle; the same command with the journal does the
    rest, and each contact is written once more at most.
    """
    (tmp_path / "people.csv").write_text(
        "email,tags\n" + "".join(f"p{number}@b.example,new\n" for number in range(60))
    )
    with Sandbox(limits_factor=20, quirks=Quirks.calm()) as sandbox:
        words = (
            "contacts",
            "import",
            str(tmp_path / "people.csv"),
            "--journal",
            str(tmp_path / "run.sqlite"),
        )
        variables = {"RESPONDIO_API_TOKEN": sandbox.token, "RESPONDIO_BASE_URL": sandbox.url}
        process = start(*words, env=variables)
        while len(sandbox.contacts) < 15:
            time.sleep(0.01)
        process.kill()
        process.communicate(timeout=300)
        assert 15 <= len(sandbox.contacts) < 60
        ended = command(*words, "--json", env=variables)
        assert ended.returncode == 0, ended.stderr
        report = json.loads(ended.stdout)
        assert report["done"] + report["skipped"] == 60
        assert report["skipped"] > 0
        assert len(sandbox.contacts) == 60
        assert all(contact.tags == ["new"] for contact in sandbox.contacts)
        assert command("runs", "show", str(tmp_path / "run.sqlite")).returncode == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_import_says_how_to_go_on(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """On Ctrl-C and SIGTERM what is in flight ends, and the command that goes on is there to
    copy.
    """
    (tmp_path / "people.csv").write_text(
        "email\n" + "".join(f"p{number}@b.example\n" for number in range(300))
    )
    with Sandbox(limits_factor=20, quirks=Quirks.calm()) as sandbox:
        process = start(
            "contacts", "import", str(tmp_path / "people.csv"), "--journal",
            str(tmp_path / "run.sqlite"),
            env={"RESPONDIO_API_TOKEN": sandbox.token, "RESPONDIO_BASE_URL": sandbox.url},
        )  # fmt: skip
        while len(sandbox.contacts) < 40:
            time.sleep(0.01)
        process.send_signal(number)
        _, errors = process.communicate(timeout=300)
    assert process.returncode == code
    assert "Stopping: " in errors
    assert "respondio contacts import" in errors
    assert "Traceback" not in errors
    assert sandbox.token not in errors


def test_a_killed_export_goes_on(tmp_path: Path) -> None:
    """A killed export goes on: kill -9 in the middle; --resume has every contact once."""
    output = tmp_path / "out.jsonl"
    with Sandbox(contacts=2_000, limits_factor=4, quirks=Quirks.calm()) as sandbox:
        variables = {"RESPONDIO_API_TOKEN": sandbox.token, "RESPONDIO_BASE_URL": sandbox.url}
        process = start("contacts", "export", "-o", str(output), env=variables)
        resume = tmp_path / "out.jsonl.resume"
        while not resume.exists():
            time.sleep(0.01)
        process.kill()
        process.communicate(timeout=300)
        ended = command("contacts", "export", "-o", str(output), "--resume", env=variables)
    assert ended.returncode == 0, ended.stderr
    ids = [json.loads(line)["id"] for line in output.read_text().splitlines()]
    assert len(ids) == len(set(ids)) == 2_000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (3_600, "60 min"), (9_000, "2 h 30 min")],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    """Nobody counts a thousand seconds."""
    assert duration(seconds) == text


def test_the_entry_point_runs_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The entry point runs the command with the process's own arguments."""
    monkeypatch.setattr(sys, "argv", ["respondio", "--version"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize(
    ("module", "arguments", "extra"),
    [
        ("pyarrow.parquet", ("contacts", "export", "-o", "a.parquet"), "parquet"),
        ("phonenumbers", ("contacts", "import", "a.csv", "--country", "MY"), "cli"),
        ("openpyxl", ("contacts", "import", "a.xlsx"), "cli"),
    ],
)
def test_a_missing_part_is_said(
    respondio: Respondio,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    arguments: tuple[str, ...],
    extra: str,
) -> None:
    """A missing part is said with the extra that has it, before any work."""
    for name in ("a.csv", "a.xlsx"):
        Path(name).write_text("phone\n1\n")
    monkeypatch.setitem(sys.modules, module, None)
    assert f"respondio-async[{extra}]" in respondio(*arguments, code=2).stderr


def test_a_file_that_cannot_be_written_is_named(respondio: Respondio, sandbox: Sandbox) -> None:
    """A file that cannot be written is named before the first request."""
    assert "nowhere" in respondio("contacts", "export", "-o", "nowhere/a.csv", code=2).stderr
    assert sandbox.count() == 0


def test_the_sandbox_checks_its_options() -> None:
    assert CliRunner().invoke(app, ["sandbox", "--limits-factor", "0"]).exit_code == 2
    with Sandbox() as sandbox:
        port = sandbox.url.rpartition(":")[2].partition("/")[0]
        assert CliRunner().invoke(app, ["sandbox", "--port", port]).exit_code == 2


def test_a_stopped_export_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The same command with --resume, unless nothing was kept."""
    monkeypatch.chdir(tmp_path)
    path = Path("my file.csv")
    monkeypatch.setattr(sys, "argv", ["respondio", "contacts", "export", "-o", str(path)])
    assert how_to_resume(path) == ["Stopped before anything was kept."]
    sink = open_sink(choose_target(path, None), "", [], Screen())
    sink.write({})
    sink.checkpoint(1)
    sink.close()
    kept, command = how_to_resume(path)
    assert "1 row kept" in kept
    assert "'my file.csv' --resume" in command
    assert "--output" in how_to_resume(None)[0]


def test_progress_is_drawn_on_a_terminal(
    respondio: Respondio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each route with its rate against its limit, and how many rows an export has."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    drawn = respondio("contacts", "tag", "x", "--all").stderr
    assert "rate / limit" in drawn
    assert "12/12" in drawn
    assert "12 contacts" in respondio("contacts", "export", "-o", "a.csv").stderr
