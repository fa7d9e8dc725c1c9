"""The client of a command: its token comes from a profile, the environment or a hidden prompt,
never from an argument that `ps` shows.
"""

import os
from typing import Annotated, Literal

import msgspec
import typer

from respondio_async.discreet import Discreet

from .. import AsyncRespond, RetryPolicy
from ..limits import RateLimiter
from ._ask import ask_secret, can_ask
from ._command import BaseUrl, Options
from ._exit import UsageError
from ._profiles import DEFAULT, find_profile, read_profiles, token_of

TOKEN = "RESPONDIO_API_TOKEN"  # noqa: S105 - a variable's name
PROFILE = "RESPONDIO_PROFILE"


class Credentials(Discreet, msgspec.Struct, frozen=True):
    """A token, where it came from, and the server that it is for."""

    token: str
    origin: str
    base_url: str | None


class Account(Options, frozen=True):
    """Which server a command speaks to, and with which token."""

    base_url: BaseUrl = None
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            metavar="NAME",
            show_default=False,
            help="The token that respondio login keeps under this name; else RESPONDIO_API_TOKEN, "
            "then the profile RESPONDIO_PROFILE.",
        ),
    ] = None

    def credentials(self) -> Credentials:
        """Take the token from the profile that the command names; else from RESPONDIO_API_TOKEN,
        from the profile RESPONDIO_PROFILE or "default", or from a prompt.
        """
        if self.profile is None and (token := os.environ.get(TOKEN, "")).strip():
            return Credentials(token, f"from {TOKEN}", self.base_url)
        name = self.profile or os.environ.get(PROFILE, "").strip()
        if not name and DEFAULT not in read_profiles():
            return Credentials(ask_token(), "typed in", self.base_url)
        name = name or DEFAULT
        found = find_profile(name)
        origin = f"from the profile {name} ({found.place})"
        return Credentials(token_of(name, found), origin, self.base_url or found.base_url)

    @property
    def name(self) -> str | None:
        """What tells one workspace from another, as far as the options do; None: they name none."""
        return " ".join(filter(None, (self.base_url, self.profile))) or None

    def connect(
        self, *, limiter: RateLimiter | None = None, outage: Literal["wait", "fail"] = "fail"
    ) -> AsyncRespond:
        """Make the client; nothing is sent yet. *outage*: what calls outside of a bulk run do;
        a person waits for them.
        """
        found = self.credentials()
        return AsyncRespond(
            found.token,
            base_url=found.base_url,
            limiter=limiter,
            queue_timeout=None,
            retry=RetryPolicy(outage=outage),
        )


def ask_token() -> str:
    """Ask for the token without showing it."""
    if not can_ask():
        raise UsageError(
            f"no token: set {TOKEN} (made in Settings > Integrations > Developer API), or keep one "
            "with respondio login"
        )
    return ask_secret("respond.io API token")
