"""Errors: one tree, facts as attributes, and nothing that leaks or is lost on the way to another
process.
"""

import copy
import multiprocessing
import pickle
from typing import Any

import pytest

from respondio_async import RateLimit
from respondio_async import errors as e
from tests.support.platforms import with_docstrings

API_ERRORS = [getattr(e, name) for name in e.__all__ if issubclass(getattr(e, name), e.APIError)]


def api(cls: type[e.APIError] = e.BadRequestError) -> e.APIError:
    return cls(
        "Validation error.", status=400, endpoint="GET /contact/{identifier}", code=400, attempts=3,
        retry_after=1.5,
        rate_limit=RateLimit(5.0, 0.0), content=b"canary", hint="mend it",
    )  # fmt: skip


SAMPLES: list[e.RespondError] = [
    *(api(cls) for cls in API_ERRORS),
    e.ConfigurationError("set it up"),
    e.InvalidArgumentError("too long", argument="text"),
    e.InvalidIdentifierError("no kind"),
    e.TransportError("no answer", endpoint="GET /x", attempts=2, sent=True),
    e.ConnectionFailedError("refused", endpoint="GET /x", attempts=1),
    e.RequestTimeoutError("slow", endpoint="GET /x", attempts=1, sent=True),
    e.DeadlineExceededError("late", endpoint="GET /x", attempts=1, needed=3.0),
    e.OutcomeUnknownError("who knows", endpoint="POST /x", reason="reset", attempts=2),
    e.DecodeError("not it", content=b"canary", type="Contact", path="$.id", endpoint="GET /x"),
    e.PaginationError("round and round"),
    e.MessageFailedError("failed", message_id=7, reason="no such number"),
    e.WebhookSignatureError("not signed"),
]


def test_every_error_is_sampled() -> None:
    """A new error joins the tests below."""
    assert {type(sample).__name__ for sample in SAMPLES} | {"RespondError"} == set(e.__all__)


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_a_pickle_keeps_the_facts_and_drops_the_answer(error: e.RespondError) -> None:
    """Everything survives but `.content`, which holds a contact's data."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        pickled = pickle.dumps(error, protocol)
        assert b"canary" not in pickled
        again = pickle.loads(pickled)
        assert type(again) is type(error)
        assert (again.args, str(again), repr(again)) == (error.args, str(error), repr(error))
        assert again.__dict__ == {
            name: None if name == "content" else value for name, value in error.__dict__.items()
        }


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_copies_work_and_texts_hold_no_answer(error: e.RespondError) -> None:
    """copy and deepcopy give an equal error; no text shows the raw answer."""
    for again in (copy.copy(error), copy.deepcopy(error)):
        assert (type(again), str(again), again.args) == (type(error), str(error), error.args)
    for shown in (str(error), repr(error), repr(error.args)):
        assert "canary" not in shown


def test_our_cause_travels_and_others_stay() -> None:
    """`__cause__` is kept when it is ours; a foreign one may hold a URL, or refuse to be
    pickled.
    """
    unknown = e.OutcomeUnknownError("?", endpoint="POST /x", reason="status 502")
    unknown.__cause__ = api(e.BadGatewayError)
    again = pickle.loads(pickle.dumps(unknown))
    assert isinstance(again.__cause__, e.BadGatewayError)
    assert again.__cause__.content is None
    unknown.__cause__ = ValueError("canary")
    assert b"canary" not in pickle.dumps(unknown)


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning"
)  # 3.12 warns of forking beside threads, which spawn does not do
def test_errors_cross_processes() -> None:
    """An error that a worker process raises arrives as itself."""
    with (
        multiprocessing.get_context("spawn").Pool(1) as pool,
        pytest.raises(e.BadRequestError) as caught,
    ):
        pool.apply(_raise_api)
    assert (caught.value.status, caught.value.content) == (400, None)


def _raise_api() -> None:
    raise api()


@pytest.mark.parametrize(
    ("status", "cls"),
    [
        (400, e.BadRequestError), (401, e.UnauthorizedError), (403, e.ForbiddenError),
        (404, e.NotFoundError), (409, e.ConflictError),
        (429, e.RateLimitError), (449, e.NotReadyError), (500, e.ServerError), (501, e.ServerError),
        (502, e.BadGatewayError),
        (503, e.ServiceUnavailableError), (504, e.GatewayTimeoutError), (520, e.ServerError),
        (301, e.APIError), (304, e.APIError),
        (418, e.APIError), (422, e.APIError), (101, e.APIError), (999, e.APIError),
    ],
)  # fmt: skip
def test_each_status_has_its_class(status: int, cls: type[e.APIError]) -> None:
    """Known statuses have a class of their own, 5xx share one, and the rest is an APIError."""
    assert e.APIError.for_status(status) is cls


def test_texts() -> None:
    """str() names operation, status, words and hint; repr() the class too."""
    error = api()
    assert str(error) == "GET /contact/{identifier}: 400 Validation error. (mend it)"
    assert (
        repr(error)
        == "BadRequestError('GET /contact/{identifier}: 400 Validation error. (mend it)')"
    )
    error.hint = None
    assert str(error) == "GET /contact/{identifier}: 400 Validation error."


def test_bad_arguments_are_value_errors() -> None:
    """Code that catches ValueError catches them."""
    with pytest.raises(ValueError, match="too long"):
        _raise(e.InvalidArgumentError("too long", argument="text"))
    assert e.InvalidIdentifierError("x").argument == "identifier"


@with_docstrings
def test_the_tree_is_drawn_in_the_docstring() -> None:
    """Whoever opens the module sees every class."""
    drawn: Any = e.__doc__
    assert all(name in drawn for name in e.__all__)
