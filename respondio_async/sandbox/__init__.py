"""A stand-in for the respond.io server, for tests, demonstrations and development without an
account.

Needs the extra: `pip install 'respondio-async[sandbox]'`. Shares no code with the client, so that
neither hides the other's mistakes.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._sandbox import Sandbox as Sandbox
    from ._sandbox import WindowName as WindowName
    from ._serve import serve as serve
    from .customers import Customer as Customer
    from .faults import Fault as Fault
    from .limits import VENDOR_LIMITS as VENDOR_LIMITS
    from .organisation import Organisation as Organisation
    from .quirks import Answers as Answers
    from .quirks import Quirks as Quirks
    from .record import Arrival as Arrival
    from .state import WorkspaceEvent as WorkspaceEvent
    from .webhooks import Delivery as Delivery
    from .webhooks import Webhook as Webhook
    from .webhooks import Webhooks as Webhooks

__all__ = [
    "VENDOR_LIMITS",
    "Answers",
    "Arrival",
    "Customer",
    "Delivery",
    "Fault",
    "Organisation",
    "Quirks",
    "Sandbox",
    "Webhook",
    "Webhooks",
    "WindowName",
    "WorkspaceEvent",
    "serve",
]

# Imported on first use: pytest loads our plugin, and with it this package, in every run of
# everybody who has it installed.
_HOMES = {
    "VENDOR_LIMITS": "limits",
    "Answers": "quirks",
    "Arrival": "record",
    "Customer": "customers",
    "Delivery": "webhooks",
    "Fault": "faults",
    "Organisation": "organisation",
    "Quirks": "quirks",
    "Sandbox": "_sandbox",
    "Webhook": "webhooks",
    "Webhooks": "webhooks",
    "WindowName": "_sandbox",
    "WorkspaceEvent": "state",
    "serve": "_serve",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
