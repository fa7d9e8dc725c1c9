"""Answers in: strict, lenient, or an error that says where."""

import copy
import json
import pickle
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from respondio_async import models as m
from respondio_async._engine.endpoints import ENDPOINTS
from respondio_async._wire._decode import Decoded, check_type, decode
from respondio_async.errors import DecodeError, InvalidArgumentError
from tests.models.samples import SAMPLES

TAG_ENVELOPES = (("message", "tag"), ("message",), ("data",))


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


def required(model: type[Any]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(model) if field.required}


def attempt(
    content: bytes, type_: Any, envelopes: tuple[tuple[str, ...], ...] = ()
) -> Decoded | DecodeError:
    try:
        return decode(content, type_, envelopes=envelopes)
    except DecodeError as error:
        return error


@pytest.mark.parametrize("model", SAMPLES, ids=lambda model: model.__name__)
def test_a_full_answer_reads_strictly(model: type[Any]) -> None:
    """The documented shape is no drift, alone and on a page."""
    alone = decode(as_json(SAMPLES[model]), model)
    assert isinstance(alone.value, model)
    assert alone.drift == ()
    page = decode(
        as_json({"items": [SAMPLES[model]] * 2, "pagination": {"next": None}}), m.Page[model]
    )
    assert page.value.items == [alone.value] * 2
    assert page.drift == ()


# ── the drift matrix: every field of every model ──────────────────────────────────────────────────

FIELDS = [(model, key) for model, sample in SAMPLES.items() for key in sample]
WRONG = [None, True, 5, -1.5, "text", "", [], [None], [[1]], {}, {"a": 1}, "2022-09-15"]


@pytest.mark.parametrize(
    ("model", "key"), FIELDS, ids=lambda value: getattr(value, "__name__", value)
)
def test_a_field_of_another_type_costs_that_field_only(model: type[Any], key: str) -> None:
    """Null or a wrong type leaves every other field as it was; only a required field may fail, and
    then the error names it.
    """
    whole = decode(as_json(SAMPLES[model]), model).value
    for wrong in WRONG:
        read = attempt(as_json(SAMPLES[model] | {key: wrong}), model)
        if isinstance(read, DecodeError):
            assert key in required(model), wrong
            assert (read.path, read.type) == (f"$.{key}", model.__name__)
            continue
        for field in msgspec.structs.fields(model):
            if field.encode_name != key:
                assert getattr(read.value, field.name) == getattr(whole, field.name), wrong
        assert all(key in entry for entry in read.drift), wrong
        assert pickle.loads(pickle.dumps(read.value)) == read.value, wrong
        assert "@" not in repr(read.value), wrong


@pytest.mark.parametrize(
    ("model", "key"), FIELDS, ids=lambda value: getattr(value, "__name__", value)
)
def test_a_missing_field_is_its_default(model: type[Any], key: str) -> None:
    """What the server leaves out is no drift; only what nothing works without is an error."""
    answer = as_json({name: value for name, value in SAMPLES[model].items() if name != key})
    if key in required(model):
        with pytest.raises(DecodeError) as caught:
            decode(answer, model)
        assert (caught.value.path, caught.value.content) == (f"$.{key}", answer)
    else:
        assert decode(answer, model).drift == ()


@pytest.mark.parametrize(
    ("model", "key"), FIELDS, ids=lambda value: getattr(value, "__name__", value)
)
def test_scalars_of_the_other_kind_mean_the_same(model: type[Any], key: str) -> None:
    """A number sent as a string is that number, and a string sent as a number is its digits."""
    sample = SAMPLES[model]
    field = next(field for field in msgspec.structs.fields(model) if field.encode_name == key)
    whole = getattr(decode(as_json(sample), model).value, field.name)
    if type(whole) is int:
        for bent in (str(whole), f" {whole} ", float(whole), f"{whole}.0"):
            read = getattr(decode(as_json(sample | {key: bent}), model).value, field.name)
            assert read in (whole, bent)  # a field that is documented as either keeps what came
    elif type(whole) is str:
        read = getattr(decode(as_json(sample | {key: 60123}), model).value, field.name)
        assert read in ("60123", 60123)


@pytest.mark.parametrize("model", SAMPLES, ids=lambda model: model.__name__)
def test_new_fields_are_ignored(model: type[Any]) -> None:
    """A field that the API adds tomorrow is no drift."""
    new = {"brandNew": {"a": [1]}, "id_": 5}
    read = decode(as_json(SAMPLES[model] | new), model)
    expected = decode(as_json(SAMPLES[model]), model).value
    if hasattr(expected, "extra"):  # a contact keeps them
        expected = msgspec.structs.replace(expected, extra=new)
    assert read.value == expected
    assert read.drift == ()


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("true", True),
        ("False", False),
        (1, True),
        (0, False),
        ("1", True),
        ("0", False),
        ("maybe", None),
        (2, None),
    ],
)
def test_booleans(sent: int | str, read: bool | None) -> None:
    """Booleans come as words and as 0 and 1."""
    assert decode(as_json({"id": 1, "isBlocked": sent}), m.Contact).value.is_blocked is read


@pytest.mark.parametrize(
    "wrong", ["", "x", "1_000", "٣", "1.5", "inf", "nan", 1.5, True, [5], "9" * 5000]
)
def test_an_id_is_never_guessed(wrong: Any) -> None:
    """What is not plainly a whole number is no id."""
    with pytest.raises(DecodeError) as caught:
        decode(as_json({"id": wrong}), m.Contact)
    assert caught.value.path == "$.id"


def test_drift_tells_places_and_kinds_once_and_never_values() -> None:
    """A hundred items that differ alike are one entry; no entry holds what was sent."""
    item = {
        "id": "437264483",
        "phone": 60121233112,
        "tags": None,
        "custom_fields": [{"name": "a"}, {"value": "secret"}],
    }
    read = decode(as_json({"items": [item] * 100}), m.Page[m.Contact])
    assert read.drift == (
        "$.items[].id: string read as int",
        "$.items[].phone: number read as str",
        "$.items[].custom_fields[].name: missing, left out",
        "$.items[].tags: null where an array was expected",
    )
    contact = read.value.items[99]
    assert (contact.id, contact.phone, contact.tags, contact.custom) == (
        437264483,
        "60121233112",
        [],
        {"a": None},
    )


def test_one_drifted_item_leaves_the_others_strict() -> None:
    """Only what differs is bent."""
    read = decode(
        as_json({"items": [SAMPLES[m.Contact], SAMPLES[m.Contact] | {"id": "1"}]}),
        m.Page[m.Contact],
    )
    assert read.value.items[0] == decode(as_json(SAMPLES[m.Contact]), m.Contact).value
    assert read.value.items[1].id == 1


def test_an_item_without_reading_is_an_error_that_names_it() -> None:
    """An item is never dropped in silence; the raw page is in the error, and its values are not in
    the text.
    """
    content = as_json({"items": [{"id": 1}, {"email": "ada@example.com"}]})
    with pytest.raises(DecodeError) as caught:
        decode(content, m.Page[m.Contact])
    error = caught.value
    assert (error.path, error.type, error.content) == ("$.items[1].id", "Page[Contact]", content)
    assert "ada" not in str(error) + repr(error)
    assert error.__context__ is None
    assert pickle.loads(pickle.dumps(error)).content is None


def test_null_items_hold_nothing_to_lose() -> None:
    """A null between the items is skipped and told."""
    read = decode(b'{"items": [null, {"id": 1}]}', m.Page[m.Contact])
    assert [contact.id for contact in read.value] == [1]
    assert read.drift


def test_unknown_content_is_neither_drift_nor_slow() -> None:
    """A new type of message reads strictly."""
    read = decode(
        b'{"items": [{"messageId": 1, "message": {"type": "hologram", "x": 1}}]}', m.Page[m.Message]
    )
    assert read.value.items[0].message == m.UnknownContent("hologram", {"type": "hologram", "x": 1})
    assert read.drift == ()


# ── wrappers and pages of another shape ───────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("answer", "drifted"),
    [
        ({"id": 1, "name": "vip"}, False),
        ({"code": 200, "message": {"tag": {"id": 1, "name": "vip"}}}, False),
        ({"code": 200, "message": {"id": 1, "name": "vip"}}, False),
        ({"data": {"id": 1, "name": "vip"}}, False),
        ({"code": 200, "message": {"tag": {"id": "1", "name": "vip"}}}, True),
    ],
)
def test_envelopes(answer: dict[str, Any], drifted: bool) -> None:
    """A value is found under each key that it has been seen under, and that is no drift."""
    read = decode(as_json(answer), m.Tag, envelopes=TAG_ENVELOPES)
    assert read.value == m.Tag("vip", 1)
    assert bool(read.drift) is drifted


def test_an_unknown_wrapper_is_drift() -> None:
    """ "data" is tried for everything, and told."""
    read = decode(b'{"status": "success", "data": {"id": 5}}', m.Contact)
    assert (read.value.id, read.drift) == (5, ("$.data: wrapped",))


def test_an_envelope_that_holds_nothing() -> None:
    """A wrapper without the value is an error about the value."""
    for answer in (
        {"code": 200, "message": "Tag created"},
        {"message": {"tag": None}},
        {"message": []},
    ):
        with pytest.raises(DecodeError, match="name: missing"):
            decode(as_json(answer), m.Tag, envelopes=TAG_ENVELOPES)


@pytest.mark.parametrize(
    ("answer", "ids"),
    [
        ([{"id": 1}, {"id": "2"}], [1, 2]),
        ([], []),
        ({"items": None}, []),
        ({"items": [], "pagination": []}, []),
        ({"pagination": {"next": None}}, []),
        ({"data": [{"id": 1}]}, [1]),
        ({"items": None, "data": [{"id": 1}]}, [1]),
        ({"data": {"items": [{"id": 1}]}}, [1]),
    ],
)
def test_pages_of_another_shape(answer: dict[str, Any] | list[Any], ids: list[Any]) -> None:
    """A bare list, a list under "data", null items: read as what they mean."""
    assert [contact.id for contact in decode(as_json(answer), m.Page[m.Contact]).value.items] == ids


def test_a_page_keeps_its_cursor_through_leniency() -> None:
    """The way to the next page survives a drifted item."""
    page = decode(
        b'{"items": [{"id": "1"}], "pagination": {"next": "https://x/?cursorId=9"}}',
        m.Page[m.Contact],
    ).value
    assert page.next_cursor == 9


@pytest.mark.parametrize(
    "answer",
    [{}, {"code": 200, "message": "OK"}, {"items": "none"}, {"items": {"0": {}}}, "x", 5, None],
)
def test_what_is_no_page_does_not_pass_for_an_empty_one(answer: Any) -> None:
    """An empty page would end a walk in silence, so an answer without items is an error."""
    with pytest.raises(DecodeError):
        decode(as_json(answer), m.Page[m.Contact])


def test_an_empty_array_is_an_empty_object() -> None:
    """Servers in PHP send [] for {}."""
    assert decode(b"[]", m.ContactRef).value == m.ContactRef()
    assert decode(b'{"id": 1, "assignee": []}', m.Contact).value.assignee == m.Assignee()
    with pytest.raises(DecodeError):
        decode(b"[]", m.Contact)


# ── bytes that are hardly JSON ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b'\xef\xbb\xbf{"id": 1, "firstName": "Ada"}', "Ada"),
        (b'{"id": 1, "firstName": "Ada\\ud83d"}', "Ada?"),
        (b'{"id": 1, "firstName": "Ad\xff"}', "Ad\ufffd"),
        (b'{"id": 1, "firstName": "A\nda"}', "A\nda"),
        (b'{"id": 1, "firstName": NaN, "created_at": 1e999, "x": 1.5}', None),
    ],
)
def test_nearly_json_is_mended(content: bytes, name: str | None) -> None:
    """A mark, half an emoji, a broken byte, a raw line break and NaN cost no contact."""
    read = decode(content, m.Contact)
    assert (read.value.id, read.value.first_name) == (1, name)
    assert read.drift[0] == "$: not quite JSON"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"<html>blocked</html>", "not JSON"),
        (b'{"id": 1', "not JSON"),
        (b'{"id": 1}x', "not JSON"),
        (b"\x00\xff", "not JSON"),
        (b'{"id": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"[" * 100_000, "too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "too deeply"),
        (b"\xef\xbb\xbf" + b"[" * 100_000, "too deeply"),
    ],
)
def test_what_is_not_json_is_an_error(content: bytes, reason: str) -> None:
    """Torn, foreign, empty or endless answers are a DecodeError that holds them."""
    with pytest.raises(DecodeError, match=reason) as caught:
        decode(content, m.Contact)
    assert (caught.value.path, caught.value.content) == ("$", content)


def test_the_last_of_duplicate_keys_wins() -> None:
    """The last of duplicate keys wins, as everywhere in JSON."""
    assert decode(b'{"id": 1, "id": 2}', m.Contact).value.id == 2


# ── types of the users ────────────────────────────────────────────────────────────────────────────


class Wide(msgspec.Struct):
    size: Annotated[int, msgspec.Meta(ge=0)] = 0
    rate: float = 0.0
    choice: int | str | None = None


class Narrow(msgspec.Struct, forbid_unknown_fields=True):
    size: int


class Picky(msgspec.Struct):
    size: int

    def __post_init__(self) -> None:
        if self.size > 5:
            raise ValueError("too large")


class Typed(TypedDict):
    size: int


@dataclass
class Plain:
    size: int


def test_any_is_plain_python() -> None:
    """The escape hatch gives what JSON gives."""
    assert decode(b'{"a": [1, null]}', Any).value == {"a": [1, None]}


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (Typed, {"size": 5}),
        (Plain, Plain(5)),
        (Narrow, Narrow(5)),
        (Picky, Picky(5)),
        (Wide, Wide(5)),
        (dict[str, int], {"size": 5}),
    ],
)
def test_types_of_the_users(type_: Any, value: Any) -> None:
    """Whatever msgspec reads can be asked for; numbers may come as strings."""
    assert decode(b'{"size": 5}', type_) == msgspec.structs.replace(
        decode(b'{"size": 5}', Any), value=value
    )
    bent = decode(b'{"size": "5"}', type_)
    assert bent.value == value
    assert bent.drift


@pytest.mark.parametrize(
    ("type_", "content"),
    [
        (Narrow, b'{"size": 5, "x": 1}'),
        (Picky, b'{"size": "6"}'),
        (Typed, b"{}"),
        (Plain, b"[]"),
        (int, b'"x"'),
        (list[int], b"{}"),
        (list[int], b'[1, "x"]'),
    ],
)
def test_what_a_users_type_refuses(type_: Any, content: bytes) -> None:
    """A user's own strictness is kept."""
    with pytest.raises(DecodeError):
        decode(content, type_)


def test_constraints_and_unions_hold_leniently() -> None:
    """Bending a number does not bend its bounds; a union takes the first member that reads."""
    assert decode(b'{"size": "-1"}', Wide).value == Wide()
    assert decode(b'{"rate": "1.5", "choice": 2.5}', Wide).value == Wide(rate=1.5, choice="2.5")
    assert decode(b'[1, "2", null]', list[int]).value == [1, 2]


def test_a_type_that_no_json_can_be() -> None:
    """Such a type is refused before any request, and named."""
    for ask in (lambda: check_type("nonsense"), lambda: decode(b"1", "nonsense")):
        with pytest.raises(InvalidArgumentError) as caught:
            ask()
        assert caught.value.argument == "type"
    check_type(dict[str, int])


# ── anything at all ───────────────────────────────────────────────────────────────────────────────

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=8,
)
TYPES = {str(endpoint.type): endpoint for endpoint in ENDPOINTS}


@given(st.sampled_from(sorted(TYPES)), st.data())
def test_no_drift_raises_anything_but_decode_error(name: str, data: st.DataObject) -> None:
    """However an answer is bent, it decodes or fails as DecodeError, and a page that decodes has
    all its items.
    """
    endpoint = TYPES[name]
    model = next((model for model in SAMPLES if model.__name__ in name), m.Ack)
    bent = copy.deepcopy(SAMPLES[model])
    for key in data.draw(st.lists(st.sampled_from(sorted(bent)), max_size=4)):
        bent[key] = data.draw(ANY_JSON)
    pages = "Page" in name
    content = json.dumps(
        {"items": [SAMPLES[model], bent], "pagination": data.draw(ANY_JSON)} if pages else bent
    ).encode()
    read = attempt(content, endpoint.type, endpoint.envelopes)
    if pages and not isinstance(read, DecodeError):
        assert len(read.value.items) == 2


@given(
    st.sampled_from(sorted(TYPES)),
    st.binary() | ANY_JSON.map(lambda value: json.dumps(value).encode()),
)
def test_no_bytes_raise_anything_but_decode_error(name: str, content: bytes) -> None:
    """The same for bytes that have nothing to do with the type."""
    read = attempt(content, TYPES[name].type, TYPES[name].envelopes)
    assert not isinstance(read, DecodeError) or read.content == content
