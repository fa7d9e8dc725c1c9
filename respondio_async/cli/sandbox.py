"""`respondio sandbox`: a stand-in for respond.io, for as long as the command runs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ..sandbox import Quirks, WindowName, serve
from ._dialect import as_answers, as_limits, as_quirks, read_report
from ._exit import Exit, UsageError
from ._screen import Screen


def sandbox(
    *,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes any free port.")] = 0,
    contacts: Annotated[
        int, typer.Option(min=0, help="How many made-up contacts there are.")
    ] = 500,
    messages: Annotated[
        int, typer.Option(min=0, help="How many old messages each of them has.")
    ] = 0,
    window: Annotated[WindowName, typer.Option(help="How requests are counted.")] = "sliding",
    limits_factor: Annotated[float, typer.Option(help="Multiplies respond.io's limits.")] = 1.0,
    no_limits: Annotated[bool, typer.Option("--no-limits", help="Enforce no limits.")] = False,
    latency: Annotated[float, typer.Option(min=0, help="Seconds until an answer.")] = 0.0,
    jitter: Annotated[
        float,
        typer.Option(min=0, help="Up to so many seconds until a request is counted, at random."),
    ] = 0.0,
    calm: Annotated[
        bool, typer.Option("--calm", help="New contacts are ready and listed at once.")
    ] = False,
    not_ready: Annotated[
        float, typer.Option(min=0, help="Seconds for which a new contact answers 449.")
    ] = 0.5,
    list_lag: Annotated[
        float, typer.Option(min=0, help="Seconds until a new contact is listed.")
    ] = 25.0,
    seed: Annotated[int, typer.Option(help="Makes up other contacts.")] = 0,
    like: Annotated[
        Path | None,
        typer.Option(
            "--like",
            metavar="FILE",
            show_default=False,
            help="A contract report of `respondio doctor --report`: answer as that server did.",
        ),
    ] = None,
    webhook: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="Where a bot receives webhooks; may be repeated.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run a stand-in for respond.io on this machine, with its limits and its habits. Ctrl-C ends
    it.

    Prints its URL and a token as the two variables that the client and this command read, and the
    address of a page on which to write to a bot as a customer; this machine alone may open it,
    whatever --host is. Webhooks are signed with the first
    of RESPONDIO_WEBHOOK_KEYS; without one a key is made up and printed too.

    **Examples**

    - `respondio sandbox --port 8080`
    - `respondio sandbox --contacts 5000 --messages 20 --limits-factor 10 --window fixed --latency
      0.3`
    - `respondio sandbox --like contract.json`
    - `respondio sandbox --calm --webhook http://127.0.0.1:8000/webhook`
    """
    screen = Screen()

    if not limits_factor > 0:
        screen.error("--limits-factor is above 0")
        raise typer.Exit(Exit.USAGE)
    quirks = Quirks.calm() if calm else Quirks(not_ready_for=not_ready, list_lag=list_lag)
    options: dict[str, Any] = {"limits": None if no_limits else {}}
    try:
        if like is not None:
            report = read_report(like)
            quirks = as_quirks(report, quirks)
            options["answers"] = as_answers(report)
            if not no_limits:
                options["limits"] = as_limits(report)
        serve(
            host=host, port=port, webhooks=webhook or (), contacts=contacts, messages=messages,
            window=window,
            limits_factor=limits_factor, latency=latency, jitter=jitter, quirks=quirks, seed=seed,
            **options,
        )  # fmt: skip
    except (OSError, ImportError, ValueError, UsageError) as error:
        screen.error(str(error))
        raise typer.Exit(Exit.USAGE) from None
