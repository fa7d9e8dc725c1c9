"""`respondio contacts export`."""

from functools import partial
from typing import Any, Final

from ...models import Contact
from .._client import Account
from .._command import Force, JsonScreen, command
from .._export import (
    FormatOption,
    Output,
    Resume,
    how_to_resume,
    is_data,
    write_export,
)
from .._fields import Definitions, fetch_definitions
from .._selection import Selection
from ..files.sinks import Sink, choose_target

COLUMNS: Final = (
    "id", "first_name", "last_name", "phone", "email", "language", "country_code", "profile_pic",
    "tags", "lifecycle", "status", "assignee_id", "assignee_email", "created",
)  # fmt: skip


@command(as_data=is_data)
async def export(
    *,
    output: Output = None,
    format: FormatOption = None,  # noqa: A002 - the option's name
    resume: Resume = False,
    force: Force = False,
    screen: JsonScreen,
    account: Account,
    selection: Selection,
) -> None:
    """Write contacts to a file: all of them, or those that the options select.

    The file appears when it is whole. In CSV, a cell that a spreadsheet would run as a formula gets
    an apostrophe before it, which `contacts import` takes away again; phones keep their plain +60….

    **Examples**

    - `respondio contacts export -o contacts.csv`
    - `respondio contacts export -o hot.parquet --lifecycle "Hot Lead" --created-after 2026-01-01`
    - `respondio contacts export --tagged vip --field Plan=Pro > vip.jsonl`
    """
    screen.last_words = partial(how_to_resume, output)
    target = choose_target(output, format, resume=resume, force=force)
    async with account.connect(outage="wait") as client:

        async def walk(sink: Sink) -> None:
            paginator = await selection.paginator(client, cursor=sink.state.place)
            async for page in paginator.pages():
                for contact in page.items:
                    sink.write(record_of(contact))
                sink.checkpoint(page.next_cursor, complete=page.next_cursor is None)

        columns = columns_of(await fetch_definitions(client))
        query = f"contacts {target.format} {account.name} {selection.query()}"
        await write_export(screen, target, query, columns, walk, noun="contact")


def columns_of(definitions: Definitions) -> list[str]:
    """Name the columns: a contact's own, then one for each custom field of the workspace."""
    return [*COLUMNS, *(f"custom:{field.name}" for field in definitions.fields)]


def record_of(contact: Contact) -> dict[str, Any]:
    """Make a row of a contact."""
    return {
        "id": contact.id,
        "first_name": contact.first_name,
        "last_name": contact.last_name,
        "phone": contact.phone,
        "email": contact.email,
        "language": contact.language,
        "country_code": contact.country_code,
        "profile_pic": contact.profile_pic,
        "tags": list(contact.tags),
        "lifecycle": contact.lifecycle,
        "status": contact.status,
        "assignee_id": contact.assignee_id,
        "assignee_email": contact.assignee.email if contact.assignee else None,
        "created": None if contact.created is None else contact.created.isoformat(),
        "custom_fields": contact.custom,
    }
