"""`respondio webhooks work` and `migrate`: an inbox on PostgreSQL, beside the web processes."""

import asyncio
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Final

import typer

from ..webhooks import WebhookRouter, migrate_inbox
from ._command import command
from ._exit import UsageError
from ._screen import Screen

_STOPPING: Final = (signal.SIGTERM, signal.SIGINT)


@command("Ended at once.")
async def work(
    router: Annotated[
        str, typer.Argument(help="Where your router is: module:name.", metavar="MODULE:ROUTER")
    ],
    screen: Screen,
) -> None:
    """Handle webhook events that other processes take in, until Ctrl-C or SIGTERM.

    The router must have an inbox on PostgreSQL. What runs is finished first, for as long as the
    router's `drain_timeout` says; a second signal ends at once, and others take over.

    **Example**

    - `respondio webhooks work bot:router`
    """
    found = _find(router)
    working = asyncio.create_task(found.work())
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for each in _STOPPING:
            loop.remove_signal_handler(each)
        screen.note("Finishing what is being handled (once more ends at once)")
        working.cancel()

    for each in _STOPPING:
        loop.add_signal_handler(each, stop)
    try:
        await found.start()
        screen.note("Handling events (Ctrl-C ends)")
        await working
    except asyncio.CancelledError:
        pass


@command("Nothing was changed.")
async def migrate(
    inbox: Annotated[
        str,
        typer.Option(
            envvar="RESPONDIO_INBOX",
            help="The database: postgresql://user@host/name. Keep a password out of it: others see "
            "command lines. PGPASSWORD, a .pgpass file or RESPONDIO_INBOX hold it.",
        ),
    ],
    screen: Screen,
) -> None:
    """Make or upgrade the tables of an inbox on PostgreSQL, in a schema of their own.

    Repeating it is safe, also while bots run.

    **Example**

    - `respondio webhooks migrate --inbox postgresql://bot@db/bot`
    """
    screen.note("Upgraded." if await migrate_inbox(inbox) else "There was nothing to do.")


def _find(target: str) -> WebhookRouter:
    module, _, name = target.partition(":")
    if not module or not name:
        raise UsageError(f"name the router as module:router, not {target}")
    sys.path.insert(0, str(Path.cwd()))  # as uvicorn does
    try:
        found = getattr(import_module(module), name, None)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise  # the bot's own mistake: its traceback says where
        raise UsageError(f"there is no module {module} here") from error
    if not isinstance(found, WebhookRouter):
        raise UsageError(f"{target} is no WebhookRouter")
    return found
