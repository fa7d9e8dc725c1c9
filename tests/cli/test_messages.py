"""`respondio messages …` against a sandbox."""

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from respondio_async import ROUTES, Feedback, RateLimit
from respondio_async.cli.messages.send import limiter_of
from respondio_async.sandbox import Sandbox
from tests.cli.conftest import Respondio

SEND = "POST /contact/{identifier}/message"


def _people(sandbox: Sandbox, *extra: str) -> None:
    rows = [
        f"{contact.phone},{contact.first_name},{number}"
        for number, contact in enumerate(sandbox.contacts[:3])
    ]
    Path("people.csv").write_text("\n".join(["phone,first_name,order", *rows, *extra]))


def test_histories_are_exported_whole(respondio: Respondio, sandbox: Sandbox) -> None:
    """Histories are exported whole: every message of every contact once, with its time and its
    sender.
    """
    result = respondio("messages", "export", "-o", "m.csv")
    assert "24 messages in m.csv" in result.stdout
    rows = list(csv.DictReader(Path("m.csv").read_text().splitlines()))
    assert len({row["message_id"] for row in rows}) == 24
    assert {row["sender_source"] for row in rows} == {"contact", "user"}
    assert all(row["sent_at"] and json.loads(row["content"])["text"] == row["text"] for row in rows)
    one = json.loads(
        respondio("messages", "export", "-o", "m.parquet", "--tagged", "vip", "--json").stdout
    )
    assert one["rows"] == 2 * len(
        [contact for contact in sandbox.contacts if "vip" in contact.tags]
    )
    assert len(respondio("messages", "export").stdout.splitlines()) == 24


def test_an_export_of_histories_goes_on(respondio: Respondio, sandbox: Sandbox) -> None:
    """After an error in the middle, --resume fetches the rest and repeats nothing."""
    route = "GET /contact/{identifier}/message/list"
    sandbox.fault("status", path=route, status=400, after=4)
    result = respondio("messages", "export", "-o", "m.jsonl", code=1)
    assert "--resume" in result.stderr
    assert not Path("m.jsonl").exists()
    sandbox.clear_faults()
    respondio("messages", "export", "-o", "m.jsonl", "--resume")
    ids = [json.loads(line)["message_id"] for line in Path("m.jsonl").read_text().splitlines()]
    assert len(ids) == len(set(ids)) == 24


def test_a_message_is_sent(respondio: Respondio, sandbox: Sandbox) -> None:
    """A message is sent, and waited for, if asked to; one that the server refuses ends with 1."""
    contact = sandbox.contacts[0]
    assert "accepted" in respondio("messages", "send", f"id:{contact.id}", "hi").stdout
    sent = json.loads(
        respondio(
            "messages",
            "send",
            f"phone:{contact.phone}",
            "hi",
            "--channel",
            "2001",
            "--wait",
            "sent",
            "--json",
        ).stdout
    )
    assert sent["status"] in {"sent", "delivered", "read"}
    respondio("messages", "send", f"id:{contact.id}", "hi", "--channel", "9", code=1)
    respondio("messages", "send", "12345678", "hi", code=2)
    assert len(sandbox.sent_messages) == 2


def test_a_message_that_nobody_knows_of_ends_with_3(respondio: Respondio, sandbox: Sandbox) -> None:
    """It is never sent a second time."""
    sandbox.fault("status", path=SEND, status=504, processed=True)
    respondio("messages", "send", f"id:{sandbox.contacts[0].id}", "hi", code=3)
    assert len(sandbox.sent_messages) == 1


def test_a_template_is_broadcast(respondio: Respondio, sandbox: Sandbox) -> None:
    """Each row's columns fill its variables, and everybody gets it once."""
    _people(sandbox)
    arguments = ("messages", "broadcast", "--from", "people.csv", "--channel", "whatsapp",
        "--template", "order_update",
                 "--var", "1=first_name", "--var", "{{2}}=order")  # fmt: skip
    assert json.loads(respondio(*arguments, "--dry-run", "--json").stdout)["messages"] == 3
    assert sandbox.sent_messages == []
    assert "3 messages accepted" in respondio(*arguments, "--yes").stdout
    texts = [
        message.content["template"]["components"][0]["parameters"][1]["text"]
        for message in sandbox.sent_messages
    ]
    assert sorted(texts) == ["0", "1", "2"]
    assert sandbox.duplicates() == []


def test_a_header_and_a_button_are_filled(respondio: Respondio, sandbox: Sandbox) -> None:
    """A header and a button are filled from columns of their own."""
    Path("p.csv").write_text(
        f"phone,1,2,file,link\n{sandbox.contacts[0].phone},Ada,5,https://a.example/i.pdf,x1\n"
    )
    respondio("messages", "broadcast", "--from", "p.csv", "--channel", "2001", "--template",
        "invoice",
              "--header", "file", "--button", "link", "--yes")  # fmt: skip
    assert len(sandbox.sent_messages) == 1


def test_a_text_is_broadcast_at_a_rate(respondio: Respondio, sandbox: Sandbox) -> None:
    """Bad rows are reported by line; the server's own variables are left to it."""
    _people(sandbox, "+60199,,9", f"{sandbox.contacts[0].phone},Again,1")
    arguments = (
        "messages",
        "broadcast",
        "--from",
        "people.csv",
        "--channel",
        "2001",
        "--text",
        "Hi {first_name}, {{$contact.name}}",
    )
    refused = respondio(*arguments, "--yes", code=2)
    assert "line 5: " in refused.stdout
    assert "line 6: it is the same contact as line 2" in refused.stdout
    assert sandbox.sent_messages == []
    respondio(*arguments, "--yes", "--skip-bad", "--rate", "50", code=5)
    assert {message.content["text"] for message in sandbox.sent_messages} == {
        f"Hi {contact.first_name}, {{{{$contact.name}}}}" for contact in sandbox.contacts[:3]
    }


async def test_a_rate_is_kept_whatever_the_server_allows() -> None:
    """The headers may lower it and never raise it."""
    limiter, route = limiter_of(2.0), ROUTES["messages.send"]
    for told, kept in ((100.0, 2.0), (1.0, 1.0)):
        reservation = await limiter.reserve(route)
        assert await reservation.permit()
        limiter.update(reservation, Feedback(status=200, rate_limit=RateLimit(limit=told)))
        assert limiter.statistics()[route].limit == kept


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say what to send"),
        (("--template", "a", "--text", "b"), "say what to send"),
        (("--template", "nothing"), "no template nothing; there are greeting"),
        (("--template", "order_update", "--language", "de"), "there is en"),
        (("--template", "order_update"), "no column 1, 2"),
        (("--template", "order_update", "--var", "9=order"), "no variable 9"),
        (("--template", "order_update", "--var", "x"), "VARIABLE=COLUMN"),
        (("--text", "{nothing}"), "no column nothing"),
        (("--text", "hi", "--channel", "fax"), "no channel"),
        (("--text", "hi"), "--yes"),
    ],
)
def test_a_broadcast_that_cannot_be_is_refused(
    respondio: Respondio, sandbox: Sandbox, arguments: tuple[str, ...], said: str
) -> None:
    """A broadcast that cannot be is refused before anybody gets a message."""
    _people(sandbox)
    if "--channel" not in arguments:
        arguments = (*arguments, "--channel", "2001")
    assert (
        said
        in respondio("messages", "broadcast", "--from", "people.csv", *arguments, code=2).stderr
    )
    assert sandbox.sent_messages == []


def test_a_template_must_be_approved_and_one(respondio: Respondio, sandbox: Sandbox) -> None:
    """Two languages need --language; a rejected one is not sent."""
    _people(sandbox)
    templates = list(sandbox.state.templates.values())
    templates[1].name = templates[0].name
    arguments = (
        "messages",
        "broadcast",
        "--from",
        "people.csv",
        "--channel",
        "2001",
        "--template",
        "order_update",
    )
    assert "en, en_US" in respondio(*arguments, code=2).stderr
    templates[1].status = "rejected"
    assert "not approved" in respondio(*arguments, "--language", "en_us", code=2).stderr


def test_at_least_once_sends_again(respondio: Respondio, sandbox: Sandbox) -> None:
    """Only then is a message repeated that may have been sent."""
    _people(sandbox)
    sandbox.fault("status", path=SEND, status=502, processed=True, times=1)
    arguments = (
        "messages",
        "broadcast",
        "--from",
        "people.csv",
        "--channel",
        "2001",
        "--text",
        "hi",
        "--yes",
    )
    assert "1 unknown" in respondio(*arguments, "--journal", "b.sqlite", code=3).stdout
    assert len(sandbox.sent_messages) == 3
    respondio(*arguments, "--journal", "b.sqlite", "--at-least-once")
    assert len(sandbox.sent_messages) == 4


def test_an_export_can_begin_at_a_time(respondio: Respondio, sandbox: Sandbox) -> None:
    """Messages before it are left out, and their pages are not read."""
    contact = sandbox.contacts[0]
    sandbox.advance(2 * 86_400)
    sandbox.receive_message(contact.id, "now")
    today = datetime.fromtimestamp(sandbox.clock.wall(), UTC).date()
    result = respondio("messages", "export", "--since", str(today))
    (row,) = (json.loads(line) for line in result.stdout.splitlines())
    assert row["text"] == "now"
    tomorrow = str(today + timedelta(days=2))
    assert respondio("messages", "export", "--since", tomorrow).stdout == ""
    respondio("messages", "export", "--since", "yesterday", code=2)
    respondio("messages", "export", "--since", str(today), "--timezone", "Mars", code=2)
