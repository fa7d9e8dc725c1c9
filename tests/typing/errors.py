"""The error tree as type checkers see it: what `except` gives. Checked, never run."""

# mypy: warn_unused_ignores=True
# pyright: reportUnnecessaryTypeIgnoreComment=true, reportUnusedExpression=false
# ruff: noqa: B018

from typing import assert_type

from respondio_async import (
    APIError,
    AsyncRespond,
    BlockedAtEdgeError,
    DeadlineExceededError,
    DecodeError,
    ForbiddenError,
    InvalidArgumentError,
    InvalidIdentifierError,
    MessageFailedError,
    OutcomeUnknownError,
    RateLimit,
    RateLimitError,
    RespondError,
    ServerError,
    ServiceUnavailableError,
    TransportError,
)


async def facts(client: AsyncRespond) -> None:
    """Each error carries its facts as typed attributes."""
    try:
        await client.contacts.get(7)
    except InvalidArgumentError as error:
        assert_type(error.argument, str)
    except RateLimitError as error:
        assert_type(error.retry_after, float | None)
    except APIError as error:
        assert_type(error.status, int)
        assert_type(error.message, str)
        assert_type(error.endpoint, str)
        assert_type(error.attempts, int)
        assert_type(error.rate_limit, RateLimit | None)
        assert_type(error.content, bytes | None)
        assert_type(error.hint, str | None)
    except DeadlineExceededError as error:
        assert_type(error.needed, float | None)
    except TransportError as error:
        assert_type(error.sent, bool)
    except OutcomeUnknownError as error:
        assert_type(error.reason, str)
    except DecodeError as error:
        assert_type(error.content, bytes | None)
        assert_type(error.path, str)
    except MessageFailedError as error:
        assert_type(error.message_id, int)
    except RespondError as error:
        error.status  # type: ignore[attr-defined]


def tree(
    identifier: InvalidIdentifierError,
    edge: BlockedAtEdgeError,
    unavailable: ServiceUnavailableError,
    unknown: OutcomeUnknownError,
) -> None:
    """Who is whose child."""
    argument: InvalidArgumentError = identifier
    builtin: ValueError = identifier
    forbidden: ForbiddenError = edge
    server: ServerError = unavailable
    base: list[RespondError] = [argument, forbidden, server, unknown]
    wrong: APIError = unknown  # type: ignore[assignment]
    print(builtin, base, wrong)
