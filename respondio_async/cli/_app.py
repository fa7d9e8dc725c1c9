"""The command and its subcommands, put together."""

from collections.abc import Mapping
from typing import Annotated, Final

import typer

from .. import __version__
from ._lazy import Lazy, group

EXIT_CODES: Final = (
    "Exit codes: 0 all done · 1 something failed · 2 wrong usage or input, nothing was written · "
    "3 a write may or may not have happened: look before you repeat it · 4 the token was refused · "
    "5 done, and bad rows were left out as asked (--skip-bad) · "
    "130 stopped by Ctrl-C · 141 the reader of the output has closed the pipe."
)

CONTACTS: Final = {
    "get": Lazy("lookup:get", "Show one contact."),
    "export": Lazy("contacts.export:export", "Write contacts to a file."),
    "import": Lazy("contacts.import_:import_", "Create or update the contacts of a table."),
    "tag": Lazy("contacts.edit:tag", "Add tags to contacts."),
    "untag": Lazy("contacts.edit:untag", "Take tags from contacts."),
    "delete": Lazy("contacts.edit:delete", "Delete contacts, for good."),
    "merge": Lazy("contacts.merge:merge", "Merge contacts in pairs, for good."),
}
MESSAGES: Final = {
    "export": Lazy("messages.export:export", "Write message histories to a file."),
    "send": Lazy("messages.send:send", "Send a text message to one contact."),
    "broadcast": Lazy("messages.broadcast:broadcast", "Send to every contact of a table, once."),
}
RUNS: Final = {
    "show": Lazy("runs:show", "Count what a run has done, and say why items failed."),
    "deliveries": Lazy("runs:deliveries", "See what became of a run's messages."),
}
WEBHOOKS: Final = {
    "listen": Lazy("webhooks:listen", "Receive webhooks and print their events."),
    "work": Lazy("inbox:work", "Handle events that other processes take in."),
    "migrate": Lazy("inbox:migrate", "Make or upgrade the tables of an inbox on PostgreSQL."),
}


def _group(
    help: str,  # noqa: A002 - typer's name
    entries: Mapping[str, Lazy],
    *,
    add_completion: bool = False,
) -> typer.Typer:
    made = typer.Typer(
        cls=group(entries),
        help=help,
        epilog=EXIT_CODES,
        add_completion=add_completion,
        pretty_exceptions_enable=False,  # a traceback with local variables would show the token
        rich_markup_mode=None,  # what draws frames takes three times as long to load
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    made.callback()(lambda: None)
    return made


contacts: typer.Typer = _group("Show, export, import, tag, delete and merge contacts.", CONTACTS)
messages: typer.Typer = _group("Export histories, send a message, broadcast a template.", MESSAGES)
runs: typer.Typer = _group("Look at the journals of bulk runs.", RUNS)
webhooks: typer.Typer = _group("See what webhooks bring, and handle it.", WEBHOOKS)

COMMANDS: Final = {
    "contacts": Lazy("_app:contacts", "Show, export, import, tag, delete and merge contacts."),
    "messages": Lazy("_app:messages", "Export histories, send a message, broadcast a template."),
    "runs": Lazy("_app:runs", "Look at the journals of bulk runs."),
    "webhooks": Lazy("_app:webhooks", "See what webhooks bring, and handle it."),
    "limits": Lazy("limits:limits", "Show the limits of every route."),
    "channels": Lazy("lookup:channels", "List the channels, with their ids."),
    "users": Lazy("lookup:users", "List the users, with their ids."),
    "fields": Lazy("lookup:fields", "List the custom fields, with their types."),
    "templates": Lazy("lookup:templates", "List a channel's message templates."),
    "api": Lazy("api:api", "Make any request of the API, limited and retried like the rest."),
    "login": Lazy("profiles:login", "Check a token, and keep it under a name."),
    "profiles": Lazy("profiles:profiles", "List the tokens that are kept, by their names."),
    "doctor": Lazy("doctor:doctor", "Find out what is wrong, or that nothing is."),
    "demo": Lazy(
        "demo._command:demo", "Migrate made-up contacts into a sandbox, within its limits."
    ),
    "sandbox": Lazy("sandbox:sandbox", "Run a stand-in for respond.io on this machine."),
}

app: typer.Typer = _group(
    "Tools for the respond.io Developer API: bulk work from the command line, a sandbox, a "
    "demonstration.",
    COMMANDS,
    add_completion=True,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"respondio-async {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Tools for the respond.io Developer API: bulk work from the command line, a sandbox, a
    demonstration.
    """
