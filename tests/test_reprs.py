"""Every class of the package, walked: its repr shows no token and nobody's data: in a log, in
rich's tracebacks, and in whatever prints the locals of a frame.
"""

import dataclasses
import enum
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from rich.pretty import pretty_repr

import respondio_async
from respondio_async import (
    Channel,
    Contact,
    CustomField,
    MessageStatus,
    SentMessage,
    UnknownContent,
)
from respondio_async.discreet import _VOCABULARY, Discreet

WORDS = ("canary-token-zyxwv", "Canarina", "canary text of a message")
LOOKS_PERSONAL = ("canary.mail@secret.example", "+60177444333", "060 177-444.333", "two\nlines")

HARMLESS = {
    # What these hold are numbers, times, and words of the API, of the program or of its author.
    *(
        "_engine.endpoints.Endpoint",
        "_engine.health.Health",
        "_engine.health.HealthCheck",
        "_engine.pagination.Source",
    ),
    *(
        "_engine.partitions.Span",
        "_rate_limit.RateLimit",
        "_engine.retry.Retry",
        "_engine.retry.Failure",
    ),
    *(
        "_engine.retry.RetryPolicy",
        "_engine.retry.Stop",
        "_engine.retry.Tally",
        "_engine.statistics.ClientStatistics",
    ),
    *("_engine.statistics.DriftRecord", "_engine.statistics.RouteCounters"),
    *("_transport._address.Address", "_transport._ports.PoolStatistics", "_wire._headers.Facts"),
    *("bulk._outcome.Outage", "bulk._outcome.Progress"),
    *("hooks.AttemptEnded", "hooks.DriftDetected"),
    *("hooks.OperationEnded", "hooks.OperationStarted", "hooks.WaitStarted"),
    "webhooks._router.RouterStatistics",
    "webhooks._store.InboxStatistics",
    "webhooks._postgres._notes._Sent",
    *(
        "webhooks._answers.WebhookAnswer",
        "webhooks._handlers.Conditions",
        "webhooks._handlers.Handler",
    ),
    *("webhooks._progress.Note", "webhooks._dispatch.EventJob", "cli._contract.ContractReport"),
    *(
        "cli.export.ExportReport",
        "cli._fields.Notation",
        "cli.contacts.columns.FileConventions",
    ),
    *("cli.files.rows.TableFile", "cli.lookup.RouteLimit", "cli.messages.send.SendReport"),
    *("cli.doctor._TokenClaims", "cli._app.Lazy", "cli._app.LazyGroup"),
}
OWN = {
    # These have a repr of their own, which the tests of their modules pin.
    *("AsyncRespond", "Headers", "Exit", "Field", "Lifecycle", "Tags", "RedisRateLimiter"),
    *("Context", "Condition", "Filter", "ContactId", "Page"),
}
ENGINES = ("limits.", "sandbox", "cli.demo.", "telemetry")
"""Permits and figures, and the stand-in server, whose people are made up."""


def classes() -> Iterator[type[Any]]:
    """Yield every class that the package defines."""
    seen: set[type[Any]] = set()
    for module in pkgutil.walk_packages(respondio_async.__path__, "respondio_async."):
        if not module.name.endswith("__main__"):
            for found in vars(importlib.import_module(module.name)).values():
                if inspect.isclass(found) and found.__module__.startswith("respondio_async"):
                    seen.add(found)
    yield from sorted(seen, key=name_of)


def name_of(cls: type[Any]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}".removeprefix("respondio_async.")


def fields_of(cls: type[Any]) -> tuple[str, ...]:
    if issubclass(cls, msgspec.Struct):
        return cls.__struct_fields__
    if dataclasses.is_dataclass(cls):
        return tuple(field.name for field in dataclasses.fields(cls))
    return getattr(cls, "_fields", ()) if issubclass(cls, tuple) else ()


def filled(cls: type[Any], values: dict[str, object]) -> Any:
    """Make an instance that holds *values*, whatever its checks would say."""
    if issubclass(cls, tuple):
        return cls(**values)
    instance = cls.__new__(cls)
    for name, value in values.items():
        if isinstance(instance, msgspec.Struct):
            msgspec.structs.force_setattr(instance, name, value)
        else:
            object.__setattr__(instance, name, value)
    return instance


CLASSES = [cls for cls in classes() if not name_of(cls).startswith(ENGINES)]


@pytest.mark.parametrize("cls", CLASSES, ids=name_of)
def test_no_repr_shows_what_it_holds(cls: type[Any]) -> None:
    """Each class with fields is discreet, or listed above with a reason; the others say their class
    alone.
    """
    if not fields_of(cls):
        plain = (
            object.__repr__,
            BaseException.__repr__,
            dict.__repr__,
            msgspec.Struct.__repr__,
            enum.Enum.__repr__,
        )
        assert issubclass(cls, Discreet | BaseException) or (
            cls.__name__ in OWN
            or cls.__repr__ in plain
            or cls.__name__.startswith("_")
            or cls.__repr__ is inspect.getmro(cls)[1].__repr__  # another library's
        )
        return
    if name_of(cls) in HARMLESS or cls.__name__ in OWN:
        return
    assert issubclass(cls, Discreet) or "__repr__" in vars(cls), (
        "it holds fields: make it discreet, or say why it need not be"
    )
    for content in (*LOOKS_PERSONAL, *WORDS):
        named = (
            (*_VOCABULARY, *getattr(cls, "_shown", ()), "message", "event_type", "event_id")
            if content in WORDS
            else ()
        )
        for value in (content, [content], {"a": content}, (("a", content),), content.encode()):
            instance = filled(
                cls, {name: None if name in named else value for name in fields_of(cls)}
            )
            if "message" in fields_of(cls) and "Message" in cls.__name__:
                msgspec.structs.force_setattr(
                    instance, "message", UnknownContent("", {"a": content})
                )
            for shown in (repr(instance), pretty_repr(instance), pretty_repr({"local": instance})):
                assert content not in shown
                assert content[1:9] not in shown


def test_what_people_look_for_is_shown() -> None:
    """Ids, types, states, names of channels and fields, and times."""
    assert repr(Channel(7, "Sales", "whatsapp", 1)) == (
        "Channel(id=7, name='Sales', source='whatsapp', created_at=1)"
    )
    assert repr(CustomField(4001, "Plan", "list")) == (
        "CustomField(id=4001, name='Plan', data_type='list')"
    )
    assert repr(MessageStatus("sent", 5, "no")) == "MessageStatus(value='sent', timestamp=5)"
    assert repr(SentMessage(12)) == "SentMessage(message_id=12)"
    contact = Contact(7, "Jane", phone="+60177444333", status="open", tags=["vip"])
    assert repr(contact) == "Contact(id=7, status='open')"
    assert repr(Channel(7, "mail jane@doe.example")) == "Channel(id=7)"


def test_to_dict() -> None:
    wire = (
        b'{"id":7,"firstName":"Jane","custom_fields":[{"name":"Plan","value":"gold"}],'
        b'"assignee":{"id":3,"firstName":"Al"},"tags":["vip"]}'
    )
    contact = msgspec.json.decode(wire, type=Contact)
    plain = contact.to_dict()
    assert plain["first_name"] == "Jane"
    assert plain["custom_fields"] == [{"name": "Plan", "value": "gold"}]
    assert plain["assignee"]["first_name"] == "Al"
    assert contact.to_dict(wire=True)["firstName"] == "Jane"
    msgspec.json.encode(plain)
