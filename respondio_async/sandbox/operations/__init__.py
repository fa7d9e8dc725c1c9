"""What the operations do, a module for each part of the vendor's reference.

Each is a function from a call to its answer.
"""

from .._routes import ROUTES as ROUTES
from .._routes import exists as exists
from .._routes import match as match
from . import contacts, conversations, messages, space

__all__ = ["ROUTES", "contacts", "conversations", "exists", "match", "messages", "space"]
