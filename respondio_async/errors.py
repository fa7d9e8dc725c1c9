"""Every error that the client raises.

    RespondError
    ├── ConfigurationError
    ├── InvalidArgumentError (also ValueError)
    │   └── InvalidIdentifierError
    ├── TransportError
    │   ├── ConnectionFailedError
    │   ├── RequestTimeoutError
    │   └── DeadlineExceededError
    ├── OutcomeUnknownError
    ├── DecodeError
    ├── PaginationError
    ├── MessageFailedError
    ├── WebhookSignatureError
    └── APIError
        ├── BadRequestError 400
        ├── UnauthorizedError 401
        ├── ForbiddenError 403
        │   └── BlockedAtEdgeError 403 that is not JSON
        ├── NotFoundError 404
        ├── ConflictError 409
        ├── RateLimitError 429
        ├── NotReadyError 449
        └── ServerError 5xx
            ├── BadGatewayError 502
            ├── ServiceUnavailableError 503
            └── GatewayTimeoutError 504

Texts and attributes hold no token and no contact's data: they name arguments and route templates,
never values, and the server's own words arrive here already masked. `.content`, the raw answer, is
kept for the handler but left out of `repr`, `str` and pickles.
"""

from typing import Any

from ._rate_limit import RateLimit

__all__ = [
    "APIError",
    "BadGatewayError",
    "BadRequestError",
    "BlockedAtEdgeError",
    "ConfigurationError",
    "ConflictError",
    "ConnectionFailedError",
    "DeadlineExceededError",
    "DecodeError",
    "ForbiddenError",
    "GatewayTimeoutError",
    "InvalidArgumentError",
    "InvalidIdentifierError",
    "MessageFailedError",
    "NotFoundError",
    "NotReadyError",
    "OutcomeUnknownError",
    "PaginationError",
    "RateLimitError",
    "RequestTimeoutError",
    "RespondError",
    "ServerError",
    "ServiceUnavailableError",
    "TransportError",
    "UnauthorizedError",
    "WebhookSignatureError",
]


def _restore(
    cls: type["RespondError"],
    args: tuple[Any, ...],
    state: dict[str, Any],
    cause: BaseException | None,
) -> "RespondError":
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    error.__cause__ = cause
    return error


class RespondError(Exception):
    """The base of every error that this package raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Built from attributes, not by calling __init__ again: keyword-only facts survive, and the
        # raw answer stays behind. Of causes only our own travel: anybody else's may hold a URL, or
        # refuse to be pickled.
        state = {
            name: None if name == "content" else value for name, value in self.__dict__.items()
        }
        cause = self.__cause__ if isinstance(self.__cause__, RespondError) else None
        return _restore, (type(self), self.args, state, cause)


class ConfigurationError(RespondError):
    """The client was set up or used in a way that cannot work; the text says what to change."""


class InvalidArgumentError(RespondError, ValueError):
    """An argument that the server would refuse, found before any request.

    `.argument` names it; its value is never shown.
    """

    def __init__(self, message: str, *, argument: str) -> None:
        super().__init__(message)
        self.argument = argument


class InvalidIdentifierError(InvalidArgumentError):
    """A contact identifier of no known form.

    Accepted: an int id, "id:…", "email:…", "phone:+…", "+60…", "a@b.c".
    """

    def __init__(self, message: str, *, argument: str = "identifier") -> None:
        super().__init__(message, argument=argument)


class TransportError(RespondError):
    """No answer came. `.sent` is False when the request provably never left."""

    def __init__(
        self, message: str, *, endpoint: str = "", attempts: int = 0, sent: bool = False
    ) -> None:
        super().__init__(message)
        self.endpoint = endpoint
        self.attempts = attempts
        self.sent = sent


class ConnectionFailedError(TransportError):
    """The connection could not be made, or broke."""


class RequestTimeoutError(TransportError):
    """One attempt took longer than `timeout`, and no further attempt was allowed."""


class DeadlineExceededError(TransportError):
    """The call could not end within its `deadline`, or its first permit would not come within
    `queue_timeout`.

    `.needed` is the number of seconds that the wait would have taken, where it is known.
    """

    def __init__(
        self,
        message: str,
        *,
        endpoint: str = "",
        attempts: int = 0,
        sent: bool = False,
        needed: float | None = None,
    ) -> None:
        super().__init__(message, endpoint=endpoint, attempts=attempts, sent=sent)
        self.needed = needed


class OutcomeUnknownError(RespondError):
    """A write that may or may not have happened, and that the client therefore did not send again.

    Look before you repeat it: `.reason` says what broke, `.endpoint` which operation it was, and
    `__cause__` is the `APIError`, `TransportError` or `DecodeError` behind it.
    """

    def __init__(self, message: str, *, endpoint: str, reason: str, attempts: int = 1) -> None:
        super().__init__(message)
        self.endpoint = endpoint
        self.reason = reason
        self.attempts = attempts


class DecodeError(RespondError):
    """The answer arrived whole but has no reading as the expected type.

    `.content` is the raw answer, `.type` the expected type's name, `.path` where in the answer the
    reading failed.
    """

    def __init__(
        self,
        message: str,
        *,
        content: bytes | None,
        type: str,  # noqa: A002 - the public name
        path: str = "$",
        endpoint: str = "",
    ) -> None:
        super().__init__(message)
        self.content = content
        self.type = type
        self.path = path
        self.endpoint = endpoint


class PaginationError(RespondError):
    """The server's cursors lead nowhere: one repeats, or too many pages in a row are empty."""


class MessageFailedError(RespondError):
    """A message that was waited for has failed; `.reason` is the channel's own word for it,
    masked.
    """

    def __init__(self, message: str, *, message_id: int, reason: str) -> None:
        super().__init__(message)
        self.message_id = message_id
        self.reason = reason


class WebhookSignatureError(RespondError):
    """The body was not signed with any of the given keys."""


class APIError(RespondError):
    """The server answered with an error status.

    `.message` carries the server's own words with personal data masked; `.error` is the name that
    the server gives the error ("AuthorizationError"), None where it gives none; `.hint` says what
    to do about a known cause.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        endpoint: str,
        code: int | str | None = None,
        attempts: int = 1,
        retry_after: float | None = None,
        rate_limit: RateLimit | None = None,
        content: bytes | None = None,
        hint: str | None = None,
        error: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.error = error
        self.status = status
        self.code = code
        self.endpoint = endpoint
        self.attempts = attempts
        self.retry_after = retry_after
        self.rate_limit = rate_limit
        self.content = content
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.endpoint}: {self.status} {self.message}"
        return f"{text} ({self.hint})" if self.hint else text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    @classmethod
    def for_status(cls, status: int) -> type["APIError"]:
        """The class that a status is raised as."""
        return _BY_STATUS.get(status, ServerError if 500 <= status < 600 else APIError)


class BadRequestError(APIError):
    """400: the request is malformed or names something that does not exist in the workspace."""


class UnauthorizedError(APIError):
    """401: the token is not valid for the Developer API."""


class ForbiddenError(APIError):
    """403: the plan or the token's permissions do not include this."""


class BlockedAtEdgeError(ForbiddenError):
    """403 that is not JSON: the firewall before the API refused the request; the API never saw
    it.
    """


class NotFoundError(APIError):
    """404: it does not exist for this token."""


class ConflictError(APIError):
    """409: it exists already."""


class RateLimitError(APIError):
    """429: the organisation's limit on this route.

    Raised when the wait does not fit the deadline, or after `max_refusals`.
    """


class NotReadyError(APIError):
    """449: the contact is still being created, and was still so when the deadline left no time to
    wait on.

    A new contact may take minutes. The waits between looks grow from 2 to 30 seconds; give the call
    more time with `with_options(deadline=…)`, or `contacts.ensure(…, timeout=…)`.
    """


class ServerError(APIError):
    """5xx."""


class BadGatewayError(ServerError):
    """502."""


class ServiceUnavailableError(ServerError):
    """503: overloaded or under maintenance."""


class GatewayTimeoutError(ServerError):
    """504."""


_BY_STATUS: dict[int, type[APIError]] = {
    400: BadRequestError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    429: RateLimitError,
    449: NotReadyError,
    502: BadGatewayError,
    503: ServiceUnavailableError,
    504: GatewayTimeoutError,
}
