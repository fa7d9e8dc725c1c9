"""One call, whole: deadlines, repeats, outcomes and what the neighbours are told.

In virtual time.
"""

import asyncio
import pickle
from collections.abc import Awaitable
from typing import Any

import pytest

from respondio_async import (
    APIError,
    AttemptEnded,
    BadGatewayError,
    BadRequestError,
    ConnectionFailedError,
    ContactRef,
    DeadlineExceededError,
    DecodeError,
    DriftDetected,
    ForbiddenError,
    NotFoundError,
    NotReadyError,
    OperationEnded,
    OperationStarted,
    OutcomeUnknownError,
    RateLimitError,
    RequestTimeoutError,
    RetryPolicy,
    ServerError,
    ServiceUnavailableError,
    TransportError,
    WaitStarted,
)
from respondio_async._engine.context import after_unsent, before_unsafe_send, current_priority
from tests.support.scripted import (
    LOST,
    TIMED_OUT,
    UNSENT,
    Answer,
    OpenLimiter,
    OpenReservation,
    Request,
    ScriptedClient,
    ScriptedTransport,
    SendError,
    answer,
    error_answer,
    scripted,
)
from tests.support.virtual import VIRTUAL

CONTACT = answer(200, b'{"id": 7, "firstName": "Ada"}')
SENT = answer(200, b'{"messageId": 1783918786000000}')
REF = answer(200, b'{"contactId": 7}')


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL


def now() -> float:
    return asyncio.get_running_loop().time()


# ── repeats ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "failure", [UNSENT, LOST, TIMED_OUT, error_answer(500), error_answer(502), error_answer(503)]
)
async def test_a_read_is_repeated_until_it_succeeds(failure: Answer | SendError) -> None:
    """A read may be sent again after anything that passes."""
    client, transport, _ = scripted(failure, failure, CONTACT)
    assert (await client.contacts.get(7)).id == 7
    assert len(transport.requests) == 3
    assert transport.leased == 0


@pytest.mark.parametrize(
    "failure", [LOST, TIMED_OUT, error_answer(500), error_answer(502), error_answer(504)]
)
@pytest.mark.parametrize("operation", ["message", "comment", "create", "merge", "field", "tag"])
async def test_an_unsafe_write_that_may_have_landed_is_sent_once(
    failure: Answer | SendError, operation: str
) -> None:
    """The caller is told that nobody knows, with the cause."""
    client, transport, _ = scripted(failure)
    with pytest.raises(OutcomeUnknownError) as caught:
        await unsafe(client, operation)
    assert len(transport.requests) == 1
    error = caught.value
    assert error.endpoint == f"POST {error.endpoint.removeprefix('POST ')}"
    assert isinstance(error.__cause__, TransportError | ServerError)
    assert error.reason
    assert isinstance(pickle.loads(pickle.dumps(error)).__cause__, type(error.__cause__))


def unsafe(client: ScriptedClient, operation: str) -> Awaitable[Any]:
    return {
        "message": lambda: client.messages.send(7, "hi"),
        "comment": lambda: client.comments.create(7, "note"),
        "create": lambda: client.contacts.create("a@b.cd", first_name="Ada"),
        "merge": lambda: client.contacts.merge(7, 8),
        "field": lambda: client.space.create_custom_field("plan", "text"),
        "tag": lambda: client.space.create_tag("vip"),
    }[operation]()


@pytest.mark.parametrize("failure", [UNSENT, error_answer(429, retry_after="1"), error_answer(449)])
async def test_an_unsafe_write_that_provably_did_nothing_is_sent_again(
    failure: Answer | SendError,
) -> None:
    """A write that never left, or was refused, is sent again."""
    client, transport, _ = scripted(failure, SENT)
    assert (await client.messages.send(7, "hi")).message_id == 1783918786000000
    assert len(transport.requests) == 2


async def test_503_on_an_unsafe_write_is_raised_as_it_is() -> None:
    """The server has said no: known, and not repeated."""
    client, transport, _ = scripted(error_answer(503))
    with pytest.raises(ServiceUnavailableError):
        await client.messages.send(7, "hi")
    assert len(transport.requests) == 1


@pytest.mark.parametrize(
    ("status", "kind"), [(400, BadRequestError), (403, ForbiddenError), (404, NotFoundError)]
)
async def test_a_definite_answer_is_raised_at_once(status: int, kind: type[Any]) -> None:
    """A definite answer is raised at once with its status and the number of attempts."""
    client, transport, _ = scripted(error_answer(status))
    with pytest.raises(kind) as caught:
        await client.contacts.get(7)
    assert caught.value.attempts == 1
    assert len(transport.requests) == 1


async def test_attempts_end_and_the_last_failure_is_raised() -> None:
    """Attempts end and the last failure is raised: five tries, then what the last one met."""
    client, transport, _ = scripted(error_answer(502))
    with pytest.raises(BadGatewayError) as caught:
        await client.contacts.get(7)
    assert caught.value.attempts == len(transport.requests) == 5


async def test_a_deleted_contact_that_is_gone_on_the_repeat_counts_as_done() -> None:
    """The first try landed, its answer was lost."""
    client, _, _ = scripted(LOST, error_answer(404))
    assert await client.contacts.delete(7) == ContactRef(contact_id=None)
    client, _, _ = scripted(error_answer(502), error_answer(404))
    await client.space.delete_tag("vip")


@pytest.mark.parametrize(
    "gone",
    [
        error_answer(404, "Contact not found"),
        error_answer(400, "Contact not found"),
        error_answer(400, "The contact does not exist"),
        error_answer(400, "CONTACT_NOT_FOUND"),
    ],
)
async def test_deleting_what_is_not_there_may_count_as_done(gone: Answer) -> None:
    """With missing_ok it counts as done at once, and on a repeat in any case, whichever status the
    server says it with.
    """
    client, transport, _ = scripted(gone)
    assert await client.contacts.delete(7, missing_ok=True) == ContactRef(contact_id=None)
    whole = await client.raw.contacts.delete(7, missing_ok=True)
    assert (whole.value, whole.status) == (ContactRef(contact_id=None), gone.status)
    with pytest.raises(APIError):
        await client.contacts.delete(7)
    client, transport, _ = scripted(LOST, gone)
    assert await client.contacts.delete(7) == ContactRef(contact_id=None)
    client, transport, _ = scripted(LOST, gone)
    assert await client.contacts.delete_tags(7, "vip") == ContactRef(contact_id=None)


async def test_another_400_is_an_error_also_when_missing_is_well() -> None:
    """An identifier that the server does not take names no contact that could be gone."""
    client, _, _ = scripted(error_answer(400, "Contact email, phone or ID is invalid"))
    with pytest.raises(BadRequestError):
        await client.contacts.delete(7, missing_ok=True)
    client, _, _ = scripted(LOST, error_answer(400, "Validation error."))
    with pytest.raises(BadRequestError):
        await client.contacts.delete(7)
    client, _, _ = scripted(error_answer(404, "Contact not found"))
    with pytest.raises(NotFoundError):
        await client.contacts.get(7)


@pytest.mark.parametrize("first", [UNSENT, error_answer(503), error_answer(429, retry_after="0")])
async def test_a_404_after_a_try_that_did_nothing_is_a_404(first: Answer | SendError) -> None:
    """Nothing was deleted by us."""
    client, _, _ = scripted(first, error_answer(404))
    with pytest.raises(NotFoundError):
        await client.contacts.delete(7)


async def test_a_404_on_the_first_try_is_a_404() -> None:
    """There was nothing to delete."""
    client, _, _ = scripted(error_answer(404))
    with pytest.raises(NotFoundError):
        await client.contacts.delete(7)


# ── refusals ──────────────────────────────────────────────────────────────────────────────────────


async def test_429_waits_for_the_named_seconds() -> None:
    """429 waits for the named seconds, and then the call succeeds."""
    client, transport, limiter = scripted(error_answer(429, Retry_After="7"), CONTACT)
    await client.contacts.get(7)
    assert 7.0 <= transport.times[1] - transport.times[0] < 7.01
    assert [each.status for each in limiter.updates] == [429, 200]
    assert limiter.updates[0].retry_after == 7.0


async def test_a_retry_after_beyond_the_deadline_raises_at_once() -> None:
    """Three days are not waited for."""
    client, _, _ = scripted(error_answer(429, Retry_After="259200"))
    began = now()
    with pytest.raises(RateLimitError) as caught:
        await client.contacts.get(7)
    assert now() - began < 0.01
    assert caught.value.retry_after == 259200.0


async def test_449_is_waited_out_and_ends_with_the_deadline() -> None:
    """449 is waited out and ends with the deadline: 2, 4, 8, 16, 30 … seconds; a last look one
    second before the end.
    """
    client, transport, _ = scripted(error_answer(449))
    with pytest.raises(NotReadyError):
        await client.contacts.add_tags(7, "vip")
    waits = [round(b - a) for a, b in zip(transport.times, transport.times[1:], strict=False)]
    assert waits == [2, 4, 8, 16, 30, 30, 29]
    client, transport, _ = scripted(error_answer(449), error_answer(449), REF)
    assert (await client.contacts.add_tags(7, "vip")).contact_id == 7


async def test_a_repeated_call_keeps_its_place_in_the_queue() -> None:
    """The limiter is told that the call has been there before."""
    client, _, limiter = scripted(error_answer(429, retry_after="0"), CONTACT)
    await client.contacts.get(7)
    assert [each["is_retry"] for each in limiter.asked] == [False, True]


# ── time ──────────────────────────────────────────────────────────────────────────────────────────


async def test_the_deadline_covers_attempts_and_waits() -> None:
    """A server that never answers is left when the deadline says so."""
    client, transport, _ = scripted(CONTACT, seconds=1000.0, deadline=50.0, timeout=20.0)
    began = now()
    with pytest.raises(DeadlineExceededError) as caught:
        await client.contacts.get(7)
    assert now() - began <= 50.01
    assert caught.value.sent
    assert transport.timeouts[0] == 20.0
    assert transport.timeouts[-1] < 20.0


async def test_the_deadline_during_an_unsafe_write_leaves_its_outcome_unknown() -> None:
    """It was on its way."""
    client, transport, _ = scripted(SENT, seconds=1000.0, deadline=10.0, timeout=20.0)
    with pytest.raises(OutcomeUnknownError) as caught:
        await client.messages.send(7, "hi")
    assert caught.value.reason == "timeout"
    assert transport.timeouts == [10.0]


async def test_a_timeout_without_a_further_try_is_a_timeout() -> None:
    """A timeout without a further try is a timeout: `RequestTimeoutError`, not the deadline."""
    client, _, _ = scripted(TIMED_OUT, retry=RetryPolicy(max_attempts=1))
    with pytest.raises(RequestTimeoutError):
        await client.contacts.get(7)


async def test_without_timeout_and_deadline_nothing_bounds_a_call() -> None:
    """A timeout or deadline of None sets no bound, however long a call takes."""
    client, transport, _ = scripted(CONTACT, seconds=10_000.0, deadline=None, timeout=None)
    await client.contacts.get(7)
    assert transport.timeouts == [None]


async def test_queueing_is_not_part_of_the_deadline() -> None:
    """A thousand tasks behind a slow route must all get through."""

    class Slow(OpenLimiter):
        async def reserve(self, route: str, **options: Any) -> Any:
            await asyncio.sleep(500)
            return await super().reserve(route, **options)

    client, _, limiter = scripted(CONTACT, limiter=Slow(), deadline=10.0)
    await client.contacts.get(7)
    assert limiter.asked[0]["timeout"] is None


async def test_queue_timeout_bounds_the_wait_for_the_first_permit() -> None:
    """Queue timeout bounds the wait for the first permit, and says so, with what was needed."""

    class Full(OpenLimiter):
        async def reserve(self, route: str, **options: Any) -> None:
            raise DeadlineExceededError("full", needed=33.0)

    client, _, _ = scripted(CONTACT, limiter=Full(), queue_timeout=5.0)
    with pytest.raises(DeadlineExceededError, match="queue_timeout of 5 s") as caught:
        await client.contacts.get(7)
    assert caught.value.needed == 33.0
    assert caught.value.attempts == 0
    assert not caught.value.sent


async def test_a_limiter_with_a_bound_of_its_own_needs_no_queue_timeout() -> None:
    """The error names neither of the client's bounds."""

    class Impatient(OpenLimiter):
        async def reserve(self, route: str, **options: Any) -> None:
            raise TimeoutError

    client, _, _ = scripted(CONTACT, limiter=Impatient())
    with pytest.raises(DeadlineExceededError, match="no permit within the limiter's time"):
        await client.contacts.get(7)


async def test_a_wait_for_a_connection_counts_as_queueing() -> None:
    """Busy connections cannot hold a call past its queue_timeout."""
    client, transport, _ = scripted(CONTACT, queue_timeout=5.0)

    async def never() -> None:
        await asyncio.sleep(1e6)

    transport.acquire = never
    began = now()
    with pytest.raises(DeadlineExceededError, match="queue_timeout"):
        await client.contacts.get(7)
    assert 5.0 <= now() - began < 5.01


async def test_later_permits_count_against_the_deadline() -> None:
    """The limiter hears what is left."""
    client, _, limiter = scripted(error_answer(429, Retry_After="7"), CONTACT, deadline=20.0)
    await client.contacts.get(7)
    assert limiter.asked[1]["timeout"] == pytest.approx(13.0, abs=0.01)


async def test_a_permit_that_moves_away_gives_the_connection_back_meanwhile() -> None:
    """A paused route holds no connection."""
    client, transport, limiter = scripted(CONTACT)
    leased: list[int] = []

    class Reservation(OpenReservation):
        tries = 0

        async def permit(self, *, max_wait: float | None = None) -> bool:
            self.tries += 1
            return self.tries > 2

        async def wait_until_near(self) -> None:
            leased.append(transport.leased)

    async def reserve(route: str, **_: Any) -> Any:
        return Reservation(route)

    limiter.reserve = reserve
    await client.contacts.get(7)
    assert leased == [0, 0]
    assert transport.leased == 0


# ── cancellation ──────────────────────────────────────────────────────────────────────────────────


async def test_a_cancelled_call_gives_everything_back_and_is_observed() -> None:
    """The connection is released, and the limiter hears of its permit."""
    client, transport, limiter = scripted(CONTACT, seconds=100.0)
    task = asyncio.create_task(client.contacts.get(7))
    await asyncio.sleep(1)
    assert transport.leased == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert transport.leased == 0
    assert [each.status for each in limiter.updates] == [None]
    assert limiter.updates[0].sent


@pytest.mark.parametrize("where", ["reserve", "acquire", "permit"])
async def test_a_call_cancelled_while_it_waits_abandons_its_turn(where: str) -> None:
    """Nothing stays behind, wherever it stood."""
    client, transport, limiter = scripted(CONTACT)
    abandoned = []

    class Reservation(OpenReservation):
        async def permit(self, *, max_wait: float | None = None) -> bool:
            if where == "permit":
                await asyncio.sleep(1e6)
            return True

        def abandon(self) -> None:
            abandoned.append(self)

    async def reserve(route: str, **_: Any) -> Any:
        if where == "reserve":
            await asyncio.sleep(1e6)
        return Reservation(route)

    async def never() -> None:
        await asyncio.sleep(1e6)

    limiter.reserve = reserve
    if where == "acquire":
        transport.acquire = never
    task = asyncio.create_task(client.contacts.get(7))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert transport.leased == 0
    assert len(abandoned) == (where != "reserve")


# ── answers ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("body", [b"", b" \r\n"])
async def test_an_empty_answer_says_no_more_than_its_status(body: bytes) -> None:
    """It is done, without an id."""
    client, _, _ = scripted(answer(200, body))
    assert await client.contacts.update(7, first_name="Ada") == ContactRef()


async def test_an_unreadable_answer_to_a_read_is_a_decode_error() -> None:
    """An unreadable answer to a read is a decode error with the route."""
    client, _, _ = scripted(answer(200, b"<html>"))
    with pytest.raises(DecodeError) as caught:
        await client.contacts.get(7)
    assert caught.value.endpoint == "GET /contact/{identifier}"


async def test_an_unreadable_answer_to_an_unsafe_write_leaves_its_outcome_unknown() -> None:
    """It most likely happened: nobody may take it for a failure."""
    client, transport, _ = scripted(answer(200, b'{"messageId": 17839'))
    with pytest.raises(OutcomeUnknownError) as caught:
        await client.messages.send(7, "hi")
    assert isinstance(caught.value.__cause__, DecodeError)
    assert len(transport.requests) == 1


@pytest.mark.parametrize(
    ("call", "kind"), [("read", TransportError), ("write", OutcomeUnknownError)]
)
async def test_an_answer_that_is_too_large_is_not_fetched_again(call: str, kind: type[Any]) -> None:
    """It would be too large again."""
    client, transport, _ = scripted(
        SendError("too large", failure="too_large", sent=True, status=200)
    )
    with pytest.raises(kind):
        await (client.contacts.get(7) if call == "read" else client.messages.send(7, "hi"))
    assert len(transport.requests) == 1


async def test_raw_gives_the_value_and_how_it_came() -> None:
    """Raw gives the value and how it came: status, headers in any case, limits, attempts,
    content.
    """
    good = answer(200, CONTACT.content, X_RateLimit_Limit="20", X_RateLimit_Remaining="19")
    client, _, _ = scripted(UNSENT, good)
    response = await client.raw.contacts.get(7)
    assert response.value.id == 7
    assert response.status == 200
    assert response.attempts == 2
    assert response.headers["x-RATElimit-limit"] == "20"
    assert response.rate_limit.limit == 20
    assert response.rate_limit.remaining == 19
    assert response.content == CONTACT.content
    assert response.elapsed >= 0
    assert "Ada" not in repr(response)


async def test_the_custom_field_path_falls_back_once_and_is_remembered() -> None:
    """The vendor's pages disagree about it."""
    listed = answer(200, b'{"items": [{"id": 3, "name": "plan", "dataType": "text"}]}')
    one = answer(200, b'{"id": 3, "name": "plan", "dataType": "text"}')
    client, transport, _ = scripted(error_answer(404), listed, one)
    assert (await client.space.list_custom_fields().first()).id == 3
    await client.with_options(timeout=3).space.get_custom_field(3)
    paths = [request.target.partition("?")[0] for request in transport.requests]
    assert paths == ["/space/custom_field", "/space/contact_field", "/space/contact_field/3"]


async def test_lists_side_by_side_all_find_the_other_custom_field_path() -> None:
    """The 404 of one may come after another has found the way."""

    class Slow(ScriptedTransport):
        async def send(
            self, request: Request, *, timeout: float | None, phases: Any = None
        ) -> Answer:
            await asyncio.sleep(len(self.requests) if "custom" in request.target else 0)
            return await super().send(request, timeout=timeout, phases=phases)

    def field(request: Request) -> Answer:
        return (
            error_answer(404)
            if "custom" in request.target
            else answer(200, b'{"items": [{"id": 3, "name": "plan"}]}')
        )

    client = ScriptedClient(Slow(field), token="canary-token", limiter=OpenLimiter())
    fields = await asyncio.gather(*[client.space.list_custom_fields().first() for _ in range(3)])
    assert [each.id for each in fields] == [3, 3, 3]


async def test_when_neither_custom_field_path_exists_the_first_error_is_raised() -> None:
    """When neither custom field path exists the first error is raised, and nothing is
    remembered.
    """
    client, transport, _ = scripted(error_answer(404))
    for _ in range(2):
        with pytest.raises(NotFoundError):
            await client.space.list_custom_fields().first()
    assert len(transport.requests) == 4


async def test_a_missing_custom_field_is_simply_missing() -> None:
    """Only a list tells that the path is wrong."""
    client, transport, _ = scripted(error_answer(404))
    with pytest.raises(NotFoundError):
        await client.space.get_custom_field(3)
    assert len(transport.requests) == 1


# ── hooks, priorities, journals ───────────────────────────────────────────────────────────────────


async def test_hooks_hear_of_the_start_attempts_waits_drift_and_the_end() -> None:
    """Hooks get one event for each, with the template and never a path."""
    events = []
    drifted = answer(200, b'{"id": "7", "firstName": 3.5}')
    client, _, _ = scripted(error_answer(500), LOST, drifted, hooks=[events.append])
    await client.contacts.get("phone:+60123456789")
    first, *kinds = [type(event) for event in events]
    assert first is OperationStarted
    assert kinds[:5] == [AttemptEnded, WaitStarted, AttemptEnded, WaitStarted, AttemptEnded]
    assert DriftDetected in kinds
    assert kinds[-1] is OperationEnded
    assert events[-1].attempts == 3
    assert events[-1].error is None
    assert events[3].failure == "reset"
    assert {event.endpoint for event in events} == {"GET /contact/{identifier}"}
    assert "60123456789" not in repr(events)


async def test_hooks_hear_of_errors_and_cancellation() -> None:
    events = []
    client, _, _ = scripted(error_answer(404), hooks=[events.append])
    with pytest.raises(NotFoundError):
        await client.contacts.get(7)
    assert events[-1].error == "NotFoundError"
    client, _, _ = scripted(CONTACT, seconds=10.0, hooks=[events.append])
    task = asyncio.create_task(client.contacts.get(7))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert events[-1].error == "CancelledError"
    assert events[-2].failure == "cancelled"


async def test_a_broken_hook_breaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the call goes on."""

    def broken(event: AttemptEnded | OperationEnded) -> None:
        raise RuntimeError("metrics are down")

    client, _, _ = scripted(CONTACT, hooks=[broken])
    assert (await client.contacts.get(7)).id == 7
    assert "a hook failed" in caplog.text


async def test_the_lane_comes_from_the_view_or_else_from_the_context() -> None:
    """A bulk run's workers need not pass it on."""
    client, _, limiter = scripted(CONTACT)
    await client.contacts.get(7)
    await client.with_options(priority="bulk").contacts.get(7)
    token = current_priority.set("bulk")
    await client.contacts.get(7)
    await client.with_options(priority="interactive").contacts.get(7)
    current_priority.reset(token)
    assert [each["priority"] for each in limiter.asked] == [
        "interactive",
        "bulk",
        "bulk",
        "interactive",
    ]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([SENT], ["before"]),
        ([UNSENT, SENT], ["before", "withdrawn", "before"]),
        ([error_answer(429, retry_after="0"), SENT], ["before", "withdrawn", "before"]),
        ([error_answer(400)], ["before", "withdrawn"]),
        ([LOST], ["before"]),
        ([error_answer(502)], ["before"]),
        ([error_answer(503)], ["before", "withdrawn"]),
    ],
)
async def test_a_journal_hears_before_each_unsafe_send_and_when_it_did_nothing(
    steps: list[Any], expected: list[str]
) -> None:
    """A killed run then knows which sends may have landed."""
    client, _, _ = scripted(*steps)
    heard = []

    async def before() -> None:
        heard.append("before")

    one, two = before_unsafe_send.set(before), after_unsent.set(lambda: heard.append("withdrawn"))
    await asyncio.gather(client.messages.send(7, "hi"), return_exceptions=True)
    before_unsafe_send.reset(one)
    after_unsent.reset(two)
    assert heard == expected


async def test_a_journal_that_fails_ends_the_call_before_it_is_sent() -> None:
    """An intent that cannot be noted must not become a message."""
    client, transport, _ = scripted(SENT)

    async def before() -> None:
        raise OSError("disk full")

    token = before_unsafe_send.set(before)
    with pytest.raises(OSError, match="disk full"):
        await client.messages.send(7, "hi")
    before_unsafe_send.reset(token)
    assert transport.requests == []


# ── the end ───────────────────────────────────────────────────────────────────────────────────────


async def test_closing_waits_for_calls_on_their_way() -> None:
    """They get some seconds."""
    client, transport, _ = scripted(CONTACT, seconds=3.0)
    task = asyncio.create_task(client.contacts.get(7))
    await asyncio.sleep(1)
    await client.aclose()
    assert (await task).id == 7
    assert transport.closed


async def test_closing_drops_calls_that_only_wait() -> None:
    """Closing drops calls that only wait with a clear error; their tasks are not cancelled."""
    client, _, _ = scripted(error_answer(429, Retry_After="60"), CONTACT)
    task = asyncio.create_task(client.contacts.get(7))
    await asyncio.sleep(1)
    began = now()
    await client.aclose()
    assert now() - began < 6
    with pytest.raises(ConnectionFailedError, match="closed"):
        await task
    assert not task.cancelled()


async def test_a_call_cancelled_by_its_owner_while_closing_is_cancelled() -> None:
    """Closing does not turn a cancellation into an error."""
    client, _, _ = scripted(error_answer(429, Retry_After="60"), CONTACT)
    task = asyncio.create_task(client.contacts.get(7))
    await asyncio.sleep(1)
    closing = asyncio.create_task(client.aclose())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await closing


async def test_closing_leaves_what_is_on_the_wire_to_the_transport() -> None:
    """A request that is on its way is not cancelled by us: its outcome would be unknown for
    nothing.
    """
    client, transport, _ = scripted(CONTACT, seconds=20.0)
    task = asyncio.create_task(client.contacts.get(7))
    await asyncio.sleep(1)
    await client.aclose()
    assert transport.closed
    assert not task.done()
    assert (await task).id == 7


async def test_a_call_that_finds_the_connections_closed_says_so() -> None:
    """It came just before the end."""
    client, transport, _ = scripted(CONTACT)
    transport.closed = True
    with pytest.raises(ConnectionFailedError, match="closed"):
        await client.contacts.get(7)


async def test_a_journal_need_not_hear_of_what_did_nothing() -> None:
    """`before_unsafe_send` alone is enough."""
    client, _, _ = scripted(error_answer(400))

    async def before() -> None: ...

    token = before_unsafe_send.set(before)
    with pytest.raises(BadRequestError):
        await client.messages.send(7, "hi")
    before_unsafe_send.reset(token)


async def test_raw_lists_give_one_page_with_its_answer() -> None:
    """Where the cursor leads is the caller's business."""
    client, transport, _ = scripted(
        answer(200, b'{"items": [{"id": 1}], "pagination": {"next": 5}}')
    )
    response = await client.raw.contacts.list(page_size=1)
    assert [contact.id for contact in response.value.items] == [1]
    assert response.value.next_cursor == 5
    await client.raw.contacts.list(page_size=1, cursor=5)
    assert transport.requests[1].target == "/contact/list?limit=1&cursorId=5"
    assert len(transport.requests) == 2


async def test_unassigning_sends_null() -> None:
    """The key is required; null takes the conversation from whoever has it."""
    client, transport, _ = scripted(REF)
    await client.conversations.unassign(7)
    assert transport.requests[0].content == b'{"assignee":null}'
