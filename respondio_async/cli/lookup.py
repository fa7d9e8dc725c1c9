"""`respondio channels|users|fields|templates` and `respondio contacts get`: the ids that other
commands ask for.
"""

from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.table import Table

from .. import AsyncRespond, Contact, Paginator
from ._client import Account
from ._command import JsonScreen, command
from ._identify import whole_number
from ._screen import Screen, full_name, table_of

Columns = dict[str, Callable[[Any], object]]


@command()
async def channels(*, screen: JsonScreen, account: Account) -> None:
    """List the workspace's channels.

    **Examples**

    - `respondio channels`
    - `respondio channels --json | jq '.[0].id'`
    """
    columns: Columns = {
        "id": lambda each: each.id,
        "name": lambda each: each.name,
        "source": lambda each: each.source,
    }
    await _list(screen, account, lambda client: client.space.list_channels(), columns)


@command()
async def users(*, screen: JsonScreen, account: Account) -> None:
    """List the workspace's users.

    **Examples**

    - `respondio users`
    """
    columns: Columns = {
        "id": lambda each: each.id,
        "name": full_name,
        "email": lambda each: each.email,
        "role": lambda each: each.role,
        "team": lambda each: each.team.name if each.team else None,
    }
    await _list(screen, account, lambda client: client.space.list_users(), columns)


@command()
async def fields(*, screen: JsonScreen, account: Account) -> None:
    """List the workspace's custom fields, with their types and allowed values.

    **Examples**

    - `respondio fields`
    """
    columns: Columns = {
        "id": lambda each: each.id,
        "name": lambda each: each.name,
        "slug": lambda each: each.slug,
        "type": lambda each: each.data_type,
        "allowed": lambda each: ", ".join(each.allowed_values or ()),
    }
    await _list(screen, account, lambda client: client.space.list_custom_fields(), columns)


@command()
async def templates(
    channel: Annotated[
        int,
        typer.Argument(parser=whole_number, help="The channel's id.", show_default=False),
    ],
    *,
    screen: JsonScreen,
    account: Account,
) -> None:
    """List a channel's message templates.

    **Examples**

    - `respondio templates 2001`
    """
    columns: Columns = {
        "id": lambda each: each.id,
        "name": lambda each: each.name,
        "language": lambda each: each.language_code,
        "category": lambda each: each.category,
        "status": lambda each: each.status,
    }
    await _list(screen, account, lambda client: client.space.list_templates(channel), columns)


@command()
async def get(
    contact: Annotated[
        str, typer.Argument(help='"phone:+60…", "email:…" or "id:…".', show_default=False)
    ],
    *,
    screen: JsonScreen,
    account: Account,
) -> None:
    """Show one contact.

    **Examples**

    - `respondio contacts get phone:+60123456789`
    - `respondio contacts get id:123456 --json`
    """
    async with account.connect() as client:
        found = await client.contacts.get(contact)
    screen.result(found, _facts(found))


def _facts(contact: Contact) -> Table:
    facts: dict[str, object] = {
        "id": contact.id,
        "first name": contact.first_name,
        "last name": contact.last_name,
        "phone": contact.phone,
        "email": contact.email,
        "language": contact.language,
        "country": contact.country_code,
        "status": contact.status,
        "lifecycle": contact.lifecycle,
        "assignee": contact.assignee.id if contact.assignee else None,
        "tags": ", ".join(contact.tags or ()),
        "created": contact.created,
        **contact.custom,
    }
    rows = [(name, value) for name, value in facts.items() if value not in (None, "")]
    return table_of(("", ""), rows, header=False)


async def _list(
    screen: Screen,
    account: Account,
    listed: Callable[[AsyncRespond], Paginator[Any]],
    columns: Columns,
) -> None:
    async with account.connect() as client:
        items = await listed(client).collect()
    rows = [[column(item) for column in columns.values()] for item in items]
    screen.result(items, table_of(columns, rows))
