"""The API's table of contents: one row an operation.

Source: the vendor's API reference (one page an operation) and its "Rate limit" page (which
operations share a limit). CONTRIBUTING.md says how to add an operation; tests walk this table.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec

from .. import models as m
from ..routes import bucket_of

Replay = Literal["always", "unsent"]
"""When a request may be sent again by itself: "always" (a repeat changes nothing), or only while it
is provably "unsent" (not sent, or refused with 429 or 449 before any work was done).
"""


T = TypeVar("T")


class Endpoint(msgspec.Struct, Generic[T], frozen=True):
    """One operation of the API."""

    name: str
    """The method that calls it: "contacts.get"."""
    method: str
    path: str
    """Template below the base URL; parameter names are the vendor's."""
    type: type[T]
    """What a 2xx answer decodes to."""
    replay: Replay = "always"
    route: str = ""
    """The limiter's route of a request that is made by hand; empty: the table's, see `bucket`."""
    max_limit: int | None = None
    """The largest page of a list; None: not a list."""
    alternative: str | None = None
    """Another path that the vendor's own pages or clients give for it. A 404 on a list makes the
    client try the other path, and keep to it for the whole collection.
    """
    missing_ok: bool = False
    """Whether deleting what is not there has succeeded."""
    envelopes: tuple[tuple[str, ...], ...] = ()
    """Keys under which the value has also been seen wrapped; tried in order when the bare reading
    fails.
    """

    @property
    def template(self) -> str:
        """How logs, errors and hooks name it: "GET /contact/{identifier}"."""
        return f"{self.method} {self.path}"

    @property
    def collection(self) -> str:
        """What shares a choice between two paths: "/space/custom_field"."""
        return "/".join(self.path.split("/", 3)[:3])

    @property
    def bucket(self) -> str:
        """The limiter's route; the table of `routes.py` says which operations share one."""
        return self.route or bucket_of(self.template)


_CONTACT: Final = "/contact/{identifier}"
_TAG_ENVELOPES: Final = (("message", "tag"), ("message",), ("data",))

GET_CONTACT = Endpoint("contacts.get", "GET", _CONTACT, m.Contact)
CREATE_CONTACT = Endpoint("contacts.create", "POST", _CONTACT, m.Ack, "unsent")
UPDATE_CONTACT = Endpoint("contacts.update", "PUT", _CONTACT, m.ContactRef)
DELETE_CONTACT = Endpoint("contacts.delete", "DELETE", _CONTACT, m.ContactRef)
CREATE_OR_UPDATE_CONTACT = Endpoint(
    "contacts.create_or_update", "POST", "/contact/create_or_update/{identifier}", m.ContactRef
)
MERGE_CONTACTS = Endpoint("contacts.merge", "POST", "/contact/merge", m.ContactRef, "unsent")
LIST_CONTACTS = Endpoint("contacts.list", "POST", "/contact/list", m.Page[m.Contact], max_limit=100)
ADD_TAGS = Endpoint("contacts.add_tags", "POST", f"{_CONTACT}/tag", m.ContactRef)
DELETE_TAGS = Endpoint("contacts.delete_tags", "DELETE", f"{_CONTACT}/tag", m.ContactRef)
LIST_CONTACT_CHANNELS = Endpoint(
    "contacts.list_channels", "GET", f"{_CONTACT}/channels", m.Page[m.ContactChannel], max_limit=100
)
GET_CONTACT_CHANNEL = Endpoint(
    "contacts.get_channel", "GET", f"{_CONTACT}/channel/{{channelId}}", m.ContactChannel
)
UPDATE_LIFECYCLE = Endpoint(
    "contacts.update_lifecycle", "POST", f"{_CONTACT}/lifecycle/update", m.Ack
)

SEND_MESSAGE = Endpoint("messages.send", "POST", f"{_CONTACT}/message", m.SentMessage, "unsent")
GET_MESSAGE = Endpoint("messages.get", "GET", f"{_CONTACT}/message/{{messageId}}", m.Message)
LIST_MESSAGES = Endpoint(
    "messages.list", "GET", f"{_CONTACT}/message/list", m.Page[m.Message], max_limit=50
)

CREATE_COMMENT = Endpoint("comments.create", "POST", f"{_CONTACT}/comment", m.Comment, "unsent")

ASSIGN_CONVERSATION = Endpoint(
    "conversations.assign", "POST", f"{_CONTACT}/conversation/assignee", m.ContactRef
)
SET_CONVERSATION_STATUS = Endpoint(
    "conversations.status", "POST", f"{_CONTACT}/conversation/status", m.ContactRef
)

LIST_USERS = Endpoint("space.list_users", "GET", "/space/user", m.Page[m.User], max_limit=100)
GET_USER = Endpoint("space.get_user", "GET", "/space/user/{id}", m.User)
LIST_CUSTOM_FIELDS = Endpoint(
    "space.list_custom_fields",
    "GET",
    "/space/custom_field",
    m.Page[m.CustomField],
    max_limit=100,
    alternative="/space/contact_field",
)
GET_CUSTOM_FIELD = Endpoint(
    "space.get_custom_field",
    "GET",
    "/space/custom_field/{id}",
    m.CustomField,
    alternative="/space/contact_field/{id}",
)
CREATE_CUSTOM_FIELD = Endpoint(
    "space.create_custom_field",
    "POST",
    "/space/custom_field",
    m.CustomField,
    "unsent",
    alternative="/space/contact_field",
)
LIST_CLOSING_NOTES = Endpoint(
    "space.list_closing_notes", "GET", "/space/closing_notes", m.Page[m.ClosingNote], max_limit=100
)
LIST_CHANNELS = Endpoint(
    "space.list_channels", "GET", "/space/channel", m.Page[m.Channel], max_limit=100
)
LIST_TEMPLATES = Endpoint(
    "space.list_templates",
    "GET",
    "/space/channel/{id}/template",
    m.Page[m.Template],
    max_limit=100,
    # What the vendor's n8n node calls.
    alternative="/space/channel/{id}/mtm",
)
GET_TEMPLATE = Endpoint(
    "space.get_template", "GET", "/space/mtm/{id}", m.Template, envelopes=(("data",),)
)
CREATE_TAG = Endpoint(
    "space.create_tag", "POST", "/space/tag", m.Tag, "unsent", envelopes=_TAG_ENVELOPES
)
UPDATE_TAG = Endpoint("space.update_tag", "PUT", "/space/tag", m.Tag, envelopes=_TAG_ENVELOPES)
DELETE_TAG = Endpoint("space.delete_tag", "DELETE", "/space/tag", m.Ack)

_ROWS: Final[dict[str, Any]] = {
    name: value for name, value in globals().items() if isinstance(value, Endpoint)
}

ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = tuple(_ROWS.values())
"""All of them, in the order above."""

ROUTES: Final[Mapping[str, str]] = MappingProxyType({row.name: row.bucket for row in ENDPOINTS})
"""Every operation's route, by the method that calls it: `DEFAULT_LIMITS[ROUTES["messages.send"]]`.

The key of `DEFAULT_LIMITS`, of `LocalRateLimiter`'s limits and of `client.statistics().routes`.
"""
