"""Pages and cursors."""

import pickle
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from respondio_async.models import Contact, Page
from respondio_async.models.page import read_cursor


def page(pagination: object) -> Page[Any]:
    return msgspec.json.decode(
        msgspec.json.encode({"items": [], "pagination": pagination}), type=Page[Any]
    )


@pytest.mark.parametrize(
    ("given_as", "cursor"),
    [
        ("https://api.respond.io/v2/contact/list?limit=10&cursorId=123", 123),
        ("https://api.respond.io/contact/list?cursorId=123&limit=10", 123),
        ("https://elsewhere.example/x?cursorId=-123", -123),
        ("/contact/list?cursorId=123#top", 123),
        ("contact/list?cursorId=123", 123),
        ("?cursorId=123", 123),
        ("cursorId=123", 123),
        ("cursorId=123&limit=10", 123),
        ("https://x/?cursorId=%2D123", -123),
        ("https%3A%2F%2Fx%2Fy%3Flimit%3D10%26cursorId%3D123", 123),
        ("https://x/?cursorId=a%2Fb%3D%3D", "a/b=="),
        ("https://[broken/?cursorId=5", 5),
        ("https://x/?cursorId=1&cursorId=2", 2),
        ("https://x/?limit=10", None),
        ("https://x/list", None),
        ("/contact/list", None),
        ("https://x/?cursorId=", None),
        ("https://x/?cursorId=null", None),
        (123, 123),
        (-123, -123),
        (0, 0),
        (12.0, 12),
        (12.5, None),
        ("123", 123),
        (" -123 ", -123),
        ("007", "007"),
        ("-", "-"),
        ("٣", "٣"),
        ("9" * 200, "9" * 200),
        ("eyJpZCI6MX0=", "eyJpZCI6MX0="),
        ("ab/cd+ef==", "ab/cd+ef=="),
        ("", None),
        ("  ", None),
        ("undefined", None),
        (None, None),
        (False, None),
        (True, None),
        ([], None),
        ({}, None),
    ],
)
def test_cursor_shapes(given_as: Any, cursor: int | str | None) -> None:
    """A cursor comes as a URL that carries it, bare, or not at all; either key is read alike."""
    for key, other in (("next", "previous"), ("previous", "next")):
        read = page({key: given_as})
        assert (getattr(read, f"{key}_cursor"), getattr(read, f"{other}_cursor")) == (cursor, None)
    assert type(read_cursor(given_as)) is type(cursor)


@pytest.mark.parametrize("pagination", [None, {}, [], "", False, 5, "https://x/?cursorId=5"])
def test_a_page_without_cursors(pagination: Any) -> None:
    """Without a pagination object there are no neighbours."""
    assert page(pagination).next_cursor is page(pagination).previous_cursor is None
    assert Page([]).next_cursor is None


@given(st.integers(-(2**63), 2**63))
def test_a_numeric_cursor_reads_the_same_however_it_is_wrapped(number: int) -> None:
    """An id is the same id as a number, as text and inside a URL."""
    shapes = (
        number,
        str(number),
        f"https://x/v2/y?limit=5&cursorId={number}",
        f"?cursorId={number}&a=b",
    )
    assert {read_cursor(shape) for shape in shapes} == {number}


@given(st.text())
def test_an_opaque_cursor_survives_a_url(text: str) -> None:
    """A cursor of a tomorrow's shape comes out of a URL as it comes out of nowhere, and nothing
    raises.
    """
    bare = read_cursor(f"?cursorId={quote(text.strip(), safe='', errors='replace')}")
    assert bare is None or str(bare) == text.strip().encode("utf-8", "replace").decode()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["next", "previous"]), inner)
        ),
    )
)
def test_no_pagination_raises(pagination: Any) -> None:
    """Whatever stands for the pagination, reading the cursors gives an int, a non-empty str or
    None.
    """
    cursor = Page([], pagination).next_cursor
    assert cursor is None or type(cursor) is int or (type(cursor) is str and cursor)


def test_a_page_is_a_collection() -> None:
    """A page can be walked, counted and pickled."""
    whole = Page([Contact(1), Contact(2)], {"next": 3})
    assert list(whole) == whole.items
    assert len(whole) == 2
    assert pickle.loads(pickle.dumps(whole)) == whole
