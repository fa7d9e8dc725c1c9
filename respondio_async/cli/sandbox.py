"""`respondio sandbox`: a stand-in for respond.io, for as long as the command runs.

A contract report tells how another server answers, and the sandbox then answers alike.
"""

from pathlib import Path
from typing import Annotated, Any, Final, cast

import msgspec
import typer

from ..routes import DEFAULT_LIMITS, bucket_of
from ..sandbox import Answers, Quirks, WindowName, serve
from ._contract import FIRST_PAGE, LAST_PAGE, Answered, ContractReport, is_object
from ._exit import Exit, UsageError, describe
from ._screen import Screen

_CURSORS: Final = {"integer", "string", "relative", "url", "url_without_version"}
_ENDS: Final = {"null", "empty", "missing", "no_pagination"}


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
        screen.error(*describe(error))
        raise typer.Exit(Exit.USAGE) from None


def read_report(path: Path) -> ContractReport:
    """Read what `respondio doctor --report` wrote."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ContractReport)
    except (ValueError, msgspec.MsgspecError):
        raise UsageError(f"{path.name} is no contract report of `respondio doctor`") from None


def as_quirks(report: ContractReport, quirks: Quirks) -> Quirks:
    """Take over the forms that the report has seen; what it has not seen stays."""
    first, last = report.operations.get(FIRST_PAGE), report.operations.get(LAST_PAGE)
    if first is not None and first.next_form in _CURSORS:
        quirks.next_cursor = cast("Any", first.next_form)
    if last is not None and last.next_form in _ENDS:
        quirks.last_page = cast("Any", last.next_form)
    answered = [each for each in report.operations.values() if each.status == 200]
    if answered:
        quirks.rate_limit_headers = any(each.limit is not None for each in answered)
    if _is_text(_seen(report, "GET /space/user", "team")):
        quirks.team = "text"
    if _is_text(_seen(report, "GET /space/channel/{id}/template", "components")):
        quirks.template_components = "string"
    if is_object(_seen(report, "GET /space/custom_field", "allowedValues")):
        quirks.allowed_values = "object"
    envelope: object = report.not_found.get("shape") if is_object(report.not_found) else None
    quirks.named_errors = is_object(envelope) and "status" in envelope
    return quirks


def as_answers(report: ContractReport) -> Answers:
    """Answer the questions that the report decides; the others stay as they are by default."""
    answers = Answers()
    if report.custom_field_path == "/space/contact_field":
        answers.custom_field_path = "contact_field"
    return answers


def as_limits(report: ContractReport) -> dict[str, float]:
    """Give the limits that the server reported, by route."""
    return {
        bucket_of(operation): each.limit
        for operation, each in report.operations.items()
        if each.limit is not None and bucket_of(operation) in DEFAULT_LIMITS
    }


def _seen(report: ContractReport, operation: str, key: str) -> Any:
    """Find the form of a field in the items of a list; None: it was not seen."""
    match report.operations.get(operation):
        case Answered(shape={"items": [{**fields}, *_]}):
            return fields.get(key)
        case _:
            return None


def _is_text(form: object) -> bool:
    return isinstance(form, str) and "string" in form.split(" | ")
