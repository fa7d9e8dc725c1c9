"""`client.raw`: the same methods with the same arguments, returning the whole `Response`.

Each line below is the plain method on a caller that returns responses, with the return type that it
then has.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, ParamSpec, TypeVar, cast

from .._engine.call import Engine
from .._engine.endpoints import Endpoint
from .._engine.exchange import Response, Settings
from .._engine.pagination import Paginator
from ..models import Page
from ._base import Caller, Json
from .comments import Comments
from .contacts import Contacts
from .conversations import Conversations
from .messages import Messages
from .space import Space

P = ParamSpec("P")
T = TypeVar("T")


class RawCaller(Caller):
    """Returns whole responses, and so do the methods that return what `call` returns."""

    async def call(
        self,
        endpoint: Endpoint[T],
        params: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        json: Json = None,
    ) -> Any:
        return await self.respond(endpoint, params, query=query, json=json)


def _whole(method: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[Response[T]]]:
    return cast("Callable[P, Awaitable[Response[T]]]", method)


def _page(method: Callable[P, Paginator[T]]) -> Callable[P, Awaitable[Response[Page[T]]]]:
    def fetch(*args: P.args, **kwargs: P.kwargs) -> Awaitable[Response[Page[T]]]:
        return method(*args, **kwargs).fetch()

    return fetch


class RawContacts:
    """`client.contacts`, whole answers."""

    def __init__(self, caller: Caller) -> None:
        contacts = Contacts(caller)
        self.get: Final = _whole(contacts.get)
        self.create: Final = _whole(contacts.create)
        self.update: Final = _whole(contacts.update)
        self.delete: Final = _whole(contacts.delete)
        self.create_or_update: Final = _whole(contacts.create_or_update)
        self.merge: Final = _whole(contacts.merge)
        self.list: Final = _page(contacts.list)
        self.add_tags: Final = _whole(contacts.add_tags)
        self.delete_tags: Final = _whole(contacts.delete_tags)
        self.list_channels: Final = _page(contacts.list_channels)
        self.get_channel: Final = _whole(contacts.get_channel)
        self.update_lifecycle: Final = _whole(contacts.update_lifecycle)


class RawMessages:
    """`client.messages`, whole answers."""

    def __init__(self, caller: Caller) -> None:
        messages = Messages(caller)
        self.send: Final = _whole(messages.send)
        self.get: Final = _whole(messages.get)
        self.list: Final = _page(messages.list)
        self.list_new: Final = _page(messages.list_new)


class RawComments:
    """`client.comments`, whole answers."""

    def __init__(self, caller: Caller) -> None:
        self.create: Final = _whole(Comments(caller).create)


class RawConversations:
    """`client.conversations`, whole answers."""

    def __init__(self, caller: Caller) -> None:
        conversations = Conversations(caller)
        self.assign: Final = _whole(conversations.assign)
        self.unassign: Final = _whole(conversations.unassign)
        self.open: Final = _whole(conversations.open)
        self.close: Final = _whole(conversations.close)


class RawSpace:
    """`client.space`, whole answers."""

    def __init__(self, caller: Caller) -> None:
        space = Space(caller)
        self.list_users: Final = _page(space.list_users)
        self.get_user: Final = _whole(space.get_user)
        self.list_channels: Final = _page(space.list_channels)
        self.list_templates: Final = _page(space.list_templates)
        self.get_template: Final = _whole(space.get_template)
        self.list_custom_fields: Final = _page(space.list_custom_fields)
        self.get_custom_field: Final = _whole(space.get_custom_field)
        self.create_custom_field: Final = _whole(space.create_custom_field)
        self.list_closing_notes: Final = _page(space.list_closing_notes)
        self.create_tag: Final = _whole(space.create_tag)
        self.update_tag: Final = _whole(space.update_tag)
        self.delete_tag: Final = _whole(space.delete_tag)


class RawResources:
    """All of them."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        caller = RawCaller(engine, settings)
        self.contacts: RawContacts = RawContacts(caller)
        self.messages: RawMessages = RawMessages(caller)
        self.comments: RawComments = RawComments(caller)
        self.conversations: RawConversations = RawConversations(caller)
        self.space: RawSpace = RawSpace(caller)
