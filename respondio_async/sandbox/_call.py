"""One request, taken apart for its operation."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final, NoReturn
from urllib.parse import unquote

from ._json import as_object
from ._problem import Problem, invalid, not_found
from .quirks import Answers, DeferredOperation, Quirks
from .state import Contact
from .workspace import Workspace

PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")
NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


@dataclass(slots=True)
class Reply:
    """An answer with another status than 200."""

    status: int
    value: Any


@dataclass(slots=True)
class RequestContext:
    """What an operation may look at."""

    path: str
    """Below the base URL, as it came."""
    params: dict[str, str]
    """The path's variable segments, decoded."""
    query: dict[str, str]
    body: Any
    """Parsed JSON; None when there is no body or it is null."""
    workspace: Workspace

    @property
    def quirks(self) -> Quirks:
        return self.workspace.quirks

    @property
    def answers(self) -> Answers:
        return self.workspace.answers

    def object(self) -> dict[str, Any]:
        """The body, which must be a JSON object."""
        body = as_object(self.body)
        if body is None:
            raise Problem(400, "Validation error.")
        return body

    def number(self, name: str, what: str) -> int:
        """A path segment that must be a number; anything else names nothing that exists."""
        text = self.params[name]
        if not NUMBER.fullmatch(text):
            raise not_found(what)
        return int(text)

    def identifier(self) -> tuple[str, str]:
        """The kind and value of the contact identifier in the path."""
        kind, colon, value = self.params["identifier"].partition(":")
        pattern = {"id": NUMBER, "email": EMAIL, "phone": PHONE}.get(kind)
        if not colon or pattern is None or not pattern.fullmatch(value):
            raise Problem(400, "Contact email, phone or ID is invalid")
        return kind, value

    def find_contact(self) -> Contact | None:
        """The contact that the path names, if there is one."""
        kind, value = self.identifier()
        return self.workspace.contact(int(value) if kind == "id" else value)

    def contact(self, operation: DeferredOperation | None = None) -> Contact:
        """The contact that the path names; *operation* may find it not ready yet."""
        contact = self.find_contact()
        if contact is None:
            raise not_found("Contact")
        self.check_ready(contact, operation)
        return contact

    def check_ready(self, contact: Contact, operation: DeferredOperation | None) -> None:
        """Answer 449 where *operation* finds the contact still in the making."""
        if operation not in self.quirks.not_ready_operations:
            return
        waiting = self.workspace.clock.now() < contact.created + self.quirks.not_ready_for
        # Seeded contacts were created before time began.
        young = contact.created > float("-inf")
        if not waiting and not (young and contact.not_ready_answers < self.quirks.not_ready_tries):
            return
        if not waiting:
            contact.not_ready_answers += 1
        delay = self.answers.not_ready_retry_after
        headers = {} if delay is None else {"Retry-After": str(delay)}
        raise Problem(
            449,
            "The contact is in queue: it is still being created, try again in a few minutes",
            headers,
        )


def parse_query(raw: str) -> dict[str, str]:
    """Read a query string; the last of a repeated name counts."""
    pairs = (part.partition("=") for part in raw.split("&") if part)
    return {
        unquote(name.replace("+", " ")): unquote(value.replace("+", " "))
        for name, _, value in pairs
    }


def parse_body(content: bytes) -> Any:
    """Read a JSON body; nothing at all reads as null."""
    if not content.strip():
        return None
    try:
        return json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise Problem(400, "Validation error.") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def text(
    body: dict[str, Any], name: str, *, longest: int, required: bool = True, where: str = ""
) -> str | None:
    """A string of the body with at most *longest* characters.

    None when it is absent, null or "" and may be: the official n8n node sends "" for what is not
    given.
    """
    value = body.get(name)
    if value is None or (value == "" and not required):
        if required:
            raise Problem(400, f"Missing field(s) : {where}{name}")
        return None
    if not isinstance(value, str) or len(value) > longest or (required and not value.strip()):
        raise invalid(where + name)
    return value
