"""`respondio channels|users|fields|templates` and `respondio contacts get`: the ids that other
commands ask for.
"""

from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.table import Table

from .. import AsyncRespond, Contact, Paginator
from ._client import connect
from ._exit import Exit, run
from ._options import BaseUrl, Json, ProfileName
from ._screen import Screen, table_of

Columns = dict[str, Callable[[Any], object]]


def channels(*, json: Json = False, base_url: BaseUrl = None, profile: ProfileName = None) -> None:
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
    _list(
        lambda client: client.space.list_channels(),
        columns,
        json=json,
        base_url=base_url,
        profile=profile,
    )


def users(*, json: Json = False, base_url: BaseUrl = None, profile: ProfileName = None) -> None:
    """List the workspace's users.

    **Examples**

    - `respondio users`
    """
    columns: Columns = {
        "id": lambda each: each.id,
        "name": lambda each: " ".join(filter(None, (each.first_name, each.last_name))),
        "email": lambda each: each.email,
        "role": lambda each: each.role,
        "team": lambda each: each.team.name if each.team else None,
    }
    _list(
        lambda client: client.space.list_users(),
        columns,
        json=json,
        base_url=base_url,
        profile=profile,
    )


def fields(*, json: Json = False, base_url: BaseUrl = None, profile: ProfileName = None) -> None:
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
    _list(
        lambda client: client.space.list_custom_fields(),
        columns,
        json=json,
        base_url=base_url,
        profile=profile,
    )


def templates(
    channel: Annotated[int, typer.Argument(help="The channel's id.", show_default=False)],
    *,
    json: Json = False,
    base_url: BaseUrl = None,
    profile: ProfileName = None,
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
    _list(
        lambda client: client.space.list_templates(channel),
        columns,
        json=json,
        base_url=base_url,
        profile=profile,
    )


def get(
    contact: Annotated[
        str, typer.Argument(help='"phone:+60…", "email:…" or "id:…".', show_default=False)
    ],
    *,
    json: Json = False,
    base_url: BaseUrl = None,
    profile: ProfileName = None,
) -> None:
    """Show one contact.

    **Examples**

    - `respondio contacts get phone:+60123456789`
    - `respondio contacts get id:123456 --json`
    """
    screen = Screen(json=json)

    async def work() -> int:
        async with connect(base_url, profile) as client:
            found = await client.contacts.get(contact)
        if json:
            screen.document(found)
        else:
            screen.show(_facts(found))
        return Exit.DONE

    run(work, screen, interrupted="Stopped.")


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


def _list(
    listed: Callable[[AsyncRespond], Paginator[Any]],
    columns: Columns,
    *,
    json: bool,
    base_url: str | None,
    profile: str | None,
) -> None:
    screen = Screen(json=json)

    async def work() -> int:
        async with connect(base_url, profile) as client:
            items = await listed(client).collect()
        if json:
            screen.document(items)
        else:
            rows = [[column(item) for column in columns.values()] for item in items]
            screen.show(table_of(columns, rows))
        return Exit.DONE

    run(work, screen, interrupted="Stopped.")
