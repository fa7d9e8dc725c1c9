"""The command and its subcommands, put together."""

from typing import Annotated

import typer

from .._version import __version__
from ._exit import EXIT_CODES
from .api import api
from .contacts import app as contacts
from .demo import demo
from .doctor import doctor
from .limits import limits
from .lookup import channels, fields, templates, users
from .messages import app as messages
from .runs import app as runs
from .sandbox import sandbox
from .webhooks import webhooks

app = typer.Typer(
    name="respondio",
    help="Tools for the respond.io Developer API: bulk work from the command line, a sandbox, a "
    "demonstration.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a traceback with local variables would show the token
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"respondio-async {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Tools for the respond.io Developer API: bulk work from the command line, a sandbox, a
    demonstration.
    """


app.command("demo")(demo)
app.command("sandbox")(sandbox)
app.command("doctor")(doctor)
app.command("limits")(limits)
app.command("channels")(channels)
app.command("users")(users)
app.command("fields")(fields)
app.command("templates")(templates)
app.command("api")(api)
app.add_typer(contacts, name="contacts")
app.add_typer(webhooks, name="webhooks")
app.add_typer(messages, name="messages")
app.add_typer(runs, name="runs")
