"""Headers: three facts in one pass, whatever the server writes."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respondio_async import RateLimit
from respondio_async._wire import Facts, Headers, facts

NOW = 784111777.0 - 30  # half a minute before Sun, 06 Nov 1994 08:49:37 GMT


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"5", 5.0),
        (b" 5 ", 5.0),
        (b"0", 0.0),
        (b"1.5", 1.5),
        (b".5", 0.5),
        (b"259200", 259200.0),
        (b"2.", 2.0),
        (b"Sun, 06 Nov 1994 08:49:37 GMT", 30.0),
        (b"Sunday, 06-Nov-94 08:49:37 GMT", 30.0),
        (b"Sun Nov  6 08:49:37 1994", 30.0),
        (b"Sun, 06 Nov 1994 09:49:37 +0100", 30.0),
        (b"Sun, 06 Nov 1994 08:00:00 GMT", 0.0),
        (b"", None),
        (b"-1", None),
        (b"+5", None),
        (b"nan", None),
        (b"inf", None),
        (b"1e3", None),
        (b"1_0", None),
        (b"0x5", None),
        (b"soon", None),
        (b"5 seconds", None),
        (b"9" * 400, None),
        (b"\xff\xfe", None),
        (b"\xd9\xa1", None),
        (b"Sun, 99 Nov 1994 08:49:37 GMT", None),
        (b"Sun, 06 Foo 1994 08:49:37 GMT", None),
        (b"Sun, 06 Nov 999999999999 08:49:37 GMT", None),
    ],
)
def test_retry_after_in_every_form(value: bytes, seconds: float | None) -> None:
    """Seconds, decimals and the three date forms are read; what makes no sense is as good as
    absent; the past is now.
    """
    assert facts([(b"Retry-After", value)], NOW).retry_after == seconds


def test_a_date_is_measured_by_the_servers_own_clock() -> None:
    """Where the answer says what time it is there, this machine's clock does not matter."""
    headers = [
        (b"Date", b"Sun, 06 Nov 1994 08:49:27 GMT"),
        (b"retry-after", b"Sun, 06 Nov 1994 08:49:37 GMT"),
    ]
    assert facts(headers, 0.0).retry_after == 10.0


@pytest.mark.parametrize(
    ("limit", "remaining", "expected"),
    [
        (b"20", b"3", RateLimit(20.0, 3.0)),
        (b"20", None, RateLimit(20.0, None)),
        (None, b"0", RateLimit(None, 0.0)),
        (b"20, 20;w=1", b"19", RateLimit(20, 19, 1)),
        (b"20;w=1", b"x", RateLimit(20, None, 1)),
        (b"2.5", b"1.5", RateLimit(2.5, 1.5)),
        (b"0", b"0", RateLimit(None, 0.0)),
        (b"nan", b"inf", None),
        (b"-5", b"-1", None),
        (b"9" * 400, None, None),
        (None, None, None),
    ],
)
def test_rate_limit_headers(
    limit: bytes | None, remaining: bytes | None, expected: RateLimit | None
) -> None:
    """Each of the two is read by itself; a limit of nothing is a mistake, not a limit."""
    raw = [(b"X-RateLimit-Limit", limit), (b"x-ratelimit-remaining", remaining)]
    told = facts([(name, value) for name, value in raw if value is not None], 0.0)
    assert told.rate_limit == expected


def test_facts_in_one_pass() -> None:
    """The first of a repeated header counts, names are matched in any case, and an answer without
    any says nothing.
    """
    raw = [
        (b"CONTENT-TYPE", b"Application/JSON; charset=utf-8"),
        (b"RETRY-AFTER", b"1"),
        (b"Retry-After", b"9"),
        (b"ETag", b"x"),
    ]
    assert facts(raw, NOW) == Facts(None, 1.0)
    assert facts([(b"server", b"x")], NOW) == facts([], NOW) == Facts(None, None)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"retry-after", b"date", b"x-ratelimit-limit", b"content-type"]),
            st.binary(max_size=40),
        )
    )
)
def test_no_header_breaks_the_reading(raw: list[tuple[bytes, bytes]]) -> None:
    """Any bytes give a sane number or none."""
    limit, wait = facts(raw, NOW)
    assert wait is None or 0 <= wait < float("inf")
    assert limit is None or limit.limit is None or limit.limit > 0


def test_headers_are_a_mapping() -> None:
    """Names match in any case, repeats are joined, values stay out of the repr."""
    headers = Headers([(b"Set-Cookie", b"canary=1"), (b"X-A", b"1"), (b"set-cookie", b"b=2")])
    assert headers["SET-COOKIE"] == "canary=1, b=2"
    assert headers.get_list("Set-Cookie") == ["canary=1", "b=2"]
    assert (dict(headers), len(headers)) == ({"set-cookie": "canary=1, b=2", "x-a": "1"}, 2)
    assert "x-a" in headers
    assert 5 not in headers
    assert headers.get("nope") is None
    assert repr(headers) == "Headers(set-cookie, x-a)"
    assert (
        headers
        == pickle.loads(pickle.dumps(headers))
        == {"set-cookie": "canary=1, b=2", "x-a": "1"}
    )
    assert hash(headers) == hash(Headers([(b"set-cookie", b"canary=1, b=2"), (b"x-a", b"1")]))


@pytest.mark.parametrize(
    ("raw", "limit", "remaining", "window"),
    [
        ({"RateLimit-Limit": "20, 20;w=1", "RateLimit-Remaining": "5"}, 20, 5, 1),
        ({"X-RateLimit-Limit": "100, 100;w=60"}, 100, None, 60),
        ({"RateLimit": "limit=20, remaining=5, reset=1", "RateLimit-Policy": "20;w=1"}, 20, 5, 1),
        (
            {"RateLimit": '"default";r=50;t=30', "RateLimit-Policy": '"default";q=100;w=60'},
            100,
            50,
            60,
        ),
        ({"X-RateLimit-Limit": "10", "RateLimit-Limit": "20;w=0"}, 10, None, None),
        ({"RateLimit-Remaining": "3"}, None, 3, None),
    ],
)
def test_the_drafts_forms_of_the_limit_are_read(
    raw: dict[str, str], limit: float | None, remaining: float | None, window: float | None
) -> None:
    """The forms of the IETF draft, in all of its versions, with the window that they name."""
    told = facts([(name.encode(), value.encode()) for name, value in raw.items()], 0.0).rate_limit
    assert told is not None
    assert (told.limit, told.remaining, told.window) == (limit, remaining, window)
