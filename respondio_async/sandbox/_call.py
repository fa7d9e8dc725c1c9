"""One request, taken apart for its operation, and how an operation refuses it."""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar, cast
from urllib.parse import unquote

from .quirks import Answers, DeferredOperation, Quirks
from .state import Contact
from .workspace import Workspace

PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")
Found = TypeVar("Found")

NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


class Problem(Exception):  # noqa: N818 - an answer of the server, no error of ours
    """An error answer: a status and the envelope `{"code", "message"}`."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


class EdgeBlock(Exception):  # noqa: N818 - the same
    """The firewall before the API refuses the request."""


def missing(field: str) -> Problem:
    """A required field is absent."""
    return Problem(400, f"Missing field(s) : {field}")


def invalid(field: str) -> Problem:
    """A field has a value that the server does not take."""
    return Problem(400, f"{field}: Invalid value")


def wrong_type(field: str, value: object) -> Problem:
    """A field has another JSON type than the server wants; the server repeats the value."""
    return Problem(400, f"Invalid field(s) : {field} = {value}")


def not_found(what: str) -> Problem:
    """There is no such thing for this token."""
    return Problem(404, f"{what} not found")


# Parsed JSON, narrowed: each gives the value when it is what was asked for, and None otherwise.


def as_object(value: Any) -> dict[str, Any] | None:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def as_list(value: Any) -> list[Any] | None:
    items: list[Any] | None = value if isinstance(value, list) else None  # pyright: ignore[reportUnknownVariableType]
    return items


def as_strings(value: Any) -> list[str] | None:
    """A list with at least one string, none of them empty."""
    items = as_list(value)
    return items if items and all(isinstance(each, str) and each for each in items) else None


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

    def find(self, records: Mapping[int, Found], name: str, what: str) -> Found:
        """The record whose id is a path segment."""
        found = records.get(self.number(name, what))
        if found is None:
            raise not_found(what)
        return found

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


def choice(body: dict[str, Any], name: str, allowed: Collection[str]) -> str:
    """A word of the body that must be one of those."""
    value = body.get(name)
    if value is None:
        raise missing(name)
    if value not in allowed:
        raise invalid(name)
    return str(value)
