"""The client of a command, and its token: from a profile, the environment or a hidden prompt, never
from an argument that `ps` shows; `respondio login` and `respondio profiles`.

A profile is a named token, one for each workspace, in the system's keyring or in a file of its
owner's. The file lies in the platform's folder for configuration and names all profiles. A token is
in it only where there is no keyring.
"""

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import platformdirs
import typer

from respondio_async.discreet import Discreet

from .. import AsyncRespond, RetryPolicy
from ..files import is_private, replace_private
from ..limits import RateLimiter
from ._command import BaseUrl, JsonScreen, Options, command
from ._exit import Exit, UsageError
from ._screen import Screen, ask_secret, can_ask, table_of

TOKEN: Final = "RESPONDIO_API_TOKEN"  # noqa: S105 - a variable's name
PROFILE: Final = "RESPONDIO_PROFILE"
DEFAULT: Final = "default"
"""The profile that is used when nothing names one."""
_SERVICE: Final = "respondio"


class Profile(Discreet, msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a profile."""

    _shown = ("base_url",)

    token: str | None = None
    """None: the keyring has it."""
    base_url: str | None = None
    """The server that the token is for; None: respond.io."""

    @property
    def place(self) -> str:
        """Where its token is."""
        return "keyring" if self.token is None else "file"


def profiles_path() -> Path:
    """Return the file's path; it need not exist."""
    return platformdirs.user_config_path("respondio", appauthor=False) / "profiles.json"


def read_profiles() -> dict[str, Profile]:
    """Read all profiles. `UsageError` when others could have read or written the file."""
    path = profiles_path()
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as file:
        if not is_private(os.fstat(descriptor)):
            raise UsageError(
                f"{path} holds tokens, and others own it or can read it",
                f"  make it yours alone: chmod 600 '{path}'",
                "  and if somebody may have read it, revoke its tokens",
            )
        try:
            return msgspec.json.decode(file.read(), type=dict[str, Profile])
        except msgspec.MsgspecError:
            raise UsageError(
                f"{path} is damaged: remove it, and log in again with respondio login"
            ) from None


def save_profile(name: str, token: str, base_url: str | None) -> Profile:
    """Keep a profile, its token in the keyring where there is one."""
    profiles = read_profiles()
    in_keyring = _with_keyring(lambda keyring: keyring.set_password(_SERVICE, name, token))
    profiles[name] = Profile(None if in_keyring else token, base_url)
    _write(profiles)
    return profiles[name]


def remove_profile(name: str) -> None:
    """Forget a profile and its token."""
    profiles = read_profiles()
    if find_profile(profiles, name).token is None:
        _with_keyring(lambda keyring: keyring.delete_password(_SERVICE, name))
    del profiles[name]
    _write(profiles)


def find_profile(profiles: Mapping[str, Profile], name: str) -> Profile:
    """Find a profile by its name; `UsageError` when there is none."""
    if name not in profiles:
        there_are = f"there are {', '.join(profiles)}" if profiles else "there is none yet"
        raise UsageError(
            f"no profile {name}: {there_are}", f"  make it: respondio login --profile {name}"
        )
    return profiles[name]


def token_of(name: str, profile: Profile) -> str:
    """Return a profile's token. `UsageError` when the keyring does not give it."""
    if profile.token is not None:
        return profile.token
    found: list[str | None] = []
    _with_keyring(lambda keyring: found.append(keyring.get_password(_SERVICE, name)))
    token = found[0] if found else None
    if token is None:
        raise UsageError(
            f"the keyring does not give the token of the profile {name}",
            f"  unlock it, or log in again: respondio login --profile {name}",
        )
    return token


def _with_keyring(act: Callable[[Any], object]) -> bool:
    """Do something with the system's keyring; False: there is none, or it refuses."""
    try:
        keyring: Any = importlib.import_module("keyring")
    except ImportError:
        return False
    try:
        act(keyring)
    except keyring.errors.KeyringError:
        return False
    return True


def _write(profiles: Mapping[str, Profile]) -> None:
    path = profiles_path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    with os.fdopen(replace_private(temporary), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(profiles), indent=2) + b"\n")
    temporary.replace(path)


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
        profiles = read_profiles()
        name = self.profile or os.environ.get(PROFILE, "").strip()
        if not name and DEFAULT not in profiles:
            return Credentials(ask_token(), "typed in", self.base_url)
        name = name or DEFAULT
        found = find_profile(profiles, name)
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


@command("Stopped. Nothing was kept.")
async def login(
    *,
    profile: Annotated[str, typer.Option("--profile", help="The name to keep it by.")] = DEFAULT,
    base_url: BaseUrl = None,
    screen: Screen,
) -> int:
    """Check a token, and keep it under a name.

    The token is read without showing it, or from a pipe; then one cheap read is sent with it. It is
    kept in the system's keyring (pip install 'respondio-async[keyring]'), or, where there is none,
    in a file that only you can read. Ends with 4 when the token is refused: then nothing is kept.

    **Examples**

    - `respondio login`
    - `respondio login --profile acme-sales < token.txt`
    - `respondio contacts export --profile acme-sales`
    """
    if not profile.strip():
        raise UsageError("--profile is a name")
    read_profiles()  # before anything is typed: its file may be refused
    token = (ask_token() if can_ask() else sys.stdin.readline()).strip()
    async with AsyncRespond(token, base_url=base_url) as client:
        health = await client.check()
    for check in health.checks:
        if check.verdict == "fail":
            screen.error(check.detail, check.advice, "Nothing was kept.")
            return Exit.REFUSED if health.status == 401 else Exit.FAILED
    kept = save_profile(profile, token, base_url)
    where = "the system's keyring" if kept.token is None else str(profiles_path())
    screen.line(f"The token works. It is kept as {profile} in {where}.")
    return Exit.DONE


@command()
async def list_profiles(
    *,
    remove: Annotated[
        str | None,
        typer.Option(metavar="NAME", show_default=False, help="Forget one, and its token."),
    ] = None,
    screen: JsonScreen,
) -> None:
    """List the profiles that `respondio login` has kept, without their tokens.

    **Examples**

    - `respondio profiles`
    - `respondio profiles --remove acme-sales`
    """
    if remove is not None:
        remove_profile(remove)
    rows: list[dict[str, Any]] = [
        {"name": name, "token": profile.place, "base_url": profile.base_url}
        for name, profile in read_profiles().items()
    ]
    cells = [(row["name"], row["token"], row["base_url"] or "respond.io") for row in rows]
    table = table_of(("name", "token in", "server"), cells)
    screen.result(rows, table if rows else "There is none: respondio login")
