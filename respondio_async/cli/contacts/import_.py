"""`respondio contacts import`."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from ... import ROUTES, AsyncRespond, BadRequestError
from .._bulk import BulkJob, JournalFile, RunOptions, carry_out, duration, floor_of, print_report
from .._client import Account
from .._command import JsonScreen, command
from .._exit import Exit
from .._fields import Notation, explain, fetch_definitions
from .._identify import check_country
from .._screen import Screen, counted, table_of
from ..files.bad_rows import RowOptions, print_bad_rows
from ..files.rows import Row, TableFile, columns_of_file, notes_of, read_rows
from .columns import IGNORED, detect_conventions, map_columns, read_mapping
from .plan import FilePlan, Planner, plan_rows

_MOST_TAGS: Final = 30


@command()
async def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="A table with a header: .csv, .jsonl, .xlsx or .parquet.",
            show_default=False,
        ),
    ],
    *,
    map: Annotated[  # noqa: A002 - the option's name
        list[str] | None,
        typer.Option(
            "--map",
            metavar="COLUMN=FIELD",
            show_default=False,
            help="Where a column goes; FIELD - leaves it out.",
        ),
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            show_default=False,
            help="The same for many columns: a JSON or TOML file.",
        ),
    ] = None,
    rows: RowOptions,
    tag: Annotated[
        list[str] | None,
        typer.Option(show_default=False, help="A tag for every contact; repeat for several."),
    ] = None,
    lifecycle: Annotated[
        str | None,
        typer.Option(show_default=False, help="A lifecycle stage for every row without one."),
    ] = None,
    clear_empty: Annotated[
        bool,
        typer.Option(
            "--clear-empty", help="An empty cell clears its field; else it is left alone."
        ),
    ] = False,
    date_format: Annotated[
        str | None,
        typer.Option(
            metavar="DD/MM/YYYY",
            show_default=False,
            help="How dates are written, if not yyyy-mm-dd; else it is found from whole columns "
            "that have one reading only.",
        ),
    ] = None,
    decimal: Annotated[str, typer.Option(help='What comes before decimals: "." or ",".')] = ".",
    true: Annotated[
        list[str] | None,
        typer.Option(
            "--true",
            show_default=False,
            help="A word for a ticked checkbox, beside yes, true and 1; repeat for several.",
        ),
    ] = None,
    false: Annotated[
        list[str] | None,
        typer.Option(
            "--false",
            show_default=False,
            help="A word for one that is not, beside no, false and 0.",
        ),
    ] = None,
    tag_separator: Annotated[
        str | None,
        typer.Option(
            show_default=False,
            help='What stands between the tags of a cell; else ";" or "," is found.',
        ),
    ] = None,
    run: RunOptions,
    screen: JsonScreen,
    account: Account,
) -> int:
    """Create or update the contacts of a table, with custom fields, tags and lifecycle.

    Columns find their fields by name: first_name, last_name, phone, email, language, profile_pic,
    country_code, tags (separated by ; or ,), lifecycle, and the workspace's custom fields. Every
    row is checked before the first write: phones and e-mails, and custom fields against the types
    that the workspace defines. With a bad row nothing is written, unless --skip-bad.

    A run that is stopped or killed goes on with --journal: finished rows are skipped.

    **Examples**

    - `respondio contacts import people.csv --country MY --dry-run`
    - `respondio contacts import people.xlsx --map "Mobile no.=phone" --map Notes=- --tag
      import-2026`
    - `respondio contacts import people.jsonl --journal people.sqlite --skip-bad`
    """
    book = JournalFile(run, "import", screen)
    rows.check_output()
    country = check_country(rows.country)
    given = read_mapping(mapping, map or ())
    table = rows.table(file)
    columns = columns_of_file(table)
    notation = Notation.of(decimal, true or (), false or ())
    async with account.connect() as client:
        definitions = await fetch_definitions(client)
        mapped = map_columns(columns, given, definitions)
        conventions = detect_conventions(
            read_rows(table), mapped, definitions,
            date_format=date_format, tag_separator=tag_separator,
        )  # fmt: skip
        planner = Planner(
            mapped, definitions, by=rows.by, country=country, tags=tag or (),
            lifecycle=lifecycle, clear_empty=clear_empty, notation=notation,
            conventions=conventions,
        )  # fmt: skip
        found = plan_rows(table, planner, notes_of(table))
        if rows.ends(table, found.bad):
            _print_plan(screen, found)
            if found.bad and not rows.dry_run:
                screen.note(
                    "Nothing was written. Correct the rows, or leave them out with --skip-bad."
                )
            return Exit.USAGE if found.bad else Exit.DONE
        report = await carry_out(client, screen, import_job(client, table, planner, found), book)
    report.add_bad_rows(found.bad)
    print_report(screen, report, "contact", "imported")
    return report.exit


def import_job(
    client: AsyncRespond, table: TableFile, planner: Planner, found: FilePlan
) -> BulkJob:
    """Make the bulk job: upsert, then tags, then lifecycle, each a step that a resumed run does not
    repeat.
    """
    bad = {row.line for row in found.bad}

    def rows() -> Iterator[Row]:
        return (row for row in read_rows(table) if row.line not in bad)

    async def import_contact(item: Any, step: Callable[..., Awaitable[Any]]) -> None:
        plan = planner.plan(msgspec.convert(item, Row))
        try:
            await step(
                "upsert", lambda: client.contacts.create_or_update(plan.identifier, **plan.fields)
            )
        except BadRequestError as error:
            explain(error, plan.fields.get("custom_fields") or (), planner.definitions)
            raise
        for number, tags in enumerate(plan.tag_calls, start=1):
            await step(f"tags {number}", partial(client.contacts.add_tags, plan.identifier, *tags))
        if plan.lifecycle is not None:
            await step(
                "lifecycle",
                lambda: client.contacts.update_lifecycle(plan.identifier, plan.lifecycle),
            )

    return BulkJob(
        title="contacts import",
        work=import_contact,
        items=rows,
        key=lambda row: planner.plan(row).key,
        where=lambda row: f"line {msgspec.convert(row, Row).line}",
        total=found.good,
        operations=found.operations,
    )


def _print_plan(screen: Screen, found: FilePlan) -> None:
    if screen.json:
        plan = msgspec.to_builtins(found) | {"seconds": round(floor_of(found.operations), 1)}
        screen.document(plan)
        return
    goals = (
        (column, "left out" if target == IGNORED else target)
        for column, target in found.columns.items()
    )
    screen.show(table_of(("column", "goes to"), goals))
    screen.line(
        f"{counted(found.rows, 'row')}, {found.good} good, {len(found.bad)} bad",
        *(f"  {note}" for note in found.notes),
        *(f"  {count} × {route}" for route, count in found.operations.items()),
    )
    if found.tags:
        # The API lists no tags, so which of them are new in the workspace is unknown.
        screen.line(f"Tags, made where the workspace has none so called: {_list(found.tags)}")
    if found.operations.get(ROUTES["contacts.create_or_update"]):
        screen.line(
            f"At the vendor's limits this takes about {duration(floor_of(found.operations))}."
        )
    print_bad_rows(screen, found.bad)


def _list(tags: Mapping[str, int]) -> str:
    named = [f"{tag} ({count})" for tag, count in islice(tags.items(), _MOST_TAGS)]
    return ", ".join(named) + (f" and {len(tags) - _MOST_TAGS} more" * (len(tags) > _MOST_TAGS))
