"""What the client logs: one line a call, with fields, and nothing of anybody."""

import logging

import pytest

from respondio_async import DeadlineExceededError, NotFoundError
from tests.support.scripted import UNSENT, answer, error_answer, scripted

PHONE = "+60123456789"
GOOD = b'{"id": 7, "firstName": "Aina-canary", "phone": "+60123456789"}'


def lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [each for each in caplog.records if each.name == "respondio_async.calls"]


async def test_a_call_is_one_line_with_its_facts(caplog: pytest.LogCaptureFixture) -> None:
    """Template, status, attempts, times and the server's request id; nothing of the contact."""
    caplog.set_level(logging.DEBUG)
    client, _, _ = scripted(
        error_answer(429, retry_after="0"), answer(200, GOOD, x_request_id="req-1a2b3c")
    )
    await client.contacts.get(f"phone:{PHONE}")
    (record,) = lines(caplog)
    assert record.getMessage().startswith("GET /contact/{identifier}: 200, attempts 2, queued ")
    assert record.getMessage().endswith(", request id req-1a2b3c")
    facts = vars(record)
    assert (facts["endpoint"], facts["status"]) == ("GET /contact/{identifier}", 200)
    assert (facts["attempts"], facts["error"]) == (2, None)
    assert facts["request_id"] == "req-1a2b3c"
    assert 0 <= facts["queued"] <= facts["elapsed"]
    for canary in (PHONE, PHONE[1:], "Aina-canary", "canary-token"):
        assert canary not in str(facts)


async def test_a_call_that_fails_names_the_class_of_its_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Not its text, which may quote the server; without an answer there is no status."""
    caplog.set_level(logging.DEBUG, "respondio_async")
    client, _, _ = scripted(error_answer(404, f"no contact {PHONE}"))
    with pytest.raises(NotFoundError):
        await client.contacts.get(f"phone:{PHONE}")
    (record,) = lines(caplog)
    assert vars(record)["error"] == "NotFoundError"
    assert vars(record)["status"] == 404
    assert PHONE[1:] not in str(vars(record))
    caplog.clear()
    client, _, _ = scripted(UNSENT, deadline=0.05)
    with pytest.raises(DeadlineExceededError):
        await client.contacts.get(7)
    (record,) = lines(caplog)
    assert (vars(record)["status"], vars(record)["request_id"]) == (None, None)


@pytest.mark.parametrize("wrong", ["60123456789", "a@b.cd", "x" * 200, "a b c d e f"])
async def test_what_is_no_request_id_is_left_out(
    caplog: pytest.LogCaptureFixture, wrong: str
) -> None:
    """It could be anything that the server echoes."""
    caplog.set_level(logging.DEBUG, "respondio_async")
    client, _, _ = scripted(answer(200, GOOD, x_request_id=wrong))
    await client.contacts.get(7)
    assert vars(lines(caplog)[0])["request_id"] is None


async def test_drift_is_a_warning_once_a_kind(caplog: pytest.LogCaptureFixture) -> None:
    """The warning names the field that drifted, and never its value."""
    client, _, _ = scripted(answer(200, b'{"id": 7, "firstName": 87654321}'))
    for _ in range(3):
        await client.contacts.get(7)
    warnings = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert warnings
    assert len(warnings) == len(client.drift())
    assert "87654321" not in caplog.text
