"""The inbox: a page in the browser, at /inbox of a sandbox, on which a bot is tried out without an
account.
"""

from ._app import Inbox as Inbox

__all__ = ["Inbox"]
