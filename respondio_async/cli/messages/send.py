"""`respondio messages send` and `respondio messages broadcast`."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from shlex import quote
from typing import Annotated, Any, Final, Literal

import msgspec
import typer

from respondio_async.discreet import Discreet

from ... import DEFAULT_LIMITS, ROUTES, AsyncRespond
from ...checks import check_message
from ...limits import LocalRateLimiter
from ...models.payloads import to_wire
from .._bulk import BulkJob, JournalFile, RunOptions, carry_out, duration, floor_of, print_report
from .._client import Account
from .._command import JsonScreen, Yes, command, parse_span
from .._exit import Exit, UsageError
from .._identify import By, check_country, identify_row, plain_number, same_contact, whole_number
from .._results import ReportFile, follow, print_tally, print_unread, tally, write_report
from .._screen import Screen, confirm, counted
from ..contacts.edit import name_columns
from ..files.bad_rows import BadRow, RowOptions, RowProblems, print_bad_rows, sift
from ..files.rows import Row, TableFile, columns_of_file, read_rows
from .compose import Compose, find_channel, find_template, preview, template_composer, text_composer

_LEAST_RATE: Final = 0.001
_ROUTE: Final = ROUTES["messages.send"]


class SendReport(msgspec.Struct, frozen=True):
    """What was sent, and how far it has come."""

    message_id: int
    status: str | None = None


@command("Stopped. The message may have been sent: look before you send it again.")
async def send(
    contact: Annotated[
        str, typer.Argument(help='"phone:+60…", "email:…" or "id:…".', show_default=False)
    ],
    text: Annotated[str, typer.Argument(help="The message.", show_default=False)],
    *,
    channel: Annotated[
        int | None,
        typer.Option(
            parser=whole_number,
            metavar="ID",
            show_default=False,
            help="The channel's id; without it the one that the contact last used.",
        ),
    ] = None,
    wait: Annotated[
        Literal["sent", "delivered", "read"] | None,
        typer.Option(show_default=False, help="Wait until it has come so far."),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(
            parser=lambda text: plain_number(text, 0.1),
            metavar="SECONDS",
            help="Seconds to wait for that.",
        ),
    ] = 60.0,
    screen: JsonScreen,
    account: Account,
) -> None:
    """Send a text message to one contact. It is never sent twice: 3 says that nobody knows whether
    it was sent.

    **Examples**

    - `respondio messages send phone:+60123456789 "Your order is on its way"`
    - `respondio messages send id:123456 Hello --channel 2001 --wait delivered`
    """
    async with account.connect() as client:
        sent = await client.messages.send(contact, text, channel_id=channel)
        status = None
        if wait is not None:
            message = await client.messages.wait_for_status(
                contact, sent.message_id, wait, timeout=timeout
            )
            status = message.current_status.value if message.current_status else None
    result = SendReport(sent.message_id, status)
    screen.result(result, f"message {result.message_id}: {result.status or 'accepted'}")


@command()
async def broadcast(
    source: Annotated[
        Path,
        typer.Option(
            "--from", show_default=False, help="The recipients: .csv, .jsonl or .xlsx, a row each."
        ),
    ],
    channel: Annotated[str, typer.Option(show_default=False, help="The channel's id or name.")],
    *,
    template: Annotated[
        str | None, typer.Option(show_default=False, help="The template's name.")
    ] = None,
    language: Annotated[
        str | None, typer.Option(show_default=False, help="Its language code, if it has several.")
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            show_default=False,
            help="A text in place of a template; {column} is filled from the row.",
        ),
    ] = None,
    var: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VARIABLE=COLUMN",
            show_default=False,
            help="What fills a variable of the template's body.",
        ),
    ] = None,
    header: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            show_default=False,
            help="What fills the header: its text, or its file's URL.",
        ),
    ] = None,
    button: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            show_default=False,
            help="What fills a button's link; repeat in their order.",
        ),
    ] = None,
    rows: RowOptions,
    rate: Annotated[
        float | None,
        typer.Option(
            parser=lambda text: plain_number(text, _LEAST_RATE),
            metavar="N",
            show_default=False,
            help="At most so many messages a second; the limit is 10.",
        ),
    ] = None,
    at_most_once: Annotated[
        bool,
        typer.Option(
            "--at-most-once/--at-least-once",
            help="What becomes of a message that may or may not have been sent: reported, or sent "
            "again.",
        ),
    ] = True,
    yes: Yes = False,
    run: RunOptions,
    wait_delivery: Annotated[
        float,
        typer.Option(
            "--wait-delivery",
            parser=parse_span,
            metavar="TIME",
            show_default=False,
            help='Then wait, for up to so long ("10m"), for what becomes of the messages.',
        ),
    ] = 0.0,
    report_file: ReportFile = None,
    screen: JsonScreen,
    account: Account,
) -> int:
    """Send a template, or a text, to every contact of a table; each contact at most once.

    Every row is checked before the first message: the contact, the template's variables. A run that
    is stopped or killed goes on with --journal: nobody gets the message twice, and one that may
    have been sent is reported, with exit code 3.

    Accepted is not delivered: the journal keeps the messages' ids, and --wait-delivery, or later
    `respondio runs deliveries`, says what became of them; 1 when a message failed at its channel.

    **Examples**

    - `respondio messages broadcast --from people.csv --channel WhatsApp --template order_update
      --var 1=first_name --var 2=order --dry-run`
    - `respondio messages broadcast --from people.csv --channel 2001 --text "Hi {first_name}" --rate
      2 --yes --wait-delivery 10m --report report.html`
    """
    book = JournalFile(run, "broadcast", screen)
    rows.check_output(report_file)
    if (template is None) == (text is None):
        raise UsageError("say what to send: --template NAME or --text TEXT")
    table = rows.table(source)
    columns = columns_of_file(table)
    country = check_country(rows.country)
    limiter = None if rate is None else limiter_of(rate)
    async with account.connect(limiter=limiter) as client:
        to = await find_channel(client, channel)
        if template is not None:
            variables = _variables(var or ())
            found = await find_template(client, to, template, language)
            compose = template_composer(found, columns, variables, header, button or ())
        else:
            compose = text_composer(text or "", columns)
        recipients = Recipients(table, name_columns(columns), rows.by, country, compose)
        bad, good = recipients.check_rows()
        if rows.ends(table, bad):
            _print_plan(screen, recipients.example(), bad, good, rate)
            if bad and not rows.dry_run:
                screen.note(
                    "Nothing was sent. Correct the rows, or leave them out with --skip-bad."
                )
            return Exit.USAGE if bad else Exit.DONE
        confirm(None if yes else "Send {}?", good, "message")
        report = await carry_out(
            client,
            screen,
            send_job(client, recipients, to.id, good, again=not at_most_once),
            book,
        )
        report.add_bad_rows(bad)
        if wait_delivery:
            report.delivery = await follow(client, screen, book.path, wait_delivery)
    print_report(screen, report, "message", "accepted")
    if report.delivery is None:
        screen.note(f"What became of them: respondio runs deliveries {quote(str(book.path))}")
    else:
        print_unread(screen, report.delivery)
        if not screen.json:
            print_tally(screen, tally(book.path))
    if report_file is not None:
        write_report(book.path, report_file, "Broadcast")
    return report.exit


class MessageExample(Discreet, msgspec.Struct, frozen=True):
    """A message as it would be sent."""

    line: int
    to: str
    message: dict[str, Any]


class Recipients:
    """The recipients of a broadcast."""

    def __init__(
        self,
        table: TableFile,
        columns: dict[str, str],
        by: By,
        country: str | None,
        compose: Compose,
    ) -> None:
        self._table = table
        self._columns = columns
        self._by: By = by
        self._country = country
        self.compose = compose
        self._bad: set[int] = set()

    def identifier(self, row: Row) -> str:
        """Name a row's contact. ValueError says why it cannot be."""
        return identify_row(row, self._columns, self._by, self._country)

    def check_rows(self) -> tuple[list[BadRow], int]:
        """Check every row: the bad ones, and how many are good."""
        bad: list[BadRow] = []
        good = sum(1 for _ in sift(self._table, self._check, same_contact, bad))
        self._bad = {row.line for row in bad}
        return bad, good

    def _check(self, row: Row) -> str:
        try:
            identifier = self.identifier(row)
            check_message(identifier, self.compose(row))
        except ValueError as error:
            raise RowProblems([str(error)]) from None
        return identifier

    def example(self) -> MessageExample | None:
        """Compose the first message, as it would be sent; None: there is no good row."""
        for row in self.rows():
            message = to_wire(self.compose(row))
            return MessageExample(row.line, self.identifier(row), message)
        return None

    def rows(self) -> Iterator[Row]:
        """Give the good rows."""
        return (row for row in read_rows(self._table) if row.line not in self._bad)


def send_job(
    client: AsyncRespond, recipients: Recipients, channel_id: int, total: int, *, again: bool
) -> BulkJob:
    """Make the bulk job. *again*: a message of unknown outcome is sent once more."""

    async def send_message(item: Any, step: Callable[..., Awaitable[Any]]) -> None:
        row = msgspec.convert(item, Row)
        message = recipients.compose(row)
        await step(
            "message",
            lambda: client.messages.send(
                recipients.identifier(row), message, channel_id=channel_id
            ),
        )

    return BulkJob(
        title="messages broadcast",
        work=send_message,
        items=recipients.rows,
        key=lambda row: same_contact(recipients.identifier(row)),
        where=lambda row: f"line {msgspec.convert(row, Row).line}",
        total=total,
        operations={_ROUTE: total},
        unknown="repeat" if again else "report",
        keeps_journal=True,
    )


def limiter_of(rate: float) -> LocalRateLimiter:
    """Keep messages to *rate*, whatever more the server's headers would allow."""
    return LocalRateLimiter({_ROUTE: rate}, bounds=(min(_LEAST_RATE, rate), rate))


def _variables(options: Any) -> dict[str, str]:
    variables: dict[str, str] = {}
    for option in options:
        name, equals, column = option.partition("=")
        if not equals or not name or not column:
            raise UsageError("--var is written VARIABLE=COLUMN")
        variables[name.strip("{} ")] = column
    return variables


def _print_plan(
    screen: Screen,
    example: MessageExample | None,
    bad: list[BadRow],
    good: int,
    rate: float | None,
) -> None:
    limit = DEFAULT_LIMITS[_ROUTE]
    seconds = floor_of({_ROUTE: good}, {_ROUTE: min(rate or limit, limit)})
    if screen.json:
        plan = {"messages": good, "bad": bad, "seconds": round(seconds, 1), "example": example}
        screen.document(plan)
        return
    screen.line(
        f"{counted(good, 'message')}, {counted(len(bad), 'bad row')}; about {duration(seconds)}"
    )
    if example is not None:
        screen.line(f"Line {example.line}, to {example.to}:")
        screen.line(*(f"  {line}" for line in preview(example.message).splitlines()))
    print_bad_rows(screen, bad)
