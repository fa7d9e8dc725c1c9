"""The client of a command: its token comes from the environment or a hidden prompt, never from an
argument that `ps` shows.
"""

import os

from .. import AsyncRespond
from ..limits import RateLimiter
from ._ask import ask_secret, can_ask
from ._exit import UsageError

TOKEN = "RESPONDIO_API_TOKEN"  # noqa: S105 - a variable's name


def read_token() -> str:
    """Take the token from the environment, else ask for it without showing it."""
    token = os.environ.get(TOKEN, "")
    if token.strip():
        return token
    if not can_ask():
        raise UsageError(f"no token: set {TOKEN} (made in Settings > Integrations > Developer API)")
    return ask_secret("respond.io API token")


def connect(base_url: str | None, *, limiter: RateLimiter | None = None) -> AsyncRespond:
    """Make the client; nothing is sent yet."""
    return AsyncRespond(read_token(), base_url=base_url, limiter=limiter, queue_timeout=None)
