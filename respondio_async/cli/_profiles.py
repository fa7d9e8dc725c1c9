"""Named tokens: one for each workspace, in the system's keyring or in a file of their owner's.

The file lies in the platform's folder for configuration and names all profiles. A token is in it
only where there is no keyring.
"""

import importlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import platformdirs

from respondio_async.discreet import Discreet

from ..files import is_private, replace_private
from ._exit import UsageError

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
    find_profile(name)
    if profiles.pop(name).token is None:
        _with_keyring(lambda keyring: keyring.delete_password(_SERVICE, name))
    _write(profiles)


def find_profile(name: str) -> Profile:
    """Find a profile by its name; `UsageError` when there is none."""
    profiles = read_profiles()
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
