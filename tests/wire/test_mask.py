"""Masking: nothing that was sent, and nothing that looks personal, stays in a text from the
server.
"""

import datetime as dt
import enum
import json
from urllib.parse import quote, quote_plus

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from respondio_async._wire import mask
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


def test_long_texts_cost_little() -> None:
    """No pattern runs away on a hostile text (quadratic time would take minutes here)."""
    for text in (
        "a" * 8000,
        "1 " * 4000,
        "a.b" * 2600,
        "eyJ" * 2600,
        "%40" * 2600,
        "a@" * 4000,
        "(1)" * 2600,
    ):
        mask(text, ["x" * 1000])
