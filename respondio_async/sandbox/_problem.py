"""How an operation refuses: the server's error answers."""

from collections.abc import Mapping
from typing import Any


class Problem(Exception):  # noqa: N818 - an answer of the server, no error of ours
    """An error answer: a status and the envelope `{"code", "message"}`."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, Any]:
        return {"code": self.status, "message": self.message}


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
