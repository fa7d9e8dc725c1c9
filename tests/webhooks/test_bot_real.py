"""A bot with a real client, against a sandbox that sends real webhooks: every byte goes over a
socket.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from respondio_async import DEFAULT_LIMITS, AsyncRespond, LocalRateLimiter, QuickReplies
from respondio_async.sandbox import Quirks, Sandbox, Webhook
from respondio_async.webhooks import Context, MessageReceived, WebhookRouter, no_human_active
from tests.webhooks.payloads import PLACES

KEY = "the-sandbox-signs-with-it"
ONE_PLACE = pytest.mark.parametrize(
    "sender_place",
    [PLACES[0], *(pytest.param(place, marks=pytest.mark.slow) for place in PLACES[1:])],
    indirect=True,
)
"""Each inbox with one place in the default suite: `test_bot.py` has every place with these."""
PHONE = "+60123456789"
AGENT = "anna@sandbox.example"
QUIRKS = Quirks.calm()


@pytest.fixture(autouse=True, params=PLACES)
def sender_place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run every test with the sender of sent messages in each place that has been seen."""
    monkeypatch.setattr(QUIRKS, "webhook_sender", request.param)
    return request.param


@asynccontextmanager
async def served(router: WebhookRouter, port: int = 0) -> AsyncGenerator[int]:
    """Serve a router on this loop, as a bot does; yields its port."""
    server = uvicorn.Server(
        uvicorn.Config(router.asgi(), port=port, log_level="critical", ws="none")
    )
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started or serving.done())
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await serving


async def until(condition: Callable[[], Any], timeout: float = 300.0) -> None:
    """Wait for what another thread does."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.005)


@asynccontextmanager
async def account() -> AsyncGenerator[tuple[Sandbox, AsyncRespond]]:
    """A sandbox and a client of it, both at twenty times the vendor's limits: these tests are not
    about them.
    """
    limiter = LocalRateLimiter({route: limit * 20 for route, limit in DEFAULT_LIMITS.items()})
    async with (
        Sandbox(quirks=QUIRKS, limits_factor=20) as sandbox,
        AsyncRespond(sandbox.token, base_url=sandbox.url, limiter=limiter) as client,
    ):
        yield sandbox, client


def make_bot(client: AsyncRespond, seen: list[str], **options: Any) -> WebhookRouter:
    """Make a bot that hands over to a person when asked to, and answers else."""
    router = WebhookRouter(
        KEY, client=client, on_error=lambda error, _: seen.append(repr(error)), **options
    )

    @router.on(MessageReceived, always=True)
    async def note(context: Context[MessageReceived]) -> None:
        human = "a human" if context.is_human_active else "nobody"
        seen.append(f"{context.text}: {human}{', handed over' if context.is_handed_over else ''}")

    @router.on(MessageReceived, text="person")
    async def hand_over(context: Context[MessageReceived]) -> None:
        await context.hand_over(AGENT)
        await context.reply("One moment.")
        context.stop()

    @router.on(MessageReceived, when=no_human_active)
    async def answer(context: Context[MessageReceived]) -> None:
        await context.reply(f"You said {context.text}")

    return router


async def settled(sandbox: Sandbox, router: WebhookRouter) -> None:
    """Wait until every event was delivered and handled, those included that handlers caused."""
    await until(lambda: sandbox.webhooks.settled and not router.statistics().waiting)


def hook(sandbox: Sandbox, port: int) -> Webhook:
    """Point a webhook at the bot."""
    return sandbox.webhook(f"http://127.0.0.1:{port}/", key=KEY)


async def test_a_reply_goes_back_through_the_same_channel() -> None:
    """A customer who writes through two channels is answered in each, with a text and with any
    payload.
    """
    async with account() as (sandbox, client):
        router = WebhookRouter(KEY, client=client)
        sent: list[int] = []

        @router.on(MessageReceived)
        async def answer(context: Context[MessageReceived]) -> None:
            assert context.window_open()
            sent.append((await context.reply(QuickReplies("Which?", ["This", "That"]))).message_id)

        async with served(router) as port:
            hook(sandbox, port)
            channels = list(sandbox.state.channels)[:2]
            for channel in [*channels, channels[0]]:
                customer = sandbox.customer(PHONE, channel=channel)
                customer.says("hi")
                reply = await customer.wait_for_reply(timeout=300)
                assert reply.channel_id == channel
                assert reply.content["type"] == "quick_reply"
            await settled(sandbox, router)
        assert [message.id for message in sandbox.sent_messages] == sent
        assert all(delivery.ok for delivery in sandbox.webhooks.deliveries)


async def test_a_hand_over_from_beginning_to_end() -> None:
    """The bot answers, hands over, is silent while a person is at it, and answers again once the
    conversation is closed.
    """
    seen: list[str] = []
    async with account() as (sandbox, client):
        router = make_bot(client, seen)
        async with served(router) as port:
            hook(sandbox, port)
            customer = sandbox.customer(PHONE)
            customer.says("hi")
            assert (await customer.wait_for_reply(timeout=300)).text == "You said hi"
            customer.says("a person, please")
            assert (await customer.wait_for_reply(timeout=300)).text == "One moment."
            contact = await client.contacts.get(PHONE)
            assert contact.assignee is not None
            assert contact.assignee.email == AGENT
            customer.says("hello?")
            await settled(sandbox, router)
            await client.conversations.close(PHONE)
            await settled(sandbox, router)
            customer.says("thanks")
            assert (await customer.wait_for_reply(timeout=300)).text == "You said thanks"
            await settled(sandbox, router)
    assert seen == [
        "hi: nobody",
        "a person, please: nobody",
        "hello?: a human, handed over",
        "thanks: nobody",
    ]


@pytest.mark.parametrize("source", ["user", "echo"])
async def test_a_person_who_just_writes(sender_place: str, source: str) -> None:
    """A person writes without being assigned: the bot is silent until a workflow writes, or the
    conversation closes.
    """
    if (sender_place, source) == ("user", "echo"):
        source = "user"  # that place tells of users alone
    seen: list[str] = []
    async with account() as (sandbox, client):
        router = make_bot(client, seen)
        async with served(router) as port:
            hook(sandbox, port)
            customer = sandbox.customer(PHONE)
            customer.says("hi")
            assert (await customer.wait_for_reply(timeout=300)).text == "You said hi"
            await settled(sandbox, router)
            sandbox.send_message(PHONE, "Anna here", source=source)
            assert (await customer.wait_for_reply(timeout=300)).text == "Anna here"
            customer.says("hello Anna")
            sandbox.send_message(PHONE, "Rate us", source="workflow")
            assert (await customer.wait_for_reply(timeout=300)).text == "Rate us"
            customer.says("five")
            assert (await customer.wait_for_reply(timeout=300)).text == "You said five"
            sandbox.send_message(PHONE, "Thank you", source=source)
            assert (await customer.wait_for_reply(timeout=300)).text == "Thank you"
            await client.conversations.close(PHONE)
            customer.says("bye")
            assert (await customer.wait_for_reply(timeout=300)).text == "You said bye"
            await settled(sandbox, router)
    assert seen == ["hi: nobody", "hello Anna: a human", "five: nobody", "bye: nobody"]


async def test_the_late_close_of_an_older_conversation() -> None:
    """A conversation.closed that is overtaken by the next conversation's hand-over leaves that
    one's silence alone.
    """
    seen: list[str] = []
    async with account() as (sandbox, client):
        router = make_bot(client, seen)
        async with served(router) as port:
            webhook = hook(sandbox, port)
            customer = sandbox.customer(PHONE)
            customer.says("hi")
            await customer.wait_for_reply(timeout=300)
            await settled(sandbox, router)
            sandbox.webhooks.reorder(1.0, within=30.0)
            await client.conversations.close(PHONE)  # held back until another event has passed it
            await until(lambda: webhook.held is not None)
            sandbox.webhooks.reorder(0.0)
            sandbox.advance(5)
            customer.says("a person")
            assert (await customer.wait_for_reply(timeout=300)).text == "One moment."
            await settled(sandbox, router)
            customer.says("are you there?")
            await settled(sandbox, router)
        closed_before = [delivery.event_type for delivery in sandbox.webhooks.deliveries].count(
            "conversation.closed"
        )
    assert closed_before == 1
    assert seen == ["hi: nobody", "a person: nobody", "are you there?: a human, handed over"]


MISSED = 52
"""More than a page."""


@ONE_PLACE
async def test_catching_up_after_an_outage(inbox: str) -> None:
    """What customers wrote while the bot was down is fetched, answered once and in order; late
    events of it are dropped.
    """
    seen: list[str] = []
    async with account() as (sandbox, client):
        async with served(make_bot(client, seen, inbox=inbox)) as port:
            webhook = hook(sandbox, port)
            anna, ben = sandbox.customer("+60111111111"), sandbox.customer("+60122222222")
            for customer in (anna, ben):
                customer.says("hi")
                await customer.wait_for_reply(timeout=300)
            await until(lambda: sandbox.webhooks.settled)
        webhook.enabled = False
        for number in range(MISSED):
            anna.says(f"missed {number}")
        ben.attaches("https://files.example/receipt.pdf", "file")
        router = make_bot(client, seen, inbox=inbox)
        async with served(router, port):
            webhook.enabled = True
            anna.says("live")
            assert (await anna.wait_for_reply(timeout=300)).text == "You said live"
            assert await router.catch_up() == MISSED + 1
            assert await router.catch_up() == 0
            await settled(sandbox, router)
        assert [reply.text for reply in anna.replies] == [
            "You said hi",
            "You said live",
            *[f"You said missed {number}" for number in range(MISSED)],
        ]
        assert [reply.text for reply in ben.replies] == ["You said hi", "You said "]
        assert sandbox.duplicates() == []


@ONE_PLACE
async def test_each_customer_is_answered_once(inbox_or_none: str | None) -> None:
    """However often and in whatever order events come, each message is answered once, and no
    delivery fails.
    """
    seen: list[str] = []
    async with account() as (sandbox, client):
        router = make_bot(client, seen, inbox=inbox_or_none)
        async with served(router) as port:
            hook(sandbox, port)
            sandbox.webhooks.duplicate(0.5)
            sandbox.webhooks.reorder(0.3, within=0.05)
            customers = [sandbox.customer(f"+6012345678{number}") for number in range(5)]
            for number in range(3):
                for customer in customers:
                    customer.says(f"line {number}")
            await until(lambda: all(len(customer.replies) >= 3 for customer in customers))
            await settled(sandbox, router)
        for customer in customers:
            assert sorted(reply.text or "" for reply in customer.replies) == [
                f"You said line {n}" for n in range(3)
            ]
        assert all(delivery.ok for delivery in sandbox.webhooks.deliveries)
        assert router.statistics().duplicates > 0
