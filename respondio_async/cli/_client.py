"""The client of a command: its token comes from a profile, the environment or a hidden prompt,
never from an argument that `ps` shows.
"""

import os
from typing import Literal

import msgspec

from respondio_async.discreet import Discreet

from .. import AsyncRespond, RetryPolicy
from ..limits import RateLimiter
from ._ask import ask_secret, can_ask
from ._exit import UsageError
from ._profiles import DEFAULT, find_profile, read_profiles, token_of

TOKEN = "RESPONDIO_API_TOKEN"  # noqa: S105 - a variable's name
PROFILE = "RESPONDIO_PROFILE"


class Credentials(Discreet, msgspec.Struct, frozen=True):
    """A token, where it came from, and the server that it is for."""

    token: str
    origin: str
    base_url: str | None


def find_credentials(base_url: str | None, profile: str | None) -> Credentials:
    """Take the token from the profile that the command names; else from RESPONDIO_API_TOKEN, from
    the profile RESPONDIO_PROFILE or "default", or from whoever sits there.
    """
    if profile is None and (token := os.environ.get(TOKEN, "")).strip():
        return Credentials(token, f"from {TOKEN}", base_url)
    name = profile or os.environ.get(PROFILE, "").strip()
    if name or DEFAULT in read_profiles():
        found = find_profile(name or DEFAULT)
        origin = f"from the profile {name or DEFAULT} ({found.place})"
        return Credentials(token_of(name or DEFAULT, found), origin, base_url or found.base_url)
    return Credentials(ask_token(), "typed in", base_url)


def server_name(base_url: str | None, profile: str | None) -> str | None:
    """Tell one workspace from another, as far as the options do; None: they name none."""
    return " ".join(filter(None, (base_url, profile))) or None


def ask_token() -> str:
    """Ask for the token without showing it."""
    if not can_ask():
        raise UsageError(
            f"no token: set {TOKEN} (made in Settings > Integrations > Developer API), or keep one "
            "with respondio login"
        )
    return ask_secret("respond.io API token")


def connect(
    base_url: str | None,
    profile: str | None,
    *,
    limiter: RateLimiter | None = None,
    outage: Literal["wait", "fail"] = "fail",
) -> AsyncRespond:
    """Make the client; nothing is sent yet. *outage*: what calls outside of a bulk run do; somebody
    waits for them.
    """
    found = find_credentials(base_url, profile)
    return AsyncRespond(
        found.token,
        base_url=found.base_url,
        limiter=limiter,
        queue_timeout=None,
        retry=RetryPolicy(outage=outage),
    )
