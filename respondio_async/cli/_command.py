"""How a command is made of a coroutine function, how it ends, and options that several share.

A command's parameters are its options, with two kinds of exceptions: a group (a subclass of
`Options`) stands for all of its fields, so that options that belong together are written once; and
a `Screen` is made for the command, with an option `--json` where it is annotated with one.
"""

import asyncio
import functools
import inspect
import re
import shlex
import sys
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Annotated, Any, Final, Self, get_args

import msgspec
import typer

from respondio_async.discreet import Discreet

from ..errors import RespondError
from ._exit import Exit, UsageError, code_of, describe
from ._screen import Screen, flush

_SPAN: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)\s*([smhd]?)")
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}


def parse_span(text: str | float) -> float:
    """Read a length of time in seconds: "90", "90s", "10m", "2h", "1d"."""
    found = _SPAN.fullmatch(str(text).strip())
    if found is None:
        raise typer.BadParameter('write a length of time as "90s", "10m", "2h" or "1d"')
    return float(found[1]) * _SECONDS[found[2]]


BaseUrl = Annotated[
    str | None,
    typer.Option(
        "--base-url",
        envvar="RESPONDIO_BASE_URL",
        show_default=False,
        help="Another server: a sandbox's address.",
    ),
]
Country = Annotated[
    str | None,
    typer.Option(
        metavar="CODE", show_default=False, help='The country of phones without one: "MY".'
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what would be done, and write nothing.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace the file if it is there, without asking.")
]
MaxOutage = Annotated[
    float,
    typer.Option(
        "--max-outage",
        parser=parse_span,
        metavar="TIME",
        show_default="1h",
        help="While the server does not answer, the run waits for up to so long and goes on by "
        "itself.",
    ),
]
Sheet = Annotated[
    str | None,
    typer.Option(
        "--sheet",
        metavar="NAME",
        show_default=False,
        help="The sheet of an .xlsx file; else its first visible one.",
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        metavar="NAME",
        show_default=False,
        help='The encoding of a CSV file, such as "windows-1252"; else it is found where it is '
        "certain.",
    ),
]
JsonScreen = Annotated[
    Screen,
    typer.Option("--json", help="Print the result as JSON; remarks go to standard error."),
]


class Options(Discreet, msgspec.Struct, frozen=True):
    """A group of options, as given. Each field is annotated like a parameter of a command."""

    @classmethod
    def take_from(cls, given: dict[str, Any]) -> Self:
        """Make the group of its options, which leave *given*."""
        fields = cls.parameters()
        return cls(
            **{
                each.name: each.annotation.take_from(given)
                if _is_group(each)
                else given.pop(each.name)
                for each in fields
            }
        )

    @classmethod
    def parameters(cls) -> list[inspect.Parameter]:
        """Describe the fields as parameters of a command."""
        hints = inspect.get_annotations(cls, eval_str=True)
        return [
            inspect.Parameter(
                each.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=each.default,
                annotation=hints[each.name],
            )
            for each in msgspec.structs.fields(cls)
        ]


def command(
    stopped: str = "Stopped.",
    *,
    as_data: Callable[[Mapping[str, Any]], bool] = lambda given: given.get("json", False),
) -> Callable[[Callable[..., Coroutine[Any, Any, object]]], Callable[..., None]]:
    """Make a command of a coroutine function, which may return the exit code.

    *stopped* is what it says when Ctrl-C stops it, unless it has set `screen.last_words`. *as_data*
    tells from the options whether standard output is for data alone.
    """

    def decorate(work: Callable[..., Coroutine[Any, Any, object]]) -> Callable[..., None]:
        parameters = inspect.signature(work, eval_str=True).parameters
        groups = {name: each.annotation for name, each in parameters.items() if _is_group(each)}
        screens = [name for name, each in parameters.items() if _is_screen(each.annotation)]

        @functools.wraps(work)
        def run_command(**given: Any) -> None:
            screen = Screen(json=as_data(given))
            given.pop("json", None)
            for name, group in groups.items():
                given[name] = group.take_from(given)
            run(partial(work, **given, **dict.fromkeys(screens, screen)), screen, stopped)

        # typer reads the signature and the annotations.
        options = [option for each in parameters.values() for option in _options(each)]
        del run_command.__wrapped__  # pyright: ignore[reportAttributeAccessIssue]
        run_command.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
        run_command.__annotations__ = {each.name: each.annotation for each in options}
        return run_command

    return decorate


def _is_screen(annotation: Any) -> bool:
    return Screen in (annotation, *get_args(annotation)[:1])


def _is_group(parameter: inspect.Parameter) -> bool:
    return inspect.isclass(parameter.annotation) and issubclass(parameter.annotation, Options)


def _options(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    """Give the options that a parameter stands for."""
    annotation: Any = parameter.annotation
    if _is_screen(annotation):
        return [
            parameter.replace(name="json", default=False, annotation=Annotated[bool, option])
            for option in get_args(annotation)[1:]
        ]
    if _is_group(parameter):
        return [option for each in annotation.parameters() for option in _options(each)]
    return [parameter]


def again(option: str, *value: str) -> str:
    """Write the command as it was typed, with an option more unless it has it."""
    typed = ["respondio", *sys.argv[1:]]
    return shlex.join(typed if option in typed else [*typed, option, *value])


def run(work: Callable[[], Coroutine[Any, Any, object]], screen: Screen, stopped: str) -> None:
    """Run a command's work to its exit code.

    `screen.last_words` are said when Ctrl-C, a signal or an error stops it.
    """
    try:
        if screen.json and not screen.has_output:
            raise UsageError("standard output is closed, and the result would go there")
        ended = asyncio.run(work())
        code = ended if isinstance(ended, int) else Exit.DONE
        if (failure := flush(sys.stdout)) is not None:
            raise failure
    except (KeyboardInterrupt, SystemExit) as end:  # SIGTERM, which a bulk run makes the second of
        screen.note(*(screen.last_words() if screen.last_words else [stopped]))
        given = getattr(end, "code", Exit.INTERRUPTED)
        code = given if isinstance(given, int) else Exit.FAILED
    except BrokenPipeError:  # of standard output: the client's own are TransportErrors
        code = Exit.CLOSED_PIPE
    except (RespondError, OSError) as error:
        screen.error(*describe(error))
        code = code_of(error)
        if code != Exit.USAGE and screen.last_words is not None:
            screen.note(*screen.last_words())
    flush(sys.stdout)
    raise typer.Exit(int(code))
