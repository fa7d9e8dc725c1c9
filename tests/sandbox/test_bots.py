"""A bot's router on the sandbox's server, and the window in which a customer can be written to."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from respondio_async import AsyncRespond, Text, WhatsAppTemplate
from respondio_async.errors import MessageFailedError
from respondio_async.sandbox import Quirks, Sandbox
from respondio_async.webhooks import Context, MessageReceived, WebhookRouter

DAY = 86_400.0
FACEBOOK, TELEGRAM = "facebook", "telegram"
TEMPLATE = WhatsAppTemplate("greeting", "en")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(quirks=Quirks.calm(), limits_factor=20) as running:
        yield running


async def test_a_mounted_router_is_where_its_client_is(sandbox: Sandbox) -> None:
    """A mounted router is where its client is on the loop that mounted it, although the sandbox
    serves from a thread of its own.
    """
    seen: list[asyncio.AbstractEventLoop] = []
    async with (
        AsyncRespond(sandbox.token, base_url=sandbox.url) as client,
        WebhookRouter("key", client=client) as router,
    ):

        @router.on(MessageReceived)
        async def echo(context: Context[MessageReceived]) -> None:
            seen.append(asyncio.get_running_loop())
            await context.reply("yes")

        sandbox.mount("/bot", router.asgi())
        sandbox.webhook(f"{sandbox.root_url}/bot", key="key")
        customer = sandbox.customer("+60123456789")
        customer.says("hi")
        assert (await customer.wait_for_reply(timeout=300)).content["text"] == "yes"
        await sandbox.webhooks.wait_settled(timeout=300)
    assert seen == [asyncio.get_running_loop()]


def test_what_was_mounted_on_a_loop_that_has_ended_is_not_served(sandbox: Sandbox) -> None:
    """The answer says so, and comes at once."""

    async def mount() -> None:
        sandbox.mount("/bot", WebhookRouter("key").asgi())

    asyncio.run(mount())
    answer = httpx.post(f"{sandbox.root_url}/bot", content=b"{}")
    assert answer.status_code == 503
    assert "loop is closed" in answer.text


def test_a_router_can_be_mounted_without_a_loop(sandbox: Sandbox) -> None:
    """Then it runs on the sandbox's."""
    sandbox.mount("/bot", WebhookRouter("key").asgi())
    assert httpx.get(f"{sandbox.root_url}/bot").status_code == 200


@pytest.mark.parametrize(
    ("after", "source", "message", "arrives"),
    [
        (DAY - 60, "whatsapp_cloud", "hi", True),
        (DAY + 60, "whatsapp_cloud", "hi", False),
        (DAY + 60, "whatsapp_cloud", "template", True),
        (DAY + 60, FACEBOOK, "hi", False),
        (DAY + 60, FACEBOOK, "tagged", True),
        (DAY + 60, TELEGRAM, "hi", True),
    ],
)
async def test_the_window_closes_a_day_after_the_customer_wrote(
    sandbox: Sandbox, after: float, source: str, message: str, arrives: bool
) -> None:
    """Free text is accepted then, and fails at the channel with a reason."""
    customer = sandbox.customer("+60123456789", channel=source)
    customer.says("hello")
    sandbox.advance(after)
    assert customer.contact is not None
    contact_id = customer.contact.id
    payloads = {
        "hi": "hi",
        "template": TEMPLATE,
        "tagged": Text("hi", message_tag="ACCOUNT_UPDATE"),
    }
    async with AsyncRespond(sandbox.token, base_url=sandbox.url) as client:
        sent = await client.messages.send(contact_id, payloads[message])
        sandbox.advance(5)
        if arrives:
            await client.messages.wait_for_status(contact_id, sent.message_id, "delivered")
        else:
            with pytest.raises(MessageFailedError, match="24-hour window"):
                await client.messages.wait_for_status(contact_id, sent.message_id)
            customer.says("still here")
            again = await client.messages.send(contact_id, "hi")
            sandbox.advance(5)
            await client.messages.wait_for_status(contact_id, again.message_id)


async def test_the_window_can_be_left_open(sandbox: Sandbox) -> None:
    """The window can be left open for tests of something else."""
    sandbox.quirks.reply_window = None
    customer = sandbox.customer("+60123456789")
    customer.says("hello")
    sandbox.advance(3 * DAY)
    assert customer.contact is not None
    async with AsyncRespond(sandbox.token, base_url=sandbox.url) as client:
        sent = await client.messages.send(customer.contact.id, "hi")
        sandbox.advance(5)
        await client.messages.wait_for_status(customer.contact.id, sent.message_id)
