"""The public API as type checkers see it. Checked by mypy and pyright at their strictest, never
run.

`assert_type` pins what users get. The lines marked `type: ignore` must be errors, for both: each
complains about an ignore that it does not need, so that a mistake which stops being one is noticed.
"""

# ruff: noqa: B018, F841
# mypy: warn_unused_ignores=True
# pyright: reportUnnecessaryTypeIgnoreComment=true, reportUnusedExpression=false, reportUnusedVariable=false

import datetime as dt
from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal, assert_type

import httpx
import httpx2

from respondio_async import (
    DEFAULT_LIMITS,
    Ack,
    AsyncRespond,
    Attachment,
    AttemptEnded,
    Channel,
    ClientStatistics,
    ClosingNote,
    Comment,
    Condition,
    Contact,
    ContactChannel,
    ContactId,
    ContactRef,
    Cursor,
    CustomField,
    CustomPayload,
    Email,
    F,
    FacebookTemplate,
    Filter,
    HookEvent,
    LocalRateLimiter,
    Message,
    OperationEnded,
    Page,
    Paginator,
    QuickReplies,
    RateLimit,
    RateLimiter,
    RawPayload,
    Response,
    RetryPolicy,
    RouteStatistics,
    SentMessage,
    Tag,
    Template,
    Text,
    User,
    WhatsAppTemplate,
)
from respondio_async.bulk import Bulk
from respondio_async.checks import contact_fields


async def contacts(client: AsyncRespond) -> None:
    assert_type(await client.contacts.get("phone:+60123456789"), Contact)
    assert_type(await client.contacts.get(437264483), Contact)
    assert_type(await client.contacts.get(ContactId.email("a@b.c")), Contact)
    assert_type(await client.contacts.find("a@b.c"), Contact | None)
    assert_type(await client.contacts.create("a@b.c", first_name="Ada", last_name=None), Ack)
    assert_type(
        await client.contacts.update(
            7, first_name="Ada", custom_fields={"plan": "pro", "seats": 5}
        ),
        ContactRef,
    )
    assert_type(await client.contacts.delete(7), ContactRef)
    assert_type(await client.contacts.create_or_update("a@b.c", email=None), ContactRef)
    assert_type(
        await client.contacts.ensure(
            "a@b.c", timeout=5, custom_fields={"d": dt.date(2026, 1, 2), "t": dt.time(9), "x": None}
        ),
        Contact,
    )
    assert_type(await client.contacts.merge(7, 8, first_name="Ada"), ContactRef)
    assert_type(client.contacts.list(), Paginator[Contact])
    assert_type(client.contacts.list_channels(7), Paginator[ContactChannel])
    assert_type(await client.contacts.add_tags(7, "vip", "gold"), ContactRef)
    assert_type(await client.contacts.delete_tags(7, *["vip"]), ContactRef)
    assert_type(await client.contacts.get_channel(7, 3), ContactChannel)
    assert_type(await client.contacts.update_lifecycle(7, None), Ack)

    # Misspelt and mistyped fields are found before anything runs; the server would drop them
    # silently.
    await client.contacts.update(7, firstName="Ada")  # type: ignore[call-arg]
    await client.contacts.update(7, tags=["vip"])  # type: ignore[call-arg]
    await client.contacts.update(7, lifecycle="Lead")  # type: ignore[call-arg]
    await client.contacts.update(7, first_name=1)  # type: ignore[arg-type]
    await client.contacts.update(7, custom_fields={"a": [1]})  # type: ignore[dict-item]
    await client.contacts.create("a@b.c")  # type: ignore[call-arg]
    await client.contacts.create("a@b.c", "Ada")  # type: ignore[call-arg]
    await client.contacts.create("a@b.c", first_name=None)  # type: ignore[arg-type]
    await client.contacts.ensure("a@b.c", middle_name="B")  # type: ignore[call-arg]
    await client.contacts.merge("7", 8)  # type: ignore[arg-type]
    await client.contacts.get(1.5)  # type: ignore[arg-type]
    await client.contacts.get({"email": "a@b.c"})  # type: ignore[arg-type]
    await client.contacts.add_tags(7, ["vip"])  # type: ignore[arg-type]
    await client.contacts.list()  # type: ignore[misc]
    client.contacts.list(limit=10)  # type: ignore[call-arg]


async def models(contact: Contact, message: Message, template: Template) -> None:
    assert_type(contact.id, int)
    assert_type(contact.custom, dict[str, Any])
    assert_type(contact.created, dt.datetime | None)
    assert_type(message.message_id, int)
    assert_type(message.sent_at, dt.datetime | None)
    contact.id = 8  # type: ignore[misc]
    contact.firstName  # type: ignore[attr-defined]
    assert_type(WhatsAppTemplate.fill(template, ["Ada", 3], header="x"), WhatsAppTemplate)


async def messages(client: AsyncRespond) -> None:
    assert_type(await client.messages.send(7, "hi"), SentMessage)
    assert_type(
        await client.messages.send(7, Text("hi", message_tag="ACCOUNT_UPDATE"), channel_id=3),
        SentMessage,
    )
    await client.messages.send(7, Attachment.image("https://x.yz/a.png"))
    await client.messages.send(7, QuickReplies("Which?", ["a", "b"]))
    await client.messages.send(7, CustomPayload({"a": 1}), channel_id=3)
    await client.messages.send(7, Email("hello", subject="x"))
    await client.messages.send(7, WhatsAppTemplate("hello", "en"))
    await client.messages.send(7, FacebookTemplate("hello", "en"))
    await client.messages.send(7, RawPayload({"type": "text", "text": "hi"}))
    assert_type(await client.messages.get(7, 1), Message)
    assert_type(client.messages.list(7), Paginator[Message])
    assert_type(client.messages.list_new(7, 1), Paginator[Message])
    assert_type(await client.messages.wait_for_status(7, 1, "read", timeout=3), Message)

    await client.messages.send(7, {"type": "text"})  # type: ignore[arg-type]
    await client.messages.send(7, "hi", channel_id="3")
    await client.messages.send(7, "hi", channel_id=3.0)  # type: ignore[arg-type]
    await client.messages.send(7, "hi", 3)  # type: ignore[call-arg]
    await client.messages.send(7, text="hi")  # type: ignore[call-arg]
    await client.messages.wait_for_status(7, 1, "seen")  # type: ignore[arg-type]
    client.messages.list_new(7, "1")  # type: ignore[arg-type]
    Attachment("https://x.yz/a", type="picture")  # type: ignore[arg-type]


async def the_rest(client: AsyncRespond) -> None:
    assert_type(await client.comments.create(7, "note"), Comment)
    assert_type(await client.conversations.assign(7, 2), ContactRef)
    assert_type(await client.conversations.assign(7, "a@b.c"), ContactRef)
    assert_type(await client.conversations.unassign(7), ContactRef)
    assert_type(await client.conversations.open(7), ContactRef)
    assert_type(await client.conversations.close(7, category="x", summary="y"), ContactRef)
    assert_type(await client.conversations.hand_over(7, 2), Contact)
    assert_type(client.space.list_users(), Paginator[User])
    assert_type(await client.space.get_user(1), User)
    assert_type(client.space.list_channels(), Paginator[Channel])
    assert_type(client.space.list_templates(3), Paginator[Template])
    assert_type(await client.space.get_template(3), Template)
    assert_type(await client.space.find_template(3, "hello"), Template | None)
    assert_type(client.space.list_custom_fields(), Paginator[CustomField])
    assert_type(await client.space.get_custom_field(3), CustomField)
    assert_type(
        await client.space.create_custom_field("plan", "list", allowed_values=["a"]), CustomField
    )
    assert_type(client.space.list_closing_notes(), Paginator[ClosingNote])
    assert_type(await client.space.create_tag("vip", emoji="x"), Tag)
    assert_type(await client.space.update_tag("vip", name="gold"), Tag)
    assert_type(await client.space.delete_tag("vip"), Ack)

    await client.conversations.assign(7, None)  # type: ignore[arg-type]
    await client.comments.create(7)  # type: ignore[call-arg]


async def pagination(client: AsyncRespond) -> None:
    users = client.space.list_users(page_size=50, cursor=None, prefetch=0)
    async for user in users:
        assert_type(user, User)
    async for page in users.pages():
        assert_type(page, Page[User])
        assert_type(page.items, list[User])
        assert_type(page.next_cursor, int | str | None)
    assert_type(await users.first(), User | None)
    assert_type(await users.collect(max_items=3), list[User])
    assert_type(users.cursor, int | str | None)
    stored: Cursor | None = users.cursor
    iterator: AsyncIterator[User] = aiter(users)
    [user for user in users]  # type: ignore[attr-defined]  # noqa: C416


async def raw(client: AsyncRespond) -> None:
    response = await client.raw.contacts.get(7)
    assert_type(response, Response[Contact])
    assert_type(response.value, Contact)
    assert_type(response.status, int)
    assert_type(response.rate_limit, RateLimit | None)
    assert_type(response.content, bytes)
    assert_type(await client.raw.contacts.list(page_size=3), Response[Page[Contact]])
    assert_type(await client.raw.messages.send(7, "hi", channel_id=3), Response[SentMessage])
    assert_type(await client.raw.contacts.update(7, first_name="Ada"), Response[ContactRef])
    await client.raw.contacts.update(7, firstName="Ada")  # type: ignore[call-arg]
    await client.raw.messages.send(7)  # type: ignore[call-arg]


async def beyond(client: AsyncRespond) -> None:
    assert_type(await client.request("GET", "/space/user/{id}", params={"id": 1}, type=User), User)
    assert_type(await client.request("GET", "/x", type=dict[str, int]), dict[str, int])
    assert_type(await client.request("POST", "/x", query={"a": 1}, json={"b": [2]}), Any)
    await client.request("GET", "/x", body={})  # type: ignore[call-overload]
    assert_type(client.statistics(), ClientStatistics)
    assert_type(client.statistics().routes, Mapping[str, RouteStatistics])


def options(client: AsyncRespond, limiter: RateLimiter) -> None:
    assert_type(
        client.with_options(timeout=None, deadline=3, priority="bulk", headers={"X": "y"}),
        AsyncRespond,
    )
    client.with_options(token=None)  # type: ignore[arg-type]
    client.with_options(priority="fast")  # type: ignore[arg-type]
    client.with_options(max_connections=3)  # type: ignore[call-arg]
    AsyncRespond("token", http_client=httpx.AsyncClient(), timeout=httpx.Timeout(5))
    AsyncRespond("token", http_client=httpx2.AsyncClient(), timeout=httpx2.Timeout(5))
    AsyncRespond("token", backend="aiohttp", limiter=LocalRateLimiter(DEFAULT_LIMITS, share=0.25))
    AsyncRespond(
        "token",
        app_info="acme-crm/2.1",
        limiter=limiter,
        retry=RetryPolicy(max_attempts=1),
        hooks=[hook],
    )
    AsyncRespond("token", backend="requests")  # type: ignore[arg-type]
    AsyncRespond("token", http_client=httpx.Client())  # type: ignore[arg-type]
    AsyncRespond("token", hooks=[int])  # type: ignore[list-item]
    RetryPolicy(5)  # type: ignore[call-arg, arg-type]


def hook(event: HookEvent) -> None:
    if isinstance(event, AttemptEnded):
        assert_type(event.status, int | None)
    elif isinstance(event, OperationEnded):
        assert_type(event.error, str | None)


def filters(client: AsyncRespond) -> None:
    condition = F.field("email") == "a@b.c"
    assert_type(condition, Condition)
    assert_type(F.tags.any_of("vip"), Condition)
    assert_type(F.lifecycle == "Lead", Condition)
    assert_type(F.lifecycle.exists(), Condition)
    assert_type(F.field("createdAt").after(dt.datetime(2026, 1, 1, tzinfo=dt.UTC)), Condition)
    assert_type(F.field("age") > 3, Condition)
    assert_type(condition & F.tags.all_of("vip"), Filter)
    assert_type(condition | F.tags.none_of("vip") | condition, Filter)
    client.contacts.list(filter=condition)
    client.contacts.list(filter=condition & condition)
    client.contacts.list(filter={"$and": []})  # type: ignore[arg-type]
    F.tags.any_of(["vip"])  # type: ignore[arg-type]


async def bulk(client: AsyncRespond, people: list[str]) -> None:
    async def upsert(person: str) -> ContactRef:
        return await client.contacts.create_or_update(person, first_name="Ada")

    run = client.bulk(upsert, people, key=str)
    assert_type(run, Bulk[str, ContactRef])
    async with run as started:
        async for outcome in started:
            assert_type(outcome.item, str)
            assert_type(outcome.value, ContactRef | None)
    for result in run.results():
        assert_type(result.status, Literal["done", "failed", "unknown", "unfinished"])
    async for result in run.results():
        assert_type(result.key, str)
    client.bulk(upsert, people, on_unknown="ignore")  # type: ignore[arg-type]
    client.bulk(upsert, people, failed="ignore")  # type: ignore[arg-type]


async def rows_of_texts(client: AsyncRespond, row: dict[str, str]) -> None:
    """A row of a file is no ContactFields by itself; `contact_fields` makes one of it."""
    await client.contacts.update(1, **contact_fields(row))
    await client.contacts.update(1, **row)  # type: ignore[arg-type]
