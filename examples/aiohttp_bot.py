"""An aiohttp bot that looks up orders: `python examples/aiohttp_bot.py`.

Point a webhook of respond.io (Settings > Integrations > Webhooks) at https://<your host>/webhook,
for the event "message received". From the environment: RESPONDIO_API_TOKEN and
RESPONDIO_WEBHOOK_KEYS. Needs `pip install respondio-async aiohttp`.
"""

import os
from typing import Any

from aiohttp import web

from respondio_async import AsyncRespond
from respondio_async.webhooks import CallNext, Context, MessageReceived, WebhookRouter
from respondio_async.webhooks.aiohttp import respond_context

ORDERS = {"1001": "on its way, and due tomorrow", "1002": "waiting for your payment"}

router = WebhookRouter(os.environ["RESPONDIO_WEBHOOK_KEYS"].split())


@router.middleware
async def within_the_window(context: Context[Any], call_next: CallNext) -> None:
    """Keep quiet when the contact wrote more than 24 hours ago: WhatsApp would take a template and
    nothing else.
    """
    if context.window_open():
        await call_next(context)


@router.on(MessageReceived, text=r"(?i)\border\s+#?(\d+)")
async def look_up(context: Context[MessageReceived]) -> None:
    """Answer from the shop's data; `context.match` is what the pattern found."""
    number = context.match[1] if context.match else ""
    await context.reply(f"Order {number} is {ORDERS.get(number, 'not known to us')}.")
    context.stop()


@router.on(MessageReceived, message_type="attachment")
async def thank(context: Context[MessageReceived]) -> None:
    """Take a file."""
    await context.reply("Thank you, we will have a look at it.")
    context.stop()


@router.on(MessageReceived)
async def explain(context: Context[MessageReceived]) -> None:
    """Say what can be asked: the handlers above have stopped those messages that were theirs."""
    await context.reply("Ask me about an order, for instance: order 1001")


def make_app() -> web.Application:
    """Make the application."""
    app = web.Application()
    app.cleanup_ctx.append(respond_context(AsyncRespond, router))
    app.router.add_route("*", "/webhook", router.aiohttp_handler())
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), print=None)
