"""Error answers: whatever arrives becomes one short, masked line, the right class, and a hint where
the cause is known.
"""

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respondio_async import RateLimit
from respondio_async import errors as e
from respondio_async._wire import api_error

CONTACT = "GET /contact/{identifier}"


def make(
    status: int = 400,
    content: bytes | Any = b"",
    *,
    sent: object = None,
    endpoint: str = CONTACT,
    headers: Any = (),
    **facts: Any,
) -> e.APIError:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return api_error(
        status=status, headers=list(headers), content=body, endpoint=endpoint, sent=sent, **facts
    )


def test_the_usual_envelope() -> None:
    """Code and message are read, headers too, and the raw answer is kept for the handler."""
    headers = [(b"Retry-After", b"2"), (b"X-RateLimit-Limit", b"5")]
    error = make(429, {"code": 429, "message": "Too Many Requests"}, headers=headers, attempts=4)
    assert type(error) is e.RateLimitError
    assert (error.status, error.code, error.message, error.endpoint, error.attempts) == (
        429,
        429,
        "Too Many Requests",
        CONTACT,
        4,
    )
    assert (error.retry_after, error.rate_limit) == (2.0, RateLimit(5.0))
    assert error.content == b'{"code": 429, "message": "Too Many Requests"}'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"message": "plain"}, "plain"),
        ({"message": ["a", "b"]}, "a; b"),
        ({"message": {"email": ["Invalid value"], "x": "y"}}, "email: Invalid value; x: y"),
        ({"message": {"message": "deep"}}, "deep"),
        ({"message": None, "error": "other"}, "other"),
        ({"error": {"message": "nested", "code": 1}}, "nested"),
        ({"errors": [{"detail": "one"}, {"detail": "two"}]}, "one; two"),
        ({"code": 400}, "Bad Request"),
        ({}, "Bad Request"),
        ([], "Bad Request"),
        (["x", 5, None], "x; 5"),
        ("a text", "a text"),
        (b"", "Bad Request"),
        (b"  plain\r\n text ", "plain text"),
        (b"null", "null"),
        (b"\xef\xbb\xbf" + b'{"message":"bom"}', "bom"),
        (b'{"message":"torn', '{"message":"torn'),
        (b"\xff\xfe", "\ufffd\ufffd"),
        ({"message": "two\n\tlines\x00\u202e"}, "two lines"),
        ({"message": "a &amp; b"}, "a & b"),
        (
            (
                b"<html><head><title>413 Too "
                b"Large</title><style>p{}</style></head><body><h1>Big</h1><script>x()</script></body></html>"
            ),
            "413 Too Large Big",
        ),
        (b"<p>Request <b>blocked</b></p>", "Request blocked"),
        (b"[" * 5000, "[" * 499 + "\u2026"),
        ({"message": "x" * 600}, "x" * 499 + "\u2026"),
    ],
)
def test_any_body_becomes_one_line(content: Any, message: str) -> None:
    """JSON of any shape, HTML, text and torn bytes become one line of 500 characters at most, never
    empty.
    """
    assert make(400, content).message == message


@pytest.mark.parametrize(
    ("code", "read"),
    [
        (400, 400),
        ("400", 400),
        ("E_BAD", "E_BAD"),
        (400.0, 400),
        (True, None),
        (None, None),
        ([], None),
        ("", None),
        (60121233112, None),
        ("60121233112", "***"),
        ("jane@x.yz", "***"),
        (4.5, None),
        (10**400, None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_codes(code: Any, read: Any) -> None:
    """A code is a short number or a masked text."""
    assert make(400, {"code": code, "message": "x"}).code == read


def test_phrases_stand_in_for_silence() -> None:
    """An empty answer is named by its status."""
    assert make(503).message == "Service Unavailable"
    assert make(449).message == "Retry With"
    assert make(799).message == "no message"


@pytest.mark.parametrize(
    ("content", "cls"),
    [
        (b"Request blocked", e.BlockedAtEdgeError),
        (b"<html><body>Request blocked</body></html>", e.BlockedAtEdgeError),
        (b"", e.BlockedAtEdgeError),
        (b"403", e.BlockedAtEdgeError),
        ({"code": 403, "message": "upgrade"}, e.ForbiddenError),
        ({}, e.ForbiddenError),
    ],
)
def test_the_edge_is_told_from_the_plan(content: Any, cls: type[e.APIError]) -> None:
    """A 403 that is not JSON comes from the firewall; one that is comes from the API."""
    error = make(403, content)
    assert type(error) is cls
    assert error.hint
    assert ("firewall" in error.hint) == (cls is e.BlockedAtEdgeError)


@pytest.mark.parametrize(
    ("status", "message", "hint"),
    [
        (400, "Validation error.", "JSON type"),
        (400, "Invalid field(s) : channelId = 274637", "JSON integer"),
        (400, "Invalid field(s) : x", "JSON type"),
        (400, "Missing field(s) : template.languageCode", "language_code"),
        (400, "Missing field(s) : text", "lacks a field"),
        (400, "Please check if filter is provided", "timezone"),
        (400, "email: Invalid value", "format"),
        (400, "custom_fields[0].value: Invalid value", "list_custom_fields"),
        (400, "filter.$and[1].field: Invalid value", "firstName"),
        (400, "Custom field Foo not found in the workspace", "nothing was saved"),
        (400, "channel not found for contactId", "list_channels"),
        (400, "attachment url is not valid", "public"),
        (400, "Comment length must not be greater than 1000 characters", "1000"),
        (400, "Contact already exists", "create_or_update"),
        (400, "who knows", None),
        (401, "UN_AUTHORIZED", "the token was revoked"),
        (401, "UN_AUTHORIZED", "Settings > Integrations > Developer API"),
        (403, "Forbidden", "plan"),
        (404, "Contact not found", "no such contact"),
        (404, "template not found", "synchronise"),
        (404, "User not found", "space.list_users()"),
        (404, "nope", None),
        (409, "x", "exists"),
        (429, "Too Many Requests", "organisation"),
        (449, "in queue", "being created"),
        (503, "busy", "not processed"),
        (500, "Unexpected error occurred", None),
    ],
)
def test_known_causes_have_hints(status: int, message: str, hint: str | None) -> None:
    """Every text of the live server that is known says what to do about it."""
    error = make(status, {"code": status, "message": message})
    assert (error.hint is None) == (hint is None)
    assert hint is None or hint in str(error)


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_failed_write_may_have_happened(status: int) -> None:
    """After these statuses nobody knows, so the hint says to look first."""
    assert "may have happened" in str(make(status, endpoint="POST /contact/{identifier}/comment"))
    assert make(status).hint is None


def test_a_forbidden_message_names_custom_payloads() -> None:
    """The one cause of 403 on a message that is known beside the plan."""
    send = "POST /contact/{identifier}/message"
    assert "WhatsApp" in str(make(403, {"message": "custom payload not supported"}, endpoint=send))
    assert "WhatsApp" not in str(make(403, {"message": "upgrade your plan"}, endpoint=send))


def test_the_hint_is_found_before_masking() -> None:
    """A value that happens to be a word of the server's text does not hide the cause."""
    error = make(404, {"message": "Contact not found"}, sent={"first_name": "Contact"})
    assert error.message == "*** not found"
    assert error.hint


@pytest.mark.parametrize(
    "content",
    [
        "{value} is not valid",
        "<p>bad {value}</p>",
        '{{"message": "bad {value}"}}',
        '{{"message": {{"x": ["{value}"]}}}}',
        '{{"code": "{value}"}}',
        '{{"{value}": ["not allowed"]}}',
        "x" * 480 + " {value} " + "y" * 50,
    ],
)
@pytest.mark.parametrize(
    "value",
    [
        "Canary Bird",
        "canary@bird.yz",
        "+60121233112",
        "60121233112",
        "canary",
        "CANARY",
        "canary%40bird.yz",
    ],
)
def test_no_canary_in_any_text(content: str, value: str) -> None:
    """What was sent is in no text, argument or pickle of the error."""
    sent = (
        {"identifier": "email:canary@bird.yz"},
        None,
        {"firstName": "Canary Bird", "phone": "+60121233112", "tags": ["canary"]},
    )
    error = make(400, content.format(value=value).encode(), sent=sent)
    for shown in (
        str(error),
        repr(error),
        repr(error.args),
        error.message,
        str(error.code),
        pickle.dumps(error).decode("latin-1"),
    ):
        assert "canary" not in shown.lower()
        assert "6012123" not in shown


@given(
    st.integers(300, 599),
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.text() | st.integers() | st.booleans(),
        lambda x: (
            st.lists(x) | st.dictionaries(st.sampled_from(["message", "code", "error", "x"]), x)
        ),
        max_leaves=8,
    ).map(lambda v: json.dumps(v).encode()),
)
def test_no_answer_breaks_the_reading(status: int, content: bytes) -> None:
    """Any bytes give an error of the right class with a short text."""
    error = make(status, content, sent=({"a": content},))
    assert isinstance(error, e.APIError.for_status(status))
    assert 0 < len(error.message) <= 500
    assert error.message.isprintable()
