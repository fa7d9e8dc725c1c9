"""The asyncio client for the respond.io Developer API v2.

    async with AsyncRespond(token="…") as client:
        contact = await client.contacts.get("phone:+60123456789")

Names are looked up when they are first used: whoever needs `respondio_async.webhooks` alone does
not pay for the HTTP client.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

# One list: `__all__`. Type checkers find its names in these modules, and so does `__getattr__`.
# Nothing is imported before it is used: `respondio --help`, which needs none of it, would take
# three times as long (benchmarks/imports.py has both).
if TYPE_CHECKING:
    from ._client import *
    from .errors import *
    from .filters import Condition, F, Filter
    from .hooks import *
    from .identifiers import ContactId, Identifier
    from .limits import *
    from .models import *

__all__ = [
    "DEFAULT_LIMITS",
    "ROUTES",
    "APIError",
    "Ack",
    "ActionButton",
    "Assignee",
    "AsyncRespond",
    "AttachedFile",
    "Attachment",
    "AttachmentContent",
    "AttachmentType",
    "AttemptEnded",
    "BadGatewayError",
    "BadRequestError",
    "BlockedAtEdgeError",
    "Channel",
    "ChannelSource",
    "ClientStatistics",
    "ClosingNote",
    "Comment",
    "Condition",
    "ConfigurationError",
    "ConflictError",
    "ConnectionFailedError",
    "Contact",
    "ContactChannel",
    "ContactFields",
    "ContactId",
    "ContactRef",
    "ContactStatus",
    "Cursor",
    "CustomField",
    "CustomFieldInput",
    "CustomFieldType",
    "CustomFieldValue",
    "CustomPayload",
    "CustomPayloadContent",
    "DeadlineExceededError",
    "DecodeError",
    "DocumentParameter",
    "DriftDetected",
    "DriftRecord",
    "Email",
    "EmailAttachment",
    "EmailContent",
    "F",
    "FacebookTemplate",
    "FacebookTemplateContent",
    "Feedback",
    "Filter",
    "ForbiddenError",
    "GatewayTimeoutError",
    "Health",
    "HealthCheck",
    "Hook",
    "HookEvent",
    "Identifier",
    "ImageParameter",
    "InvalidArgumentError",
    "InvalidIdentifierError",
    "LocalRateLimiter",
    "LocationParameter",
    "Message",
    "MessageContent",
    "MessageFailedError",
    "MessageStatus",
    "MessageStatusValue",
    "MessageTag",
    "NotFoundError",
    "NotReadyError",
    "OperationEnded",
    "OperationStarted",
    "OutcomeUnknownError",
    "Page",
    "PaginationError",
    "Paginator",
    "Payload",
    "PhoneButton",
    "Priority",
    "QuickReplies",
    "QuickReplyButton",
    "QuickReplyContent",
    "RateLimit",
    "RateLimitError",
    "RateLimiter",
    "RawPayload",
    "RequestTimeoutError",
    "Reservation",
    "RespondError",
    "Response",
    "RetryPolicy",
    "RouteStatistics",
    "Sender",
    "SenderSource",
    "SentMessage",
    "SentTemplate",
    "ServerError",
    "ServiceUnavailableError",
    "Tag",
    "Team",
    "Template",
    "TemplateBody",
    "TemplateButton",
    "TemplateButtons",
    "TemplateComponent",
    "TemplateFooter",
    "TemplateHeader",
    "TemplateParameter",
    "Text",
    "TextContent",
    "TextParameter",
    "TransportError",
    "UnauthorizedError",
    "UnknownContent",
    "UrlButton",
    "User",
    "UserRestriction",
    "UserRole",
    "VideoParameter",
    "WaitStarted",
    "WebhookSignatureError",
    "WhatsAppTemplate",
    "WhatsAppTemplateContent",
    "__version__",
]

# Cheap imports first: a name of a module costs those before it.
_HOMES = ("errors", "hooks", "identifiers", "models", "filters", "limits", "_client")


def __getattr__(name: str) -> Any:
    for home in _HOMES if name in __all__ else ():
        module = import_module(f".{home}", __name__)
        if name in module.__all__:
            value = globals()[name] = getattr(module, name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
