"""What the operations do, a module for each part of the vendor's reference.

Each is a function from a call to its answer.
"""

from . import contacts as contacts
from . import conversations as conversations
from . import messages as messages
from . import space as space
from ._serves import SERVED as SERVED
from ._serves import Handler as Handler
