"""`respondio contacts tag`, `untag`, `delete` and `merge`."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from ... import AsyncRespond
from ..._endpoints import ADD_TAGS, DELETE_CONTACT, DELETE_TAGS, MERGE_CONTACTS
from ...identifiers import parse
from .._ask import confirm
from .._bulk import Job, JournalFile, carry_out, duration, floor_of, print_report
from .._client import connect
from .._exit import Exit, UsageError, run
from .._fields import Definitions
from .._identify import By, check_country, identify_row, same_contact, whole_number
from .._options import BaseUrl, DryRun, Encoding, Journal, Json, Sheet, Yes
from .._screen import Screen
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
    json: Json = False,
    base_url: BaseUrl = None,
) -> None:
    """Add tags to contacts. One that is there already is no error.

    **Examples**

    - `respondio contacts tag vip --contact phone:+60123456789`
    - `respondio contacts tag vip 2026 --lifecycle Customer`
    - `respondio contacts tag invited --from people.csv --country MY`
    """
    table = None if source is None else TableFile(source, sheet, encoding)
    wanted = Wanted(selection, contact, table, by, country, every)
    _edit(
        "tag", "contacts tagged", ADD_TAGS.bucket,
        lambda client: lambda identifier: client.contacts.add_tags(identifier, *tags),
        wanted, dry_run=dry_run, journal=journal, json=json, base_url=base_url,
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
    json: Json = False,
    base_url: BaseUrl = None,
) -> None:
    """Take tags from contacts.

    **Examples**

    - `respondio contacts untag trial --tagged trial`
    - `respondio contacts untag invited --from people.csv`
    """
    table = None if source is None else TableFile(source, sheet, encoding)
    wanted = Wanted(selection, contact, table, by, country, every)
    _edit(
        "untag", "contacts untagged", DELETE_TAGS.bucket,
        lambda client: lambda identifier: client.contacts.delete_tags(identifier, *tags),
        wanted, dry_run=dry_run, journal=journal, json=json, base_url=base_url,
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
    json: Json = False,
    base_url: BaseUrl = None,
) -> None:
    """Delete contacts, for good. Says how many, and asks first.

    **Examples**

    - `respondio contacts delete --contact id:123456`
    - `respondio contacts delete --tagged spam --created-before 2025-01-01 --dry-run`
    """
    table = None if source is None else TableFile(source, sheet, encoding)
    wanted = Wanted(selection, contact, table, by, country, every)
    _edit(
        "delete", "contacts deleted", DELETE_CONTACT.bucket,
        lambda client: client.contacts.delete,
        wanted, ask=None if yes else "Delete {} contacts for good?",
        dry_run=dry_run, journal=journal, json=json, base_url=base_url,
    )  # fmt: skip


def merge(
    first: Annotated[
        int | None, typer.Argument(parser=whole_number, help="A contact's id.", show_default=False)
    ] = None,
    second: Annotated[
        int | None,
        typer.Argument(parser=whole_number, help="Another contact's id.", show_default=False),
    ] = None,
    *,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            show_default=False,
            help="Many pairs: a table with the columns first and second.",
        ),
    ] = None,
    sheet: Sheet = None,
    encoding: Encoding = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    journal: Journal = None,
    json: Json = False,
    base_url: BaseUrl = None,
) -> None:
    """Merge contacts in pairs, for good: the older of each survives. Asks first.

    A merge is never sent twice: one whose outcome nobody knows is reported, and ends the command
    with 3.

    **Examples**

    - `respondio contacts merge 123456 234567`
    - `respondio contacts merge --from pairs.csv --yes`
    """
    screen = Screen(json=json)
    book = JournalFile(journal, "merge")

    async def work() -> int:
        table = None if source is None else TableFile(source, sheet, encoding)
        pairs = _pairs(first, second, table)
        if dry_run:
            _say_plan(screen, "merge", {MERGE_CONTACTS.bucket: len(pairs)})
            return Exit.DONE
        confirm(None if yes else "Merge {} pairs of contacts for good?", len(pairs))
        async with connect(base_url) as client:
            report = await carry_out(client, screen, merge_job(client, pairs), book)
        print_report(screen, report, what="pairs merged")
        return report.exit

    run(work, screen, interrupted=book.how_to_resume)


class Wanted(msgspec.Struct, frozen=True):
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
        raise UsageError(f"{table.path.name}: nothing was written\n  " + "\n  ".join(problems))
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
    what: str,
    route: str,
    make_work: Callable[[AsyncRespond], Callable[[str], Awaitable[Any]]],
    wanted: Wanted,
    *,
    ask: str | None = None,
    dry_run: bool,
    journal: Path | None,
    json: bool,
    base_url: str | None,
) -> None:
    screen = Screen(json=json)
    book = JournalFile(journal, name)

    async def work() -> int:
        async with connect(base_url) as client:
            identifiers = await wanted.identifiers(client)
            job = Job(
                name=name, work=make_work(client), items=identifiers, key=same_contact,
                where=_safe_name, total=len(identifiers), operations={route: len(identifiers)},
            )  # fmt: skip
            if dry_run:
                _say_plan(screen, name, job.operations)
                return Exit.DONE
            confirm(ask, len(identifiers))
            report = await carry_out(client, screen, job, book)
        print_report(screen, report, what=what)
        return report.exit

    run(work, screen, interrupted=book.how_to_resume)


def _safe_name(identifier: Any) -> str:
    return f"contact {identifier}"


def _say_plan(screen: Screen, name: str, operations: Mapping[str, int]) -> None:
    count, seconds = sum(operations.values()), floor_of(operations)
    if screen.json:
        screen.document({"items": count, "operations": operations, "seconds": round(seconds, 1)})
    else:
        screen.line(
            f"{count} to {name}; at the vendor's limits this takes about {duration(seconds)}."
        )


def merge_job(client: AsyncRespond, pairs: list[tuple[int, int]]) -> Job:
    """Make the bulk job."""

    async def merge_pair(pair: Any) -> None:
        await client.contacts.merge(*pair)

    return Job(
        name="merge",
        work=merge_pair,
        items=pairs,
        key=_pair_text,
        where=_pair_text,
        total=len(pairs),
        operations={MERGE_CONTACTS.bucket: len(pairs)},
    )


def _pair_text(pair: Any) -> str:
    return f"{pair[0]} and {pair[1]}"


def _pairs(
    first: int | None, second: int | None, source: TableFile | None
) -> list[tuple[int, int]]:
    if (first is None) != (second is None) or (first is None) == (source is None):
        raise UsageError("give two ids, or --from with a table of pairs")
    if first is not None and second is not None:
        return [_pair(first, second)]
    assert source is not None  # noqa: S101 - checked above
    pairs: dict[frozenset[int], tuple[int, int]] = {}
    problems: list[str] = []
    for row in read_rows(source):
        try:
            pair = _pair(*(whole_number(row.text(name)) for name in ("first", "second")))
        except UsageError as error:
            problems.append(f"line {row.line}: {error}")
        except ValueError:
            problems.append(f"line {row.line}: it has no two ids in the columns first and second")
        else:
            pairs.setdefault(frozenset(pair), pair)
    if problems:
        raise UsageError(f"{source.path.name}: nothing was written\n  " + "\n  ".join(problems))
    return list(pairs.values())


def _pair(first: int, second: int) -> tuple[int, int]:
    if first == second:
        raise UsageError("a contact cannot be merged with itself")
    return first, second
