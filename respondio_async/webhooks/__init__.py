"""Webhooks: verify and read what respond.io sends, answer at once, handle each event once.

    router = WebhookRouter(keys=["…"], client=client, inbox="inbox.sqlite")

    @router.on(MessageReceived, text="(?i)price")
    async def price(context: Context[MessageReceived]) -> None:
        await context.reply("Let me look that up.")

    app = router.asgi()      # or router.aiohttp_handler(), or await router.receive(body, headers)

Without a router: `event = parse(verify(body, signature, key))`, for what `verify` returns is what
was signed.

Importing this imports no HTTP client and no web framework. `webhooks.fastapi` and
`webhooks.aiohttp` have helpers for those two.
"""

from respondio_async.errors import WebhookSignatureError

from ._answers import WebhookAnswer
from ._choose_inbox import migrate_inbox
from ._context import (
    REPLY_WINDOW,
    BotClient,
    Context,
    is_human_active,
    no_human_active,
    window_open,
)
from ._dedup import Deduplicator, MemoryDeduplicator, RedisDeduplicator, SQLiteDeduplicator
from ._handlers import CallNext, Middleware
from ._json import MAX_BODY, MAX_DEPTH
from ._parse import parse
from ._router import RouterStatistics, WebhookRouter
from ._signature import SIGNATURE_HEADER, sign, verify
from ._store import InboxStatistics
from ._tracer import WebhookTracer
from .events import (
    AnyEvent,
    CallEnded,
    CommentCreated,
    ContactAssigneeUpdated,
    ContactCreated,
    ContactLifecycleUpdated,
    ContactTagUpdated,
    ContactUpdated,
    Conversation,
    ConversationClosed,
    ConversationOpened,
    Event,
    EventMessage,
    EventUser,
    MessageReceived,
    MessageSent,
    UnknownEvent,
)

__all__ = [
    "MAX_BODY",
    "MAX_DEPTH",
    "REPLY_WINDOW",
    "SIGNATURE_HEADER",
    "AnyEvent",
    "BotClient",
    "CallEnded",
    "CallNext",
    "CommentCreated",
    "ContactAssigneeUpdated",
    "ContactCreated",
    "ContactLifecycleUpdated",
    "ContactTagUpdated",
    "ContactUpdated",
    "Context",
    "Conversation",
    "ConversationClosed",
    "ConversationOpened",
    "Deduplicator",
    "Event",
    "EventMessage",
    "EventUser",
    "InboxStatistics",
    "MemoryDeduplicator",
    "MessageReceived",
    "MessageSent",
    "Middleware",
    "RedisDeduplicator",
    "RouterStatistics",
    "SQLiteDeduplicator",
    "UnknownEvent",
    "WebhookAnswer",
    "WebhookRouter",
    "WebhookSignatureError",
    "WebhookTracer",
    "is_human_active",
    "migrate_inbox",
    "no_human_active",
    "parse",
    "sign",
    "verify",
    "window_open",
]
