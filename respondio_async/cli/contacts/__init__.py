"""`respondio contacts …`."""

import typer

from ..lookup import get
from .edit import delete, merge, tag, untag
from .export import export
from .import_ import import_

app: typer.Typer = typer.Typer(
    help="Show, export, import, tag, delete and merge contacts.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
app.command("get")(get)
app.command("export")(export)
app.command("import")(import_)
app.command("tag")(tag)
app.command("untag")(untag)
app.command("delete")(delete)
app.command("merge")(merge)
