"""The space (the workspace): users, channels, templates, fields, tags.

Source: the vendor's API reference, "Space".
"""

from collections.abc import Sequence

from .._engine import endpoints as e
from .._engine.pagination import Cursor, Paginator
from .._wire import (
    check_allowed_values,
    check_channel_id,
    check_id,
    check_slug,
    check_text,
    drop_none,
    is_given,
)
from ..errors import InvalidArgumentError, NotFoundError, OutcomeUnknownError
from ..models import Ack, Channel, ClosingNote, CustomField, CustomFieldType, Tag, Template, User
from ._base import Resource


class Space(Resource):
    """Read and shape the workspace. Every list takes a *page_size* of 1 to 100."""

    def list_users(
        self, *, page_size: int = 100, cursor: Cursor = None, prefetch: int = 1
    ) -> Paginator[User]:
        """Walk the users of the workspace."""
        return self._list(e.LIST_USERS, page_size=page_size, cursor=cursor, prefetch=prefetch)

    async def get_user(self, id: int) -> User:  # noqa: A002 - the vendor's word
        """Get a user."""
        check_id(id, "id")
        return await self._call(e.GET_USER, {"id": id})

    def list_channels(
        self, *, page_size: int = 100, cursor: Cursor = None, prefetch: int = 1
    ) -> Paginator[Channel]:
        """Walk the channels that are connected to the workspace."""
        return self._list(e.LIST_CHANNELS, page_size=page_size, cursor=cursor, prefetch=prefetch)

    def list_templates(
        self,
        channel_id: int | str,
        *,
        page_size: int = 100,
        cursor: Cursor = None,
        prefetch: int = 1,
    ) -> Paginator[Template]:
        """Walk the message templates of a channel.

        The vendor's pages and its n8n node name two different paths; a 404 on the one makes the
        client use the other from then on.
        """
        return self._list(
            e.LIST_TEMPLATES,
            {"id": check_channel_id(channel_id)},
            page_size=page_size,
            cursor=cursor,
            prefetch=prefetch,
        )

    async def get_template(self, id: int) -> Template:  # noqa: A002 - the vendor's word
        """Get a message template."""
        check_id(id, "id")
        return await self._call(e.GET_TEMPLATE, {"id": id})

    async def find_template(
        self, channel_id: int | str, name: str, *, language_code: str | None = None
    ) -> Template | None:
        """Find a template of a channel by its name, and by its language where it exists in several;
        None when there is none.

        Fill it with `WhatsAppTemplate.fill`. Where several languages match and none is asked for,
        the first listed wins.
        """
        async for template in self.list_templates(channel_id):
            if template.name == name and language_code in (None, template.language_code):
                return template
        return None

    def list_custom_fields(
        self, *, page_size: int = 100, cursor: Cursor = None, prefetch: int = 1
    ) -> Paginator[CustomField]:
        """Walk the definitions of the custom fields.

        The vendor's rate table and its clients name two different paths; a 404 on the one makes the
        client use the other from then on.
        """
        return self._list(
            e.LIST_CUSTOM_FIELDS, page_size=page_size, cursor=cursor, prefetch=prefetch
        )

    async def get_custom_field(self, id: int) -> CustomField:  # noqa: A002 - the vendor's word
        """Get the definition of a custom field."""
        check_id(id, "id")
        return await self._call(e.GET_CUSTOM_FIELD, {"id": id})

    async def create_custom_field(
        self,
        name: str,
        data_type: CustomFieldType,
        *,
        slug: str | None = None,
        description: str | None = None,
        allowed_values: Sequence[str] | None = None,
    ) -> CustomField:
        """Define a custom field: name and slug up to 50 characters (slug: letters, digits, "_"),
        description up to 255.

        *allowed_values* belong to the type "list" only. None, "" and an empty list are not sent.
        Not repeated by itself once
        it may have landed (`OutcomeUnknownError`).
        """
        body = drop_none(
            name=check_text(name, "name", longest=50),
            dataType=check_text(data_type, "data_type"),
            slug=check_slug(slug),
            description=_optional_text(description, "description", longest=255),
            allowedValues=check_allowed_values(allowed_values, data_type),
        )
        return await self._call(e.CREATE_CUSTOM_FIELD, json=body)

    def list_closing_notes(
        self, *, page_size: int = 100, cursor: Cursor = None, prefetch: int = 1
    ) -> Paginator[ClosingNote]:
        """Walk the categories that a conversation may be closed with, by category."""
        return self._list(
            e.LIST_CLOSING_NOTES, page_size=page_size, cursor=cursor, prefetch=prefetch
        )

    async def create_tag(
        self,
        name: str,
        *,
        description: str | None = None,
        color_code: str | None = None,
        emoji: str | None = None,
    ) -> Tag:
        """Define a tag of the workspace. None and "" are not sent. *color_code* is passed on as it
        is ("tag-red", "#ff0000").

        Not repeated by itself once it may have landed (`OutcomeUnknownError`).
        """
        body = drop_none(
            name=check_text(name, "name"),
            description=_optional_text(description, "description"),
            colorCode=_optional_text(color_code, "color_code"),
            emoji=_optional_text(emoji, "emoji"),
        )
        return await self._call(e.CREATE_TAG, json=body)

    async def update_tag(
        self,
        current_name: str,
        *,
        name: str | None = None,
        description: str | None = None,
        color_code: str | None = None,
        emoji: str | None = None,
    ) -> Tag:
        """Change a tag of the workspace; at least one of the fields. Safe to repeat.

        None is not sent. "" clears the description, the colour or the emoji, as the vendor's n8n
        node does it; a name cannot be cleared, so that "" is not sent.
        A rename whose answer was lost and whose repeat finds nothing raises `OutcomeUnknownError`.
        """
        changes = drop_none(
            name=_optional_text(name, "name"),
            description=_clearable_text(description, "description"),
            colorCode=_clearable_text(color_code, "color_code"),
            emoji=_clearable_text(emoji, "emoji"),
        )
        if not changes:
            raise InvalidArgumentError(
                "update_tag changes nothing: give at least one field", argument="name"
            )
        body = {"currentName": check_text(current_name, "current_name"), **changes}
        try:
            return await self._call(e.UPDATE_TAG, json=body)
        except NotFoundError as error:
            if "name" not in changes or error.attempts == 1:
                raise
            # The first try may have renamed it, so that the repeat no longer finds the old name.
            raise OutcomeUnknownError(
                "space.update_tag: the tag is not there under its old name; an earlier try may "
                "have renamed it",
                endpoint=e.UPDATE_TAG.template,
                reason="not found on a repeat",
                attempts=error.attempts,
            ) from error

    async def delete_tag(self, name: str) -> Ack:
        """Delete a tag of the workspace.

        "Not found" on a repeat whose first try may have landed counts as done.
        """
        return await self._call(e.DELETE_TAG, json={"name": check_text(name, "name")})


def _optional_text(value: str | None, argument: str, longest: int | None = None) -> str | None:
    return check_text(value, argument, longest=longest) if is_given(value) else None


def _clearable_text(value: str | None, argument: str) -> str | None:
    return value if value == "" else _optional_text(value, argument)
