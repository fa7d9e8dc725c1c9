"""Customers, played by a test or by a person in front of the inbox page."""

import asyncio
import threading
import time
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from ._call import EMAIL, PHONE
from .delivery import receive
from .state import Channel, Contact, Message
from .workspace import Workspace

__all__ = ["Customer"]

_LOOK: float = 0.005
"""Seconds between two looks for a reply."""


class Customer:
    """Somebody who writes to the workspace.

    The first message makes the contact, gives it the channel and opens the conversation.
    """

    def __init__(
        self,
        workspace: Workspace,
        lock: threading.RLock,
        identifier: int | str,
        *,
        name: str | None = None,
        channel: int | str | None = None,
    ) -> None:
        if (
            isinstance(identifier, str)
            and not PHONE.fullmatch(identifier)
            and not EMAIL.fullmatch(identifier)
        ):
            raise ValueError(
                'a customer is known by a phone ("+60123456789"), an e-mail address or a contact id'
            )
        self.identifier = identifier
        self._workspace = workspace
        self._lock = lock
        self._name = name
        self._channel = None if channel is None else _find_channel(workspace, channel)
        self._seen = len(self.replies)

    @property
    def contact(self) -> Contact | None:
        """The contact that this customer is; None before the first message."""
        with self._lock:
            return self._workspace.contact(self.identifier)

    @property
    def replies(self) -> list[Message]:
        """What the customer was sent, oldest first."""
        with self._lock:
            messages = [] if self.contact is None else self.contact.messages
            return [each for each in messages if each.traffic == "outgoing"]

    def says(self, text: str) -> Message:
        """Write a text."""
        return self.sends("text", text=text)

    def attaches(self, url: str, kind: str = "image") -> Message:
        """Send a file: an image, video, audio or file."""
        file = PurePosixPath(urlsplit(url).path)
        return self.sends(
            "attachment",
            attachment={
                "type": kind, "url": url, "isPending": False, "fileName": file.name,
                "ext": file.suffix.removeprefix("."),
                "size": 12_345, "mime": None,
            },
        )  # fmt: skip

    def sends(self, kind: str, /, **fields: Any) -> Message:
        """Send a message of any type, one that no client knows too: `sends("location",
        latitude=3.1, longitude=101.7)`.
        """
        content: dict[str, Any] = {"type": kind, **fields}
        with self._lock:
            return receive(self._workspace, self._existing(), content, self._channel)

    def wait_for_reply_sync(self, timeout: float = 5.0) -> Message:
        """Do what `wait_for_reply` does, for tests without a loop."""
        end = time.monotonic() + timeout
        while (reply := self._next()) is None:
            if time.monotonic() > end:
                raise TimeoutError(f"no reply within {timeout:g} s")
            time.sleep(_LOOK)
        return reply

    async def wait_for_reply(self, timeout: float = 5.0) -> Message:
        """Wait for the next reply: each is returned once, beginning with the first after this
        object was made.
        """
        end = time.monotonic() + timeout
        while (reply := self._next()) is None:
            if time.monotonic() > end:
                raise TimeoutError(f"no reply within {timeout:g} s")
            await asyncio.sleep(_LOOK)
        return reply

    def _next(self) -> Message | None:
        replies = self.replies
        if self._seen >= len(replies):
            return None
        self._seen += 1
        return replies[self._seen - 1]

    def _existing(self) -> Contact:
        workspace, identifier = self._workspace, self.identifier
        contact = workspace.contact(identifier)
        if contact is not None:
            return contact
        if isinstance(identifier, int):
            raise KeyError("no such contact")
        by_phone = "@" not in identifier  # an email may begin with a plus
        contact = workspace.add_contact()
        contact.first_name = self._name or "Customer"
        workspace.identify(contact, "phone" if by_phone else "email", identifier)
        if self._channel is None and not by_phone:
            self._channel = _find_channel(workspace, "other_email")
        workspace.emit("contact.created", contact)
        return contact


def _find_channel(workspace: Workspace, wanted: int | str) -> Channel:
    for channel in workspace.channels.values():
        if wanted in (channel.id, channel.source):
            return channel
    raise KeyError("no such channel")
