"""A FastAPI bot that hands over to a person: `python examples/fastapi_bot.py`.

Point a webhook of respond.io (Settings > Integrations > Webhooks) at https://<your host>/webhook,
for the events "message received", "message sent" and "conversation closed". From the environment:
RESPONDIO_API_TOKEN, RESPONDIO_WEBHOOK_KEYS (each webhook has its own) and BOT_AGENT, the e-mail
address of whom to hand over to. Needs `pip install respondio-async fastapi uvicorn`.
"""

import os
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI

from respondio_async import AsyncRespond
from respondio_async.webhooks import (
    Context,
    ConversationClosed,
    MessageReceived,
    WebhookRouter,
    no_human_active,
)
from respondio_async.webhooks.fastapi import respond_client, respond_lifespan

AGENT = os.environ["BOT_AGENT"]

# The file keeps acknowledged events, and who was handed over, through a crash or a restart.
router = WebhookRouter(
    os.environ["RESPONDIO_WEBHOOK_KEYS"].split(), inbox=os.environ.get("BOT_INBOX", "bot.sqlite")
)
app = FastAPI(lifespan=respond_lifespan(AsyncRespond, router))
app.include_router(router.fastapi("/webhook"))


@router.on(MessageReceived, text=r"(?i)\b(human|person|agent)\b", when=no_human_active)
async def hand_over(context: Context[MessageReceived]) -> None:
    """Assign the contact to a person.

    From here on the bot is silent, until the conversation is closed.
    """
    await context.hand_over(AGENT)
    await context.reply("A colleague is with you in a moment.")
    context.stop()


@router.on(MessageReceived, message_type="text", when=no_human_active)
async def echo(context: Context[MessageReceived]) -> None:
    """Answer by the little that a bot knows."""
    await context.reply(f"You said “{context.text}”. Ask for a human at any time.")


@router.on(ConversationClosed)
async def note(context: Context[ConversationClosed]) -> None:
    """Leave a comment for colleagues."""
    await context.client.comments.create(context.contact_id, "The bot is listening again.")


@app.get("/contacts/{contact_id}/status")
async def status(
    contact_id: int, client: Annotated[AsyncRespond, Depends(respond_client)]
) -> dict[str, str | None]:
    """Tell whether a contact's conversation is open: an ordinary route, on the same client."""
    contact = await client.contacts.get(contact_id)
    return {"status": contact.status}


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")), log_level="warning")
