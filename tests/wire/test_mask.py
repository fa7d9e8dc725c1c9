"""Masking: nothing that was sent, and nothing that looks personal, stays in a text from the
server.
"""

import datetime as dt
import enum
import json
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from respondio_async._wire import api_error, mask
from respondio_async.identifiers import ContactId


class Stage(enum.Enum):
    LEAD = "Lead"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("mail to jane.doe+x@mail.example.com failed", "mail to *** failed"),
        ("<a@b.co>, (c@d.co)", "<***>, (***)"),
        ("at /contact/email:a%40b.co now", "at /contact/email:*** now"),
        ("phone +60121233112 is bad", "phone *** is bad"),
        ("phone +60 12-123 3112, then", "phone ***, then"),
        ("phone %2B60121233112!", "phone ***!"),
        ("(060) 1234.567", "***"),
        ("id 1234567 gone", "id *** gone"),
        ("id 123456 stays", "id 123456 stays"),
        ("limit 10 per 1000", "limit 10 per 1000"),
        ("token eyJhbGciOiJIUzI1NiJ9.eyJpZCI6MX0.c2lnbmF0dXJl bad", "token *** bad"),
        ("Bearer abcDEF-ghi_jkl.mno is bad", "Bearer *** is bad"),
        ("Bearer token is bad", "Bearer token is bad"),
        ("key 0123456789abcdef0123456789abcdef bad", "key *** bad"),
        ("Missing field(s) : template.languageCode", "Missing field(s) : template.languageCode"),
    ],
)
def test_what_looks_personal(text: str, masked: str) -> None:
    """E-mails, seven digits or more in any grouping, and tokens go; the rest stays readable."""
    assert mask(text) == masked


@pytest.mark.parametrize(
    ("text", "sent", "masked"),
    [
        ("Jane Roe not valid", {"first_name": "Jane Roe"}, "*** not valid"),
        ("JANE ROE not valid", {"first_name": "Jane Roe"}, "*** not valid"),
        ("Al is invalid, also", {"first_name": "Al"}, "*** is invalid, also"),
        (
            "Invalid field(s) : channelId = 274637",
            ({"channelId": "274637"},),
            "Invalid field(s) : channelId = ***",
        ),
        ("Invalid 274637", {"channelId": 274637}, "Invalid ***"),
        ("value 5.0 and 5", [5.0], "value *** and ***"),
        ("Jane%20Roe, Jane+Roe", ["Jane Roe"], "***, ***"),
        ("a &lt;b&gt; c", ["<b>"], "a *** c"),
        ('a \\"q\\" b', ['x "q"', '"q"'], "a *** b"),
        ("J\\u00f6rg", ["Jörg"], "***"),
        ("Lorem ipsum dolor… is too long", ["Lorem ipsum dolor sit amet"], "***… is too long"),
        ("contact 42 and id:42", [ContactId.id(42)], "contact *** and id:***"),
        ("60121 unknown", ["phone:+60121"], "*** unknown"),
        (
            "field Plan: gold is bad",
            {"custom_fields": [{"name": "Plan", "value": "gold"}]},
            "field Plan: *** is bad",
        ),
        ("field Plan: gold is bad", {"custom_fields": {"Plan": "gold"}}, "field Plan: *** is bad"),
        ("text is missing", {"type": "text", "text": "hello"}, "text is missing"),
        ("stage Lead unknown", {"name": "Lead"}, "stage *** unknown"),
        (
            "contactField ok",
            {"category": "contactField", "field": "Plan", "operator": "isEqualTo", "value": "x"},
            "contactField ok",
        ),
        ("gold is bad", b'{"value":["gold"]}', "*** is bad"),
        ("not json gold", b"gold", "not json ***"),
        ("born 2000-01", [dt.date(2000, 1, 2), "2000-01"], "born ***"),
        ("nothing", [None, True, "", " ", msgspec.UNSET, {"a": set()}], "nothing"),
        ("true", [True], "true"),
        ("stage Lead unknown", [Stage.LEAD], "stage *** unknown"),
    ],
)
def test_what_was_sent(text: str, sent: object, masked: str) -> None:
    """Values go in each form in which a server writes them back; names of fields and the API's own
    words stay.
    """
    assert mask(text, sent) == masked


def test_what_was_sent_may_be_anything() -> None:
    """Structs are looked into, endless nesting ends, and absurd numbers are no trouble."""

    class Box(msgspec.Struct):
        secret: str

    endless: list[object] = ["gold"]
    endless.append(endless)
    assert mask("gold silver", [Box("silver"), endless, 10**5000]) == "*** ***"


words = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=4, max_size=20
).filter(lambda t: "*" not in t)


@given(
    words,
    st.sampled_from(
        [str, str.upper, lambda t: quote(t, safe=""), quote_plus, lambda t: json.dumps(t)[1:-1]]
    ),
)
def test_no_sent_text_survives(value: str, form: object) -> None:
    """Whatever was sent, in whichever form, is not in the masked text."""
    shown = form(value)  # type: ignore[operator]
    if value.upper().lower() == value.lower():  # not "ß", whose capital is two letters
        assert shown.lower() not in mask(f"[ {shown} ] refused", {"x": [value]}).lower().replace(
            "***", ""
        )


SHAPES = (
    *("x", "é", "İ", "1", "@", ".", "-", "_", "+", "%", " ", "*", "&", "<", "\\", "(", "="),
    *(
        "a@",
        "a-",
        "a1",
        "a.b",
        "a%40",
        "%40",
        "%2B",
        "x@y.",
        "(1)",
        "1 ",
        "1 (",
        "+1",
        "1..",
        "1/1",
    ),
    *("0123456 ", "eyJ", "eyJ-", "eyJ.", "Bearer ", "bearer a", "aaaab", "&#1", "<head", "<title"),
    *("<!--", "</style", "<a ", "invalid field", "missing field ", "abcdefghijkl", "a" * 60 + "@"),
)
SENT = (
    None,
    ["a" * 20 + "b", "x" * 3000, "1" * 20],
    ["a", "b", "x1", "@", "(", " 1"],
    ["abcdefghijklmnop", "abcdefghijklm", "eyJeyJeyJeyJeyJ!"],
)


def seconds(work: Callable[[str], object], shape: str, length: int, runs: int) -> float:
    """Return the least processor time of so many runs on *length* characters of a shape."""
    text = (shape * (length // len(shape) + 1))[:length]
    times: list[float] = []
    for _ in range(runs):
        started = time.thread_time()
        work(text)
        times.append(time.thread_time() - started)
    return min(times)


def a_masked_page(text: str) -> object:
    """What an answer costs whose every place is masked against every kind of value."""
    return [mask(text, sent) for sent in SENT]


def an_error_page(text: str) -> object:
    """What a failing call costs: an error page as text and as JSON, with the text in a header."""
    content = text.encode()
    return [
        api_error(status=status, headers=[(b"retry-after", content)], content=body, endpoint="POST")
        for status, body in (
            (502, content),
            (400, json.dumps({"message": text, "code": text}).encode()),
        )
    ]


@pytest.mark.parametrize("work", [a_masked_page, an_error_page])
def test_the_cost_of_a_text_grows_no_faster_than_its_length(
    work: Callable[[str], object],
) -> None:
    """Four times the text costs about four times the time, whatever is repeated in it (a quadratic
    step would cost sixteen times as much).
    """
    for shape in SHAPES:
        for runs in (1, 4):  # once more, when another process may have had the cache
            small, large = (seconds(work, shape, length, runs) for length in (2048, 8192))
            if large <= 9 * small + 0.004:
                break
        else:
            pytest.fail(f"{shape!r}: {small:.4f} s, four times as much: {large:.4f} s")


@pytest.mark.parametrize(
    ("text", "sent", "masked"),
    [
        ("Jane Roe and Roe Smith", ["Jane Roe", "Roe Smith", "Roe"], "*** and ***"),
        ("abcdef", ["abcd", "cdef"], "***"),
        ("abcdabcd", ["abcd"], "******"),
        ("İSTANBUL istanbul", ["İstanbul"], "*** ***"),
        ("ΟΔΟΣ, οδος, ΟΔΟΣ1", ["οδος"], "***, ***, ***1"),
        ("one two three four… one two three", ["one two three four five"], "***… ***"),
        ("a.b%40c.d%40e", None, "***%40e"),
    ],
)
def test_places_that_meet(text: str, sent: object, masked: str) -> None:
    """Values that overlap are masked as one, in any letter case, also where a letter changes its
    length with its case.
    """
    assert mask(text, sent) == masked
