"""What every command says and returns: for every way in which the server may take it, in a first
run, and when the same command is given again once the server is well.
"""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from respondio_async import RetryPolicy
from respondio_async._engine import breaker
from respondio_async.cli import _client
from respondio_async.sandbox import Sandbox
from tests.cli.conftest import Respondio

COUNT = 3


class Command(NamedTuple):
    """A command that does three things, with a journal."""

    words: tuple[str, ...]
    path: str
    done: str
    """What is done to one of them."""
    is_sent_once: bool = False
    """Whether a write of unknown outcome is reported, and not repeated."""


COMMANDS = {
    "import": Command(
        ("contacts", "import", "people.csv"),
        "/contact/create_or_update/{identifier}", "contact imported",
    ),
    "tag": Command(
        ("contacts", "tag", "new", "--from", "people.csv"),
        "/contact/{identifier}/tag", "contact tagged",
    ),
    "untag": Command(
        ("contacts", "untag", "new", "--from", "people.csv"),
        "/contact/{identifier}/tag", "contact untagged",
    ),
    "delete": Command(
        ("contacts", "delete", "--from", "people.csv", "--yes"),
        "/contact/{identifier}", "contact deleted",
    ),
    "merge": Command(
        ("contacts", "merge", "--from", "pairs.csv", "--yes"),
        "/contact/merge", "pair merged", is_sent_once=True,
    ),
    "broadcast": Command(
        ("messages", "broadcast", "--from", "people.csv", "--channel", "2001", "--text", "Hi",
         "--yes"),
        "/contact/{identifier}/message", "message accepted", is_sent_once=True,
    ),
}  # fmt: skip


class Case(NamedTuple):
    """How the server takes the three, and how the command ends: the first time, and again."""

    prepare: Callable[[Sandbox, str], object]
    first: tuple[int, str]
    """Exit code, and the summary with {n} for what is done to one."""
    again: tuple[int, str]
    first_sent_once: tuple[int, str] | None = None
    """The same where a write is never repeated; None: no different."""
    again_sent_once: tuple[int, str] | None = None


def _fault(kind: str, times: int | None, **options: object) -> Callable[[Sandbox, str], object]:
    return lambda sandbox, path: sandbox.fault(kind, path=path, times=times, **options)  # type: ignore[arg-type]


CASES = {
    "well": Case(lambda *_: None, (0, "3 {n}s"), (0, "0 {n}s, 3 done in an earlier run")),
    "one 400": Case(
        _fault("status", 1, status=400),
        (1, "2 {n}s, 1 failed"),
        (0, "1 {n}, 2 done in an earlier run"),
    ),
    "all 400": Case(_fault("status", None, status=400), (1, "0 {n}s, 3 failed"), (0, "3 {n}s")),
    "503 for a while": Case(
        _fault("status", 8, status=503), (0, "3 {n}s"), (0, "0 {n}s, 3 done in an earlier run")
    ),
    "403": Case(_fault("status", 1, status=403), (1, "2 {n}s, 1 failed"),
                (0, "1 {n}, 2 done in an earlier run")),
    "torn": Case(
        _fault("torn", None),
        (1, "0 {n}s, 3 failed"), (0, "3 {n}s"),
        (3, "0 {n}s, 3 unknown"), (3, "0 {n}s, 3 unknown"),
    ),
    "one 500": Case(
        _fault("status", 2, status=500, processed=True),
        (0, "3 {n}s"), (0, "0 {n}s, 3 done in an earlier run"),
        (3, "1 {n}, 2 unknown"), (3, "0 {n}s, 1 done in an earlier run, 2 unknown"),
    ),
}  # fmt: skip


@pytest.fixture
def ready(sandbox: Sandbox, respondio: Respondio, monkeypatch: pytest.MonkeyPatch) -> Respondio:
    """Three contacts and their files; a client that tries three times, without waiting: two faults
    may meet the same contact.
    """
    policy = partial(RetryPolicy, max_attempts=3, backoff=0.001, max_backoff=0.001)
    monkeypatch.setattr(_client, "RetryPolicy", policy)
    monkeypatch.setattr(breaker, "LONGEST_PAUSE", 0.01)
    contacts = sandbox.contacts
    for contact in contacts[:COUNT]:
        contact.tags = ["new"]
    lines = [f"id:{each.id},{each.phone}" for each in contacts[:COUNT]]
    Path("people.csv").write_text("\n".join(["row,phone", *lines]) + "\n")
    pairs = [f"{contacts[at].id},{contacts[at + COUNT].id}" for at in range(COUNT)]
    Path("pairs.csv").write_text("\n".join(["first,second", *pairs]) + "\n")
    return respondio


def _words(name: str) -> tuple[str, ...]:
    words = COMMANDS[name].words
    return (*words, "--map", "row=-") if name == "import" else words


def _check_summary(said: str, expected: str, command: Command) -> None:
    verb = command.done.partition(" ")
    plural = f"{verb[0]}s {verb[2]}"
    summary = expected.replace("{n}s", plural).replace("{n}", command.done)
    assert said.splitlines()[0].startswith(f"{summary}, in "), said


def _counts_agree(respondio: Respondio, report: dict[str, int], code: int) -> None:
    """`runs show` counts what the run did, and ends as it did."""
    shown = json.loads(respondio("runs", "show", "run.sqlite", "--json", code=code).stdout)
    assert shown["done"] == report["done"] + report["done_earlier"]
    assert (shown["failed"], shown["unknown"]) == (report["failed"], report["unknown"])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_bulk_command_says_what_happened(
    ready: Respondio, sandbox: Sandbox, name: str, case: str
) -> None:
    """Its exit code, its summary, its JSON and `runs show` agree; the second run does what failed,
    and nothing twice.
    """
    command, rules = COMMANDS[name], CASES[case]
    first, again = rules.first, rules.again
    if command.is_sent_once:
        first, again = rules.first_sent_once or first, rules.again_sent_once or again
    if (name, case) == ("delete", "torn"):
        again = (1, "")  # they are gone, which the second run cannot know to be its own doing
    words = (*_words(name), "--journal", "run.sqlite")
    rules.prepare(sandbox, command.path)
    _check_summary(ready(*words, code=first[0]).stdout, first[1], command)
    sandbox.clear_faults()
    report = json.loads(ready(*words, "--json", code=again[0]).stdout)
    assert report["done"] + report["skipped"] + report["failed"] + report["unknown"] == COUNT
    _counts_agree(ready, report, again[0])
    assert len(report["failures"]) == report["failed"] + report["unknown"]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_second_run_reads_as_it_did(ready: Respondio, sandbox: Sandbox, name: str) -> None:
    """The second run reads as it did in words, and with a corrected row; with --failed skip what
    failed is left and reported.
    """
    words = (*_words(name), "--journal", "run.sqlite")
    sandbox.fault("status", path=COMMANDS[name].path, status=400, times=1)
    ready(*words, code=1)
    sandbox.forget()
    left = ready(*words, "--failed", "skip", code=1).stdout
    _check_summary(left, "0 {n}s, 2 done in an earlier run, 1 failed", COMMANDS[name])
    assert "BadRequestError" in left
    assert not [each for each in sandbox.requests if each.template.endswith(COMMANDS[name].path)]
    _check_summary(ready(*words).stdout, "1 {n}, 2 done in an earlier run", COMMANDS[name])
    again = ready(*words).stdout
    _check_summary(again, "0 {n}s, 3 done in an earlier run", COMMANDS[name])


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(
    ("variable", "value", "code", "said"),
    [
        ("RESPONDIO_API_TOKEN", "revoked", 4, "401"),
        ("RESPONDIO_BASE_URL", "http://127.0.0.1:9/v2", 1, "connect|max_outage=0.5 s"),
    ],
    ids=["401", "down"],
)
def test_without_a_server_or_a_token_nothing_is_done(
    ready: Respondio,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    variable: str,
    value: str,
    code: int,
    said: str,
) -> None:
    """Without a server or a token nothing is done: said in words; what there is of a run goes on
    when the same command is given again.
    """
    words = (*_words(name), "--journal", "run.sqlite", "--max-outage", "0.5s")
    with monkeypatch.context() as patch:
        patch.setenv(variable, value)
        result = ready(*words, code=code)
    assert re.search(said, result.stdout + result.stderr)
    assert "Traceback" not in result.stderr
    _check_summary(ready(*words).stdout, "3 {n}s", COMMANDS[name])


SEND = ("messages", "send")


@pytest.mark.parametrize(
    ("kind", "options", "code", "said"),
    [
        (None, {}, 0, "accepted"),
        ("status", {"status": 400}, 1, "error: POST /contact/{identifier}/message: 400"),
        ("status", {"status": 503}, 1, "503"),
        ("status", {"status": 500}, 3, "Look"),
        ("status", {"status": 401}, 4, "401"),
        ("status", {"status": 403}, 4, "403"),
        ("torn", {}, 3, "Look"),
        ("reset", {}, 3, "Look"),
    ],
)
def test_a_message_is_sent_failed_or_in_doubt(
    ready: Respondio, sandbox: Sandbox, kind: str | None, options: dict[str, int], code: int,
    said: str,
) -> None:  # fmt: skip
    """A message is sent failed or in doubt, never twice; giving the command again after a failure
    sends it.
    """
    contact = f"id:{sandbox.contacts[0].id}"
    if kind is not None:
        sandbox.fault(kind, path="/contact/{identifier}/message", **options)  # type: ignore[arg-type]
    result = ready(*SEND, contact, "hi", code=code)
    assert said in result.stdout + result.stderr
    sandbox.clear_faults()
    assert "accepted" in ready(*SEND, contact, "hi").stdout
    assert len(sandbox.sent_messages) <= 2


@pytest.mark.parametrize("what", ["contacts", "messages"])
@pytest.mark.parametrize(
    ("kind", "options", "code"),
    [
        (None, {}, 0), ("status", {"status": 400}, 1),
        ("status", {"status": 503, "times": 8}, 0), ("status", {"status": 401}, 4), ("torn", {}, 1),
    ],
)  # fmt: skip
def test_an_export_is_whole_or_goes_on(
    ready: Respondio, sandbox: Sandbox, what: str, kind: str | None, options: dict[str, int],
    code: int,
) -> None:  # fmt: skip
    """A file that is there is whole; with --resume the same command makes it so."""
    path = {"contacts": "/contact/list", "messages": "/contact/{identifier}/message/list"}[what]
    if kind is not None:
        sandbox.fault(kind, path=path, **options)  # type: ignore[arg-type]
    result = ready(what, "export", "-o", "out.jsonl", code=code)
    assert Path("out.jsonl").exists() == (code == 0)
    assert ("in out.jsonl" in result.stdout) == (code == 0)
    sandbox.clear_faults()
    if code:
        ready(what, "export", "-o", "out.jsonl", "--resume")
    count = len(Path("out.jsonl").read_text().splitlines())
    assert count == {"contacts": 12, "messages": 24}[what]
    assert "--force" in ready(what, "export", "-o", "out.jsonl", code=2).stderr


def test_an_export_of_histories_waits_as_long_as_it_was_told(
    ready: Respondio, sandbox: Sandbox
) -> None:
    """While the server does not answer, for up to --max-outage."""
    words = ("messages", "export", "-o", "history.jsonl")
    sandbox.fault("status", path="/contact/{identifier}/message/list", status=503)
    said = ready(*words, "--max-outage", "0.2s", code=1).stderr
    assert "longer than max_outage=0.2 s" in said
    sandbox.clear_faults()
    ready(*words)
