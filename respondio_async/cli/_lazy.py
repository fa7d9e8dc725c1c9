"""Command groups that import a command when it is called.

`respondio --help` and the completion of names need each command's name and its one line of help,
and not the client, the sandbox or a web server.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

_HELP: Final = "help"


class Lazy(NamedTuple):
    """A command that is not imported yet."""

    target: str
    """`module:name` below this package: a function with its options, or a group."""
    help: str
    """One line, for the list of commands."""

    def load(self) -> Any:
        """Import the command."""
        module, _, name = self.target.partition(":")
        command = getattr(import_module(f".{module}", __package__), name)
        if isinstance(command, typer.Typer):
            return get_command(command)
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


def group(entries: Mapping[str, Lazy]) -> type[LazyGroup]:
    """Make the class of a group of these commands."""
    return type("Group", (LazyGroup,), {"entries": entries})
