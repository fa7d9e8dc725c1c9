"""The operations of the API, grouped as the vendor groups them."""

from ._base import Caller as Caller
from ._raw import RawResources as RawResources
from .comments import Comments as Comments
from .contacts import Contacts as Contacts
from .conversations import Conversations as Conversations
from .messages import Messages as Messages
from .space import Space as Space
