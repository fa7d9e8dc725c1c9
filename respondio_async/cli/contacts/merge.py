"""`respondio contacts merge`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ... import ROUTES, AsyncRespond
from .._bulk import BulkJob, JournalFile, RunOptions, carry_out, print_report
from .._client import Account
from .._command import DryRun, Encoding, JsonScreen, Sheet, Yes, command
from .._exit import Exit, UsageError
from .._identify import whole_number
from .._screen import confirm
from ..files.rows import TableFile, read_rows
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
        raise UsageError(
            f"{source.path.name}: nothing was written", *(f"  {each}" for each in problems)
        )
    return list(pairs.values())


def _pair(first: int, second: int) -> tuple[int, int]:
    if first == second:
        raise UsageError("a contact cannot be merged with itself")
    return first, second
