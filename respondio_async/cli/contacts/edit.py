"""`respondio contacts tag`, `untag` and `delete`."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from respondio_async.discreet import Discreet

from ... import ROUTES, AsyncRespond
from ...identifiers import parse
from .._ask import confirm
from .._bulk import BulkJob, JournalFile, carry_out, duration, floor_of, print_report
from .._client import connect
from .._exit import Exit, UsageError, run
from .._fields import Definitions
from .._identify import By, check_country, identify_row, same_contact
from .._options import (
    BaseUrl,
    DryRun,
    Encoding,
    Failed,
    Journal,
    Json,
    MaxOutage,
    ProfileName,
    RetryFailed,
    Sheet,
    Yes,
)
from .._screen import Screen, counted
from .._selection import Selection, with_selection
from ..files.rows import TableFile, read_rows
from .mapping import TARGETS, map_columns

Contacts = Annotated[
    list[str] | None,
    typer.Option(
        "--contact",
        show_default=False,
        help='One contact: "phone:+60…", "email:…" or "id:…"; repeat for several.',
    ),
]
From = Annotated[
    Path | None,
    typer.Option(
        "--from",
        show_default=False,
        help="The contacts of a table with a column phone, email or id (see --by).",
    ),
]
ByOption = Annotated[
    By,
    typer.Option(
        help="The column of --from that names the contact; auto: its phone, else its e-mail."
    ),
]
Country = Annotated[
    str | None,
    typer.Option(
        metavar="CODE", show_default=False, help='The country of phones without one: "MY".'
    ),
]
All = Annotated[bool, typer.Option("--all", help="Every contact of the workspace.")]
Tags = Annotated[list[str], typer.Argument(help="One to ten tags.", show_default=False)]


@with_selection
def tag(
    tags: Tags,
    *,
    selection: Selection,
    contact: Contacts = None,
    source: From = None,
    by: ByOption = "auto",
    country: Country = None,
    every: All = False,
    sheet: Sheet = None,
    encoding: Encoding = None,
    dry_run: DryRun = False,
    journal: Journal = None,
    failed: Failed = "retry",
    retry_failed: RetryFailed = False,
    max_outage: MaxOutage = 3600.0,
    json: Json = False,
    base_url: BaseUrl = None,
    profile: ProfileName = None,
) -> None:
    """Add tags to contacts. One that is there already is no error.

    **Examples**

    - `respondio contacts tag vip --contact phone:+60123456789`
    - `respondio contacts tag vip 2026 --lifecycle Customer`
    - `respondio contacts tag invited --from people.csv --country MY`
    """
    table = None if source is None else TableFile(source, sheet, encoding)
    wanted = ChosenContacts(selection, contact, table, by, country, every)
    book = JournalFile(journal, "tag", failed, retry_failed=retry_failed, max_outage=max_outage)
    _edit(
        "tag", "tagged", ROUTES["contacts.add_tags"],
        lambda client, identifier: client.contacts.add_tags(identifier, *tags),
        wanted, dry_run=dry_run, book=book, json=json, base_url=base_url, profile=profile,
    )  # fmt: skip


@with_selection
def untag(
    tags: Tags,
    *,
    selection: Selection,
    contact: Contacts = None,
    source: From = None,
    by: ByOption = "auto",
    country: Country = None,
    every: All = False,
    sheet: Sheet = None,
    encoding: Encoding = None,
    dry_run: DryRun = False,
    journal: Journal = None,
    failed: Failed = "retry",
    retry_failed: RetryFailed = False,
    max_outage: MaxOutage = 3600.0,
    json: Json = False,
    base_url: BaseUrl = None,
    profile: ProfileName = None,
) -> None:
    """Take tags from contacts.

    **Examples**

    - `respondio contacts untag trial --tagged trial`
    - `respondio contacts untag invited --from people.csv`
    """
    table = None if source is None else TableFile(source, sheet, encoding)
    wanted = ChosenContacts(selection, contact, table, by, country, every)
    book = JournalFile(journal, "untag", failed, retry_failed=retry_failed, max_outage=max_outage)
    _edit(
        "untag", "untagged", ROUTES["contacts.delete_tags"],
        lambda client, identifier: client.contacts.delete_tags(identifier, *tags),
        wanted, dry_run=dry_run, book=book, json=json, base_url=base_url, profile=profile,
    )  # fmt: skip


@with_selection
def delete(
    *,
    selection: Selection,
    contact: Contacts = None,
    source: From = None,
    by: ByOption = "auto",
    country: Country = None,
    every: All = False,
    sheet: Sheet = None,
    encoding: Encoding = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    journal: Journal = None,
    failed: Failed = "retry",
    retry_failed: RetryFailed = False,
    max_outage: MaxOutage = 3600.0,
    json: Json = False,
    base_url: BaseUrl = None,
    profile: ProfileName = None,
) -> None:
    """Delete contacts, for good. Says how many, and asks first.

    **Examples**

    - `respondio contacts delete --contact id:123456`
    - `respondio contacts delete --tagged spam --created-before 2025-01-01 --dry-run`
    """
    table = None if source is None else TableFile(source, sheet, encoding)
    wanted = ChosenContacts(selection, contact, table, by, country, every)
    book = JournalFile(journal, "delete", failed, retry_failed=retry_failed, max_outage=max_outage)
    _edit(
        "delete", "deleted", ROUTES["contacts.delete"],
        lambda client, identifier: client.contacts.delete(identifier),
        wanted, ask=None if yes else "Delete {} for good?",
        dry_run=dry_run, book=book, json=json, base_url=base_url, profile=profile,
    )  # fmt: skip


class ChosenContacts(Discreet, msgspec.Struct, frozen=True):
    """Which contacts an edit is for: named, listed in a file, or selected.

    There is no default: not even all of them.
    """

    selection: Selection
    contacts: list[str] | None
    source: TableFile | None
    by: By
    country: str | None
    every: bool

    async def identifiers(self, client: AsyncRespond) -> list[str]:
        """Name them all.

        They are listed before the first edit: an edit may change what the filter finds.
        """
        ways = [
            bool(self.contacts),
            self.source is not None,
            not self.selection.is_empty,
            self.every,
        ]
        if sum(ways) != 1:
            raise UsageError(
                "say which contacts, in one way: --contact, --from, a filter such as --tagged, or "
                "--all"
            )
        if self.contacts:
            found = [f"{each.kind}:{each.value}" for each in map(parse, self.contacts)]
        elif self.source is not None:
            found = identifiers_of_file(self.source, self.by, check_country(self.country))
        else:
            found = [f"id:{contact.id}" async for contact in await self.selection.paginator(client)]
        unique: dict[str, str] = {}
        for identifier in found:
            unique.setdefault(same_contact(identifier), identifier)
        return list(unique.values())


def identifiers_of_file(table: TableFile, by: By, country: str | None) -> list[str]:
    """Name the contacts of a table. `UsageError` with every bad line."""
    found: list[str] = []
    problems: list[str] = []
    columns: dict[str, str] | None = None
    for row in read_rows(table):
        columns = columns or name_columns(row.cells)
        try:
            found.append(identify_row(row, columns, by, country))
        except ValueError as error:
            problems.append(f"line {row.line}: {error}")
    if problems:
        raise UsageError(
            f"{table.path.name}: nothing was written", *(f"  {each}" for each in problems)
        )
    return found


def name_columns(cells: Iterable[str]) -> dict[str, str]:
    """Find the columns that name a contact; all others are left alone."""
    none = Definitions([])
    columns: dict[str, str] = {}
    for column in cells:
        try:
            columns |= map_columns([column], {}, none)
        except UsageError:
            continue  # other columns are none of our business
    return {column: target for column, target in columns.items() if target in TARGETS}


def _edit(
    name: str,
    done: str,
    route: str,
    operation: Callable[[AsyncRespond, str], Awaitable[Any]],
    wanted: ChosenContacts,
    *,
    ask: str | None = None,
    dry_run: bool,
    book: JournalFile,
    json: bool,
    base_url: str | None,
    profile: str | None,
) -> None:
    screen = Screen(json=json)

    async def work() -> int:
        async with connect(base_url, profile) as client:
            identifiers = await wanted.identifiers(client)

            async def edit(identifier: str) -> Any:
                return await operation(client, identifier)

            job = BulkJob(
                title=f"contacts {name}",
                work=edit,
                items=lambda: identifiers,
                key=same_contact,
                where=_safe_name,
                total=len(identifiers),
                operations={route: len(identifiers)},
            )
            if dry_run:
                print_plan(screen, "contact", name, job.operations)
                return Exit.DONE
            confirm(ask, len(identifiers), "contact")
            report = await carry_out(client, screen, job, book)
        print_report(screen, report, "contact", done)
        return report.exit

    run(work, screen, interrupted=book.how_to_resume)


def _safe_name(identifier: Any) -> str:
    return f"contact {identifier}"


def print_plan(screen: Screen, noun: str, verb: str, operations: Mapping[str, int]) -> None:
    """Print what would be done, and how long it takes."""
    count, seconds = sum(operations.values()), floor_of(operations)
    if screen.json:
        screen.document({"items": count, "operations": operations, "seconds": round(seconds, 1)})
    else:
        screen.line(
            f"{counted(count, noun)} to {verb}; at the vendor's limits this takes about "
            f"{duration(seconds)}."
        )
