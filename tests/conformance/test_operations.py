"""The client against the sandbox, over real sockets: every operation, under every habit and every
open answer of the server.
"""

import dataclasses
import datetime as dt
import typing
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from respondio_async import (
    AsyncRespond,
    BadRequestError,
    Condition,
    ConflictError,
    Contact,
    F,
    Filter,
    MessageFailedError,
    NotFoundError,
    NotReadyError,
    RespondError,
    RetryPolicy,
    Text,
)
from respondio_async._engine.endpoints import ENDPOINTS, Endpoint
from respondio_async.sandbox import Answers, Quirks, Sandbox
from respondio_async.sandbox._routes import match
from tests.faults.support import fast_limiter
from tests.test_operations import OPERATIONS

PHONE = "+60123456789"
QUICK = RetryPolicy(backoff=0.01, not_ready_wait=0.02, max_not_ready_wait=0.05)


@asynccontextmanager
async def workspace(
    quirks: dict[str, Any] | None = None, answers: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[tuple[Sandbox, AsyncRespond]]:
    calm = {"not_ready_for": 0.0, "list_lag": 0.0}
    options = {"limits": None, "contacts": 5, "messages": 7, "delivery": (0.0, 0.0, 0.0), **options}
    limiter = options.pop("limiter", None) or fast_limiter()
    async with (
        Sandbox(
            quirks=Quirks(**{**calm, **(quirks or {})}),
            answers=Answers(**(answers or {})),
            **options,
        ) as sandbox,
        AsyncRespond(sandbox.token, base_url=sandbox.url, limiter=limiter, retry=QUICK) as client,
    ):
        yield sandbox, client


async def whole_day(sandbox: Sandbox, client: AsyncRespond) -> None:
    """Every operation once, by its typed method, with what must come of it."""
    channel_operation = sandbox.answers.contact_channel_operation
    field_paths_work = sandbox.answers.custom_field_path

    ada = await client.contacts.ensure(
        PHONE, first_name="Ada", custom_fields={sandbox_field(sandbox): 36}
    )
    assert (ada.first_name, ada.phone) == ("Ada", PHONE)
    assert {str(value) for value in ada.custom.values()} & {"36"}
    assert (
        (await client.contacts.get(ada.id)).id
        == (await client.contacts.find(f"phone:{PHONE}")).id
        == ada.id
    )
    await client.contacts.create("eve@x.example", first_name="Eve")
    with pytest.raises((BadRequestError, ConflictError)):
        await client.contacts.create("eve@x.example", first_name="Eve")
    eve = await client.contacts.get("eve@x.example")
    assert (
        await client.contacts.update(eve.id, last_name="Adams", language="en")
    ).contact_id == eve.id
    assert (
        await client.contacts.create_or_update("eve@x.example", first_name="Eva")
    ).contact_id == eve.id
    assert (await client.contacts.get(eve.id)).last_name == "Adams"
    await client.contacts.update(eve.id, last_name=None)
    assert ((await client.contacts.get(eve.id)).last_name is None) == (
        sandbox.answers.put_null == "clears"
    )

    await client.contacts.add_tags(ada.id, "vip", "gold")
    await client.contacts.delete_tags(ada.id, "gold")
    await client.contacts.update_lifecycle(ada.id, "Customer")
    ada = await client.contacts.get(ada.id)
    assert (ada.tags, ada.lifecycle) == (["vip"], "Customer")
    assert await client.contacts.update_lifecycle(ada.id, None)

    listed = await client.contacts.list(page_size=2).collect()
    assert sorted(each.id for each in listed) == sorted(each.id for each in sandbox.contacts)
    found = await client.contacts.list(
        filter=F.tags.any_of("vip") & (F.field("phone") == PHONE), page_size=1
    ).collect()
    assert [each.id for each in found] == [ada.id]

    # A new contact has no channel yet, and on some servers sending does not give it one: an old one
    # is written to.
    old = ada.id if sandbox.quirks.link_channel_on_send else sandbox.contacts[1].id
    sent = await client.messages.send(old, Text("hello"), channel_id=2001)
    message = await client.messages.wait_for_status(old, sent.message_id, "read", timeout=300)
    assert (
        message.message_id
        == sent.message_id
        == (await client.messages.get(old, sent.message_id)).message_id
    )
    assert message.sent_at is not None
    assert abs((message.sent_at - dt.datetime.now(dt.UTC)).total_seconds()) < 60
    seeded = sandbox.contacts[0].id
    messages = await client.messages.list(seeded, page_size=3).collect()
    ids = [each.message_id for each in messages]
    assert len(ids) == len(set(ids)) == 7
    assert ids == sorted(ids, reverse=True)
    newer = await client.messages.list_new(seeded, ids[4], page_size=2).collect()
    assert [each.message_id for each in newer] == sorted(ids[:4])
    assert (await client.comments.create(ada.id, "a note {{@user.1003}}")).text

    handed = await client.conversations.hand_over(ada.id, 1003, timeout=300)
    assert handed.assignee is not None
    assert handed.assignee.id == 1003
    assert (await client.conversations.hand_over(ada.id, "sam@sandbox.example")).assignee.id == 1004  # type: ignore[union-attr]
    await client.conversations.assign(ada.id, 1001)
    await client.conversations.unassign(ada.id)
    await client.conversations.open(ada.id)
    note = (await client.space.list_closing_notes().collect())[0]
    await client.conversations.close(ada.id, category=note.category, summary="done")
    ada = await client.contacts.get(ada.id)
    assert ada.status in ("close", "closed")
    assert ada.assignee is None or ada.assignee.id is None

    channels = await client.contacts.list_channels(seeded).collect()
    assert channels[0].id == 2001
    if channel_operation:
        assert (await client.contacts.get_channel(seeded, 2001)).id == 2001
    else:
        with pytest.raises(NotFoundError):
            await client.contacts.get_channel(seeded, 2001)

    users = await client.space.list_users(page_size=3).collect()
    assert len(users) == 4
    assert (await client.space.get_user(users[0].id)).email == users[0].email
    assert len(await client.space.list_channels(page_size=2).collect()) == 5
    template = await client.space.find_template(2001, "order_update", language_code="en")
    assert template is not None
    assert (await client.space.get_template(template.id)).name == "order_update"
    fields = await client.space.list_custom_fields(page_size=3).collect()
    assert len(fields) == 8, field_paths_work
    assert (await client.space.get_custom_field(fields[0].id)).name == fields[0].name
    made = await client.space.create_custom_field("Level", "list", allowed_values=["a", "b"])
    assert (made.name, made.data_type) == ("Level", "list")
    assert (await client.space.create_tag("blue", color_code="tag-blue")).name == "blue"
    assert (await client.space.update_tag("blue", name="red")).name == "red"
    await client.space.delete_tag("red")

    merged = await client.contacts.merge(ada.id, eve.id, first_name="Both")
    assert merged.contact_id in (ada.id, eve.id)
    await client.contacts.delete(merged.contact_id)
    assert await client.contacts.find(merged.contact_id) is None
    assert (await client.contacts.delete(merged.contact_id, missing_ok=True)).contact_id is None
    assert await client.request("GET", "/space/user/{id}", params={"id": 1001}, type=dict)
    assert sandbox.duplicates() == []
    assert sandbox.count("") == 0, "no request went where there is no operation"


def sandbox_field(sandbox: Sandbox) -> str:
    return "age" if sandbox.answers.custom_field_name == "slug" else "Age"


def alternatives(kind: type) -> dict[str, list[Any]]:
    """The values of each attribute that differ from its default."""
    hints = typing.get_type_hints(kind)
    special = {
        "not_ready_for": [0.3],
        "not_ready_tries": [2],
        "list_lag": [],  # has a test of its own
        "not_ready_retry_after": [0],
        "plan_forbids_api": [],
        "not_ready_operations": [],
    }
    found = {}
    for field in dataclasses.fields(kind):
        if field.name in special:
            values = special[field.name]
        elif hints[field.name] is bool:
            values = [not field.default]
        else:
            values = [
                value for value in typing.get_args(hints[field.name]) if value != field.default
            ]
        found[field.name] = values
    return found


def single(kind: type) -> list[Any]:
    """Each alternative by itself, for the slow suite."""
    return [
        pytest.param({name: value}, id=f"{name}={value}", marks=pytest.mark.slow)
        for name, values in alternatives(kind).items()
        for value in values
    ]


def mixed(kind: type) -> list[dict[str, Any]]:
    """All of them in a few days: the first of every attribute, the second of every attribute, and
    so on.
    """
    found = alternatives(kind)
    return [
        {name: values[number] for name, values in found.items() if number < len(values)}
        for number in range(max(map(len, found.values())))
    ]


async def test_every_operation_on_the_usual_server() -> None:
    """All rows of the endpoint table are called, and every one is answered."""
    async with workspace() as (sandbox, client):
        await whole_day(sandbox, client)
        called = {request.template for request in sandbox.requests}
        # A new row is called by its line in the other table until the day has a use for it.
        new = {endpoint.name for endpoint in ENDPOINTS if endpoint.template not in called}
        for name, call, *_ in OPERATIONS:
            if name in new:
                await call(client)
        called = {request.template for request in sandbox.requests}
        assert {endpoint.template for endpoint in ENDPOINTS} <= called


@pytest.mark.parametrize("quirk", [*mixed(Quirks), *single(Quirks)])
async def test_every_operation_under_each_habit(quirk: dict[str, Any]) -> None:
    """No habit of the server that can be switched changes what the client's user sees."""
    async with workspace(quirk) as (sandbox, client):
        await whole_day(sandbox, client)


@pytest.mark.parametrize("answer", [*mixed(Answers), *single(Answers)])
async def test_every_operation_under_each_open_answer(answer: dict[str, Any]) -> None:
    """Every operation works, whatever the vendor answers to what its documentation leaves open."""
    async with workspace(None, answer) as (sandbox, client):
        await whole_day(sandbox, client)


@pytest.mark.parametrize("backend", ["aiohttp", "httpx2"])
async def test_every_operation_over_the_other_backends(backend: str) -> None:
    """The whole day works over every backend."""
    async with (
        workspace() as (sandbox, _),
        AsyncRespond(
            sandbox.token, base_url=sandbox.url, backend=backend, limiter=fast_limiter()
        ) as client,
    ):
        await whole_day(sandbox, client)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_every_row_is_on_the_server(endpoint: Endpoint) -> None:
    """Every row is on the server by its path, and by its other path where the vendor's pages
    disagree, in the same bucket.
    """
    for path in filter(None, (endpoint.path, endpoint.alternative)):
        found = match(
            endpoint.method,
            path.format_map(dict.fromkeys(["identifier", "channelId", "messageId", "id"], "1")),
        )
        assert found is not None
        assert found[0].template == f"{endpoint.method} {path}"
        assert found[0].bucket == endpoint.bucket


async def test_the_custom_field_path_is_found_out_once() -> None:
    """It costs one 404; then the other path is taken for the client's life."""
    async with workspace(None, {"custom_field_path": "contact_field"}) as (sandbox, client):
        for _ in range(3):
            await client.space.list_custom_fields().collect()
        await client.space.get_custom_field(4001)
        assert [r.status for r in sandbox.requests] == [404, 200, 200, 200, 200]


@pytest.mark.parametrize(
    ("path", "statuses"),
    [
        ("template", [200, 200, 404, 404]),
        ("mtm", [404, 200, 200, 404, 404]),
        ("either", [200, 200, 404, 404]),
    ],
)
async def test_templates_are_found_under_either_path(path: str, statuses: list[int]) -> None:
    """The vendor's pages and its n8n node name two; the other one is kept to once it was found, and
    a channel that is nowhere is a 404.
    """
    async with workspace(None, {"template_path": path}) as (sandbox, client):
        for _ in range(2):
            assert await client.space.list_templates(2001).collect()
        with pytest.raises(NotFoundError):
            await client.space.list_templates(99).collect()
        assert [r.status for r in sandbox.requests] == statuses
        await client.space.list_custom_fields().collect()
        assert sandbox.requests[-1].template == "GET /space/custom_field"


@pytest.mark.parametrize("retry_after", [None, 0])
async def test_449_is_waited_out_on_every_write_to_a_new_contact(retry_after: int | None) -> None:
    """The caller of tag, comment, assignee and status sees nothing of it, and nothing is done
    twice.
    """
    async with workspace(
        {"not_ready_tries": 2, "not_ready_for": 0.05}, {"not_ready_retry_after": retry_after and 0}
    ) as (sandbox, client):
        contact = await client.contacts.ensure(PHONE, first_name="Ada")
        await client.contacts.add_tags(contact.id, "vip")
        await client.comments.create(contact.id, "note")
        await client.conversations.hand_over(contact.id, 1003)
        assert 449 in {request.status for request in sandbox.requests}
        assert sandbox.duplicates() == []
        assert (await client.contacts.get(contact.id)).tags == ["vip"]


async def test_a_new_contact_may_take_minutes() -> None:
    """A new contact may take minutes: 449 for as long as it takes, and on the upsert too: the wait
    is the caller's to set.
    """
    operations = frozenset({"tag", "create_or_update"})
    quirks = {"not_ready_for": 180.0, "not_ready_operations": operations}
    async with workspace(quirks) as (sandbox, client):
        await client.contacts.create_or_update(PHONE, first_name="Ada")
        patient = client.with_options(retry=RetryPolicy(not_ready_wait=0.01, max_refusals=3))
        for call in (
            lambda: patient.contacts.add_tags(PHONE, "vip"),
            lambda: patient.contacts.create_or_update(PHONE, last_name="L"),
        ):
            with pytest.raises(NotReadyError):
                await call()
        assert [r.status for r in sandbox.requests] == [200, *[449] * 6]
        sandbox.advance(181)
        await client.contacts.add_tags(PHONE, "vip")


async def test_a_new_contact_is_usable_before_it_is_listed() -> None:
    """`ensure` reads it back by its identifier; the list shows it some 25 seconds later."""
    async with workspace({"list_lag": 25.0}) as (sandbox, client):
        contact = await client.contacts.ensure(PHONE, first_name="Ada")
        assert contact.id not in [each.id for each in await client.contacts.list().collect()]
        sandbox.advance(26)
        assert contact.id in [each.id for each in await client.contacts.list().collect()]


async def test_a_message_that_fails_says_why() -> None:
    """The status moves to failed after the send was accepted."""
    async with workspace() as (sandbox, client):
        sandbox.fail_messages(reason="131026: not on WhatsApp")
        sent = await client.messages.send(sandbox.contacts[0].id, "hi")
        with pytest.raises(MessageFailedError, match="not on WhatsApp"):
            await client.messages.wait_for_status(
                sandbox.contacts[0].id, sent.message_id, timeout=300
            )


async def test_a_plan_without_the_api_is_told_from_the_edge() -> None:
    """It is a 403 with JSON: every operation raises it, with the server's words."""
    async with workspace({"plan_forbids_api": True}) as (_, client):
        with pytest.raises(RespondError, match="plan") as caught:
            await client.contacts.get(1)
        assert type(caught.value).__name__ == "ForbiddenError"


@pytest.mark.parametrize(
    "condition",
    [
        F.field("firstName") == "Nobody",
        F.field("email").exists(),
        F.field("createdAt").after(dt.datetime(2020, 1, 1, tzinfo=dt.UTC)),
        F.field("createdAt").before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC)),
        F.tags.any_of("vip") | (F.lifecycle == "Customer"),
        F.tags.none_of("vip") & F.lifecycle.exists(),
    ],
    ids=str,
)
async def test_every_filter_is_accepted(condition: Condition | Filter) -> None:
    """The builder makes nothing that the server refuses; what comes back is a part of all."""
    async with workspace(contacts=12) as (sandbox, client):
        some = await client.contacts.list(filter=condition, page_size=5).collect()
        assert all(isinstance(each, Contact) for each in some)
        assert {each.id for each in some} <= {each.id for each in sandbox.contacts}
