"""Which contacts: the filter options that several commands share."""

from datetime import datetime
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

import msgspec
import typer

from .. import AsyncRespond, Paginator
from ..filters import BUILT_IN_FIELDS, Condition, F, Filter
from ..models import Contact
from ._command import Options
from ._exit import UsageError
from ._fields import Definitions, fetch_definitions, typed_value
from ._identify import whole_number

TIMES: Final = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
_PANEL: Final = "Which contacts"


class Selection(Options, frozen=True):
    """The options, as given. All of them must hold."""

    search: Annotated[
        str,
        typer.Option(
            help="Part of a name, e-mail or phone.", rich_help_panel=_PANEL, show_default=False
        ),
    ] = ""
    tagged: Annotated[
        list[str] | None,
        typer.Option(
            help="With this tag; repeat for several.", rich_help_panel=_PANEL, show_default=False
        ),
    ] = None
    not_tagged: Annotated[
        list[str] | None,
        typer.Option(
            help="Without this tag; repeat for several.", rich_help_panel=_PANEL, show_default=False
        ),
    ] = None
    lifecycle: Annotated[
        str | None,
        typer.Option(
            help="In this lifecycle stage; none: in no stage.",
            rich_help_panel=_PANEL,
            show_default=False,
        ),
    ] = None
    status: Annotated[
        Literal["open", "closed"] | None,
        typer.Option(help="The conversation's status.", rich_help_panel=_PANEL, show_default=False),
    ] = None
    assignee: Annotated[
        int | None,
        typer.Option(
            parser=whole_number,
            metavar="ID",
            help="Assigned to the user with this id.",
            rich_help_panel=_PANEL,
            show_default=False,
        ),
    ] = None
    created_after: Annotated[
        datetime | None,
        typer.Option(
            formats=TIMES,
            help="Created after this time.",
            rich_help_panel=_PANEL,
            show_default=False,
        ),
    ] = None
    created_before: Annotated[
        datetime | None,
        typer.Option(
            formats=TIMES,
            help="Created before this time.",
            rich_help_panel=_PANEL,
            show_default=False,
        ),
    ] = None
    field: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="With this value in a field, custom or not; repeat for several.",
            rich_help_panel=_PANEL, show_default=False,
        ),
    ] = None  # fmt: skip
    timezone: Annotated[
        str, typer.Option(help="The time zone of those times.", rich_help_panel=_PANEL)
    ] = "UTC"

    @property
    def is_empty(self) -> bool:
        """Whether nothing narrows it: every contact of the workspace."""
        return msgspec.structs.replace(self, timezone="UTC") == Selection()

    def query(self) -> str:
        """Write it as one text, to tell one question from another."""
        return msgspec.json.encode(self).decode()

    async def paginator(
        self, client: AsyncRespond, *, cursor: int | str | None = None
    ) -> "Paginator[Contact]":
        """Ask for the contacts that it selects."""
        definitions = await fetch_definitions(client) if self.field else Definitions([])
        return client.contacts.list(
            filter=self.filter(definitions),
            search=self.search,
            timezone=self.timezone,
            cursor=cursor,
        )

    def filter(self, definitions: Definitions) -> Filter | Condition | None:
        """Build the filter, the values of custom fields in their types."""
        conditions: list[Condition] = [
            _field_condition(each, definitions) for each in self.field or ()
        ]
        if self.tagged:
            conditions.append(F.tags.all_of(*self.tagged))
        if self.not_tagged:
            conditions.append(F.tags.none_of(*self.not_tagged))
        if self.lifecycle is not None:
            none = self.lifecycle.casefold() == "none"
            conditions.append(
                F.lifecycle.does_not_exist() if none else F.lifecycle == self.lifecycle
            )
        if self.status is not None:
            conditions.append(F.field("status") == self.status)
        if self.assignee is not None:
            conditions.append(F.field("assigneeUserId") == self.assignee)
        if self.created_after is not None:
            conditions.append(F.field("createdAt").after(self.aware(self.created_after)))
        if self.created_before is not None:
            conditions.append(F.field("createdAt").before(self.aware(self.created_before)))
        joined: Filter | Condition | None = None
        for condition in conditions:
            joined = condition if joined is None else joined & condition
        return joined

    def aware(self, moment: datetime) -> datetime:
        """Read a time of the command line in the time zone that it names."""
        try:
            return moment.replace(tzinfo=ZoneInfo(self.timezone))
        except (KeyError, ValueError, OSError):
            raise UsageError('--timezone is an IANA name such as "Asia/Kuala_Lumpur"') from None


def _field_condition(text: str, definitions: Definitions) -> Condition:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise UsageError("--field is written NAME=VALUE")
    field = definitions.find(name)
    if field is None and name.strip() not in BUILT_IN_FIELDS:
        raise UsageError(
            f"--field {name.strip()}: there is no such field",
            f"  built in: {', '.join(sorted(BUILT_IN_FIELDS))}",
            f"  custom: {', '.join(definitions.names) or 'none'}",
        )
    if field is None:
        return F.field(name.strip()) == value
    try:
        return F.field(field.name) == typed_value(field, value)
    except ValueError as error:
        raise UsageError(f"--field {name}: {error}") from None
