"""Contacts: who writes to the workspace. Source: the vendor's API reference, "Contact"."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypedDict, Unpack

import msgspec

from .._engine import endpoints as e
from .._engine.exchange import Response
from .._engine.pagination import Cursor, Paginator
from .._engine.partitions import PartitionedPaginator, span_conditions
from .._wire import (
    check_channel_id,
    check_ids_differ,
    check_page_size,
    check_stage,
    check_tags,
    contact_body,
)
from ..errors import DeadlineExceededError, InvalidArgumentError, NotFoundError, NotReadyError
from ..filters import Condition, Filter, render
from ..identifiers import Identifier, segment
from ..models import Ack, Contact, ContactChannel, ContactFields, ContactRef, CustomFieldInput, Page
from ._base import PollTimer, Resource

_READ_AGAIN: Final = (0.5, 1.0, 2.0, 4.0)
"""Seconds between looks for a contact that was just written; the last one repeats."""


class _OtherFields(TypedDict, total=False):
    """`ContactFields` without the first name, which `create` names itself because it must be
    given.
    """

    last_name: str | None
    """The family name."""
    phone: str | None
    """The phone number: E.164, with its plus."""
    email: str | None
    """The e-mail address."""
    language: str | None
    """The language: ISO 639-1 ("en")."""
    profile_pic: str | None
    """A public URL of a picture."""
    country_code: str | None
    """The country: ISO 3166-1 alpha-2 ("MY")."""
    custom_fields: Mapping[str, CustomFieldInput] | None
    """Values by the fields' names; a value of None clears its field."""


class Contacts(Resource):
    """Read, write, merge and list contacts."""

    async def get(self, identifier: Identifier) -> Contact:
        """Get a contact. When two share an e-mail or a phone, the server picks the first."""
        return await self._call(e.GET_CONTACT, {"identifier": identifier})

    async def find(self, identifier: Identifier) -> Contact | None:
        """Get a contact, or None where `get` raises `NotFoundError`."""
        try:
            return await self.get(identifier)
        except NotFoundError:
            return None

    async def create(
        self, identifier: Identifier, *, first_name: str, **fields: Unpack["_OtherFields"]
    ) -> Ack:
        """Create a contact, by e-mail or phone. The answer holds no id: `ensure` returns the
        contact itself.

        Not repeated by itself once it may have landed (`OutcomeUnknownError`). For an identifier
        that exists the server answers 400 or 409.

        Fields:
            - last_name (`str`): The family name.
            - phone (`str`): The phone number: E.164, with its plus.
            - email (`str`): The e-mail address.
            - language (`str`): The language: ISO 639-1 ("en").
            - profile_pic (`str`): A public URL of a picture.
            - country_code (`str`): The country: ISO 3166-1 alpha-2 ("MY").
            - custom_fields (`Mapping[str, CustomFieldInput]`): Values by the fields' names; a value
              of None clears its field.
        """
        segment(identifier, kinds=("email", "phone"))
        body = contact_body({"first_name": first_name, **fields}, required=("first_name",))
        return await self._call(e.CREATE_CONTACT, {"identifier": identifier}, json=body)

    async def update(self, identifier: Identifier, **fields: Unpack[ContactFields]) -> ContactRef:
        """Change the given fields. An absent field is left alone, None clears it. Safe to repeat.

        One unknown custom field makes the server refuse the whole write. Tags and lifecycle have
        methods of their own.

        Fields:
            - first_name (`str`): The given name.
            - last_name (`str`): The family name.
            - phone (`str`): The phone number: E.164, with its plus.
            - email (`str`): The e-mail address.
            - language (`str`): The language: ISO 639-1 ("en").
            - profile_pic (`str`): A public URL of a picture.
            - country_code (`str`): The country: ISO 3166-1 alpha-2 ("MY").
            - custom_fields (`Mapping[str, CustomFieldInput]`): Values by the fields' names; a value
              of None clears its field.
        """
        return await self._call(
            e.UPDATE_CONTACT, {"identifier": identifier}, json=contact_body(fields)
        )

    async def delete(self, identifier: Identifier, *, missing_ok: bool = False) -> ContactRef:
        """Delete a contact. Safe to repeat.

        For a contact that is not there the server answers 404, or 400 "not found". With
        *missing_ok*, and on a repeat whose first try may have landed, either counts as done (then
        without an id).
        """
        endpoint = msgspec.structs.replace(e.DELETE_CONTACT, missing_ok=missing_ok)
        return await self._call(endpoint, {"identifier": identifier})

    async def create_or_update(
        self, identifier: Identifier, **fields: Unpack[ContactFields]
    ) -> ContactRef:
        """Create the contact or change the given fields. Safe to repeat.

        For a contact made by this call `contact_id` may be None, and writes to it may be answered
        with 449 while it is being created. That takes some seconds as a rule, and minutes at times.
        449 is waited out within the call's deadline (120 s by default), with 2 to 30 seconds
        between looks; `with_options(deadline=300)` waits longer. The server may demand `first_name`
        for a new contact.

        Fields:
            - first_name (`str`): The given name.
            - last_name (`str`): The family name.
            - phone (`str`): The phone number: E.164, with its plus.
            - email (`str`): The e-mail address.
            - language (`str`): The language: ISO 639-1 ("en").
            - profile_pic (`str`): A public URL of a picture.
            - country_code (`str`): The country: ISO 3166-1 alpha-2 ("MY").
            - custom_fields (`Mapping[str, CustomFieldInput]`): Values by the fields' names; a value
              of None clears its field.
        """
        return await self._call(
            e.CREATE_OR_UPDATE_CONTACT, {"identifier": identifier}, json=contact_body(fields)
        )

    async def ensure(
        self, identifier: Identifier, *, timeout: float = 60.0, **fields: Unpack[ContactFields]
    ) -> Contact:
        """Create the contact or change the given fields, and return it once the server can read it
        back.

        *timeout* bounds, in seconds, the upsert (449 waited out) and then the waiting for the
        contact to appear, whatever the client's deadline; time in the queue for permits does not
        count. After it: `DeadlineExceededError`. A new contact may take minutes: give 300 where a
        failure costs more than the wait. Safe to repeat.

        Fields:
            - first_name (`str`): The given name.
            - last_name (`str`): The family name.
            - phone (`str`): The phone number: E.164, with its plus.
            - email (`str`): The e-mail address.
            - language (`str`): The language: ISO 639-1 ("en").
            - profile_pic (`str`): A public URL of a picture.
            - country_code (`str`): The country: ISO 3166-1 alpha-2 ("MY").
            - custom_fields (`Mapping[str, CustomFieldInput]`): Values by the fields' names; a value
              of None clears its field.
        """
        timer = PollTimer(timeout, _READ_AGAIN)
        caller = self._caller.within(timer.seconds)
        try:
            ref = await Contacts(caller).create_or_update(identifier, **fields)
        except NotReadyError as error:
            raise DeadlineExceededError(
                f"contacts.ensure: the contact was not ready within {timeout:g} s",
                endpoint=e.CREATE_OR_UPDATE_CONTACT.template,
                attempts=error.attempts,
            ) from error
        # The id, where there is one, still names the contact when the fields have just changed its
        # e-mail or phone.
        written: Identifier = identifier if ref.contact_id is None else ref.contact_id
        while True:
            contact = await Contacts(caller).find(written)
            if contact is not None:
                return contact
            await timer.pause(e.GET_CONTACT, "contacts.ensure: written, but could not be read back")

    async def merge(
        self, first_id: int, second_id: int, **fields: Unpack[ContactFields]
    ) -> ContactRef:
        """Merge two contacts; the older survives, whatever the order. *fields* decide what it is
        left with.

        Not repeated by itself once it may have landed (`OutcomeUnknownError`).

        Fields:
            - first_name (`str`): The given name.
            - last_name (`str`): The family name.
            - phone (`str`): The phone number: E.164, with its plus.
            - email (`str`): The e-mail address.
            - language (`str`): The language: ISO 639-1 ("en").
            - profile_pic (`str`): A public URL of a picture.
            - country_code (`str`): The country: ISO 3166-1 alpha-2 ("MY").
            - custom_fields (`Mapping[str, CustomFieldInput]`): Values by the fields' names; a value
              of None clears its field.
        """
        ids = check_ids_differ(first_id, second_id)
        return await self._call(e.MERGE_CONTACTS, json={"contactIds": ids, **contact_body(fields)})

    def list(
        self,
        *,
        filter: Filter | Condition | None = None,  # noqa: A002 - the vendor's word
        search: str = "",
        timezone: str = "UTC",
        page_size: int = 100,
        cursor: Cursor = None,
        prefetch: int = 1,
        partitions: int | None = None,
    ) -> Paginator[Contact]:
        """Walk the contacts that match *filter* (see `F`) and *search* (part of a name, an e-mail
        or a phone).

        *timezone* (IANA) is what the filter's times are written in. *page_size*: 1 to 100. A
        contact just created appears here some 25 seconds later; `get` sees it at once.

        *partitions* (1 to 32) walks spans of creation time side by side: up to five times as fast
        where a page takes a second, in no particular order, without a cursor, and remembering the
        id of every contact. Its filter may be joined by `&` only.
        """
        if not isinstance(search, str):
            raise InvalidArgumentError(
                "search is a text; an empty one finds everybody", argument="search"
            )
        body = {"search": search, "timezone": timezone, "filter": render(filter, timezone)}
        if partitions is not None:
            check_page_size(page_size, most=100)
            return self._partitioned(
                body, page_size=page_size, cursor=cursor, partitions=partitions
            )
        return self._list(
            e.LIST_CONTACTS, page_size=page_size, cursor=cursor, prefetch=prefetch, json=body
        )

    def _partitioned(
        self, body: dict[str, Any], *, page_size: int, cursor: Cursor, partitions: int
    ) -> Paginator[Contact]:
        conditions = body["filter"].get("$and")
        if conditions is None:
            raise InvalidArgumentError(
                "partitions need a filter that is joined by & only", argument="partitions"
            )

        async def fetch_span(
            low: datetime | None, high: datetime | None, cursor: Cursor
        ) -> Response[Page[Contact]]:
            spanned = {
                **body,
                "filter": {"$and": [*conditions, *span_conditions(low, high, body["timezone"])]},
            }
            query = {"limit": page_size, "cursorId": cursor}
            return await self._caller.respond(e.LIST_CONTACTS, query=query, json=spanned)

        return PartitionedPaginator(
            fetch_span,
            self._caller.spawn,
            partitions=partitions,
            cursor=cursor,
            endpoint=e.LIST_CONTACTS.template,
        )

    async def add_tags(self, identifier: Identifier, *tags: str) -> ContactRef:
        """Add 1 to 10 tags of up to 255 characters.

        One that is there already is no error, and no event. Safe to repeat.
        """
        return await self._call(e.ADD_TAGS, {"identifier": identifier}, json=check_tags(tags))

    async def delete_tags(self, identifier: Identifier, *tags: str) -> ContactRef:
        """Remove 1 to 10 tags. Safe to repeat."""
        return await self._call(e.DELETE_TAGS, {"identifier": identifier}, json=check_tags(tags))

    def list_channels(
        self,
        identifier: Identifier,
        *,
        page_size: int = 100,
        cursor: Cursor = None,
        prefetch: int = 1,
    ) -> Paginator[ContactChannel]:
        """Walk the channels that a contact has written on. *page_size*: 1 to 100."""
        segment(identifier)
        return self._list(
            e.LIST_CONTACT_CHANNELS,
            {"identifier": identifier},
            page_size=page_size,
            cursor=cursor,
            prefetch=prefetch,
        )

    async def get_channel(self, identifier: Identifier, channel_id: int | str) -> ContactChannel:
        """Get one channel of a contact.

        Only the vendor's rate table names this operation, and it may not exist (404).
        """
        params = {"identifier": identifier, "channelId": check_channel_id(channel_id)}
        return await self._call(e.GET_CONTACT_CHANNEL, params)

    async def update_lifecycle(self, identifier: Identifier, stage: str | None) -> Ack:
        """Put the contact into a lifecycle stage by name; None (or "") takes it out of any.

        Safe to repeat.
        """
        return await self._call(
            e.UPDATE_LIFECYCLE, {"identifier": identifier}, json={"name": check_stage(stage)}
        )
