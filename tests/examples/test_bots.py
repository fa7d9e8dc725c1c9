"""The example bots, each a process of its own, talk to a customer of the sandbox over real
sockets.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from respondio_async.sandbox import Quirks, Sandbox
from tests.support.ports import free_port
from tests.webhooks.payloads import PLACES

ROOT = Path(__file__).parents[2]
PHONE = "+60123456789"
KEY = "a-key-of-the-test"


@asynccontextmanager
async def running(
    name: str, port: int, **environment: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run an example until its port answers; end it with Ctrl+C, which it must survive without a
    traceback.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "examples" / name), stdout=-1, stderr=-1,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PORT": str(port), **environment},
    )  # fmt: skip
    try:
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                break
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        _, errors = await asyncio.wait_for(process.communicate(), 300)
        assert b"Traceback" not in errors, errors.decode()


@asynccontextmanager
async def bot(name: str, path: str, **environment: str) -> AsyncIterator[tuple[Sandbox, int]]:
    """A sandbox whose webhook goes to an example that got the sandbox for its respond.io."""
    port = free_port()
    async with Sandbox(quirks=Quirks.calm()) as sandbox:
        account = {"RESPONDIO_BASE_URL": sandbox.url, "RESPONDIO_API_TOKEN": sandbox.token}
        async with running(name, port, RESPONDIO_WEBHOOK_KEYS=KEY, **account, **environment):
            sandbox.webhook(f"http://127.0.0.1:{port}{path}", key=KEY)
            yield sandbox, port
            await sandbox.webhooks.wait_settled(timeout=300)
            assert all(each.ok for each in sandbox.webhooks.deliveries)


async def test_the_fastapi_bot_hands_over(tmp_path: Path) -> None:
    """It answers, hands over when asked to, is silent while a person has it, and speaks again once
    the conversation is closed.
    """
    inbox = str(tmp_path / "bot.sqlite")
    async with bot(
        "fastapi_bot.py", "/webhook", BOT_AGENT="anna@sandbox.example", BOT_INBOX=inbox
    ) as (sandbox, port):
        customer = sandbox.customer(PHONE)
        customer.says("hi")
        assert (
            await customer.wait_for_reply(timeout=300)
        ).text == "You said “hi”. Ask for a human at any time."
        customer.says("a human, please")
        assert "colleague" in (await customer.wait_for_reply(timeout=300)).text
        contact = sandbox.contact(PHONE)
        assert contact.assignee is not None
        assert contact.assignee.first_name == "Anna"
        async with httpx.AsyncClient(verify=False) as http:
            status = await http.get(f"http://127.0.0.1:{port}/contacts/{contact.id}/status")
            assert status.json() == {"status": "open"}
            customer.says("are you human?")
            await http.post(
                f"{sandbox.url}/contact/id:{contact.id}/conversation/status",
                json={"status": "close"},
                headers={"Authorization": f"Bearer {sandbox.token}"},
            )
        # Events of one contact are handled in their order: had it answered the one before, that
        # would come first.
        customer.says("thanks")
        assert "“thanks”" in (await customer.wait_for_reply(timeout=300)).text
        assert [comment.text for comment in contact.comments] == ["The bot is listening again."]
        for number, place in enumerate(PLACES):
            await writes_without_being_assigned(sandbox, f"+6011234567{number}", place)


async def writes_without_being_assigned(sandbox: Sandbox, phone: str, place: Any) -> None:
    """A person writes to a contact, told in one of the places: the bot is silent until a workflow
    writes.
    """
    sandbox.quirks.webhook_sender = place
    customer = sandbox.customer(phone)
    customer.says("hi")
    assert "“hi”" in (await customer.wait_for_reply(timeout=300)).text
    await sandbox.webhooks.wait_settled(timeout=300)
    sandbox.send_message(phone, "Anna here", source="user" if place == "user" else "echo")
    customer.says("hello Anna")
    sandbox.send_message(phone, "How was it?", source="workflow")
    customer.says("good")
    replies = [(await customer.wait_for_reply(timeout=300)).text for _ in range(3)]
    assert (replies[:2], "“good”" in replies[2]) == (["Anna here", "How was it?"], True)


async def test_the_aiohttp_bot_looks_up_orders() -> None:
    """A pattern, a kind of message, and everything else; each once, though every event comes
    twice.
    """
    async with bot("aiohttp_bot.py", "/webhook") as (sandbox, _):
        sandbox.webhooks.duplicate(1.0)
        customer = sandbox.customer(PHONE)
        customer.says("where is Order #1001?")
        customer.attaches("https://files.example/receipt.pdf", "file")
        customer.says("hello")
        customer.sends("sticker", pack="cats")
        replies = [(await customer.wait_for_reply(timeout=300)).text for _ in range(4)]
        assert replies == [
            "Order 1001 is on its way, and due tomorrow.",
            "Thank you, we will have a look at it.",
            *["Ask me about an order, for instance: order 1001"] * 2,
        ]
        await sandbox.webhooks.wait_settled(timeout=300)
        assert len(customer.replies) == 4


async def test_the_faq_bot_answers_on_its_own_page() -> None:
    """It brings its sandbox along and says where its page is; what is written there is answered
    there.
    """
    async with running("faq_bot.py", free_port()) as process:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().removeprefix("Talk to the bot: ").strip()
        async with httpx.AsyncClient(verify=False) as http:
            said = await http.post(f"{url}/say", json={"contact": PHONE, "text": "hm?"})
            contact = said.json()["contact"]
            await http.post(f"{url}/say", json={"contact": contact, "text": "Delivery"})
            for _ in range(1_000):
                state = (await http.get(f"{url}/state", params={"contact": contact})).json()
                replies = [
                    each for each in state["contact"]["messages"] if each["traffic"] == "outgoing"
                ]
                if len(replies) == 2:
                    break
                await asyncio.sleep(0.01)
        assert replies[0]["replies"] == ["Opening hours", "Delivery", "Returns"]
        assert replies[1]["text"] == "We deliver within two days. It is free above RM 50."
        assert state["webhooks"][0]["enabled"]


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "examples").glob("*_bot.py")))
def test_an_example_is_short_enough_to_be_read_at_once(name: str) -> None:
    """It is there to be copied."""
    assert len((ROOT / "examples" / name).read_text().splitlines()) <= 70
