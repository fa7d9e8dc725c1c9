"""`respondio login` and `respondio profiles`: tokens of several workspaces, by name."""

import sys
from typing import Annotated, Any

import typer

from .. import AsyncRespond
from ._client import (
    DEFAULT,
    ask_token,
    profiles_path,
    read_profiles,
    remove_profile,
    save_profile,
)
from ._command import BaseUrl, JsonScreen, command
from ._exit import Exit, UsageError
from ._screen import Screen, can_ask, table_of


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
async def profiles(
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
