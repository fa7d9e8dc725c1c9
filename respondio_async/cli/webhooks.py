"""`respondio webhooks listen` prints events as they come; `work` and `migrate` serve an inbox on
PostgreSQL.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
import uvicorn
from rich.text import Text

from ..webhooks import AnyEvent, Context, EventMessage, WebhookRouter, migrate_inbox
from ._command import command
from ._exit import Exit, UsageError
from ._screen import Screen, ask_secret, can_ask, counted, full_name, shorten

_STOPPING: Final = (signal.SIGTERM, signal.SIGINT)
_KEYS: Final = "RESPONDIO_WEBHOOK_KEYS"
_LONGEST: Final = 100
"""Characters of a message in a line."""


@command()
async def listen(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes any free port.")] = 8080,
    host: Annotated[
        str, typer.Option(help="The address to listen on; a tunnel reaches the default.")
    ] = "127.0.0.1",
    key_file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A file with one signing key a line."),
    ] = None,
    events: Annotated[
        str,
        typer.Option(
            help='Print these only, divided by commas: "message.received,conversation.closed".'
        ),
    ] = "",
    *,
    screen: Annotated[
        Screen, typer.Option("--json", help="Print each event's whole body as a line of JSON.")
    ],
) -> int:
    """Receive webhooks and print each event that is signed with one of your keys, once. Stop with
    Ctrl-C.

    Every webhook has a signing key of its own (respond.io: Settings > Integrations > Webhooks).
    They are read from RESPONDIO_WEBHOOK_KEYS, divided by spaces or commas, or from a file, or asked
    for: never taken from the command line, where other users of this machine would see them. To be
    reached from outside, put a tunnel in front of the port.

    **Examples**

    - `respondio webhooks listen`
    - `respondio webhooks listen --events message.received --json > messages.jsonl`
    """
    printer = Printer(screen, frozenset(events.replace(",", " ").split()))
    screen.last_words = lambda: [f"Stopped after {counted(printer.count, 'event')}."]
    router = WebhookRouter(_keys(key_file), concurrency=1)
    router.on()(printer.show)
    config = uvicorn.Config(
        _watched(router.asgi(), screen),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        lifespan="on",
    )
    try:
        server = _Server(config, screen)
        printer.stop = server.stop
        await server.serve()
    except SystemExit:  # uvicorn could not start, and has said why
        return Exit.FAILED
    if printer.failure is not None:
        raise printer.failure
    return Exit.DONE


def _keys(key_file: Path | None) -> list[str]:
    text = os.environ.get(_KEYS, "") if key_file is None else key_file.read_text(encoding="utf-8")
    keys = text.replace(",", " ").split()
    if not keys and key_file is None and can_ask():
        keys = ask_secret("Signing key").split()
    if not keys:
        raise UsageError(f"no signing key: put it into {_KEYS}, or into a file for --key-file")
    return keys


class Printer:
    """Prints events, one a line."""

    def __init__(self, screen: Screen, wanted: frozenset[str]) -> None:
        self.count: int = 0
        self.failure: OSError | None = None
        """Why nothing more can be printed."""
        self.stop: Callable[[], None] = lambda: None
        self._screen = screen
        self._wanted = wanted

    def show(self, context: Context[Any]) -> None:
        event: AnyEvent = context.event
        if self._wanted and event.event_type not in self._wanted:
            return
        self.count += 1
        try:
            if self._screen.json:
                self._screen.write(msgspec.json.encode(event.raw) + b"\n")
            else:
                self._screen.out.print(_line(event), soft_wrap=True)
        except OSError as error:
            self.failure = error
            self.stop()


def _line(event: AnyEvent) -> Text:
    contact = event.contact
    name = "nobody" if contact is None else full_name(contact)
    number = "" if contact is None else f" ({contact.id})"
    return Text.assemble(
        (f"{shorten(event.event_type, _LONGEST):<26}", "bold cyan"),
        " ",
        (shorten(name, _LONGEST), "bold"),
        (number, "dim"),
        "  ",
        shorten(_detail(event), _LONGEST),
    )


def _detail(event: AnyEvent) -> str:
    """What an event says beside whom it is about."""
    message = getattr(event, "message", None)
    if isinstance(message, EventMessage):
        return message.text or f"[{message.content.type}]"
    rest = {
        name: value
        for name, value in event.raw.items()
        if name not in ("event_type", "event_id", "contact")
    }
    return ", ".join(
        f"{name}: {value}" for name, value in rest.items() if isinstance(value, str | int | float)
    ) or (msgspec.json.encode(rest).decode() if rest else "")


ASGI = Callable[[Any, Any, Any], Awaitable[None]]


def _watched(app: ASGI, screen: Screen) -> ASGI:
    """Say on standard error what *app* refused, so that a wrong key is noticed."""

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        async def watch(message: Any) -> None:
            if message["type"] == "http.response.start" and message["status"] != 200:
                reason = _REASONS.get(message["status"], "not taken")
                screen.note(f"refused with {message['status']}: {reason}")
            await send(message)

        await app(scope, receive, watch)

    return watched


_REASONS: Final = {
    400: "not an event",
    401: "not signed with one of the keys",
    405: "neither POST nor GET",
    413: "too large",
    415: "compressed",
    503: "too many at once",
}


class _Server(uvicorn.Server):
    """Says where it listens, once it does."""

    def __init__(self, config: uvicorn.Config, screen: Screen) -> None:
        super().__init__(config)
        self._screen = screen

    def stop(self) -> None:
        """End soon."""
        self.should_exit = True

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        for server in self.servers:
            host, port, *_ = server.sockets[0].getsockname()
            shown = f"[{host}]" if ":" in host else host
            self._screen.note(f"Listening on http://{shown}:{port}/ (Ctrl-C ends)")


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
