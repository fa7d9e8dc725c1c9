"""What the operations do, a module for each part of the vendor's reference.

Each is a function from a call to its answer.
"""

from .._routes import ROUTES as ROUTES
from .._routes import exists as exists
from .._routes import match as match
from . import contacts as contacts
from . import conversations as conversations
from . import messages as messages
from . import space as space
