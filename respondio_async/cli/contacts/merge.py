"""`respondio contacts merge`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ... import ROUTES, AsyncRespond, InvalidArgumentError
from .._bulk import BulkJob, JournalFile, RunOptions, carry_out, print_report
from .._client import Account
from .._command import DryRun, Encoding, JsonScreen, Sheet, Yes, command
from .._exit import Exit, UsageError
from .._identify import whole_number
from .._screen import confirm
from ..files.rows import Row, TableFile, read_all
from .edit import print_plan


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
    return list({frozenset(pair): pair for pair in found}.values())


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
