"""`respondio webhooks listen`, a process of its own, receives what the sandbox sends."""

import json
import os
import pty
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from respondio_async.sandbox import Quirks, Sandbox
from tests.cli.command import COMMAND, environment, respondio, start

PHONE = "+60123456789"
LISTEN = ("webhooks", "listen", "--port", "0")


def address(process: "subprocess.Popen[str]") -> str:
    """Where it listens, as it says itself."""
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("Listening on http://127.0.0.1:"), line
    return line.split()[2]


@contextmanager
def listening(
    *arguments: str, keys: str = "one, two"
) -> Iterator[tuple["subprocess.Popen[str]", Sandbox]]:
    """The command, and a sandbox that sends to it, signed with the second key."""
    process = start(*LISTEN, *arguments, env={"RESPONDIO_WEBHOOK_KEYS": keys})
    try:
        with Sandbox(quirks=Quirks.calm()) as sandbox:
            sandbox.webhook(address(process), key="two")
            yield process, sandbox
    finally:
        process.kill()
        process.communicate()


def lines(process: "subprocess.Popen[str]", count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline() for _ in range(count)]


def end(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Ctrl-C: its exit code and what it said last."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def test_events_are_printed_a_line_each() -> None:
    """Events are printed a line each: type, name, id, and what it is about; Ctrl-C ends it with a
    count and no traceback.
    """
    with listening() as (process, sandbox):
        customer = sandbox.customer(PHONE, name="Aina")
        customer.says("hello\n\x1b[31mred")
        customer.sends("sticker")
        sandbox.webhooks.send(
            "contact.tag.updated", sandbox.contact(PHONE), tag="vip", action="add"
        )
        sandbox.webhooks.send("moon.risen", sandbox.contact(PHONE), phase={"full": True})
        shown = lines(process, 6)
        known = sandbox.contact(PHONE).id
        assert [line.split(f" ({known})")[0].split() for line in shown[:3]] == [
            ["contact.created", "Aina"], ["conversation.opened", "Aina"],
            ["message.received", "Aina"],
        ]  # fmt: skip
        about = [line.strip().split("  ")[-1] for line in shown[2:]]
        assert about == [
            "[31mred",
            "[sticker]",
            "tag: vip, action: add",
            '{"phase":{"full":true}}',
        ]
        assert not any("\x1b" in line for line in shown)
        code, rest, remarks = end(process)
    assert (code, rest) == (130, "")
    assert "Stopped after 6 events." in remarks
    assert "Traceback" not in remarks


def test_json_lines_are_the_whole_bodies() -> None:
    """Only the events that were asked for, each once though it comes twice."""
    with listening("--json", "--events", "message.received,moon.risen") as (process, sandbox):
        sandbox.webhooks.duplicate(1.0)
        sandbox.customer(PHONE).says("grüezi")
        sandbox.webhooks.send("moon.risen", sandbox.contact(PHONE))
        bodies: list[Any] = [json.loads(line) for line in lines(process, 2)]
        code, rest, _ = end(process)
    assert [body["event_type"] for body in bodies] == ["message.received", "moon.risen"]
    assert bodies[0]["message"]["message"]["text"] == "grüezi"
    assert (code, rest) == (130, "")


def test_what_is_not_signed_is_refused() -> None:
    """What is not signed is refused, and said so, for a wrong key must be noticed; nothing of it is
    printed.
    """
    with listening(keys="other") as (process, sandbox):
        url = sandbox.webhooks.registered[0].url
        with httpx.Client(verify=False) as http:
            assert http.post(url, content=b'{"event_type":"message.received"}').status_code == 401
            assert http.put(url).status_code == 405
        sandbox.customer(PHONE).says("forged")
        assert process.stderr is not None
        remarks = [process.stderr.readline() for _ in range(3)]
        code, printed, rest = end(process)
    assert remarks[0] == "refused with 401: not signed with one of the keys\n"
    assert remarks[1] == "refused with 405: neither POST nor GET\n"
    assert "401" in remarks[2]
    assert (code, printed) == (130, "")
    assert "Stopped after 0 events." in rest


def test_keys_come_from_a_file(tmp_path: Path) -> None:
    """Keys come from a file: one a line."""
    file = tmp_path / "keys"
    file.write_text("one\ntwo\n")
    with listening("--key-file", str(file), keys="ignored") as (process, sandbox):
        sandbox.customer(PHONE).says("hi")
        assert lines(process, 1)[0].startswith("contact.created")


@pytest.mark.parametrize("content", [None, " \n"])
def test_without_a_key_it_does_not_start(tmp_path: Path, content: str | None) -> None:
    """It would print what anybody sends; the exit code is that of wrong usage."""
    file = tmp_path / "keys"
    file.write_text(content or "")
    done = respondio(*LISTEN, *([] if content is None else ["--key-file", str(file)]))
    assert done.returncode == 2
    assert "RESPONDIO_WEBHOOK_KEYS" in done.stderr


def test_no_option_takes_a_key() -> None:
    """Other users of the machine see the command line."""
    assert "--key " not in respondio("webhooks", "listen", "--help").stdout
    assert respondio(*LISTEN, "--key", "secret").returncode == 2


@contextmanager
def asked() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A listener that asks for its key, and the other end of its terminal."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *LISTEN], stdin=child, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(),
        start_new_session=True,
    )  # fmt: skip
    try:
        os.close(child)
        while (
            termios.tcgetattr(parent)[3] & termios.ECHO
        ):  # what is typed before it asks is thrown away
            assert process.poll() is None
            time.sleep(0.01)
        yield process, parent
    finally:
        process.kill()
        process.communicate()
        os.close(parent)


def test_a_person_is_asked_for_the_key() -> None:
    """A person is asked for the key at a terminal, without showing it."""
    with asked() as (process, terminal):
        os.write(terminal, b"two\n")
        assert process.stderr is not None
        while "Listening on" not in (line := process.stderr.readline()):
            assert process.poll() is None, line
        with Sandbox(quirks=Quirks.calm()) as sandbox:
            sandbox.webhook(line.split("Listening on ")[1].split()[0], key="two")
            sandbox.customer(PHONE).says("hi")
            assert lines(process, 1)[0].startswith("contact.created")


def test_ctrl_c_is_an_answer() -> None:
    """Nobody has to type a key first to get out."""
    with asked() as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130


def test_a_port_in_use() -> None:
    """A port in use is said in a line."""
    with listening() as (_, sandbox):
        port = sandbox.webhooks.registered[0].url.rsplit(":", 1)[1].strip("/")
        done = respondio("webhooks", "listen", "--port", port, env={"RESPONDIO_WEBHOOK_KEYS": "x"})
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "in use" in done.stderr


def test_the_sandbox_of_one_terminal_is_heard_in_another() -> None:
    """`respondio sandbox --webhook URL` signs with the key that the listener reads; a URL that is
    none is wrong usage.
    """
    keys = {"RESPONDIO_WEBHOOK_KEYS": "shared"}
    listener = start(*LISTEN, env=keys)
    sandbox = start("sandbox", "--contacts", "0", "--webhook", address(listener), env=keys)
    try:
        assert sandbox.stderr is not None
        inbox = sandbox.stderr.readline().removeprefix("Inbox: ").strip()
        with httpx.Client(verify=False) as http:
            http.post(f"{inbox}/say", json={"contact": PHONE, "text": "heard?"})
        assert lines(listener, 3)[2].rstrip().endswith("heard?")
    finally:
        for process in (listener, sandbox):
            process.kill()
            process.communicate()
    assert respondio("sandbox", "--webhook", "nowhere").returncode == 2
