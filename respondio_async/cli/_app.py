"""The command and its subcommands, put together: each is imported when it is called.

`respondio --help` and the completion of names need each command's name and its one line of help,
and not the client, the sandbox or a web server.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Annotated, Any, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from .. import __version__

_HELP: Final = "help"

EXIT_CODES: Final = (
    "Exit codes: 0 all done · 1 something failed · 2 wrong usage or input, nothing was written · "
    "3 a write may or may not have happened: look before you repeat it · 4 the token was refused · "
    "5 done, and bad rows were left out as asked (--skip-bad) · "
    "130 stopped by Ctrl-C · 141 the reader of the output has closed the pipe."
)


class Lazy(NamedTuple):
    """A command that is not imported yet."""

    target: "str | Mapping[str, Lazy]"
    """`module:name` below this package: a function with its options; or the commands of a group."""
    help: str
    """One line, for the list of commands."""

    def load(self) -> Any:
        """Import the command."""
        if not isinstance(self.target, str):
            return get_command(_group(self.help, self.target))
        module, _, name = self.target.partition(":")
        command = getattr(import_module(f".{module}", __package__), name)
        app = typer.Typer(
            add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown"
        )
        app.command()(command)
        return get_command(app)


class LazyGroup(TyperGroup):
    """A group of such commands; `help COMMAND` explains one."""

    entries: Mapping[str, Lazy]

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, entry in self.entries.items():
            self.commands[name] = TyperCommand(name, help=entry.help)
        self.commands[_HELP] = TyperCommand(_HELP, help="Explain a command.")

    def get_params(self, ctx: Any) -> list[Any]:
        options: list[Any] = super().get_params(ctx)
        for option in options:
            if getattr(option, "is_flag", False) and option.default is None:
                option.default = False  # taken as it is: for any other value typer loads pydantic
        return options

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args[:1] == [_HELP]:
            args = [*args[1:], "--help"]
        if not args and not ctx.resilient_parsing:
            args = ["--help"]
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if (entry := self.entries.get(name or "")) is not None:
            command = entry.load()
        return name, command, rest

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run, and print what was typed wrongly by the way of everything that is printed."""
        try:
            code = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        except _WRONGLY_TYPED as error:
            from ._screen import Screen

            context = getattr(error, "ctx", None)
            hint = [] if context is None else [f"help: {context.command_path} --help"]
            Screen().error(error.format_message() or "see the help", *hint)
            code = error.exit_code
        except typer.Abort:
            code = 130
        except SystemExit as end:  # so ends a help text whose reader has closed the pipe
            code = 141 if isinstance(end.__context__, BrokenPipeError) else end.code
        code = code if isinstance(code, int) else 0
        if standalone_mode:
            raise SystemExit(code)
        return code


# What typer raises for a wrong command line, by whatever name it imports click.
_WRONGLY_TYPED: Final[Any] = typer.BadParameter.__mro__[2]

CONTACTS: Final = {
    "get": Lazy("lookup:get", "Show one contact."),
    "export": Lazy("export:export_contacts", "Write contacts to a file."),
    "import": Lazy("contacts.import_:import_", "Create or update the contacts of a table."),
    "tag": Lazy("contacts.edit:tag", "Add tags to contacts."),
    "untag": Lazy("contacts.edit:untag", "Take tags from contacts."),
    "delete": Lazy("contacts.edit:delete", "Delete contacts, for good."),
    "merge": Lazy("contacts.edit:merge", "Merge contacts in pairs, for good."),
}
MESSAGES: Final = {
    "export": Lazy("export:export_messages", "Write message histories to a file."),
    "send": Lazy("messages.send:send", "Send a text message to one contact."),
    "broadcast": Lazy("messages.send:broadcast", "Send to every contact of a table, once."),
}
RUNS: Final = {
    "show": Lazy("runs:show", "Count what a run has done, and say why items failed."),
    "deliveries": Lazy("runs:deliveries", "See what became of a run's messages."),
}
WEBHOOKS: Final = {
    "listen": Lazy("webhooks:listen", "Receive webhooks and print their events."),
    "work": Lazy("webhooks:work", "Handle events that other processes take in."),
    "migrate": Lazy("webhooks:migrate", "Make or upgrade the tables of an inbox on PostgreSQL."),
}


def _group(
    help: str,  # noqa: A002 - typer's name
    entries: Mapping[str, Lazy],
    *,
    add_completion: bool = False,
) -> typer.Typer:
    made = typer.Typer(
        cls=type("Group", (LazyGroup,), {"entries": entries}),
        help=help,
        epilog=EXIT_CODES,
        add_completion=add_completion,
        pretty_exceptions_enable=False,  # a traceback with local variables would show the token
        rich_markup_mode=None,  # what draws frames takes three times as long to load
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    made.callback()(lambda: None)
    return made


COMMANDS: Final = {
    "contacts": Lazy(CONTACTS, "Show, export, import, tag, delete and merge contacts."),
    "messages": Lazy(MESSAGES, "Export histories, send a message, broadcast a template."),
    "runs": Lazy(RUNS, "Look at the journals of bulk runs."),
    "webhooks": Lazy(WEBHOOKS, "See what webhooks bring, and handle it."),
    "limits": Lazy("lookup:limits", "Show the limits of every route."),
    "channels": Lazy("lookup:channels", "List the channels, with their ids."),
    "users": Lazy("lookup:users", "List the users, with their ids."),
    "fields": Lazy("lookup:fields", "List the custom fields, with their types."),
    "templates": Lazy("lookup:templates", "List a channel's message templates."),
    "api": Lazy("api:api", "Make any request of the API, limited and retried like the rest."),
    "login": Lazy("_client:login", "Check a token, and keep it under a name."),
    "profiles": Lazy("_client:list_profiles", "List the tokens that are kept, by their names."),
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
