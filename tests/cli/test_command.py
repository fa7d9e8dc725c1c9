"""How a command is made of a coroutine function."""

from collections.abc import Callable
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner, Result

from respondio_async.cli._command import JsonScreen, Options, command


class Paint(Options, frozen=True):
    """A group of one option."""

    colour: Annotated[str, typer.Option("--colour")] = "red"


class Work(Options, frozen=True, kw_only=True):
    """A group that holds another one."""

    paint: Paint
    coats: Annotated[int, typer.Option("--coats")] = 1


SEEN: list[tuple[str, int, bool]] = []


@command("Stopped.")
async def decorate(room: str, *, work: Work, screen: JsonScreen) -> int | None:
    """Paint a room."""
    SEEN.append((work.paint.colour, work.coats, screen.json))
    if room == "cellar":
        raise KeyboardInterrupt
    return 5 if room == "kitchen" else None


@pytest.fixture
def run() -> Callable[..., Result]:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(decorate)
    SEEN.clear()
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_a_group_stands_for_its_options(run: Callable[..., Result]) -> None:
    """A command takes the options of groups within a group too; one that is not given has its
    default.
    """
    assert run("kitchen", "--coats", "3", "--json").exit_code == 5
    assert run("hall", "--colour", "blue").exit_code == 0
    assert SEEN == [("red", 3, True), ("blue", 1, False)]
    shown = run("--help").output
    assert [shown.index(each) for each in ("--colour", "--coats", "--json")] == sorted(
        shown.index(each) for each in ("--colour", "--coats", "--json")
    )


def test_a_command_that_is_stopped_says_so(run: Callable[..., Result]) -> None:
    """It ends with 130, as a shell expects of Ctrl-C."""
    stopped = run("cellar")
    assert stopped.exit_code == 130
    assert "Stopped." in stopped.stderr
