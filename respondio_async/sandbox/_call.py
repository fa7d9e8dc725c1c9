"""One request, taken apart for its operation, and how an operation refuses it."""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar, cast

from .quirks import Answers, DeferredOperation, Quirks
from .record import Arrival
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
        self.headers: dict[str, str] = dict(headers or {})


class EdgeBlock(Problem):
    """The firewall before the API refuses the request, not in JSON."""


def not_found(what: str) -> Problem:
    """There is no such thing for this token."""
    return Problem(404, f"{what} not found")


def as_object(value: Any) -> dict[str, Any] | None:
    """A JSON object, and None for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def as_list(value: Any) -> list[Any] | None:
    """A JSON array, and None for anything else."""
    items: list[Any] | None = value if isinstance(value, list) else None  # pyright: ignore[reportUnknownVariableType]
    return items


@dataclass(frozen=True, slots=True)
class RequestValue:
    """A value of a request, and where it stands there, which a refusal names."""

    value: Any
    where: str = ""

    def __getitem__(self, name: str) -> "RequestValue":
        """What an object holds under a name; null when it holds nothing."""
        return RequestValue(self.value.get(name), f"{self.where}.{name}" if self.where else name)

    @property
    def missing(self) -> Problem:
        """It is required, and absent or null."""
        return Problem(400, f"Missing field(s) : {self.where}")

    @property
    def invalid(self) -> Problem:
        """The server does not take it."""
        return Problem(400, f"{self.where}: Invalid value")

    def object(self) -> "RequestValue":
        """Itself, which must be an object."""
        self._check(dict)
        return self

    def string(self) -> str:
        """A string, empty ones too."""
        self._check(str)
        return str(self.value)

    def _check(self, kind: type) -> None:
        if self.value is None:
            raise self.missing
        if not isinstance(self.value, kind):
            raise self.invalid

    def items(self) -> list["RequestValue"]:
        """The items of a list, each with its number."""
        items = as_list(self.value)
        if items is None:
            raise self.invalid
        return [RequestValue(each, f"{self.where}[{number}]") for number, each in enumerate(items)]

    def objects(self) -> list["RequestValue"]:
        """The objects of a list; a refusal names the list."""
        objects = [RequestValue(each.value, self.where) for each in self.items()]
        if not all(isinstance(each.value, dict) for each in objects):
            raise self.invalid
        return objects

    def strings(self) -> list[str]:
        """A list with at least one string, none of them empty."""
        if self.value is None:
            raise self.missing
        strings = [each.value for each in self.items()]
        if not strings or not all(isinstance(each, str) and each for each in strings):
            raise self.invalid
        return strings

    def text(self, longest: int) -> str:
        """A string of at most *longest* characters that says something."""
        text = self.string()
        if len(text) > longest or not text.strip():
            raise self.invalid
        return text

    def optional_text(self, longest: int) -> str | None:
        """A string of at most *longest* characters, or None: "" is what the official n8n node sends
        for what is not given.
        """
        if self.value is None or self.value == "":
            return None
        text = self.string()
        if len(text) > longest:
            raise self.invalid
        return text

    def choice(self, allowed: Collection[str]) -> str:
        """One of some words."""
        word = self.string()
        if word not in allowed:
            raise self.invalid
        return word


@dataclass(slots=True)
class RequestContext:
    """What an operation may look at."""

    arrival: Arrival
    params: dict[str, str]
    """The path's variable segments, decoded."""
    workspace: Workspace
    body: RequestValue = RequestValue(None)
    """Parsed JSON; null when there is no body."""

    @property
    def quirks(self) -> Quirks:
        return self.workspace.quirks

    @property
    def answers(self) -> Answers:
        return self.workspace.answers

    def object(self) -> RequestValue:
        """The body, which must be a JSON object."""
        if not isinstance(self.body.value, dict):
            raise Problem(400, "Validation error.")
        return self.body

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
        quirks = self.quirks
        is_young = self.workspace.clock.now() < contact.created + quirks.not_ready_for
        # Seeded contacts were created before time began.
        is_new = contact.created > float("-inf")
        has_tries = is_new and contact.not_ready_answers < quirks.not_ready_tries
        if operation not in quirks.not_ready_operations or not (is_young or has_tries):
            return
        if not is_young:
            contact.not_ready_answers += 1
        delay = self.answers.not_ready_retry_after
        headers = {} if delay is None else {"Retry-After": str(delay)}
        raise Problem(
            449,
            "The contact is in queue: it is still being created, try again in a few minutes",
            headers,
        )


def parse_body(content: bytes) -> RequestValue:
    """Read a JSON body; nothing at all reads as null."""
    if not content.strip():
        return RequestValue(None)
    try:
        return RequestValue(json.loads(content, parse_constant=_refuse_constant))
    except (ValueError, RecursionError):
        raise Problem(400, "Validation error.") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
