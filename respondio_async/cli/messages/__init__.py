"""`respondio messages …`."""

import typer

from .broadcast import broadcast
from .export import export
from .send import send

app: typer.Typer = typer.Typer(
    help="Export histories, send a message, broadcast a template.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
app.command("export")(export)
app.command("send")(send)
app.command("broadcast")(broadcast)
