"""`respondio contacts tag`, `untag`, `delete` and `merge`."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ... import ROUTES, AsyncRespond, InvalidArgumentError
from ...identifiers import parse
from .._bulk import (
    BulkJob,
    JournalFile,
    RunOptions,
    carry_out,
    duration,
    floor_of,
    print_report,
)
from .._client import Account
from .._command import Country, DryRun, Encoding, JsonScreen, Options, Sheet, Yes, command
from .._exit import Exit, UsageError
from .._fields import Definitions
from .._identify import By, check_country, identify_row, same_contact, whole_number
from .._screen import Screen, confirm, counted
from .._selection import Selection
from ..files.rows import Row, TableFile, read_all, read_rows
from .columns import TARGETS, map_columns

Tags = Annotated[list[str], typer.Argument(help="One to ten tags.", show_default=False)]


class ChosenContacts(Options, frozen=True):
    """Which contacts an edit is for: named, listed in a file, or selected by a filter.

    There is no default: not even all of them.
    """

    contact: Annotated[
        list[str] | None,
        typer.Option(
            "--contact",
            show_default=False,
            help='One contact: "phone:+60…", "email:…" or "id:…"; repeat for several.',
        ),
    ] = None
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            show_default=False,
            help="The contacts of a table with a column phone, email or id (see --by).",
        ),
    ] = None
    by: Annotated[
        By,
        typer.Option(
            help="The column of --from that names the contact; auto: its phone, else its e-mail."
        ),
    ] = "auto"
    country: Country = None
    every: Annotated[bool, typer.Option("--all", help="Every contact of the workspace.")] = False
    sheet: Sheet = None
    encoding: Encoding = None

    async def identifiers(self, client: AsyncRespond, selection: Selection) -> list[str]:
        """Name them all.

        They are listed before the first edit: an edit may change what the filter finds.
        """
        ways = [bool(self.contact), self.source is not None, not selection.is_empty, self.every]
        if sum(ways) != 1:
            raise UsageError(
                "say which contacts, in one way: --contact, --from, a filter such as --tagged, or "
                "--all"
            )
        if self.contact:
            found = [f"{each.kind}:{each.value}" for each in map(parse, self.contact)]
        elif self.source is not None:
            table = TableFile(self.source, self.sheet, self.encoding)
            found = identifiers_of_file(table, self.by, check_country(self.country))
        else:
            found = [f"id:{contact.id}" async for contact in await selection.paginator(client)]
        unique: dict[str, str] = {}
        for identifier in found:
            unique.setdefault(same_contact(identifier), identifier)
        return list(unique.values())


class Edit(Options, frozen=True, kw_only=True):
    """What every edit of many contacts takes."""

    chosen: ChosenContacts
    dry_run: DryRun = False
    run: RunOptions
    account: Account
    selection: Selection

    async def carry_out(
        self,
        screen: Screen,
        name: str,
        done: str,
        route: str,
        operation: Callable[[AsyncRespond, str], Awaitable[Any]],
        *,
        ask: str | None = None,
    ) -> int:
        """Do *operation* to each of them, once *ask* is answered with yes, and return the exit
        code.
        """
        journal = JournalFile(self.run, name, screen)
        async with self.account.connect() as client:
            identifiers = await self.chosen.identifiers(client, self.selection)

            async def edit(identifier: str) -> Any:
                return await operation(client, identifier)

            job = BulkJob(
                title=f"contacts {name}",
                work=edit,
                items=lambda: identifiers,
                key=same_contact,
                where=lambda identifier: f"contact {identifier}",
                total=len(identifiers),
                operations={route: len(identifiers)},
            )
            if self.dry_run:
                print_plan(screen, "contact", name, job.operations)
                return Exit.DONE
            confirm(ask, len(identifiers), "contact")
            report = await carry_out(client, screen, job, journal)
        print_report(screen, report, "contact", done)
        return report.exit


@command()
async def tag(tags: Tags, *, edit: Edit, screen: JsonScreen) -> int:
    """Add tags to contacts. One that is there already is no error.

    **Examples**

    - `respondio contacts tag vip --contact phone:+60123456789`
    - `respondio contacts tag vip 2026 --lifecycle Customer`
    - `respondio contacts tag invited --from people.csv --country MY`
    """
    return await edit.carry_out(
        screen, "tag", "tagged", ROUTES["contacts.add_tags"],
        lambda client, identifier: client.contacts.add_tags(identifier, *tags),
    )  # fmt: skip


@command()
async def untag(tags: Tags, *, edit: Edit, screen: JsonScreen) -> int:
    """Take tags from contacts.

    **Examples**

    - `respondio contacts untag trial --tagged trial`
    - `respondio contacts untag invited --from people.csv`
    """
    return await edit.carry_out(
        screen, "untag", "untagged", ROUTES["contacts.delete_tags"],
        lambda client, identifier: client.contacts.delete_tags(identifier, *tags),
    )  # fmt: skip


@command()
async def delete(*, edit: Edit, yes: Yes = False, screen: JsonScreen) -> int:
    """Delete contacts, for good. Says how many, and asks first.

    **Examples**

    - `respondio contacts delete --contact id:123456`
    - `respondio contacts delete --tagged spam --created-before 2025-01-01 --dry-run`
    """
    return await edit.carry_out(
        screen, "delete", "deleted", ROUTES["contacts.delete"],
        lambda client, identifier: client.contacts.delete(identifier),
        ask=None if yes else "Delete {} for good?",
    )  # fmt: skip


def identifiers_of_file(table: TableFile, by: By, country: str | None) -> list[str]:
    """Name the contacts of a table. `UsageError` with every bad line."""
    cells = dict.fromkeys(column for row in read_rows(table) for column in row.cells)
    columns = name_columns(cells)
    return read_all(table, lambda row: identify_row(row, columns, by, country))


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


def print_plan(screen: Screen, noun: str, verb: str, operations: Mapping[str, int]) -> None:
    """Print what would be done, and how long it takes."""
    count, seconds = sum(operations.values()), floor_of(operations)
    screen.result(
        {"items": count, "operations": operations, "seconds": round(seconds, 1)},
        f"{counted(count, noun)} to {verb}; at the vendor's limits this takes about "
        f"{duration(seconds)}.",
    )


@command()
async def merge(
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
    run: RunOptions,
    screen: JsonScreen,
    account: Account,
) -> int:
    """Merge contacts in pairs, for good: the older of each survives. Asks first.

    A merge is never sent twice: one whose outcome nobody knows is reported, and ends the command
    with 3.

    **Examples**

    - `respondio contacts merge 123456 234567`
    - `respondio contacts merge --from pairs.csv --yes`
    """
    book = JournalFile(run, "merge", screen)
    table = None if source is None else TableFile(source, sheet, encoding)
    pairs = _pairs(first, second, table)
    if dry_run:
        print_plan(screen, "pair", "merge", {ROUTES["contacts.merge"]: len(pairs)})
        return Exit.DONE
    confirm(None if yes else "Merge {} of contacts for good?", len(pairs), "pair")
    async with account.connect() as client:
        report = await carry_out(client, screen, merge_job(client, pairs), book)
    print_report(screen, report, "pair", "merged")
    return report.exit


def merge_job(client: AsyncRespond, pairs: list[tuple[int, int]]) -> BulkJob:
    """Make the bulk job."""

    async def merge_pair(pair: Any) -> Any:
        return await client.contacts.merge(*pair)

    return BulkJob(
        title="contacts merge",
        work=merge_pair,
        items=lambda: pairs,
        key=_pair_text,
        where=_pair_text,
        total=len(pairs),
        operations={ROUTES["contacts.merge"]: len(pairs)},
    )


def _pair_text(pair: Any) -> str:
    return f"{pair[0]} and {pair[1]}"


def _pairs(
    first: int | None, second: int | None, source: TableFile | None
) -> list[tuple[int, int]]:
    if source is not None and first is None and second is None:
        found = read_all(source, _pair_of_row)
    elif source is None and first is not None and second is not None:
        found = [_pair(first, second)]
    else:
        raise UsageError("give two ids, or --from with a table of pairs")
    pairs: dict[frozenset[int], tuple[int, int]] = {}
    for pair in found:
        pairs.setdefault(frozenset(pair), pair)  # the first, by which a journal knows it
    return list(pairs.values())


def _pair_of_row(row: Row) -> tuple[int, int]:
    try:
        first, second = (whole_number(row.text(name)) for name in ("first", "second"))
    except ValueError:
        raise ValueError("it has no two ids in the columns first and second") from None
    return _pair(first, second)


def _pair(first: int, second: int) -> tuple[int, int]:
    if first == second:
        raise InvalidArgumentError("a contact cannot be merged with itself", argument="second")
    return first, second
