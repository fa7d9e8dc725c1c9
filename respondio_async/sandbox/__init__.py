"""A stand-in for the respond.io server, for tests, demonstrations and development without an
account.

Needs the extra: `pip install 'respondio-async[sandbox]'`. Shares no code with the client, so that
neither hides the other's mistakes.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# One list: `__all__`. Type checkers find its names in these modules, and so does `__getattr__`.
# Nothing is imported before it is used: pytest loads our plugin, and with it this package, in every
# run of everybody who has it installed.
if TYPE_CHECKING:
    from ._sandbox import *
    from ._serve import *
    from .customers import *
    from .faults import *
    from .limits import *
    from .organisation import *
    from .quirks import *
    from .record import *
    from .state import *
    from .webhooks import *

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

# Cheap imports first: a name of a module costs those before it.
_HOMES = (
    "quirks",
    "limits",
    "record",
    "faults",
    "state",
    "organisation",
    "customers",
    "webhooks",
    "_sandbox",
    "_serve",
)


def __getattr__(name: str) -> Any:
    if name in __all__:
        for home in _HOMES:
            module = import_module(f".{home}", __name__)
            if name in module.__all__:
                globals()[name] = getattr(module, name)
                return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
