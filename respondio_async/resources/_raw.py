"""`client.raw`: the same methods with the same arguments, returning the whole `Response`.

Each line below is the plain method, made on a caller that returns responses, with its return type told anew.
"""

from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar, cast

from .._call import Response
from .._pagination import Paginator
from ..models import Page
from ._base import Caller
from .comments import Comments
from .contacts import Contacts
from .conversations import Conversations
from .messages import Messages
from .space import Space

P = ParamSpec("P")
T = TypeVar("T")


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
        self.get = _whole(contacts.get)
        self.create = _whole(contacts.create)
        self.update = _whole(contacts.update)
        self.delete = _whole(contacts.delete)
        self.create_or_update = _whole(contacts.create_or_update)
        self.merge = _whole(contacts.merge)
        self.list = _page(contacts.list)
        self.add_tags = _whole(contacts.add_tags)
        self.delete_tags = _whole(contacts.delete_tags)
        self.list_channels = _page(contacts.list_channels)
        self.get_channel = _whole(contacts.get_channel)
        self.update_lifecycle = _whole(contacts.update_lifecycle)


class RawMessages:
    """`client.messages`, whole answers."""

    def __init__(self, caller: Caller) -> None:
        messages = Messages(caller)
        self.send = _whole(messages.send)
        self.get = _whole(messages.get)
        self.list = _page(messages.list)
        self.list_new = _page(messages.list_new)


class RawComments:
    """`client.comments`, whole answers."""

    def __init__(self, caller: Caller) -> None:
        self.create = _whole(Comments(caller).create)


class RawConversations:
    """`client.conversations`, whole answers."""

    def __init__(self, caller: Caller) -> None:
        conversations = Conversations(caller)
        self.assign = _whole(conversations.assign)
        self.unassign = _whole(conversations.unassign)
        self.open = _whole(conversations.open)
        self.close = _whole(conversations.close)


class RawSpace:
    """`client.space`, whole answers."""

    def __init__(self, caller: Caller) -> None:
        space = Space(caller)
        self.list_users = _page(space.list_users)
        self.get_user = _whole(space.get_user)
        self.list_channels = _page(space.list_channels)
        self.list_templates = _page(space.list_templates)
        self.get_template = _whole(space.get_template)
        self.list_custom_fields = _page(space.list_custom_fields)
        self.get_custom_field = _whole(space.get_custom_field)
        self.create_custom_field = _whole(space.create_custom_field)
        self.list_closing_notes = _page(space.list_closing_notes)
        self.create_tag = _whole(space.create_tag)
        self.update_tag = _whole(space.update_tag)
        self.delete_tag = _whole(space.delete_tag)


class RawResources:
    """All of them."""

    def __init__(self, caller: Caller) -> None:
        self.contacts = RawContacts(caller)
        self.messages = RawMessages(caller)
        self.comments = RawComments(caller)
        self.conversations = RawConversations(caller)
        self.space = RawSpace(caller)
