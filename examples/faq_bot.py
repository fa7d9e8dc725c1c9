"""An FAQ bot to talk to in the browser, with no account: `python examples/faq_bot.py`, then open
the address that it prints.

It starts a sandbox, which plays respond.io, and answers what customers write on the sandbox's inbox
page. Needs `pip install 'respondio-async[sandbox]'`.
"""

import asyncio
import os
from contextlib import suppress

import uvicorn

from respondio_async import AsyncRespond, QuickReplies
from respondio_async.sandbox import Quirks, Sandbox
from respondio_async.webhooks import Context, MessageReceived, WebhookRouter

PORT = int(os.environ.get("PORT", "8000"))
KEY = "what the sandbox signs with"

ANSWERS = {
    "opening hours": "We are open from 9 to 18, Monday to Saturday.",
    "delivery": "We deliver within two days. It is free above RM 50.",
    "returns": "Send it back within 30 days, and we refund you in full.",
}
MENU = QuickReplies("What would you like to know?", [topic.capitalize() for topic in ANSWERS])

router = WebhookRouter(KEY)


@router.on(MessageReceived)
async def answer(context: Context[MessageReceived]) -> None:
    """Answer what is asked, or show what can be asked."""
    asked = context.text.lower()
    await context.reply(next((text for topic, text in ANSWERS.items() if topic in asked), MENU))


async def main() -> None:
    """Run the sandbox and the bot until Ctrl+C."""
    async with (
        Sandbox(quirks=Quirks.calm()) as sandbox,
        AsyncRespond(sandbox.token, base_url=sandbox.url) as client,
    ):
        router.client = client
        sandbox.webhook(f"http://127.0.0.1:{PORT}/", key=KEY)
        print(f"Talk to the bot: {sandbox.inbox_url}", flush=True)
        await uvicorn.Server(uvicorn.Config(router.asgi(), port=PORT, log_level="warning")).serve()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
