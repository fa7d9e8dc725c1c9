"""The models, each from a full answer."""

import copy
import pickle
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from respondio_async import models as m
from tests.models.samples import SAMPLES

each_model = pytest.mark.parametrize("model", SAMPLES, ids=lambda model: model.__name__)


def read(model: type[Any], **changed: object) -> Any:
    return msgspec.convert(SAMPLES[model] | changed, model)


@each_model
def test_every_key_of_a_full_answer_has_an_attribute(model: type[Any]) -> None:
    """Nothing that the contract names is dropped: a model encodes back to the answer it was read
    from.
    """
    assert msgspec.to_builtins(read(model)) == msgspec.to_builtins(
        msgspec.convert(SAMPLES[model], model)
    )
    fields = {field.encode_name for field in msgspec.structs.fields(model)}
    assert fields - {"extra"} == set(SAMPLES[model])


@each_model
def test_attributes_are_snake_case(model: type[Any]) -> None:
    """No attribute keeps the wire's camelCase."""
    assert all(name == name.lower() for name in model.__struct_fields__)


@each_model
def test_models_are_frozen(model: type[Any]) -> None:
    """An answer can't be changed after the fact."""
    value = read(model)
    with pytest.raises(AttributeError):
        setattr(value, model.__struct_fields__[0], None)


@each_model
def test_models_survive_pickle_and_copy(model: type[Any]) -> None:
    """A model can be sent to another process, and copied."""
    value = read(model)
    assert pickle.loads(pickle.dumps(value)) == value
    assert copy.copy(value) == copy.deepcopy(value) == value


@each_model
def test_a_repr_holds_ids_and_nothing_of_a_contact(model: type[Any]) -> None:
    """Reprs end up in logs: only numbers that identify, no name, address, phone or text."""
    value = read(model)
    for text in (
        repr(value),
        repr([value]),
        repr(value.__rich_repr__()),
        repr(m.Page([value])),
        repr(m.Page([value]).__rich_repr__()),
    ):
        assert not any(
            secret in text
            for secret in ("60121233112", "@", "Ada", "Ann", "Lovelace", "http", "call me")
        )


def test_a_repr_names_the_ids() -> None:
    """A repr tells which object it is."""
    assert repr(read(m.Contact)).startswith("Contact(id=437264483, status=")
    shown = repr(read(m.Message))
    assert "message_id=1783918786000000" in shown
    assert "MessageStatus(value='failed'" in shown
    assert shown.endswith("type='text')")
    assert repr(m.Page([1, 2])) == "Page(2 items)"
    assert repr(m.UnknownContent("rating", {"text": "+60"})) == "UnknownContent(type='rating')"
    assert repr(m.TextContent("+60")) == "TextContent()"
    assert m.UnknownContent("rating", {"text": "+60"}).__rich_repr__() == [("type", "rating")]


def test_contact_custom_fields_by_name() -> None:
    """`custom` gives the values as received, None included, and is empty without fields."""
    assert read(m.Contact).custom == {"plan": "gold", "age": "36", "x": None}
    assert read(m.Contact, custom_fields=None).custom == {}


@pytest.mark.parametrize(
    "nobody", [None, {}, {"id": None, "firstName": None, "lastName": None, "email": None}]
)
def test_an_unassigned_contact(nobody: dict[str, Any] | None) -> None:
    """Nobody is assigned: null, an empty object, an object of nulls."""
    contact = read(m.Contact, assignee=nobody)
    assert contact.assignee_id is None
    assert not contact.assignee
    assert read(m.Contact).assignee_id == 7
    assert read(m.Contact).assignee


def test_times_are_aware() -> None:
    """Every time has a datetime in UTC beside the raw number."""
    moment = datetime(2022, 9, 15, 20, 34, 41, tzinfo=UTC)
    assert read(m.Contact).created == moment
    assert read(m.Channel).created == moment
    assert read(m.Comment).created == moment
    assert read(m.CustomField).created == moment
    assert read(m.ClosingNote).at == moment
    assert read(m.MessageStatus).at == moment
    channel = read(m.ContactChannel)
    assert channel.last_message_at == channel.last_incoming_message_at == moment
    assert m.Contact(1).created is None


def test_a_message_is_dated_by_its_id() -> None:
    """`sent_at` reads the microseconds of the id, and is None for ids that are no times."""
    assert read(m.Message).sent_at == datetime(2026, 7, 13, 4, 59, 46, tzinfo=UTC)
    for number in (1, 0, -1, 10**15 - 1, -(10**16), 10**18, 10**30):
        assert m.Message(number).sent_at is None
    assert m.Message(10**15).sent_at == datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC)


def test_current_status_is_the_last() -> None:
    """A message is as far as its last step; without steps nobody knows."""
    assert read(m.Message).current_status.value == "failed"
    assert m.Message(1).current_status is None


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({"a": 1}, {"a": 1}),
        ('{"a": 1}', {"a": 1}),
        ("{}", {}),
        (None, {}),
        ("", {}),
        ("[1]", {}),
        ("not json", {}),
        ([], {}),
        (5, {}),
        ("[" * 100_000, {}),
    ],
)
def test_channel_meta_is_a_dict(meta: Any, expected: dict[str, Any]) -> None:
    """The server sends an object, JSON text, or null."""
    assert read(m.ContactChannel, meta=meta).meta == expected


@pytest.mark.parametrize(
    ("components", "expected"),
    [
        ([{"type": "body"}], [{"type": "body"}]),
        ('[{"type": "body"}]', [{"type": "body"}]),
        ({"type": "body"}, [{"type": "body"}]),
        (None, []),
        ("", []),
        ([1, None, {}], [{}]),
        (7, []),
    ],
)
def test_template_components_are_a_list(components: Any, expected: list[Any]) -> None:
    """The server sends an array or JSON text."""
    assert read(m.Template, components=components).components == expected


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        (["a", "b"], ["a", "b"]),
        ({"listValues": ["a", 2]}, ["a", "2"]),
        ('{"listValues": ["a"]}', ["a"]),
        (None, None),
        ({}, None),
        ([], []),
        ("x", None),
        ([None, {}], []),
    ],
)
def test_allowed_values_are_a_list(allowed: Any, expected: list[Any] | None) -> None:
    """The server sends an array, or an object that holds one."""
    assert read(m.CustomField, allowedValues=allowed).allowed_values == expected


@pytest.mark.parametrize(
    ("status", "approved"),
    [("APPROVED", True), ("approved", True), ("rejected", False), (None, False)],
)
def test_template_approval_ignores_case(status: str | None, approved: bool) -> None:
    """The case of a template's status varies."""
    assert read(m.Template, status=status).is_approved is approved


def test_allowed_values_of_a_field_made_by_hand() -> None:
    """Any sequence becomes the list."""
    made: Any = ("a", "b")
    assert m.CustomField(1, allowed_values=made).allowed_values == ["a", "b"]


def test_enums_are_open() -> None:
    """A value that the documentation doesn't name is kept."""
    assert read(m.Contact, status="snoozed").status == "snoozed"
    assert read(m.Channel, source="carrier_pigeon").source == "carrier_pigeon"
    assert read(m.User, role="guest", restrictions=["new_one"]).restrictions == ["new_one"]
    assert read(m.Message, traffic="sideways").traffic == "sideways"


def test_the_public_names_exist() -> None:
    """What `from respondio_async.models import *` promises is there."""
    assert all(hasattr(m, name) for name in m.__all__)
    assert list(m.__all__) == sorted(m.__all__)
